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

/* As shmqi_segment_create(), and known here from the beginning. */
int shmqi_registry_create(struct segment **out, const struct name *name,
			  mode_t mode, const struct geometry *geo);

void shmqi_registry_get(struct segment *seg);

/* The last one waits for a grace period and unmaps. */
void shmqi_registry_put(struct segment *seg);

#endif
