/* SPDX-License-Identifier: MIT */
/* Groups: finding them, and reading where one is. */
#ifndef SHMQI_GROUP_H
#define SHMQI_GROUP_H

#include "cursor.h"
#include "segment.h"

/* The entry of a group, or -1. */
int shmqi_group_find(const struct segment *seg, const char *name);

static inline bool group_used(const struct segment *seg, uint32_t index)
{
	/* edge STATE */
	return load_acquire(&seg->groups[index].state) == SH_GROUP_USED;
}

/* Is the entry in use, under this name? */
bool shmqi_group_is(const struct segment *seg, uint32_t index,
		    const char *name);

/*
 * Where a serial consumer keeps the sequence number of its group's cursor: it
 * stores the pair {position, number} in one of two slots, by turns, and then
 * the position in the cursor. So whenever it dies, one of the pairs belongs to
 * the cursor.
 */
static inline void serial_note(struct sh_claim *claims, unsigned turn,
			       uint64_t pos, uint64_t seq)
{
	/* edge DONE: in this order; pairs with shmqi_serial_seq */
	store_release(&claims[turn & 1].seq, seq);
	store_release(&claims[turn & 1].count, pos);
}

/* The number that belongs to pos. False: neither pair does. */
bool shmqi_serial_seq(struct sh_claim *claims, uint64_t pos, uint64_t *seq);

/* No entry of a group. */
#define NO_GROUP UINT32_MAX

/* Which groups count, and how. */
struct group_choice {
	uint32_t except;  /* a group, or NO_GROUP */
	bool making;      /* those that are being made too */
	bool lapped;      /* some may have been overtaken */
	uint64_t floor;   /* below this nothing is there */
	const bool *only; /* by group: whether it counts; NULL: all do */
};

/*
 * The lowest cursor of these groups, or the tail, if that is lower. One that is
 * being made counts as being at floor at least, and one that was overtaken.
 */
uint64_t shmqi_group_lowest(const struct segment *seg, uint64_t tail,
			    const struct group_choice *choice);

/* The place of the group that is furthest behind. False: none, or damage. */
bool shmqi_group_oldest(const struct segment *seg, struct cursor *place);

/* How far its serial consumer has taken; 0 if it has none. */
uint64_t shmqi_group_taken(const struct segment *seg, uint32_t index);

/*
 * A position of the group and its number, at one moment. False: no pair that
 * fits, after many looks: damage.
 */
bool shmqi_group_place(const struct segment *seg, uint32_t index,
		       struct cursor *place);

#endif
