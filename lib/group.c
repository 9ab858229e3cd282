/* SPDX-License-Identifier: MIT */
/* Groups. See group.h. */
#include "config.h"

#include <string.h>

#include "group.h"
#include "members.h"

#define LOOKS 1000

bool shmqi_group_is(const struct segment *seg, uint32_t index, const char *name)
{
	const uint8_t *stored = seg->groups[index].name;

	return group_used(seg, index) &&
	       !strncmp((const char *)stored, name,
			sizeof(seg->groups[index].name));
}

int shmqi_group_find(const struct segment *seg, const char *name)
{
	for (uint32_t i = 0; i < seg->geo.max_groups; i++)
		if (shmqi_group_is(seg, i, name))
			return (int)i;
	return -1;
}

uint64_t shmqi_group_lowest(const struct segment *seg, uint64_t tail,
			    const struct group_choice *choice)
{
	uint64_t lowest = tail;

	for (uint32_t i = 0; i < seg->geo.max_groups; i++) {
		/* edge STATE: before the cursor, which is set before USED */
		uint32_t state = load_acquire(&seg->groups[i].state);
		bool making = state == SH_GROUP_MAKING && choice->making;
		uint64_t pos;

		if (i == choice->except || (choice->only && !choice->only[i]) ||
		    (state != SH_GROUP_USED && !making))
			continue;
		pos = cursor_pos(&seg->groups[i].cursor);
		/* One that is being made may be too late to hold so much. */
		if ((making || choice->lapped) && pos < choice->floor)
			pos = choice->floor;
		if (pos < lowest)
			lowest = pos;
	}
	return lowest;
}

bool shmqi_serial_seq(struct sh_claim *claims, uint64_t pos, uint64_t *seq)
{
	for (int k = 0; k < 2; k++) {
		/* edge DONE: pairs with serial_note */
		if (load_acquire(&claims[k].count) != pos)
			continue;
		*seq = load_acquire(&claims[k].seq);
		return true;
	}
	return false;
}

static struct sh_member *serial_member(const struct segment *seg,
				       uint32_t group)
{
	for (uint32_t i = 0; i < shmqi_member_top(seg); i++) {
		struct sh_member *member = member_at(seg, i);

		/* edge STATE */
		if (load_acquire(&member->state) == SH_MEMBER_CONSUMER &&
		    load_relaxed(&member->group) == group &&
		    claim_state(load_acquire(&member->claims[0].word)) ==
			    SH_CLAIM_SERIAL)
			return member;
	}
	return NULL;
}

uint64_t shmqi_group_taken(const struct segment *seg, uint32_t index)
{
	struct sh_member *serial = serial_member(seg, index);

	/* edge DONE: pairs with serial_borrow */
	return serial ? load_acquire(&serial->claims[0].end) : 0;
}

bool shmqi_group_place(const struct segment *seg, uint32_t index,
		       struct cursor *place)
{
	struct sh_group *group = &seg->groups[index];

	for (int i = 0; i < LOOKS; i++) {
		struct sh_member *serial = serial_member(seg, index);
		struct cursor c = cursor_load(&group->cursor);

		if (serial && !shmqi_serial_seq(serial->claims, c.pos, &c.seq))
			continue;
		/*
		 * One that came meanwhile does not keep hi; one that left has
		 * set it before, so it differs from what was read.
		 */
		if (serial_member(seg, index) != serial)
			continue;
		/*
		 * A serial consumer overwrites the pair of this position only
		 * after the cursor has left it.
		 */
		if (serial ? cursor_pos(&group->cursor) == c.pos :
			     cursor_unchanged(&group->cursor, c)) {
			*place = c;
			return true;
		}
	}
	return false;
}

bool shmqi_group_oldest(const struct segment *seg, struct cursor *place)
{
	struct cursor c;
	bool any = false;

	for (uint32_t i = 0; i < seg->geo.max_groups; i++) {
		if (!group_used(seg, i) || !shmqi_group_place(seg, i, &c))
			continue;
		if (!any || c.pos < place->pos)
			*place = c;
		any = true;
	}
	return any;
}
