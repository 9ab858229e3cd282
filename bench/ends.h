/* SPDX-License-Identifier: MIT */
/*
 * The two ends of a channel through the kernel, each a file descriptor that is
 * made before the fork.
 */
#ifndef BENCH_ENDS_H
#define BENCH_ENDS_H

#include "bench.h"

struct ends {
	int put, take;
};

/* Take note of two descriptors; returns 0 or -ENOMEM, and then closes them. */
int ends_create(struct bench_channel *ch, int put, int take);
/* Make this process's end wait or not, as the channel says. */
int ends_attach(struct bench_channel *ch);
void ends_destroy(struct bench_channel *ch);

/* Of a stream of bytes: all of it, or -EAGAIN and nothing. */
int ends_write(int fd, const void *buf, size_t len);
int ends_read(int fd, void *buf, size_t len);

#endif /* BENCH_ENDS_H */
