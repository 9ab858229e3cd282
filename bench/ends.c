/* SPDX-License-Identifier: MIT */
/*
 * The two ends of a channel through the kernel. A message that has begun to go
 * through a stream is finished, whatever the channel says about waiting.
 */
#include "ends.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int ends_create(struct bench_channel *ch, int put, int take)
{
	struct ends *ends = malloc(sizeof(*ends));

	if (!ends) {
		close(put);
		close(take);
		return -ENOMEM;
	}
	ends->put = put;
	ends->take = take;
	ch->state = ends;
	return 0;
}

int ends_attach(struct bench_channel *ch)
{
	const struct ends *ends = ch->state;
	int fd = ch->side == BENCH_PRODUCER ? ends->put : ends->take;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	flags = ch->sleeps ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) ? -errno : 0;
}

void ends_destroy(struct bench_channel *ch)
{
	struct ends *ends = ch->state;

	if (!ends)
		return;
	close(ends->put);
	close(ends->take);
	free(ends);
}

int ends_write(int fd, const void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t wrote = write(fd, (const char *)buf + done, len - done);

		if (wrote >= 0)
			done += (size_t)wrote;
		else if (errno != EINTR && (errno != EAGAIN || !done))
			return -errno;
	}
	return 0;
}

int ends_read(int fd, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t got = read(fd, (char *)buf + done, len - done);

		if (got > 0)
			done += (size_t)got;
		else if (got == 0)
			return -EPIPE;
		else if (errno != EINTR && (errno != EAGAIN || !done))
			return -errno;
	}
	return 0;
}
