/* SPDX-License-Identifier: MIT */
/* Checking: member entries and their claims. See check.h. */
#include "config.h"

#include "check.h"
#include "cursor.h"
#include "group.h"
#include "members.h"
#include "policy.h"
#include "rings.h"

struct entry_look {
	uint32_t index;
	unsigned slot;
};

static uint32_t state_of(const struct check *c, uint32_t index)
{
	/* edge STATE */
	return load_acquire(&member_at(c->seg, index)->state);
}

static bool is_consumer(uint32_t state)
{
	return state == SH_MEMBER_CONSUMER || state == SH_MEMBER_RETURNED;
}

static bool bad_state(struct check *c, void *arg)
{
	const struct entry_look *look = arg;
	uint32_t state = state_of(c, look->index);

	return state > SH_MEMBER_RETURNED ||
	       (state != SH_MEMBER_FREE &&
		look->index >= shmqi_member_top(c->seg));
}

static bool bad_group(struct check *c, void *arg)
{
	const struct entry_look *look = arg;
	uint32_t group = load_relaxed(&member_at(c->seg, look->index)->group);

	if (!is_consumer(state_of(c, look->index)))
		return false;
	/* edge STATE: a group goes after its last entry */
	return group >= c->seg->geo.max_groups ||
	       load_acquire(&c->seg->groups[group].state) == SH_GROUP_FREE;
}

static bool bad_slots(struct check *c, void *arg)
{
	const struct entry_look *look = arg;
	uint32_t slots = load_relaxed(&member_at(c->seg, look->index)->slots);

	return state_of(c, look->index) != SH_MEMBER_FREE &&
	       (slots < 1 || slots > SH_CLAIMS);
}

static bool bad_chime(struct check *c, void *arg)
{
	const struct entry_look *look = arg;
	struct sh_member *member = member_at(c->seg, look->index);

	return state_of(c, look->index) != SH_MEMBER_FREE &&
	       load_relaxed(&member->chime_name) &&
	       load_relaxed(&member->chime_place) > SH_CHIME_RUNTIME;
}

static bool is_known(const struct check *c, uint32_t role, uint32_t state)
{
	if (state <= SH_CLAIM_OWNED)
		return true;
	if (role == SH_MEMBER_PRODUCER)
		return state == SH_CLAIM_ANNOUNCED;
	return state <= SH_CLAIM_SERIAL ||
	       (state > SH_CLAIM_ANNOUNCED &&
		state <= SH_CLAIM_ANNOUNCED + c->seg->geo.max_groups);
}

/* A held span: within the last lap before the tail, which is read last. */
static bool is_span(const struct check *c, uint64_t pos, uint64_t end)
{
	uint64_t tail = cursor_pos(&c->seg->control->tail);
	struct reach reach;

	return pos < end && end <= tail &&
	       (policy_now(c->seg) || (!shmqi_rings_reach(c->seg, &reach) &&
				       reach_holds(&reach, pos, tail)));
}

static bool bad_claim(struct check *c, void *arg)
{
	const struct entry_look *look = arg;
	struct sh_member *member = member_at(c->seg, look->index);
	struct sh_claim *claim = &member->claims[look->slot];
	uint32_t role = state_of(c, look->index), state;
	/* edges ANNOUNCE, DONE */
	uint64_t word = load_acquire(&claim->word);
	uint64_t end = load_relaxed(&claim->end);
	bool span = is_span(c, claim_pos(word), end);

	if (role == SH_MEMBER_FREE || look->slot >= shmqi_member_slots(member))
		return false;
	/* It may have changed hands, or become another one. */
	if (load_acquire(&claim->word) != word ||
	    load_relaxed(&claim->end) != end)
		return false;
	state = claim_state(word);
	return !is_known(c, role, state) || (state == SH_CLAIM_OWNED && !span);
}

static bool is_dead(struct check *c, void *arg)
{
	const struct entry_look *look = arg;
	uint32_t state = state_of(c, look->index);
	bool alive;

	if (state != SH_MEMBER_PRODUCER && state != SH_MEMBER_CONSUMER)
		return false;
	pthread_mutex_lock(&c->seg->lock);
	alive = shmqi_member_alive(c->seg, look->index);
	pthread_mutex_unlock(&c->seg->lock);
	return !alive;
}

static void check_entry(struct check *c, uint32_t index)
{
	struct entry_look look = { .index = index };
	const char *wrong = NULL;

	if (shmqi_check_stays(c, bad_state, &look))
		wrong = "its state is unknown";
	else if (shmqi_check_stays(c, bad_group, &look))
		wrong = "it is of no group";
	else if (shmqi_check_stays(c, bad_slots, &look))
		wrong = "it has a number of claims that cannot be";
	else if (shmqi_check_stays(c, bad_chime, &look))
		wrong = "its descriptor is in no place that there is";
	if (wrong)
		shmqi_check_tell(c, SHMQ_FINDING_DAMAGE, index, "member %u: %s",
				 index, wrong);
	for (; look.slot < SH_CLAIMS && !wrong; look.slot++)
		if (shmqi_check_stays(c, bad_claim, &look))
			shmqi_check_tell(c, SHMQ_FINDING_DAMAGE, index,
					 "member %u: its claim %u is none that "
					 "can be",
					 index, look.slot);
	if (shmqi_check_stays(c, is_dead, &look))
		shmqi_check_tell(c, SHMQ_FINDING_LEFT, index,
				 "member %u is dead, and has not been cleaned "
				 "up after",
				 index);
}

void shmqi_check_members(struct check *c)
{
	for (uint32_t i = 0; i < c->seg->geo.member_entries; i++)
		check_entry(c, i);
}
