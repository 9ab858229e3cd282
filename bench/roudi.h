/* SPDX-License-Identifier: MIT */
/*
 * The daemon of iceoryx, without which nothing moves. There can be one on a
 * machine: one that runs already is used as it is, and left alone.
 */
#ifndef BENCH_ROUDI_H
#define BENCH_ROUDI_H

#include <stddef.h>

#define ROUDI_SOCKETS "/tmp/" /* its own and those of its clients */

/*
 * Returns when it listens: NULL, or why not. Its configuration is written to
 * path: room for messages of so many bytes, and for so many at least.
 */
const char *roudi_start(const char *path, size_t bytes, size_t least);

/* After each start, also one that failed. */
void roudi_stop(void);

#endif /* BENCH_ROUDI_H */
