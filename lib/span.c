/* SPDX-License-Identifier: MIT */
/* How spans move, and what became of them. See span.h. */
#include "config.h"

#include "cursor.h"
#include "members.h"
#include "policy.h"
#include "span.h"

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

void shmqi_span_void(struct segment *seg, uint32_t from, unsigned slot)
{
	/* edge DONE */
	uint64_t there = load_acquire(&member_at(seg, from)->claims[slot].word);

	for (uint32_t i = 0; i < shmqi_member_top(seg); i++) {
		struct sh_member *member = member_at(seg, i);

		for (unsigned k = 1; k < shmqi_member_slots(member); k++) {
			struct sh_claim *claim = &member->claims[k];
			/* edge ANNOUNCE: pairs with shmqi_span_move */
			uint64_t word = load_acquire(&claim->word);

			if (comes_from(claim, word, from, slot) &&
			    claim_pos(word) == claim_pos(there))
				cas64(&claim->word, word, SH_CLAIM_NONE);
		}
	}
}

void shmqi_span_move(struct segment *seg, uint32_t from, unsigned slot,
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
	/* edge ANNOUNCE: pairs with shmqi_span_void, settle_adoption */
	store_release(&new->word, claim_word(pos, SH_CLAIM_ADOPTING));
	/* edge MOVE: pairs with shmqi_room_lowest */
	add_release(&seg->control->moves, 1);
	/* edge DONE */
	store_release(&old->word,
		      x < end ? claim_word(x, SH_CLAIM_OWNED) : SH_CLAIM_NONE);
	claim_own(new, pos);
}

/* Is the slot that an adoption comes from still as it was before step 3? */
static bool not_moved(const struct segment *seg, uint32_t from, uint64_t slot,
		      uint32_t group, uint64_t pos)
{
	/* edge DONE: pairs with shmqi_span_move */
	uint64_t there = load_acquire(&member_at(seg, from)->claims[slot].word);

	/* An entry that has been reused has given all it had. */
	return span_returned(seg, from, group) &&
	       claim_state(there) == SH_CLAIM_OWNED && claim_pos(there) == pos;
}

static void settle_adoption(struct segment *seg, uint32_t group,
			    struct sh_claim *claim)
{
	/* edge ANNOUNCE: pairs with shmqi_span_move */
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

bool shmqi_span_settle(struct segment *seg, uint32_t index)
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
