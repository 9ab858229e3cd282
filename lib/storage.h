/* SPDX-License-Identifier: MIT */
/*
 * Storage: the bytes of a queue, taken from the file system or from memory when
 * it is created, so that nobody meets SIGBUS later.
 */
#ifndef SHMQI_STORAGE_H
#define SHMQI_STORAGE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Give fd that many bytes from offset on. 0 or a negative errno; -ENOMEM if
 * they would have to be memory, and there is not so much of it.
 */
int shmqi_storage_allocate(int fd, uint64_t offset, uint64_t bytes);

/*
 * The same of a file that nobody else has. In memory they are made zeros now:
 * who maps them then finds pages, of which the kernel maps several at once.
 */
int shmqi_storage_fresh(int fd, uint64_t offset, uint64_t bytes);

/* Is it in a file system that is memory? */
bool shmqi_storage_in_memory(int fd);

/* Give these back; they read as zeros then, or as they were. */
void shmqi_storage_punch(int fd, uint64_t offset, uint64_t bytes);

/* Make these zeros, with storage of their own. 0 or a negative errno. */
int shmqi_storage_zero(int fd, uint64_t offset, uint64_t bytes);

/*
 * A memfd of that many bytes, sealed against shrinking: its descriptor, or a
 * negative errno.
 */
int shmqi_storage_memory(uint64_t bytes);

/*
 * Fill the holes of a queue that somebody copied, from offset on; missing
 * bytes will be needed. 0 or a negative errno.
 */
int shmqi_storage_fill(int fd, uint64_t offset, uint64_t bytes,
		       uint64_t missing);

#endif
