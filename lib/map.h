/* SPDX-License-Identifier: MIT */
/* Mappings: the only caller of mmap and its relatives. */
#ifndef SHMQI_MAP_H
#define SHMQI_MAP_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

/* How to map; bits. */
#define MAP_FOR_WRITING 1u
#define MAP_TOUCHED 2u /* every page faulted in now */
#define MAP_HUGE 4u    /* aligned to, and advised for, huge pages */

/* bytes of fd from its beginning. 0 or a negative errno. */
int shmqi_map_plain(void **out, int fd, uint64_t bytes, unsigned how);

/* bytes of fd from offset, twice, back to back: 2 * bytes of addresses. */
int shmqi_map_twice(void **out, int fd, uint64_t offset, uint64_t bytes,
		    unsigned how);

/*
 * Fault in the pages of a mapping for writing, ahead of use: a help, no more.
 * What is in them stays, whoever writes there meanwhile. there: the file is in
 * memory, and likely to have these pages.
 */
void shmqi_map_touch(void *from, uint64_t bytes, bool there);

void shmqi_map_free(void *map, uint64_t bytes);

/* A zeroed private page that a forked child finds zeroed. NULL: no memory. */
void *shmqi_map_private_page(size_t bytes);

#endif
