/* SPDX-License-Identifier: MIT */
/*
 * boost: the message queue of Boost.Interprocess.
 */
#include <stdio.h>
#include <unistd.h>

#include <boost/interprocess/ipc/message_queue.hpp>

#include "loops.h"
#include "shared.h"

namespace bi = boost::interprocess;

static int queue_create(struct bench_channel *ch)
{
	static unsigned int n;
	char name[64];

	snprintf(name, sizeof(name), "shmq-bench-%d-%u", getpid(), n++);
	try {
		ch->state = new bi::message_queue(bi::create_only, name,
						  bench_slots(ch->room, ch->len),
						  ch->len);
		/* The mapping stays, and children inherit it. */
		bi::message_queue::remove(name);
	} catch (const bi::interprocess_exception &e) {
		return e.get_native_error() ? -e.get_native_error() : -EIO;
	}
	return 0;
}

static void queue_destroy(struct bench_channel *ch)
{
	delete static_cast<bi::message_queue *>(ch->state);
}

BENCH_INLINE int queue_send(struct bench_channel *ch, const void *buf,
			    size_t len)
{
	bi::message_queue *queue = static_cast<bi::message_queue *>(ch->state);

	try {
		if (!ch->sleeps)
			return queue->try_send(buf, len, 0) ? 0 : -EAGAIN;
		queue->send(buf, len, 0);
	} catch (const bi::interprocess_exception &) {
		return -EIO;
	}
	return 0;
}

BENCH_INLINE int queue_recv(struct bench_channel *ch, void *buf, size_t len)
{
	bi::message_queue *queue = static_cast<bi::message_queue *>(ch->state);
	bi::message_queue::size_type got;
	unsigned int priority;

	try {
		if (ch->sleeps)
			queue->receive(buf, len, got, priority);
		else if (!queue->try_receive(buf, len, got, priority))
			return -EAGAIN;
	} catch (const bi::interprocess_exception &) {
		return -EIO;
	}
	return got == len ? 0 : -EBADMSG;
}

BENCH_COPIES(queue)
BENCH_LOOPS(queue)

/* In the order of bench.h: C++ of this age knows no names here. */
static const struct bench_transport boost_queue = {
	"boost",
	"Boost.Interprocess, message_queue",
	BENCH_PEER | BENCH_POLLS | BENCH_SLEEPS | BENCH_TRIPS | BENCH_STREAMS |
		BENCH_MANY,
	0,
	0,
	queue_create,
	NULL,
	NULL,
	queue_destroy,
	queue_put,
	queue_take,
	{ queue_ping, queue_echo, queue_produce, queue_consume, queue_drain },
};

extern "C" {
BENCH_EXPORT extern const struct bench_transport *const bench_peers[];
const struct bench_transport *const bench_peers[] = { &boost_queue, NULL };
}
