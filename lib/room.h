/* SPDX-License-Identifier: MIT */
/* Room: how far producers may write without overtaking any group. */
#ifndef SHMQI_ROOM_H
#define SHMQI_ROOM_H

#include "segment.h"

/*
 * The lowest position that some group has not received or some member still
 * holds; if there is none, the given tail. It never falls, so lowest + capacity
 * may be kept as a limit. False: damage.
 */
bool shmqi_room_lowest(const struct segment *seg, uint64_t tail,
		       uint64_t *lowest);

/* The same for consumers only, and without one group. */
bool shmqi_room_kept(const struct segment *seg, uint64_t tail, uint32_t except,
		     uint64_t *lowest);

/* For an overwriting queue: the lowest open claim of a producer, or the tail. */
bool shmqi_room_open(const struct segment *seg, uint64_t tail,
		     uint64_t *lowest);

/* Is there any consumer, alive or dead? */
bool shmqi_room_consumers(const struct segment *seg);

#endif
