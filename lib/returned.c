/* SPDX-License-Identifier: MIT */
/* Adopting what was returned. See returned.h. */
#include "config.h"

#include <errno.h>

#include "cursor.h"
#include "journal.h"
#include "lease.h"
#include "members.h"
#include "policy.h"
#include "returned.h"
#include "span.h"

/*
 * How far into [pos, end) the adopter wants: a->pos, a->end. 0, -EMSGSIZE if
 * the first message is too large, -EBADMSG.
 */
static int measure(struct adoption *a, uint64_t pos, uint64_t end)
{
	unsigned messages = 0;
	struct found found;
	uint64_t seq;

	a->pos = a->end = pos;
	if (end <= pos || !reach_holds(&a->rings->reach, pos, end))
		return -EBADMSG;
	/* A held record keeps its stamp, and the stamp its number. */
	seq = record_seq(ring_at(a->rings, pos), pos);
	while (a->end < end) {
		const struct ring *ring = ring_at(a->rings, a->end);

		if (!record_published(ring, a->end, seq) ||
		    !record_read(ring, a->end, &found) ||
		    found.span > end - a->end)
			return -EBADMSG;
		if (!(found.flags & SH_RECORD_SKIP)) {
			if (messages == a->messages)
				return messages ? 0 : -EMSGSIZE;
			if (found.size > a->max_size)
				return messages ? 0 : -EMSGSIZE;
			messages++;
		}
		a->end += found.span;
		seq += found.count;
	}
	return 0;
}

/* Of who copied; perhaps more than the ring, which may be over it by now. */
static int check_whole(const struct segment *seg, const struct adoption *a,
		       struct sh_claim *claim)
{
	uint64_t numbers = claim_numbers(claim);

	return a->end <= a->pos || a->end > cursor_pos(&seg->control->tail) ||
			       !numbers ||
			       numbers > (a->end - a->pos) / SH_LINE ?
		       -EBADMSG :
		       0;
}

/*
 * In a journal: has the segment where the span begins been removed? Then who
 * held it claimed it just before that, and nobody has it any more.
 */
static bool is_gone(const struct segment *seg, const struct adoption *a,
		    uint64_t pos)
{
	return seg->journal && shmqi_journal_gone(seg, pos) &&
	       !ring_at(a->rings, pos)->max_message;
}

/* Under the lease of the entry: what is left of the span, if anything. */
static void drop_gone(struct segment *seg, uint32_t from, unsigned slot)
{
	struct sh_claim *claim = &member_at(seg, from)->claims[slot];
	uint64_t oldest = load_acquire(&seg->control->oldest) *
			  seg->geo.capacity;

	shmqi_span_void(seg, from, slot);
	/* edge DONE */
	store_release(&claim->word, oldest < load_relaxed(&claim->end) ?
					    claim_word(oldest, SH_CLAIM_OWNED) :
					    SH_CLAIM_NONE);
}

/* A slot of a RETURNED entry, and where its span begins. */
struct found_slot {
	uint32_t member;
	unsigned slot;
	uint64_t pos;
};

/* The lowest span of the entry. False: it has none. */
static bool lowest_slot(const struct segment *seg, uint32_t index,
			struct found_slot *lowest)
{
	struct sh_member *member = member_at(seg, index);
	bool any = false;

	for (unsigned k = 0; k < shmqi_member_slots(member); k++) {
		/* edge DONE: pairs with shmqi_span_move */
		uint64_t word = load_acquire(&member->claims[k].word);

		if (claim_state(word) != SH_CLAIM_OWNED ||
		    (any && claim_pos(word) >= lowest->pos))
			continue;
		*lowest = (struct found_slot){ index, k, claim_pos(word) };
		any = true;
	}
	return any;
}

/*
 * The lowest span of its group, in place or not as it wants it, from position
 * from on, or an entry without any, which only wants to be freed. What others
 * change meanwhile is noticed under the lease.
 */
static bool lowest_returned(const struct segment *seg, const struct adoption *a,
			    uint64_t from, struct found_slot *lowest)
{
	struct found_slot slot;
	bool any = false;

	for (uint32_t i = 0; i < shmqi_member_top(seg); i++) {
		if (!span_returned(seg, i, a->group) ||
		    policy_copies(member_at(seg, i)) != a->whole)
			continue;
		if (!lowest_slot(seg, i, &slot))
			slot = (struct found_slot){ i, 0, UINT64_MAX };
		if (slot.pos < from || (any && slot.pos >= lowest->pos))
			continue;
		*lowest = slot;
		any = true;
	}
	return any;
}

/* The new slot follows the last one: let that one name both. */
static void join_last(struct segment *seg, struct adoption *a)
{
	struct sh_claim *claim = &member_at(seg, a->to)->claims[a->slots - 1];

	/* Relaxed: they are the adopter's own. */
	if (a->slots - 1 <= a->first_slot ||
	    claim_state(load_relaxed(&claim[-1].word)) != SH_CLAIM_OWNED ||
	    load_relaxed(&claim[-1].end) != a->pos)
		return;
	/* edge DONE: for a moment both name it, see is_copy() */
	store_release(&claim[-1].end, a->end);
	claim_done(claim);
	a->slots--;
}

/*
 * Under the lease of the entry: adopt the beginning of the slot. 1: done;
 * 0: somebody else has; -EMSGSIZE, -ENOBUFS, -EBADMSG.
 */
static int adopt_slot(struct segment *seg, struct adoption *a,
		      const struct found_slot *from)
{
	struct sh_claim *claim =
		&member_at(seg, from->member)->claims[from->slot];
	int r;

	if (load_acquire(&claim->word) != claim_word(from->pos, SH_CLAIM_OWNED))
		return 0;
	if (unlikely(is_gone(seg, a, from->pos))) {
		drop_gone(seg, from->member, from->slot);
		return 0;
	}
	a->pos = from->pos;
	a->end = load_relaxed(&claim->end);
	r = a->whole ? check_whole(seg, a, claim) : measure(a, a->pos, a->end);
	if (r)
		return r;
	if (a->slots == SH_CLAIMS)
		return -ENOBUFS;
	shmqi_span_void(seg, from->member, from->slot);
	shmqi_span_move(seg, from->member, from->slot, a->to, a->slots++,
			a->end);
	if (a->join)
		join_last(seg, a);
	return 1;
}

/* As adopt_slot(); frees the entry when nothing is left in it. */
static int adopt_from(struct segment *seg, struct adoption *a,
		      const struct found_slot *from)
{
	struct found_slot rest;
	int r = 0;

	if (!span_returned(seg, from->member, a->group) ||
	    policy_copies(member_at(seg, from->member)) != a->whole)
		return 0;
	if (shmqi_span_settle(seg, from->member))
		r = adopt_slot(seg, a, from);
	if (!lowest_slot(seg, from->member, &rest))
		/* edge STATE */
		store_release(&member_at(seg, from->member)->state,
			      SH_MEMBER_FREE);
	return r;
}

int shmqi_returned_adopt(struct segment *seg, struct adoption *a)
{
	struct found_slot slot = { 0 };
	uint64_t from = 0;
	bool busy = false;
	int r = 0;

	for (uint64_t i = (uint64_t)seg->geo.member_entries * SH_CLAIMS;
	     i && !r && lowest_returned(seg, a, from, &slot); i--) {
		int64_t lease = SH_LEASE_MEMBER + slot.member;

		if (shmqi_lease_take(seg->lease_fd, lease)) {
			/* Somebody else is at it: what is above it? */
			busy = true;
			if (slot.pos == UINT64_MAX)
				break;
			from = slot.pos + 1;
			continue;
		}
		r = adopt_from(seg, a, &slot);
		shmqi_lease_drop(seg->lease_fd, lease);
	}
	return r ? r : busy ? -EAGAIN : 0;
}
