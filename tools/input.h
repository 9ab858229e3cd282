/* SPDX-License-Identifier: MIT */
/*
 * A byte stream cut into messages, at newlines or every so many bytes. What
 * read(2) returned can be cut at once: nothing waits for a buffer to fill.
 */
#ifndef INPUT_H
#define INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct input {
	int fd;
	bool ended;
	size_t block; /* bytes a message; 0: cut at newlines */
	size_t max;   /* longest message */
	char *buf;
	size_t size;
	size_t start;      /* of what has not been cut */
	size_t scanned;    /* no newline in [start, scanned) */
	size_t end;        /* of what has been read */
	uint64_t messages; /* cut so far */
};

/* block <= max. Returns 0 or -ENOMEM. */
int input_init(struct input *input, int fd, size_t block, size_t max);
void input_fini(struct input *input);

/*
 * Read once; the pieces cut before are gone afterwards. Returns 0, also at the
 * end of the stream, which sets `ended`; a negative errno, of which -EINTR
 * means that a signal asked us to end.
 */
int input_read(struct input *input);

/*
 * Cut up to n messages from what has been read. Returns how many, 0 when more
 * must be read first; -EMSGSIZE when the next message is longer than max.
 */
int input_cut(struct input *input, struct iovec *messages, int n);

/* Bytes read and not cut. */
size_t input_rest(const struct input *input);

#endif /* INPUT_H */
