/* SPDX-License-Identifier: MIT */
/*
 * unix-stream, unix-seqpacket, unix-dgram: a pair of Unix sockets. tcp: one
 * connection over the loopback device.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ends.h"
#include "loops.h"
#include "transports.h"

/* What every system lets through as one datagram. */
#define DATAGRAM_MAX 65536

/* The system may allow less, as far as that is enough for a message. */
static void enlarge(int fd, size_t bytes)
{
	int wanted = (int)bytes;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &wanted, sizeof(wanted));
}

static int pair_create(struct bench_channel *ch, int type)
{
	int fds[2];

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds))
		return -errno;
	enlarge(fds[0], ch->room);
	enlarge(fds[1], ch->room);
	return ends_create(ch, fds[0], fds[1]);
}

static int stream_create(struct bench_channel *ch)
{
	return pair_create(ch, SOCK_STREAM);
}

static int seqpacket_create(struct bench_channel *ch)
{
	return pair_create(ch, SOCK_SEQPACKET);
}

static int dgram_create(struct bench_channel *ch)
{
	return pair_create(ch, SOCK_DGRAM);
}

/* The two ends of a connection to a port that the kernel chooses. */
static int connect_loopback(int listener, int *out, int *in)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t size = sizeof(address);
	int error;

	if (bind(listener, (struct sockaddr *)&address, size) ||
	    listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &size))
		return -errno;
	*out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*out < 0)
		return -errno;
	if (!connect(*out, (struct sockaddr *)&address, size)) {
		/* cppcheck-suppress nullPointer ; whose it is may be NULL */
		*in = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (*in >= 0)
			return 0;
	}
	error = -errno;
	close(*out);
	return error;
}

static int tcp_create(struct bench_channel *ch)
{
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1, out = -1, in = -1, error;

	if (listener < 0)
		return -errno;
	error = connect_loopback(listener, &out, &in);
	close(listener);
	if (error)
		return error;
	setsockopt(out, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return ends_create(ch, out, in);
}

/* --------------------------------------------------------- streams of bytes */

BENCH_INLINE int stream_send(struct bench_channel *ch, const void *buf,
			     size_t len)
{
	const struct ends *ends = ch->state;

	return ends_write(ends->put, buf, len);
}

BENCH_INLINE int stream_recv(struct bench_channel *ch, void *buf, size_t len)
{
	const struct ends *ends = ch->state;

	return ends_read(ends->take, buf, len);
}

BENCH_COPIES(stream)
BENCH_LOOPS(stream)

/* ----------------------------------------------------------------- datagrams */

BENCH_INLINE int datagram_send(struct bench_channel *ch, const void *buf,
			       size_t len)
{
	const struct ends *ends = ch->state;

	if (send(ends->put, buf, len, MSG_NOSIGNAL) >= 0)
		return 0;
	return errno == EINTR || errno == ENOBUFS ? -EAGAIN : -errno;
}

BENCH_INLINE int datagram_recv(struct bench_channel *ch, void *buf, size_t len)
{
	const struct ends *ends = ch->state;
	ssize_t got = recv(ends->take, buf, len, 0);

	if (got < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	return (size_t)got == len ? 0 : -EBADMSG;
}

BENCH_COPIES(datagram)
BENCH_LOOPS(datagram)

#define FLAGS (BENCH_POLLS | BENCH_SLEEPS | BENCH_TRIPS | BENCH_STREAMS)

const struct bench_transport bench_unix_stream = {
	.name = "unix-stream",
	.about = "Unix sockets, a stream of bytes",
	.flags = FLAGS,
	.create = stream_create,
	.attach = ends_attach,
	.destroy = ends_destroy,
	BENCH_OPERATIONS(stream),
};

const struct bench_transport bench_unix_seqpacket = {
	.name = "unix-seqpacket",
	.about = "Unix sockets, messages over a connection",
	.flags = FLAGS | BENCH_MANY,
	.max_bytes = DATAGRAM_MAX,
	.create = seqpacket_create,
	.attach = ends_attach,
	.destroy = ends_destroy,
	BENCH_OPERATIONS(datagram),
};

const struct bench_transport bench_unix_dgram = {
	.name = "unix-dgram",
	.about = "Unix sockets, datagrams",
	.flags = FLAGS | BENCH_MANY,
	.max_bytes = DATAGRAM_MAX,
	.create = dgram_create,
	.attach = ends_attach,
	.destroy = ends_destroy,
	BENCH_OPERATIONS(datagram),
};

const struct bench_transport bench_tcp = {
	.name = "tcp",
	.about = "TCP over the loopback device, without delay",
	.flags = FLAGS,
	.create = tcp_create,
	.attach = ends_attach,
	.destroy = ends_destroy,
	BENCH_OPERATIONS(stream),
};
