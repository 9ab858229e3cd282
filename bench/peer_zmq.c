/* SPDX-License-Identifier: MIT */
/*
 * zmq: ZeroMQ, PUSH to PULL over a Unix socket. Its own threads do the work,
 * so a caller that polls on the same core would only be in their way: it
 * sleeps.
 */
#include <stdio.h>
#include <stdlib.h>

#include <zmq.h>

#include "loops.h"

struct queue {
	void *context, *socket;
};

static int queue_create(struct bench_channel *ch)
{
	ch->state = calloc(1, sizeof(struct queue));
	return ch->state ? 0 : -ENOMEM;
}

static int queue_attach(struct bench_channel *ch)
{
	struct queue *queue = ch->state;
	int depth = (int)(ch->room / ch->len), none = 0;
	int takes = ch->side == BENCH_CONSUMER;
	char address[280];

	snprintf(address, sizeof(address), "ipc://%s", ch->path);
	queue->context = zmq_ctx_new();
	queue->socket = queue->context ?
				zmq_socket(queue->context,
					   takes ? ZMQ_PULL : ZMQ_PUSH) :
				NULL;
	if (!queue->socket ||
	    zmq_setsockopt(queue->socket, ZMQ_SNDHWM, &depth, sizeof(depth)) ||
	    zmq_setsockopt(queue->socket, ZMQ_RCVHWM, &depth, sizeof(depth)) ||
	    zmq_setsockopt(queue->socket, ZMQ_LINGER, &none, sizeof(none)))
		return -errno;
	if (takes ? zmq_bind(queue->socket, address) :
		    zmq_connect(queue->socket, address))
		return -errno;
	return 0;
}

static void queue_detach(struct bench_channel *ch)
{
	const struct queue *queue = ch->state;

	zmq_close(queue->socket);
	zmq_ctx_term(queue->context);
}

static void queue_destroy(struct bench_channel *ch)
{
	remove(ch->path);
	free(ch->state);
}

BENCH_INLINE int queue_send(struct bench_channel *ch, const void *buf,
			    size_t len)
{
	const struct queue *queue = ch->state;

	if (zmq_send(queue->socket, buf, len, 0) >= 0)
		return 0;
	return errno == EINTR ? -EAGAIN : -errno;
}

BENCH_INLINE int queue_recv(struct bench_channel *ch, void *buf, size_t len)
{
	const struct queue *queue = ch->state;
	int got = zmq_recv(queue->socket, buf, len, 0);

	if (got < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	return (size_t)got == len ? 0 : -EBADMSG;
}

BENCH_COPIES(queue)
BENCH_LOOPS(queue)

static const struct bench_transport zmq = {
	.name = "zmq",
	.about = "ZeroMQ, PUSH to PULL, ipc",
	.flags = BENCH_PEER | BENCH_SLEEPS | BENCH_TRIPS | BENCH_STREAMS |
		 BENCH_MANY_PUT,
	.create = queue_create,
	.attach = queue_attach,
	.detach = queue_detach,
	.destroy = queue_destroy,
	BENCH_OPERATIONS(queue),
};

BENCH_EXPORT extern const struct bench_transport *const bench_peers[];
const struct bench_transport *const bench_peers[] = { &zmq, NULL };
