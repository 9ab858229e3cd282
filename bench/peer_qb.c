/* SPDX-License-Identifier: MIT */
/*
 * qb: the ring buffer of libqb between two processes, with its semaphore.
 */
#include <stdlib.h>
#include <stdio.h>
#include <unistd.h>

#include <qb/qbrb.h>

#include "loops.h"

static int queue_create(struct bench_channel *ch)
{
	static unsigned int n;
	char name[64];

	snprintf(name, sizeof(name), "shmq-bench-%d-%u", getpid(), n++);
	ch->state = qb_rb_open(name, ch->room,
			       QB_RB_FLAG_CREATE | QB_RB_FLAG_SHARED_PROCESS,
			       0);
	return ch->state ? 0 : -errno;
}

static void queue_destroy(struct bench_channel *ch)
{
	if (ch->state)
		qb_rb_close(ch->state);
}

BENCH_INLINE int queue_send(struct bench_channel *ch, const void *buf,
			    size_t len)
{
	ssize_t wrote = qb_rb_chunk_write(ch->state, buf, len);

	return wrote < 0 ? (int)wrote : 0;
}

BENCH_INLINE int queue_recv(struct bench_channel *ch, void *buf, size_t len)
{
	ssize_t got = qb_rb_chunk_read(ch->state, buf, len,
				       ch->sleeps ? -1 : 0);

	if (got < 0)
		return got == -ETIMEDOUT || got == -EINTR ? -EAGAIN : (int)got;
	return (size_t)got == len ? 0 : -EBADMSG;
}

BENCH_COPIES(queue)
BENCH_LOOPS(queue)

static const struct bench_transport qb = {
	.name = "qb",
	.about = "libqb, qb_rb; a full ring is polled",
	.flags = BENCH_PEER | BENCH_POLLS | BENCH_SLEEPS | BENCH_TRIPS |
		 BENCH_STREAMS,
	.create = queue_create,
	.destroy = queue_destroy,
	BENCH_OPERATIONS(queue),
};

BENCH_EXPORT extern const struct bench_transport *const bench_peers[];
const struct bench_transport *const bench_peers[] = { &qb, NULL };
