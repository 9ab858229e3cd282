/* SPDX-License-Identifier: MIT */
/* Looking and mending: what a queue and its members look like just now. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include <bsd/string.h>

#include <shmq.h>

#include "cursor.h"
#include "error.h"
#include "group.h"
#include "groups.h"
#include "handle.h"
#include "members.h"
#include "policy.h"
#include "recovery.h"
#include "views.h"

#define LOOKS 1000

/* The caller's structure may be shorter than ours, or longer. */
static int give(void *out, size_t out_size, const void *info, size_t info_size)
{
	memcpy((char *)out + sizeof(size_t),
	       (const char *)info + sizeof(size_t),
	       (out_size < info_size ? out_size : info_size) - sizeof(size_t));
	return 0;
}

/* Look into the rings, until look_away(). */
static bool look_into(struct segment *seg, struct rings *rings)
{
	int r;

	pthread_mutex_lock(&seg->lock);
	r = shmqi_views_get(seg, false, rings);
	if (r)
		pthread_mutex_unlock(&seg->lock);
	return !r;
}

static void look_away(struct segment *seg)
{
	shmqi_views_let(seg);
	pthread_mutex_unlock(&seg->lock);
}

static bool walk(struct segment *seg, uint64_t *pos, uint64_t *seq,
		 uint64_t end)
{
	struct rings rings;
	bool whole;

	if (!look_into(seg, &rings))
		return false;
	whole = reach_holds(&rings.reach, *pos, end) &&
		shmqi_ring_walk(&rings, pos, seq, end);
	look_away(seg);
	return whole;
}

static bool tail_place(const struct segment *seg, struct cursor *tail)
{
	for (int i = 0; i < LOOKS; i++) {
		*tail = cursor_load(&seg->control->tail);
		if (cursor_unchanged(&seg->control->tail, *tail))
			return true;
	}
	return false;
}

/* What a serial consumer has on loan has been received: go on behind it. */
static void pass_loan(struct segment *seg, uint32_t group, struct cursor *at)
{
	uint64_t taken = shmqi_group_taken(seg, group), pos = at->pos,
		 seq = at->seq;

	if (taken <= pos || !walk(seg, &pos, &seq, taken))
		return;
	at->pos = pos;
	at->seq = seq;
}

/* Where the group is, and the tail as it was later. */
static int places(struct segment *seg, uint32_t group, struct cursor *at,
		  struct cursor *tail)
{
	if (!shmqi_group_place(seg, group, at))
		return -EBADMSG;
	pass_loan(seg, group, at);
	if (!tail_place(seg, tail) || at->pos > tail->pos)
		return -EBADMSG;
	/* A single producer numbers the tail late. */
	if (tail->seq < at->seq)
		tail->seq = at->seq;
	return 0;
}

/* Of what a group has not received; some of it may be written over. */
static uint64_t lag_bytes(const struct segment *seg, const struct cursor *at,
			  const struct cursor *tail)
{
	uint64_t bytes = tail->pos - at->pos, there;
	struct reach reach;

	if (!policy_now(seg) || shmqi_rings_reach(seg, &reach))
		return bytes;
	there = tail->pos - reach_floor(&reach, tail->pos);
	return bytes < there ? bytes : there;
}

static bool is_alive(struct segment *seg, uint32_t index)
{
	bool alive;

	pthread_mutex_lock(&seg->lock);
	alive = shmqi_member_alive(seg, index);
	pthread_mutex_unlock(&seg->lock);
	return alive;
}

static int newest_capacity(const struct segment *seg, uint64_t *capacity)
{
	struct ring_table table;
	int r = shmqi_rings_read(seg, &table);

	if (!r)
		*capacity = ring_place(&table, table.newest)->capacity;
	return r;
}

int shmq_stat(struct shmq *q, struct shmq_stat *st)
{
	KEEP_ERRNO;
	struct shmq_stat s = SHMQ_STAT_INIT;
	struct cursor at, tail;
	struct segment *seg;
	int r;

	if (!q || !st || st->size < sizeof(st->size))
		return -EINVAL;
	seg = q->seg;
	if (!tail_place(seg, &tail))
		return -EBADMSG;
	r = newest_capacity(seg, &s.capacity_bytes);
	if (r)
		return r;
	s.flags = seg->geo.flags & ~(uint64_t)SHMQ_OVERWRITE;
	if (policy_overwrites(policy_now(seg)))
		s.flags |= SHMQ_OVERWRITE;
	s.sent_messages = tail.seq;
	s.stalls = load_relaxed(&seg->control->stalls);
	s.recoveries = load_relaxed(&seg->control->recoveries);
	for (uint32_t i = 0; i < seg->geo.max_groups; i++) {
		if (!group_used(seg, i))
			continue;
		r = places(seg, i, &at, &tail);
		if (r)
			return r;
		s.groups++;
		if (tail.seq - at.seq > s.depth_messages)
			s.depth_messages = tail.seq - at.seq;
		if (lag_bytes(seg, &at, &tail) > s.depth_bytes)
			s.depth_bytes = lag_bytes(seg, &at, &tail);
	}
	for (uint32_t i = 0; i < shmqi_member_top(seg); i++) {
		/* edge STATE */
		uint32_t state = load_acquire(&member_at(seg, i)->state);

		if (state == SH_MEMBER_PRODUCER || state == SH_MEMBER_CONSUMER)
			s.members += is_alive(seg, i);
	}
	return give(st, st->size, &s, sizeof(s));
}

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
	if (!walk(seg, &pos, &seq, end))
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
	if (!look_into(seg, &rings))
		return 0;
	seq = record_seq(ring_at(&rings, pos), pos);
	look_away(seg);
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
	info->alive = state != SH_MEMBER_RETURNED && is_alive(seg, index);
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
	give(out, out->size, &info, sizeof(info));
	return 1;
}

uint32_t shmq_member_entries(const struct shmq *q)
{
	return q ? q->seg->geo.member_entries : 0;
}

int shmq_stat_group(struct shmq *q, uint32_t index, struct shmq_group_info *out)
{
	KEEP_ERRNO;
	struct shmq_group_info info = SHMQ_GROUP_INFO_INIT;
	struct cursor at, tail;
	struct segment *seg;
	int r;

	if (!q || !out || out->size < sizeof(out->size) ||
	    index >= q->seg->geo.max_groups)
		return -EINVAL;
	seg = q->seg;
	if (!group_used(seg, index))
		return 0;
	r = places(seg, index, &at, &tail);
	if (r)
		return r;
	info.index = index;
	info.next_seq = at.seq;
	info.lag_messages = tail.seq - at.seq;
	info.lag_bytes = lag_bytes(seg, &at, &tail);
	memcpy(info.name, seg->groups[index].name, sizeof(info.name) - 1);
	for (uint32_t i = 0; i < shmqi_member_top(seg); i++) {
		struct shmq_member_info member = SHMQ_MEMBER_INFO_INIT;

		if (shmq_stat_member(q, i, &member) != 1 ||
		    member.role == SHMQ_ROLE_PRODUCER ||
		    load_relaxed(&member_at(seg, i)->group) != index)
			continue;
		info.consumers += member.alive;
		info.held_bytes += member.held_bytes;
	}
	give(out, out->size, &info, sizeof(info));
	return 1;
}

uint32_t shmq_group_entries(const struct shmq *q)
{
	return q ? q->seg->geo.max_groups : 0;
}

int shmq_recover(struct shmq *q)
{
	KEEP_ERRNO;
	int r;

	if (!q)
		return -EINVAL;
	if (!q->seg->writable)
		return -EBADF;
	pthread_mutex_lock(&q->seg->lock);
	r = shmqi_groups_mend(q->seg);
	if (r >= 0)
		r = shmqi_recover_all(q->seg);
	if (r >= 0)
		shmqi_views_give_back(q->seg, false);
	pthread_mutex_unlock(&q->seg->lock);
	return r;
}

uint64_t shmq_max_message(const struct shmq *q)
{
	uint64_t capacity;

	if (!q || newest_capacity(q->seg, &capacity))
		return 0;
	return shmqi_format_max_message(capacity);
}

const char *shmq_version(void)
{
	return PACKAGE_VERSION;
}
