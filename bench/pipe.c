/* SPDX-License-Identifier: MIT */
/*
 * pipe, fifo: the kernel's oldest. What is shorter than PIPE_BUF goes through
 * whole, so several may write and read.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ends.h"
#include "loops.h"
#include "transports.h"

/* The system may not allow it, or not so much. */
static void pipe_enlarge(int fd, size_t bytes)
{
	for (; bytes > 65536; bytes /= 2)
		if (fcntl(fd, F_SETPIPE_SZ, (int)bytes) >= 0)
			return;
}

static int pipe_create(struct bench_channel *ch)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	pipe_enlarge(fds[1], ch->room);
	return ends_create(ch, fds[1], fds[0]);
}

static int fifo_create(struct bench_channel *ch)
{
	int in, out;

	if (mkfifo(ch->path, 0600))
		return -errno;
	in = open(ch->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	out = in < 0 ? -1 : open(ch->path, O_WRONLY | O_CLOEXEC);
	if (out < 0) {
		int error = -errno;

		if (in >= 0)
			close(in);
		unlink(ch->path);
		return error;
	}
	unlink(ch->path);
	pipe_enlarge(out, ch->room);
	return ends_create(ch, out, in);
}

BENCH_INLINE int pipe_send(struct bench_channel *ch, const void *buf,
			   size_t len)
{
	const struct ends *ends = ch->state;

	return ends_write(ends->put, buf, len);
}

BENCH_INLINE int pipe_recv(struct bench_channel *ch, void *buf, size_t len)
{
	const struct ends *ends = ch->state;

	return ends_read(ends->take, buf, len);
}

BENCH_COPIES(pipe)
BENCH_LOOPS(pipe)

#define FLAGS                                                                  \
	(BENCH_POLLS | BENCH_SLEEPS | BENCH_TRIPS | BENCH_STREAMS | BENCH_MANY)

const struct bench_transport bench_pipe = {
	.name = "pipe",
	.about = "pipe(2)",
	.flags = FLAGS,
	.many_max_bytes = PIPE_BUF,
	.create = pipe_create,
	.attach = ends_attach,
	.destroy = ends_destroy,
	BENCH_OPERATIONS(pipe),
};

const struct bench_transport bench_fifo = {
	.name = "fifo",
	.about = "a named pipe",
	.flags = FLAGS,
	.many_max_bytes = PIPE_BUF,
	.create = fifo_create,
	.attach = ends_attach,
	.destroy = ends_destroy,
	BENCH_OPERATIONS(pipe),
};
