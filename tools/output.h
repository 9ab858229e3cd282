/* SPDX-License-Identifier: MIT */
/*
 * Gathered writing to a descriptor, in units that are wanted whole or not at
 * all: what is put between two flushes is one unit.
 */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <stddef.h>
#include <stdint.h>

struct output {
	int fd;
	char *buf;
	size_t used;
	uint64_t unit_bytes; /* written since the last flush returned 0 */
};

/* Returns 0 or -ENOMEM. */
int output_init(struct output *output, int fd);
void output_fini(struct output *output);

/*
 * Returns 0 or a negative errno. -EINTR: a signal asked us to end and the unit
 * was given up: before its first byte, or because the reader of these bytes
 * did not take the rest within a second.
 */
int output_put(struct output *output, const void *data, size_t len);
int output_flush(struct output *output);

#endif /* OUTPUT_H */
