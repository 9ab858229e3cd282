/* SPDX-License-Identifier: MIT */
/* What describing a queue and describing its members have in common. */
#ifndef SHMQI_STAT_H
#define SHMQI_STAT_H

#include "rings.h"
#include "segment.h"

/* The caller's structure may be shorter than ours, or longer. Returns 0. */
int shmqi_stat_give(void *out, size_t out_size, const void *info,
		    size_t info_size);

/* Look into the rings, under the lock, until shmqi_stat_look_away(). */
bool shmqi_stat_look(struct segment *seg, struct rings *rings);
void shmqi_stat_look_away(struct segment *seg);

/* As shmqi_ring_walk(), of what is kept. */
bool shmqi_stat_walk(struct segment *seg, uint64_t *pos, uint64_t *seq,
		     uint64_t end);

/* Does the member's process live? */
bool shmqi_stat_alive(struct segment *seg, uint32_t index);

#endif
