/* SPDX-License-Identifier: MIT */
/*
 * Returned spans, and how they move from one member's slot to another's so
 * that a death at any point leaves each span with exactly one of them:
 *
 *   1  the new holder's slot: ADOPTING [p, x), from member a, slot s
 *   2  control.moves grows
 *   3  a's slot s: [x, end), or NONE            <- this store decides
 *   4  the new holder's slot: OWNED [p, x)
 *
 * All of it under the lease of a. ADOPTING at p is void as long as the slot it
 * comes from still begins at p. Whoever takes the lease of a next voids such
 * left-overs before it moves anything, so nobody can mistake a later move for
 * that one; whoever settles the dead adopter sees either the old beginning,
 * or the new one, or that the slot has been voided.
 *
 * Who looks for the lowest span (room.c) might read the new slot before 1 and
 * the old one after 3. Step 2 tells it to look again.
 */
#include "config.h"

#include <errno.h>

#include "cursor.h"
#include "journal.h"
#include "lease.h"
#include "members.h"
#include "policy.h"
#include "returned.h"

static uint64_t origin(uint32_t member, unsigned slot)
{
	return (uint64_t)member << 8 | slot;
}

static bool comes_from(struct sh_claim *claim, uint64_t word, uint32_t member,
		       unsigned slot)
{
	/* Relaxed: stored before the word, which was acquired. */
	return claim_state(word) == SH_CLAIM_ADOPTING &&
	       load_relaxed(&claim->count) >> CLAIM_NUMBERS_BITS ==
		       origin(member, slot);
}

/* Holding the lease of from: void adoptions that did not reach step 3. */
static void void_adoptions(struct segment *seg, uint32_t from, unsigned slot)
{
	/* edge DONE */
	uint64_t there = load_acquire(&member_at(seg, from)->claims[slot].word);

	for (uint32_t i = 0; i < shmqi_member_top(seg); i++) {
		struct sh_member *member = member_at(seg, i);

		for (unsigned k = 1; k < shmqi_member_slots(member); k++) {
			struct sh_claim *claim = &member->claims[k];
			/* edge ANNOUNCE: pairs with span_move */
			uint64_t word = load_acquire(&claim->word);

			if (comes_from(claim, word, from, slot) &&
			    claim_pos(word) == claim_pos(there))
				cas64(&claim->word, word, SH_CLAIM_NONE);
		}
	}
}

/* Move [pos, x) from the beginning of a slot; see above. */
static void span_move(struct segment *seg, uint32_t from, unsigned slot,
		      uint32_t to, unsigned to_slot, uint64_t x)
{
	struct sh_claim *old = &member_at(seg, from)->claims[slot];
	struct sh_claim *new = &member_at(seg, to)->claims[to_slot];
	/* Relaxed: we hold the lease of from. */
	uint64_t pos = claim_pos(load_relaxed(&old->word));
	uint64_t end = load_relaxed(&old->end);

	store_relaxed(&new->end, x);
	/* Of a part of the span they mean nothing; nobody asks then. */
	store_relaxed(&new->seq, load_relaxed(&old->seq));
	store_relaxed(&new->count,
		      claim_numbers(old) | origin(from, slot)
						   << CLAIM_NUMBERS_BITS);
	if (to_slot >= shmqi_member_slots(member_at(seg, to)))
		store_release(&member_at(seg, to)->slots, to_slot + 1);
	/* edge ANNOUNCE: pairs with void_adoptions, settle_adoption */
	store_release(&new->word, claim_word(pos, SH_CLAIM_ADOPTING));
	/* edge MOVE: pairs with shmqi_room_lowest */
	add_release(&seg->control->moves, 1);
	/* edge DONE */
	store_release(&old->word,
		      x < end ? claim_word(x, SH_CLAIM_OWNED) : SH_CLAIM_NONE);
	claim_own(new, pos);
}

static bool is_returned(const struct segment *seg, uint32_t index,
			uint32_t group)
{
	struct sh_member *member = member_at(seg, index);

	/* edge STATE */
	return load_acquire(&member->state) == SH_MEMBER_RETURNED &&
	       load_relaxed(&member->group) == group;
}

/* Is the slot that an adoption comes from still as it was before step 3? */
static bool not_moved(const struct segment *seg, uint32_t from, uint64_t slot,
		      uint32_t group, uint64_t pos)
{
	/* edge DONE: pairs with span_move */
	uint64_t there = load_acquire(&member_at(seg, from)->claims[slot].word);

	/* An entry that has been reused has given all it had. */
	return is_returned(seg, from, group) &&
	       claim_state(there) == SH_CLAIM_OWNED && claim_pos(there) == pos;
}

static void settle_adoption(struct segment *seg, uint32_t group,
			    struct sh_claim *claim)
{
	/* edge ANNOUNCE: pairs with span_move */
	uint64_t word = load_acquire(&claim->word);
	uint64_t count = load_relaxed(&claim->count) >> CLAIM_NUMBERS_BITS;
	uint64_t from = count >> 8, slot = count & 255;

	if (claim_state(word) != SH_CLAIM_ADOPTING)
		return;
	if (from >= seg->geo.member_entries || slot >= SH_CLAIMS ||
	    not_moved(seg, (uint32_t)from, slot, group, claim_pos(word)))
		cas64(&claim->word, word, SH_CLAIM_NONE);
	else
		cas64(&claim->word, word,
		      claim_word(claim_pos(word), SH_CLAIM_OWNED));
}

/*
 * Does a slot from 1 on, other than k, name pos, where k's span begins? Then k
 * is a copy that was about to go: slot 0, kept in a higher slot; or a slot that
 * has been joined to its neighbour. Slot 0 itself is no witness: its end may
 * already be that of the next announcement.
 */
static bool is_copy(struct sh_claim *claims, unsigned slots, unsigned k,
		    uint64_t pos)
{
	for (unsigned i = 1; i < slots; i++) {
		/* edge DONE */
		uint64_t word = load_acquire(&claims[i].word);

		if (i != k && claim_state(word) == SH_CLAIM_OWNED &&
		    claim_pos(word) <= pos &&
		    pos < load_relaxed(&claims[i].end) &&
		    (claim_pos(word) < pos || k < i))
			return true;
	}
	return false;
}

/*
 * A slot that takes in its neighbour gets its count first, then its end. Who
 * died between them has the neighbour still: it knows where the slot's numbers
 * end.
 */
static void count_again(struct sh_claim *claims, unsigned slots)
{
	for (unsigned k = 0; k < slots; k++) {
		for (unsigned i = 0; i < slots; i++) {
			/* edge DONE */
			uint64_t one = load_acquire(&claims[k].word);
			uint64_t next = load_acquire(&claims[i].word);

			if (claim_state(one) == SH_CLAIM_OWNED &&
			    claim_state(next) == SH_CLAIM_OWNED &&
			    load_relaxed(&claims[k].end) == claim_pos(next))
				store_relaxed(&claims[k].count,
					      load_relaxed(&claims[i].seq) -
						      load_relaxed(
							      &claims[k].seq));
		}
	}
}

bool shmqi_returned_settle(struct segment *seg, uint32_t index)
{
	struct sh_member *member = member_at(seg, index);
	struct sh_claim *claims = member->claims;
	unsigned slots = shmqi_member_slots(member);
	bool held = false;

	for (unsigned k = 1; k < slots; k++)
		settle_adoption(seg, load_relaxed(&member->group), &claims[k]);
	for (unsigned k = 0; k < slots; k++) {
		/* edge DONE */
		uint64_t word = load_acquire(&claims[k].word);

		if (claim_state(word) != SH_CLAIM_OWNED)
			continue;
		if (is_copy(claims, slots, k, claim_pos(word)))
			claim_done(&claims[k]);
		else
			held = true;
	}
	if (held && policy_copies(member))
		count_again(claims, slots);
	return held;
}

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

	void_adoptions(seg, from, slot);
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
		/* edge DONE: pairs with span_move */
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
		if (!is_returned(seg, i, a->group) ||
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
	void_adoptions(seg, from->member, from->slot);
	span_move(seg, from->member, from->slot, a->to, a->slots++, a->end);
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

	if (!is_returned(seg, from->member, a->group) ||
	    policy_copies(member_at(seg, from->member)) != a->whole)
		return 0;
	if (shmqi_returned_settle(seg, from->member))
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

/* Let adjacent spans of the entry be one. Its lease is held. */
static void join_all(struct segment *seg, uint32_t index)
{
	struct sh_claim *claims = member_at(seg, index)->claims;

	for (unsigned i = 0; i < SH_CLAIMS; i++) {
		for (unsigned k = 0; k < SH_CLAIMS; k++) {
			uint64_t one = load_acquire(&claims[i].word);
			uint64_t next = load_acquire(&claims[k].word);

			if (i == k || claim_state(one) != SH_CLAIM_OWNED ||
			    claim_state(next) != SH_CLAIM_OWNED ||
			    load_relaxed(&claims[i].end) != claim_pos(next))
				continue;
			void_adoptions(seg, index, k);
			store_relaxed(&claims[i].count,
				      claim_numbers(&claims[i]) +
					      claim_numbers(&claims[k]));
			/* edge DONE: for a moment both name it */
			store_release(&claims[i].end,
				      load_relaxed(&claims[k].end));
			claim_done(&claims[k]);
			k = 0;
		}
	}
}

/* Both leases are held. Returns whether from is empty now. */
static bool merge(struct segment *seg, uint32_t from, uint32_t to)
{
	struct sh_claim *source = member_at(seg, from)->claims;
	struct sh_claim *target = member_at(seg, to)->claims;
	unsigned k = 1;

	for (unsigned s = 0; s < SH_CLAIMS; s++) {
		if (claim_state(load_acquire(&source[s].word)) !=
		    SH_CLAIM_OWNED)
			continue;
		while (k < SH_CLAIMS &&
		       claim_state(load_acquire(&target[k].word)) !=
			       SH_CLAIM_NONE)
			k++;
		if (k == SH_CLAIMS)
			return false;
		void_adoptions(seg, from, s);
		span_move(seg, from, s, to, k, load_relaxed(&source[s].end));
		join_all(seg, to);
		k = 1;
	}
	return true;
}

static bool take_returned(struct segment *seg, uint32_t index)
{
	struct sh_member *member = member_at(seg, index);

	/* edge STATE */
	if (load_acquire(&member->state) != SH_MEMBER_RETURNED ||
	    shmqi_lease_take(seg->lease_fd, SH_LEASE_MEMBER + index))
		return false;
	if (load_acquire(&member->state) == SH_MEMBER_RETURNED) {
		shmqi_returned_settle(seg, index);
		return true;
	}
	shmqi_lease_drop(seg->lease_fd, SH_LEASE_MEMBER + index);
	return false;
}

static bool same_group(struct sh_member *a, struct sh_member *b)
{
	return load_relaxed(&a->group) == load_relaxed(&b->group) &&
	       policy_copies(a) == policy_copies(b);
}

void shmqi_returned_compact(struct segment *seg)
{
	uint32_t top = shmqi_member_top(seg);

	for (uint32_t to = 0; to < top; to++) {
		if (!take_returned(seg, to))
			continue;
		for (uint32_t from = to + 1; from < top; from++) {
			struct sh_member *member = member_at(seg, from);

			if (!take_returned(seg, from))
				continue;
			if (same_group(member, member_at(seg, to)) &&
			    merge(seg, from, to))
				/* edge STATE */
				store_release(&member->state, SH_MEMBER_FREE);
			shmqi_lease_drop(seg->lease_fd, SH_LEASE_MEMBER + from);
		}
		shmqi_lease_drop(seg->lease_fd, SH_LEASE_MEMBER + to);
	}
}
