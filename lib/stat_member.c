/* SPDX-License-Identifier: MIT */
/* What a member of a queue looks like just now, and what it has claimed. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include <shmq.h>

#include "cursor.h"
#include "error.h"
#include "group.h"
#include "handle.h"
#include "members.h"
#include "policy.h"
#include "stat.h"

/* One claim, if it is held, into the sums. */
static void add_claim(struct shmq_member_info *info, uint64_t pos, uint64_t end,
		      uint64_t seq)
{
	if (end <= pos)
		return;
	if (!info->claims++ || seq < info->held_seq)
		info->held_seq = seq;
	info->held_bytes += end - pos;
}

/*
 * A single producer's claim has no slot: it is what lies between the last
 * stamp and the tail.
 */
static uint64_t single_producer_claim(struct segment *seg,
				      struct shmq_member_info *info)
{
	uint64_t end = cursor_pos(&seg->control->tail), pos, seq;
	struct cursor place;

	if (!shmqi_group_oldest(seg, &place))
		return 0;
	pos = place.pos;
	seq = place.seq;
	if (!shmqi_stat_walk(seg, &pos, &seq, end))
		return 0;
	add_claim(info, pos, end, seq);
	return info->claims ? claim_word(pos, SH_CLAIM_OWNED) : 0;
}

static uint64_t producer_claim(const struct segment *seg,
			       struct sh_member *member, uint32_t index,
			       struct shmq_member_info *info)
{
	struct sh_claim *claim = &member->claims[0];
	uint64_t word;

	if (shmqi_claim_look(&seg->control->tail, claim, index, &word) !=
	    CLAIM_HELD)
		return 0;
	add_claim(info, claim_pos(word), load_relaxed(&claim->end),
		  load_relaxed(&claim->seq));
	return word;
}

/* Held records keep their stamps, and the stamp has the number. */
static uint64_t held_seq(struct segment *seg, bool copies,
			 struct sh_claim *claim, uint64_t pos)
{
	struct rings rings;
	uint64_t seq;

	if (copies)
		return load_relaxed(&claim->seq);
	if (!shmqi_stat_look(seg, &rings))
		return 0;
	seq = record_seq(ring_at(&rings, pos), pos);
	shmqi_stat_look_away(seg);
	return seq;
}

static uint64_t consumer_claims(struct segment *seg, uint32_t group,
				uint32_t index, struct shmq_member_info *info)
{
	struct sh_member *member = member_at(seg, index);
	struct sh_cursor *cursor = &seg->groups[group].cursor;
	struct sh_claim *claims = member->claims;
	bool copies = policy_copies(member);
	uint64_t first = 0, word;

	if (claim_state(load_acquire(&claims[0].word)) == SH_CLAIM_SERIAL) {
		uint64_t pos = cursor_pos(cursor), seq;

		if (shmqi_serial_seq(claims, pos, &seq))
			add_claim(info, pos, load_acquire(&claims[0].end), seq);
		first = info->claims ? claim_word(pos, SH_CLAIM_OWNED) : 0;
	} else if (shmqi_claim_look(cursor, &claims[0], index, &word) ==
		   CLAIM_HELD) {
		add_claim(info, claim_pos(word), load_relaxed(&claims[0].end),
			  held_seq(seg, copies, &claims[0], claim_pos(word)));
		first = word;
	}
	for (unsigned k = 1; k < shmqi_member_slots(member); k++) {
		word = load_acquire(&claims[k].word);
		if (claim_state(word) != SH_CLAIM_OWNED)
			continue;
		add_claim(info, claim_pos(word), load_relaxed(&claims[k].end),
			  held_seq(seg, copies, &claims[k], claim_pos(word)));
		first = first ? first : word;
	}
	return first;
}

/* Has it still to follow the policy? Who copies is right under either. */
static bool is_pending(const struct segment *seg, struct sh_member *member,
		       uint32_t state)
{
	uint64_t policy = policy_now(seg);

	if (state == SH_MEMBER_PRODUCER)
		/* edge POLICY: pairs with shmqi_policy_follow_producing */
		return load_acquire(&member->policy) != (uint32_t)policy;
	return state == SH_MEMBER_CONSUMER && policy_overwrites(policy) &&
	       !policy_copies(member);
}

static void describe(struct segment *seg, uint32_t index, uint32_t state,
		     struct shmq_member_info *info)
{
	struct sh_member *member = member_at(seg, index);
	/* Once: what is checked is what is used. */
	uint32_t group = load_relaxed(&member->group);
	uint64_t word = 0;

	info->index = index;
	info->role = state;
	info->pid = member->pid;
	info->tid = member->tid;
	info->start_ticks = member->start_ticks;
	info->joined_ns = member->joined_ns;
	memcpy(info->command, member->command, sizeof(info->command) - 1);
	info->alive = state != SH_MEMBER_RETURNED &&
		      shmqi_stat_alive(seg, index);
	/* edge EPOCH: pairs with epoch_enter; for people */
	info->reads = load_acquire(&member->epoch) & 1;
	info->pending = is_pending(seg, member, state);
	if (state == SH_MEMBER_PRODUCER && policy_serial(seg)) {
		word = single_producer_claim(seg, info);
	} else if (state == SH_MEMBER_PRODUCER) {
		word = producer_claim(seg, member, index, info);
	} else if (group < seg->geo.max_groups) {
		memcpy(info->group, seg->groups[group].name,
		       sizeof(info->group) - 1);
		word = consumer_claims(seg, group, index, info);
	}
	if (!word)
		return;
	/* Nobody waits for it, perhaps, but we have seen it. */
	if (seg->writable)
		shmqi_member_watch(member, word);
	if (load_acquire(&member->watch_word) == word)
		info->noticed_ns = load_relaxed(&member->watch_ns);
}

int shmq_stat_member(struct shmq *q, uint32_t index,
		     struct shmq_member_info *out)
{
	KEEP_ERRNO;
	struct shmq_member_info info = SHMQ_MEMBER_INFO_INIT;
	uint32_t state;

	if (!q || !out || out->size < sizeof(out->size) ||
	    index >= q->seg->geo.member_entries)
		return -EINVAL;
	/* edge STATE */
	state = load_acquire(&member_at(q->seg, index)->state);
	if (state < SH_MEMBER_PRODUCER || state > SH_MEMBER_RETURNED)
		return 0;
	describe(q->seg, index, state, &info);
	shmqi_stat_give(out, out->size, &info, sizeof(info));
	return 1;
}

uint32_t shmq_member_entries(const struct shmq *q)
{
	return q ? q->seg->geo.member_entries : 0;
}
