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
 *    before it claims again. Spans that move between members (span.h)
 *    count in control.moves, and then everything is read again.
 *
 * Under a policy that overwrites (policy.h) only groups count that have a
 * consumer which receives in place. Under one that keeps again, a group that
 * was overtaken holds what is still there, and claims that were hold nothing.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "cursor.h"
#include "group.h"
#include "members.h"
#include "policy.h"
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

/* What one look is to leave out. */
struct look {
	uint32_t except; /* a group, or NO_GROUP */
	bool producers;  /* their claims count */
	bool making;     /* groups that are being made count */
	bool held;       /* groups do not count, but what members hold */
};

/* One look, and what it goes by. */
struct pass {
	const struct look *look;
	uint64_t policy;
	uint64_t floor;               /* nothing below this is there */
	bool in_place[SH_GROUPS_MAX]; /* overwriting: groups that count */
};

static void look_at_span(const struct pass *pass, struct sh_member *member,
			 uint64_t pos, uint64_t *lowest)
{
	/* Of private copies; then what is below is gone, or may go. */
	if (pass->policy && policy_copies(member) &&
	    (policy_overwrites(pass->policy) || pos < pass->floor))
		return;
	lower(lowest, pos);
}

/* A serial consumer holds what is between its group's cursor and its claim. */
static void look_at_loan(const struct segment *seg, uint32_t group,
			 struct sh_member *member, uint64_t *lowest)
{
	uint64_t pos;

	/* edges ANNOUNCE, DONE */
	if (claim_state(load_acquire(&member->claims[0].word)) !=
	    SH_CLAIM_SERIAL)
		return;
	pos = cursor_pos(&seg->groups[group].cursor);
	if (load_acquire(&member->claims[0].end) > pos)
		lower(lowest, pos);
}

static void look_at_consumer(const struct segment *seg, const struct pass *pass,
			     uint32_t index, uint64_t *lowest)
{
	struct sh_member *member = member_at(seg, index);
	/* Once: what is checked is what is used. */
	uint32_t group = load_relaxed(&member->group);
	uint64_t word, pos = UINT64_MAX;
	unsigned slots;

	if (group >= seg->geo.max_groups || !group_used(seg, group))
		return;
	look_at_claim(seg, &seg->groups[group].cursor, index, &pos);
	if (pass->look->held)
		look_at_loan(seg, group, member, lowest);
	if (pos != UINT64_MAX)
		look_at_span(pass, member, pos, lowest);
	slots = shmqi_member_slots(member);
	for (unsigned k = 1; k < slots; k++) {
		/* edges ANNOUNCE, DONE */
		word = load_acquire(&member->claims[k].word);
		if (claim_state(word) == SH_CLAIM_OWNED ||
		    claim_state(word) == SH_CLAIM_ADOPTING)
			look_at_span(pass, member, claim_pos(word), lowest);
	}
}

bool shmqi_room_open(const struct segment *seg, uint64_t tail, uint64_t *lowest)
{
	struct reach reach;

	*lowest = tail;
	for (uint32_t i = 0; i < shmqi_member_top(seg); i++)
		/* edge STATE */
		if (load_acquire(&member_at(seg, i)->state) ==
		    SH_MEMBER_PRODUCER)
			look_at_claim(seg, &seg->control->tail, i, lowest);
	return !shmqi_rings_reach(seg, &reach) &&
	       reach_holds(&reach, *lowest, tail);
}

uint64_t shmqi_room_granted(const struct segment *seg, uint64_t tail)
{
	uint64_t highest = tail;

	for (uint32_t i = 0; i < shmqi_member_top(seg); i++) {
		struct sh_member *member = member_at(seg, i);
		uint64_t granted;

		/* edge STATE */
		if (load_acquire(&member->state) != SH_MEMBER_PRODUCER)
			continue;
		/* Relaxed: stored before a fence, read after one. */
		granted = load_relaxed(&member->claims[1].end);
		if (granted > highest)
			highest = granted;
	}
	return (highest + SH_LINE - 1) & ~(uint64_t)(SH_LINE - 1);
}

/* The groups of which some consumer receives in place. False: none. */
static bool find_in_place(const struct segment *seg, bool *in_place)
{
	bool any = false;

	for (uint32_t i = 0; i < shmqi_member_top(seg); i++) {
		struct sh_member *member = member_at(seg, i);
		uint32_t group = load_relaxed(&member->group);

		/* edge STATE */
		if (load_acquire(&member->state) != SH_MEMBER_CONSUMER ||
		    group >= SH_GROUPS_MAX || policy_copies(member))
			continue;
		any = in_place[group] = true;
	}
	return any;
}

bool shmqi_room_pending(const struct segment *seg)
{
	bool in_place[SH_GROUPS_MAX];

	return policy_overwrites(policy_now(seg)) &&
	       find_in_place(seg, in_place);
}

static uint64_t look_once(const struct segment *seg, uint64_t tail,
			  const struct pass *pass)
{
	const struct group_choice choice = {
		.except = pass->look->except,
		.making = pass->look->making,
		.floor = pass->floor,
		.lapped = pass->policy != 0,
		.only = policy_overwrites(pass->policy) ? pass->in_place : NULL,
	};
	uint64_t lowest = tail;

	if (!pass->look->held)
		lowest = shmqi_group_lowest(seg, tail, &choice);
	for (uint32_t i = 0; i < shmqi_member_top(seg); i++) {
		/* edge STATE */
		uint32_t state = load_acquire(&member_at(seg, i)->state);

		if (state == SH_MEMBER_CONSUMER || state == SH_MEMBER_RETURNED)
			look_at_consumer(seg, pass, i, &lowest);
		else if (state == SH_MEMBER_PRODUCER && pass->look->producers)
			look_at_claim(seg, &seg->control->tail, i, &lowest);
	}
	return lowest;
}

static bool look_for_lowest(const struct segment *seg, uint64_t policy,
			    uint64_t tail, const struct look *look,
			    uint64_t *lowest)
{
	struct pass pass;
	struct reach reach;

	pass.look = look;
	pass.policy = policy;
	for (int i = 0; i < LOOKS; i++) {
		/* edge MOVE: pairs with shmqi_span_move, place_group */
		uint64_t moves = load_acquire(&seg->control->moves);

		/* After the tail was read, and before the groups are. */
		if (shmqi_rings_reach(seg, &reach))
			return false;
		pass.floor = reach_floor(&reach, tail);
		if (policy_overwrites(policy)) {
			memset(pass.in_place, 0, sizeof(pass.in_place));
			find_in_place(seg, pass.in_place);
		}
		*lowest = look_once(seg, tail, &pass);
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
	static const struct look all = { NO_GROUP, true, true, false };

	return look_for_lowest(seg, policy_now(seg), tail, &all, lowest);
}

bool shmqi_room_promised(const struct segment *seg, uint64_t tail,
			 uint64_t *lowest)
{
	static const struct look promised = { NO_GROUP, true, false, false };

	return look_for_lowest(seg, policy_now(seg), tail, &promised, lowest);
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

int shmqi_room_look(const struct segment *seg, uint64_t policy, uint64_t tail,
		    struct room *room)
{
	static const struct look all = { NO_GROUP, true, true, false };
	struct ring_table table;
	uint64_t lowest;

	for (int i = 0; i < LOOKS; i++) {
		if (shmqi_rings_settled(seg, &table) ||
		    !look_for_lowest(seg, policy, tail, &all, &lowest))
			return -EBADMSG;
		/* Who makes a ring relies on limits like this one. The fence
		 * was passed after the claims were looked at. */
		if (!shmqi_rings_same(seg, &table))
			continue;
		measure(&table, tail, lowest, room);
		room->newest = table.newest;
		return 0;
	}
	return -EBADMSG;
}

bool shmqi_room_kept(const struct segment *seg, uint64_t tail, uint32_t except,
		     uint64_t *lowest)
{
	const struct look received = { except, false, true, false };

	return look_for_lowest(seg, policy_now(seg), tail, &received, lowest);
}

bool shmqi_room_held(const struct segment *seg, uint64_t tail, uint64_t *lowest)
{
	static const struct look held = { NO_GROUP, false, false, true };

	return look_for_lowest(seg, policy_now(seg), tail, &held, lowest);
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
