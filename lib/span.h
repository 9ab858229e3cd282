/* SPDX-License-Identifier: MIT */
/*
 * Spans that move from one member's slot to another's so that a death at any
 * point leaves each with exactly one of them:
 *
 *   1  the new holder's slot: ADOPTING [p, x), from member a, slot s
 *   2  control.moves grows
 *   3  a's slot s: [x, end), or NONE            <- this store decides
 *   4  the new holder's slot: OWNED [p, x)
 *
 * All of it under the lease of a. ADOPTING at p is void as long as the slot it
 * comes from still begins at p. Whoever takes the lease of a next voids such
 * left-overs before it moves anything, so nobody can mistake a later move for
 * that one; whoever settles the dead adopter sees either the old beginning,
 * or the new one, or that the slot has been voided.
 *
 * Who looks for the lowest span (room.c) might read the new slot before 1 and
 * the old one after 3. Step 2 tells it to look again.
 */
#ifndef SHMQI_SPAN_H
#define SHMQI_SPAN_H

#include "layout.h"
#include "segment.h"

/* Holding the lease of from: void adoptions that did not reach step 3. */
void shmqi_span_void(struct segment *seg, uint32_t from, unsigned slot);

/*
 * Move [pos, x) from the beginning of a slot. What was begun with that slot
 * before has been voided.
 */
void shmqi_span_move(struct segment *seg, uint32_t from, unsigned slot,
		     uint32_t to, unsigned to_slot, uint64_t x);

/*
 * For the holder of a consumer's lease, when it is gone: decide what became of
 * its claims. Returns whether it still holds any.
 */
bool shmqi_span_settle(struct segment *seg, uint32_t index);

/* Has the entry spans that its group may adopt? */
static inline bool span_returned(const struct segment *seg, uint32_t index,
				 uint32_t group)
{
	struct sh_member *member = member_at(seg, index);

	/* edge STATE */
	return load_acquire(&member->state) == SH_MEMBER_RETURNED &&
	       load_relaxed(&member->group) == group;
}

#endif
