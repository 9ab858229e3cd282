/* SPDX-License-Identifier: MIT */
/*
 * Storage: the bytes of a queue, taken from the file system or from memory when
 * it is created, so that nobody meets SIGBUS later.
 */
#ifndef SHMQI_STORAGE_H
#define SHMQI_STORAGE_H

#include <stdint.h>
#include <sys/stat.h>

/*
 * Give fd that many bytes. 0 or a negative errno; -ENOMEM if they would have
 * to be memory, and there is not so much of it.
 */
int shmqi_storage_allocate(int fd, uint64_t bytes);

/* A sealed memfd of that many bytes: its descriptor, or a negative errno. */
int shmqi_storage_memory(uint64_t bytes);

/* Fill the holes of a queue that somebody copied. 0 or a negative errno. */
int shmqi_storage_fill(int fd, const struct stat *st);

#endif
