/* SPDX-License-Identifier: MIT */
/*
 * Gathered writing: small pieces are collected, large ones go straight from
 * where they lie, which for a message is the ring itself.
 */
#include "output.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stop.h"

#define BUFFER_BYTES ((size_t)64 << 10)
#define LARGE_BYTES ((size_t)16 << 10)

int output_init(struct output *output, int fd)
{
	*output = (struct output){ .fd = fd, .buf = malloc(BUFFER_BYTES) };
	return output->buf ? 0 : -ENOMEM;
}

void output_fini(struct output *output)
{
	free(output->buf);
	output->buf = NULL;
}

static int write_all(struct output *output, const char *data, size_t len)
{
	struct pollfd writable = { .fd = output->fd, .events = POLLOUT };
	ssize_t n;

	while (len) {
		n = write(output->fd, data, len);
		if (n > 0) {
			data += n;
			len -= (size_t)n;
			output->unit_bytes += (uint64_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			poll(&writable, 1, -1);
		} else if (n < 0 && errno != EINTR) {
			return -errno;
		}
		if (len && stop_signal() &&
		    (!output->unit_bytes || stop_overdue()))
			return -EINTR;
	}
	return 0;
}

static int write_buffer(struct output *output)
{
	size_t used = output->used;

	output->used = 0;
	return write_all(output, output->buf, used);
}

int output_put(struct output *output, const void *data, size_t len)
{
	int error;

	if (len > BUFFER_BYTES - output->used || len >= LARGE_BYTES) {
		error = write_buffer(output);
		if (error)
			return error;
	}
	if (len >= LARGE_BYTES)
		return write_all(output, data, len);
	memcpy(output->buf + output->used, data, len);
	output->used += len;
	return 0;
}

int output_flush(struct output *output)
{
	int error = write_buffer(output);

	if (!error)
		output->unit_bytes = 0;
	return error;
}
