/* SPDX-License-Identifier: MIT */
/*
 * mq: a POSIX message queue, with more than the usual ten messages where the
 * system allows it.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "loops.h"
#include "transports.h"

#define DEPTH_MOST 1024
#define DEPTH_ALWAYS 10

struct queue {
	mqd_t mq;
};

static mqd_t open_deepest(const char *name, size_t len)
{
	struct mq_attr attr = { .mq_msgsize = (long)len };
	mqd_t mq = -1;

	for (attr.mq_maxmsg = DEPTH_MOST; mq < 0; attr.mq_maxmsg /= 2) {
		if (attr.mq_maxmsg < DEPTH_ALWAYS)
			attr.mq_maxmsg = DEPTH_ALWAYS;
		mq = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600,
			     &attr);
		if (attr.mq_maxmsg == DEPTH_ALWAYS)
			break;
	}
	return mq;
}

static int queue_create(struct bench_channel *ch)
{
	struct queue *queue = malloc(sizeof(*queue));
	char name[64];

	if (!queue)
		return -ENOMEM;
	snprintf(name, sizeof(name), "/shmq-bench-%d", getpid());
	queue->mq = open_deepest(name, ch->len);
	if (queue->mq < 0) {
		int error = -errno;

		free(queue);
		/* One message is larger than the system allows. */
		return error == -EINVAL ? -EMSGSIZE : error;
	}
	mq_unlink(name);
	ch->state = queue;
	return 0;
}

/* The description, and so its flags, are shared: both sides set the same. */
static int queue_attach(struct bench_channel *ch)
{
	const struct queue *queue = ch->state;
	struct mq_attr attr = { .mq_flags = ch->sleeps ? 0 : O_NONBLOCK };

	return mq_setattr(queue->mq, &attr, NULL) ? -errno : 0;
}

static void queue_destroy(struct bench_channel *ch)
{
	struct queue *queue = ch->state;

	if (!queue)
		return;
	mq_close(queue->mq);
	free(queue);
}

BENCH_INLINE int queue_send(struct bench_channel *ch, const void *buf,
			    size_t len)
{
	const struct queue *queue = ch->state;

	if (!mq_send(queue->mq, buf, len, 0))
		return 0;
	return errno == EINTR ? -EAGAIN : -errno;
}

BENCH_INLINE int queue_recv(struct bench_channel *ch, void *buf, size_t len)
{
	const struct queue *queue = ch->state;
	ssize_t got = mq_receive(queue->mq, buf, len, NULL);

	if (got < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	return (size_t)got == len ? 0 : -EBADMSG;
}

BENCH_COPIES(queue)
BENCH_LOOPS(queue)

const struct bench_transport bench_mq = {
	.name = "mq",
	.about = "a POSIX message queue",
	.flags = BENCH_POLLS | BENCH_SLEEPS | BENCH_TRIPS | BENCH_STREAMS |
		 BENCH_MANY,
	.create = queue_create,
	.attach = queue_attach,
	.destroy = queue_destroy,
	BENCH_OPERATIONS(queue),
};
