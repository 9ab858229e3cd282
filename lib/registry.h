/* SPDX-License-Identifier: MIT */
/*
 * The open queues of this process. Opening a queue again finds its segment
 * here and shares the mapping.
 */
#ifndef SHMQI_REGISTRY_H
#define SHMQI_REGISTRY_H

#include <stdbool.h>
#include <sys/stat.h>

#include "segment.h"

/*
 * The segment of the file that st describes, with a reference more, or one
 * that open makes. Takes over fd, also on error.
 */
int shmqi_registry_open(struct segment **out, int fd, const struct stat *st,
			bool writable);

/* Add a segment that shmqi_segment_create() made; the reference is the
 * caller's. On error the segment is destroyed. */
int shmqi_registry_add(struct segment *seg);

void shmqi_registry_get(struct segment *seg);

/* The last one waits for a grace period and unmaps. */
void shmqi_registry_put(struct segment *seg);

#endif
