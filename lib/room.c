/* SPDX-License-Identifier: MIT */
/*
 * Room. Read by producers that have used up their limit, without locks, while
 * consumers claim, release and die. Two orders make the answer safe:
 *
 *  - the group's cursor before the claims: who claims announces first, so
 *    whoever is past the cursor that was read shows in the claims;
 *  - slot 0 before the others, the others upwards: a consumer copies slot 0 up
 *    before it claims again. Spans that move between members (returned.c)
 *    count in control.moves, and then everything is read again.
 */
#include "config.h"

#include "cursor.h"
#include "group.h"
#include "members.h"
#include "room.h"

#define LOOKS 1000

struct look {
	uint64_t lowest;
	bool held;
};

static void lower(struct look *look, uint64_t pos)
{
	look->held = true;
	if (pos < look->lowest)
		look->lowest = pos;
}

static void look_at_member(const struct segment *seg, uint32_t index,
			   struct look *look)
{
	struct sh_member *member = member_at(seg, index);
	/* Once: what is checked is what is used. */
	uint32_t group = load_relaxed(&member->group);
	struct sh_cursor *cursor;
	uint64_t word;
	unsigned slots;

	if (group >= seg->geo.max_groups || !group_used(seg, group))
		return;
	cursor = &seg->groups[group].cursor;
	if (claim_state(load_acquire(&member->claims[0].word)) ==
	    SH_CLAIM_SERIAL) {
		/* Its cursor is what it has released. */
		if (load_acquire(&member->claims[0].end) != cursor_pos(cursor))
			look->held = true;
	} else if (shmqi_claim_holds(cursor, &member->claims[0], index,
				     &word)) {
		lower(look, claim_pos(word));
	}
	slots = shmqi_member_slots(member);
	for (unsigned k = 1; k < slots; k++) {
		/* edges ANNOUNCE, DONE */
		word = load_acquire(&member->claims[k].word);
		if (claim_state(word) == SH_CLAIM_OWNED ||
		    claim_state(word) == SH_CLAIM_ADOPTING)
			lower(look, claim_pos(word));
	}
}

static struct look look_once(const struct segment *seg, uint64_t tail)
{
	struct look look = { tail, false };

	for (uint32_t i = 0; i < seg->geo.max_groups; i++) {
		uint64_t pos;

		if (!group_used(seg, i))
			continue;
		pos = cursor_pos(&seg->groups[i].cursor);
		if (pos < look.lowest)
			look.lowest = pos;
	}
	for (uint32_t i = 0; i < shmqi_member_top(seg); i++) {
		/* edge STATE */
		uint32_t state = load_acquire(&member_at(seg, i)->state);

		if (state == SH_MEMBER_CONSUMER ||
		    state == SH_MEMBER_RETURNED)
			look_at_member(seg, i, &look);
	}
	return look;
}

bool shmqi_room_lowest(const struct segment *seg, uint64_t tail,
		       uint64_t *lowest, bool *held)
{
	for (int i = 0; i < LOOKS; i++) {
		/* edge MOVE: pairs with span_move */
		uint64_t moves = load_acquire(&seg->control->moves);
		struct look look = look_once(seg, tail);

		if (load_acquire(&seg->control->moves) != moves)
			continue;
		*lowest = look.lowest;
		*held = look.held;
		return tail - look.lowest <= seg->geo.capacity;
	}
	return false;
}
