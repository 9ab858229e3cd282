/* SPDX-License-Identifier: MIT */
/* Room: how far producers may write without overtaking any group. */
#ifndef SHMQI_ROOM_H
#define SHMQI_ROOM_H

#include "segment.h"

/*
 * The lowest position that some group has not received or some consumer still
 * holds; with no group at all, the given tail. It never falls, so
 * lowest + capacity may be kept as a limit. `held`: somebody holds a claim, so
 * room may come without a ring (its holder may die); wait with a bound. False:
 * damage.
 */
bool shmqi_room_lowest(const struct segment *seg, uint64_t tail,
		       uint64_t *lowest, bool *held);

#endif
