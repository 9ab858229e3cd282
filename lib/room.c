/* SPDX-License-Identifier: MIT */
/*
 * Room. Read by producers that have used up their limit, without locks, while
 * members claim, release and die. Two orders make the answer safe:
 *
 *  - the cursors before the claims: who claims announces first, so whoever is
 *    past the cursor that was read shows in the claims. The tail counts as a
 *    cursor, read by the caller: an open claim of a producer must not be
 *    written over either, though no group is as far back;
 *  - slot 0 before the others, the others upwards: a consumer copies slot 0 up
 *    before it claims again. Spans that move between members (returned.c)
 *    count in control.moves, and then everything is read again.
 */
#include "config.h"

#include <errno.h>

#include "cursor.h"
#include "group.h"
#include "members.h"
#include "rings.h"
#include "room.h"

#define LOOKS 1000

static void lower(uint64_t *lowest, uint64_t pos)
{
	if (pos < *lowest)
		*lowest = pos;
}

/* A serial member's slot 0 names nothing: its cursor says it all. */
static void look_at_claim(const struct segment *seg, struct sh_cursor *cursor,
			  uint32_t index, uint64_t *lowest)
{
	uint64_t word;

	if (shmqi_claim_look(cursor, &member_at(seg, index)->claims[0], index,
			     &word) != CLAIM_NONE)
		lower(lowest, claim_pos(word));
}

static void look_at_consumer(const struct segment *seg, uint32_t index,
			     uint64_t *lowest)
{
	struct sh_member *member = member_at(seg, index);
	/* Once: what is checked is what is used. */
	uint32_t group = load_relaxed(&member->group);
	uint64_t word;
	unsigned slots;

	if (group >= seg->geo.max_groups || !group_used(seg, group))
		return;
	look_at_claim(seg, &seg->groups[group].cursor, index, lowest);
	slots = shmqi_member_slots(member);
	for (unsigned k = 1; k < slots; k++) {
		/* edges ANNOUNCE, DONE */
		word = load_acquire(&member->claims[k].word);
		if (claim_state(word) == SH_CLAIM_OWNED ||
		    claim_state(word) == SH_CLAIM_ADOPTING)
			lower(lowest, claim_pos(word));
	}
}

/* What one look is to leave out. */
struct look {
	uint32_t except; /* a group, or NO_GROUP */
	bool producers;  /* their claims count */
	bool making;     /* groups that are being made count */
};

bool shmqi_room_open(const struct segment *seg, uint64_t tail, uint64_t *lowest)
{
	*lowest = tail;
	for (uint32_t i = 0; i < shmqi_member_top(seg); i++)
		/* edge STATE */
		if (load_acquire(&member_at(seg, i)->state) ==
		    SH_MEMBER_PRODUCER)
			look_at_claim(seg, &seg->control->tail, i, lowest);
	return tail - *lowest <= seg->geo.capacity;
}

static uint64_t look_once(const struct segment *seg, uint64_t tail,
			  const struct look *view, const struct reach *reach)
{
	uint64_t floor = view->making ? reach_floor(reach, tail) : UINT64_MAX;
	uint64_t lowest = shmqi_group_lowest(seg, tail, view->except, floor);

	for (uint32_t i = 0; i < shmqi_member_top(seg); i++) {
		/* edge STATE */
		uint32_t state = load_acquire(&member_at(seg, i)->state);

		if (state == SH_MEMBER_CONSUMER || state == SH_MEMBER_RETURNED)
			look_at_consumer(seg, i, &lowest);
		else if (state == SH_MEMBER_PRODUCER && view->producers)
			look_at_claim(seg, &seg->control->tail, i, &lowest);
	}
	return lowest;
}

static bool look_for_lowest(const struct segment *seg, uint64_t tail,
			    const struct look *view, uint64_t *lowest)
{
	struct reach reach;

	for (int i = 0; i < LOOKS; i++) {
		/* edge MOVE: pairs with span_move, place_group */
		uint64_t moves = load_acquire(&seg->control->moves);

		/* After the tail was read, and before the groups are. */
		if (shmqi_rings_reach(seg, &reach))
			return false;
		*lowest = look_once(seg, tail, view, &reach);
		/* Who let go what was seen to be free need not have seen the
		 * group that was made meanwhile: place_group has the other
		 * fence. */
		full_fence();
		if (load_acquire(&seg->control->moves) == moves)
			return reach_holds(&reach, *lowest, tail);
	}
	return false;
}

bool shmqi_room_lowest(const struct segment *seg, uint64_t tail,
		       uint64_t *lowest)
{
	static const struct look all = { NO_GROUP, true, true };

	return look_for_lowest(seg, tail, &all, lowest);
}

bool shmqi_room_promised(const struct segment *seg, uint64_t tail,
			 uint64_t *lowest)
{
	static const struct look promised = { NO_GROUP, true, false };

	return look_for_lowest(seg, tail, &promised, lowest);
}

static void measure(const struct ring_table *table, uint64_t tail,
		    uint64_t lowest, struct room *room)
{
	const struct ring_place *place;

	room->ring = ring_number(table, tail);
	place = ring_place(table, room->ring);
	/* What lies in the ring before takes no room in this one. */
	if (lowest < place->from)
		lowest = place->from;
	room->limit = lowest + place->capacity;
	room->turn = UINT64_MAX;
	if (room->ring == table->newest)
		return;
	room->turn = ring_place(table, table->newest)->from;
	if (room->limit > room->turn)
		room->limit = room->turn;
}

int shmqi_room_look(const struct segment *seg, uint64_t tail, struct room *room)
{
	struct ring_table table;
	uint64_t lowest;

	for (int i = 0; i < LOOKS; i++) {
		if (shmqi_rings_settled(seg, &table) ||
		    !shmqi_room_lowest(seg, tail, &lowest))
			return -EBADMSG;
		/* Who makes a ring relies on limits like this one. The fence
		 * was passed after the claims were looked at. */
		if (!shmqi_rings_same(seg, &table))
			continue;
		measure(&table, tail, lowest, room);
		return 0;
	}
	return -EBADMSG;
}

bool shmqi_room_kept(const struct segment *seg, uint64_t tail, uint32_t except,
		     uint64_t *lowest)
{
	const struct look received = { except, false, true };

	return look_for_lowest(seg, tail, &received, lowest);
}

bool shmqi_room_consumers(const struct segment *seg)
{
	for (uint32_t i = 0; i < shmqi_member_top(seg); i++)
		/* edge STATE */
		if (load_acquire(&member_at(seg, i)->state) ==
		    SH_MEMBER_CONSUMER)
			return true;
	return false;
}
