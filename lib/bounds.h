/* SPDX-License-Identifier: MIT */
/*
 * The bounds table of an overwriting queue: for each 64th of the ring a place
 * where a record begins, and its number. Where one ring has taken another's
 * place, what was noted in the old one is written over by and by. So who was
 * overtaken, joins late or looks at what the dead left finds the oldest whole
 * record, and knows exactly how many he missed.
 *
 * Entries are hints. Producers store them without any order, two at a time, a
 * lap late, half before they die. What is found is believed only if the stamp
 * at that position is that of that number.
 */
#ifndef SHMQI_BOUNDS_H
#define SHMQI_BOUNDS_H

#include "cursor.h"
#include "ring.h"
#include "segment.h"

/* At this place a claim begins or will begin. */
void shmqi_bounds_note(const struct segment *seg, const struct ring *ring,
		       struct cursor place);

/* The next position behind pos at which a producer has to note where it is. */
static inline uint64_t bounds_next(const struct ring *ring, uint64_t pos)
{
	uint64_t part = (ring->mask + 1) / SH_BOUNDS;

	return (pos / part + 1) * part;
}

/* The tail as claims leave it. False: looked too often: damage. */
bool shmqi_bounds_tail(const struct segment *seg, struct cursor *tail);

/*
 * The oldest record that is still whole. laps: how often the caller, since it
 * last got anything, was overtaken before it could use what it was given: 0
 * gets exactly the oldest one, the others ever more of a start; in the end it
 * is the tail. False: damage.
 */
bool shmqi_bounds_oldest(const struct segment *seg, const struct rings *rings,
			 unsigned laps, struct cursor *place);

/*
 * Behind position pos, which is damaged: the next record that is whole, or the
 * tail. False: that is not behind it.
 */
bool shmqi_bounds_behind(const struct segment *seg, const struct rings *rings,
			 uint64_t pos, struct cursor *place);

/*
 * Without a table: the first record from position from on whose successors lead
 * to a place that is known. False: there is none before that.
 */
bool shmqi_bounds_search(const struct rings *rings, uint64_t from,
			 struct cursor known, struct cursor *place);

#endif
