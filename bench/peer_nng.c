/* SPDX-License-Identifier: MIT */
/*
 * nng: push to pull over a Unix socket. Its own threads do the work, so a
 * caller that polls on the same core would only be in their way: it sleeps.
 */
#include <stdio.h>
#include <stdlib.h>

#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>

#include "loops.h"

#define DEPTH_MOST 8192 /* of nng's own buffers */
#define RETRY_MS 1

static int queue_create(struct bench_channel *ch)
{
	ch->state = calloc(1, sizeof(nng_socket));
	return ch->state ? 0 : -ENOMEM;
}

static int result(int error)
{
	switch (error) {
	case 0:
		return 0;
	case NNG_EAGAIN:
	case NNG_EINTR:
		return -EAGAIN;
	case NNG_ENOMEM:
		return -ENOMEM;
	case NNG_EMSGSIZE:
		return -EMSGSIZE;
	default:
		return -EIO;
	}
}

static int queue_attach(struct bench_channel *ch)
{
	nng_socket *socket = ch->state;
	int takes = ch->side == BENCH_CONSUMER;
	size_t depth = ch->room / ch->len;
	char address[280];
	int error;

	snprintf(address, sizeof(address), "ipc://%s", ch->path);
	error = takes ? nng_pull0_open(socket) : nng_push0_open(socket);
	if (error)
		return result(error);
	/* Not every protocol has every buffer. */
	(void)nng_socket_set_int(*socket,
				 takes ? NNG_OPT_RECVBUF : NNG_OPT_SENDBUF,
				 (int)(depth < DEPTH_MOST ? depth :
							    DEPTH_MOST));
	if (takes) {
		error = nng_socket_set_size(*socket, NNG_OPT_RECVMAXSZ, 0);
		if (!error)
			error = nng_listen(*socket, address, NULL, 0);
	} else {
		error = nng_socket_set_ms(*socket, NNG_OPT_RECONNMINT,
					  RETRY_MS);
		if (!error)
			error = nng_dial(*socket, address, NULL,
					 NNG_FLAG_NONBLOCK);
	}
	return result(error);
}

static void queue_detach(struct bench_channel *ch)
{
	const nng_socket *socket = ch->state;

	nng_close(*socket);
}

static void queue_destroy(struct bench_channel *ch)
{
	remove(ch->path);
	free(ch->state);
}

BENCH_INLINE int queue_send(struct bench_channel *ch, void *buf, size_t len)
{
	const nng_socket *socket = ch->state;

	return result(nng_send(*socket, buf, len, 0));
}

BENCH_INLINE int queue_recv(struct bench_channel *ch, void *buf, size_t len)
{
	const nng_socket *socket = ch->state;
	size_t got = len;
	int error = result(nng_recv(*socket, buf, &got, 0));

	return error ? error : got == len ? 0 : -EBADMSG;
}

BENCH_COPIES(queue)
BENCH_LOOPS(queue)

static const struct bench_transport nng = {
	.name = "nng",
	.about = "nng, push to pull, ipc",
	.flags = BENCH_PEER | BENCH_SLEEPS | BENCH_TRIPS | BENCH_STREAMS |
		 BENCH_MANY_PUT,
	.create = queue_create,
	.attach = queue_attach,
	.detach = queue_detach,
	.destroy = queue_destroy,
	BENCH_OPERATIONS(queue),
};

BENCH_EXPORT extern const struct bench_transport *const bench_peers[];
const struct bench_transport *const bench_peers[] = { &nng, NULL };
