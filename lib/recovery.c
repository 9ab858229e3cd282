/* SPDX-License-Identifier: MIT */
/* Recovery. See recovery.h; span.h for what dead consumers held. */
#include "config.h"

#include <errno.h>
#include <sched.h>

#include <shmq.h>

#include "chime.h"
#include "cursor.h"
#include "error.h"
#include "group.h"
#include "groups.h"
#include "handle.h"
#include "lease.h"
#include "members.h"
#include "policy.h"
#include "recovery.h"
#include "span.h"
#include "views.h"
#include "wake.h"

/*
 * A single producer moves the tail, writes, stamps; its claims have no slot.
 * The stream is whole from any group's cursor up to the first missing stamp;
 * what it claimed beyond that becomes one skipped record.
 */
static int walk_to_tail(struct segment *seg, const struct rings *rings,
			uint64_t *pos, uint64_t *seq)
{
	uint64_t end = cursor_pos(&seg->control->tail);
	struct cursor place;

	if (!shmqi_group_oldest(seg, &place))
		return -EBADMSG;
	*pos = place.pos;
	*seq = place.seq;
	if (!reach_holds(&rings->reach, *pos, end) ||
	    !shmqi_ring_walk(rings, pos, seq, end))
		return -EBADMSG;
	return 0;
}

int shmqi_recover_check_tail(struct segment *seg, const struct cursor *tail)
{
	struct rings rings;
	uint64_t pos, seq;
	int r = shmqi_views_get(seg, false, &rings);

	if (r)
		return r;
	r = walk_to_tail(seg, &rings, &pos, &seq);
	shmqi_views_let(seg);
	if (r)
		return r;
	return pos == tail->pos && seq == tail->seq ? 0 : -EBADMSG;
}

static int finish_single_producer(struct segment *seg,
				  const struct rings *rings, uint32_t index)
{
	struct sh_cursor *tail = &seg->control->tail;
	uint64_t end = cursor_pos(tail), pos, seq;
	int r = walk_to_tail(seg, rings, &pos, &seq);

	if (r)
		return r;
	if (pos < end)
		shmqi_ring_abort(ring_at(rings, pos), pos, seq++, end - pos, 1,
				 index);
	cursor_number(tail, seq);
	return 0;
}

/*
 * What is stamped of the claim stays as it is, the rest becomes one skipped
 * record. Nothing of it has been written over: it is open (room.c).
 */
static int finish_claim(struct segment *seg, const struct rings *rings,
			uint32_t index, uint64_t word)
{
	struct sh_claim *claim = &member_at(seg, index)->claims[0];
	uint64_t pos = claim_pos(word), end = load_relaxed(&claim->end);
	uint64_t seq = load_relaxed(&claim->seq);
	uint64_t behind = seq + load_relaxed(&claim->count);

	/* What cannot be mapped looks as if nothing were published there. */
	if (rings->journal && ring_at(rings, pos) == &rings->high)
		return -ENOMEM;
	if (end <= pos || end > cursor_pos(&seg->control->tail) ||
	    !reach_holds(&rings->reach, pos, end) ||
	    !shmqi_ring_walk(rings, &pos, &seq, end))
		return -EBADMSG;
	if (pos == end)
		return 0;
	/* A number for each record: some are left, and room for them. */
	if (behind <= seq || behind - seq > (end - pos) / SH_LINE)
		return -EBADMSG;
	shmqi_ring_abort(ring_at(rings, pos), pos, seq, end - pos, behind - seq,
			 index);
	return 0;
}

static int finish_claimed(struct segment *seg, const struct rings *rings,
			  uint32_t index)
{
	struct sh_claim *claim = &member_at(seg, index)->claims[0];
	uint64_t word;
	int r;

	shmqi_claim_settle(&seg->control->tail, claim, index);
	/* edge ANNOUNCE */
	word = load_acquire(&claim->word);
	if (claim_state(word) != SH_CLAIM_OWNED)
		return 0;
	r = finish_claim(seg, rings, index, word);
	if (!r)
		claim_done(claim);
	return r;
}

static int finish_producer(struct segment *seg, uint32_t index)
{
	struct rings rings;
	int r = shmqi_views_get(seg, true, &rings);

	if (r)
		return r;
	r = policy_serial(seg) ? finish_single_producer(seg, &rings, index) :
				 finish_claimed(seg, &rings, index);
	shmqi_views_let(seg);
	if (!r)
		/* edge STATE */
		store_release(&member_at(seg, index)->state, SH_MEMBER_FREE);
	return r;
}

/* Under the only consumer's lease; for the others it grows only. */
static void raise(_Atomic uint64_t *word, uint64_t value)
{
	if (load_relaxed(word) < value)
		store_release(word, value);
}

/*
 * A serial consumer: give its cursor the number that belongs to it, and flag
 * what it had taken and not released. From then on it is like any other.
 */
static int settle_serial(struct segment *seg, struct sh_group *group,
			 struct sh_member *member)
{
	uint64_t pos = cursor_pos(&group->cursor), seq;
	uint64_t taken = load_acquire(&member->claims[0].end);

	if (!shmqi_serial_seq(member->claims, pos, &seq))
		return -EBADMSG;
	cursor_number(&group->cursor, seq);
	if (taken <= cursor_pos(&seg->control->tail))
		raise(&group->redelivered_pos, taken);
	claim_done(&member->claims[0]);
	return 0;
}

int shmqi_recover_settle_consumer(struct segment *seg, uint32_t index,
				  struct sh_group **out, bool *held)
{
	struct sh_member *member = member_at(seg, index);
	/* Once: what is checked is what is used. */
	uint32_t index_of_group = load_relaxed(&member->group);
	struct sh_group *group;
	int r;

	if (index_of_group >= seg->geo.max_groups)
		return -EBADMSG;
	group = &seg->groups[index_of_group];
	if (claim_state(load_acquire(&member->claims[0].word)) ==
	    SH_CLAIM_SERIAL) {
		r = settle_serial(seg, group, member);
		if (r)
			return r;
	}
	shmqi_claim_settle(&group->cursor, &member->claims[0], index);
	*held = shmqi_span_settle(seg, index);
	*out = group;
	return 0;
}

static int finish_consumer(struct segment *seg, uint32_t index)
{
	struct sh_member *member = member_at(seg, index);
	struct sh_group *group;
	bool held;
	int r = shmqi_recover_settle_consumer(seg, index, &group, &held);

	if (r)
		return r;
	/* edge STATE */
	store_release(&member->state,
		      held ? SH_MEMBER_RETURNED : SH_MEMBER_FREE);
	/* edge RETURN: pairs with shmqi_consumer_adopt */
	if (held)
		add_release(&group->returns, 1);
	return 0;
}

int shmqi_recover_member(struct segment *seg, uint32_t index)
{
	struct sh_member *member = member_at(seg, index);
	/* edge STATE */
	uint32_t state = load_acquire(&member->state);
	int r;

	if ((state != SH_MEMBER_PRODUCER && state != SH_MEMBER_CONSUMER) ||
	    seg->endpoints[index] || seg->lease_fd < 0)
		return 0;
	r = shmqi_lease_take(seg->lease_fd, SH_LEASE_MEMBER + index);
	if (r)
		return r == -EBUSY ? 0 : r;
	/* It may have left, or been cleaned up, before we got the lease. */
	state = load_acquire(&member->state);
	if (state == SH_MEMBER_PRODUCER || state == SH_MEMBER_CONSUMER)
		shmqi_chime_sweep(seg, index);
	if (state == SH_MEMBER_PRODUCER)
		r = finish_producer(seg, index);
	else if (state == SH_MEMBER_CONSUMER)
		r = finish_consumer(seg, index);
	shmqi_lease_drop(seg->lease_fd, SH_LEASE_MEMBER + index);
	if (r)
		return r;
	if (state == SH_MEMBER_PRODUCER || state == SH_MEMBER_CONSUMER)
		add_release(&seg->control->recoveries, 1);
	shmqi_bell_ring(seg, &seg->control->recv);
	shmqi_bell_ring(seg, &seg->control->send);
	return 1;
}

int shmqi_recover_all(struct segment *seg)
{
	int n = 0;

	for (uint32_t i = 0; i < shmqi_member_top(seg); i++) {
		int r = shmqi_recover_member(seg, i);

		if (r < 0)
			return r;
		n += r;
	}
	return n;
}

int shmqi_recover_consumers(struct segment *seg)
{
	int n = 0;

	for (uint32_t i = 0; i < shmqi_member_top(seg); i++) {
		int r;

		/* edge STATE */
		if (load_acquire(&member_at(seg, i)->state) !=
		    SH_MEMBER_CONSUMER)
			continue;
		r = shmqi_recover_member(seg, i);
		if (r < 0)
			return r;
		n += r;
	}
	return n;
}

/*
 * Might this producer be writing at pos? A claim is announced before it is
 * won and done after its records are stamped, so whoever claimed pos and has
 * not stamped it is found here.
 */
static bool may_cover(const struct segment *seg, struct sh_member *member,
		      uint64_t pos, uint64_t *word)
{
	struct sh_claim *claim = &member->claims[0];

	*word = claim_word(pos, SH_CLAIM_OWNED);
	if (policy_serial(seg))
		return true;
	/* edges ANNOUNCE, DONE */
	*word = load_acquire(&claim->word);
	return claim_state(*word) != SH_CLAIM_NONE && claim_pos(*word) <= pos &&
	       load_relaxed(&claim->end) > pos;
}

static int look_for_claim(struct segment *seg, uint64_t pos, bool *found)
{
	*found = false;
	for (uint32_t i = 0; i < shmqi_member_top(seg); i++) {
		struct sh_member *member = member_at(seg, i);
		uint64_t word;
		int r;

		/* edge STATE */
		if (load_acquire(&member->state) != SH_MEMBER_PRODUCER ||
		    !may_cover(seg, member, pos, &word))
			continue;
		*found = true;
		r = shmqi_recover_member(seg, i);
		if (r)
			return r;
		shmqi_member_watch(member, word);
	}
	return 0;
}

/* A single producer numbers the tail after it has stamped. */
static bool is_overdue(const struct segment *seg, uint64_t seq)
{
	return policy_serial(seg) && cursor_load(&seg->control->tail).seq > seq;
}

int shmqi_recover_claim_at(struct segment *seg, const struct ring *ring,
			   uint64_t pos, uint64_t seq)
{
	for (int i = 0; i < 3; i++) {
		bool found, overdue;
		int r = look_for_claim(seg, pos, &found);

		overdue = is_overdue(seg, seq);
		if (r || record_published(ring, pos, seq))
			return r < 0 ? r : 1;
		if (found && !overdue)
			return 0;
		sched_yield();
	}
	return -EBADMSG;
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
