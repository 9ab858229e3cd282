/* SPDX-License-Identifier: MIT */
/*
 * A byte stream cut into messages.
 *
 * Invariant: start <= scanned <= end <= size. The buffer grows only when one
 * message fills it. More than max bytes without a newline are a message that is
 * too long, so it never grows past 2 * max.
 */
#include "input.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stop.h"

#define BUFFER_BYTES ((size_t)256 << 10)
/* Less room than a full pipe holds is not worth a read. */
#define ROOM_BYTES ((size_t)64 << 10)

int input_init(struct input *input, int fd, size_t block, size_t max)
{
	*input = (struct input){
		.fd = fd,
		.block = block,
		.max = max,
		.size = block > BUFFER_BYTES ? block : BUFFER_BYTES,
	};
	input->buf = malloc(input->size);
	return input->buf ? 0 : -ENOMEM;
}

void input_fini(struct input *input)
{
	free(input->buf);
	input->buf = NULL;
}

size_t input_rest(const struct input *input)
{
	return input->end - input->start;
}

static int make_room(struct input *input)
{
	size_t rest = input_rest(input);
	char *buf;

	if (rest == 0 || input->size - input->end < ROOM_BYTES) {
		memmove(input->buf, input->buf + input->start, rest);
		input->scanned -= input->start;
		input->start = 0;
		input->end = rest;
	}
	if (input->end < input->size)
		return 0;
	buf = reallocarray(input->buf, 2, input->size);
	if (!buf)
		return -ENOMEM;
	input->buf = buf;
	input->size *= 2;
	return 0;
}

int input_read(struct input *input)
{
	struct pollfd readable = { .fd = input->fd, .events = POLLIN };
	ssize_t n;
	int error = make_room(input);

	if (error)
		return error;
	for (;;) {
		if (stop_signal())
			return -EINTR;
		n = read(input->fd, input->buf + input->end,
			 input->size - input->end);
		if (n >= 0)
			break;
		if (errno == EAGAIN)
			poll(&readable, 1, -1);
		else if (errno != EINTR)
			return -errno;
	}
	input->end += (size_t)n;
	input->ended = n == 0;
	return 0;
}

/* Length of the next message in *len and of what it takes from the stream. */
static int find_end(struct input *input, size_t *len, size_t *taken)
{
	size_t rest = input_rest(input);
	const char *newline;

	if (input->block) {
		*len = *taken = rest < input->block ? rest : input->block;
		return rest >= input->block || (rest && input->ended);
	}
	newline = memchr(input->buf + input->scanned, '\n',
			 input->end - input->scanned);
	if (newline) {
		*len = (size_t)(newline - input->buf) - input->start;
		*taken = *len + 1;
	} else {
		*len = *taken = rest;
		input->scanned = input->end;
	}
	if (*len > input->max)
		return -EMSGSIZE;
	return newline || (rest && input->ended);
}

int input_cut(struct input *input, struct iovec *messages, int n)
{
	size_t len, taken;
	int i, found = 0;

	for (i = 0; i < n; i++) {
		found = find_end(input, &len, &taken);
		if (found <= 0)
			break;
		messages[i].iov_base = input->buf + input->start;
		messages[i].iov_len = len;
		input->start += taken;
		input->scanned = input->start;
	}
	input->messages += (uint64_t)i;
	return i ? i : found;
}
