/* SPDX-License-Identifier: MIT */
/*
 * Cursors and the claim. Producers claim spans of the stream at the tail,
 * consumers of a group at the group's cursor, both with what is below; no
 * system call, no allocation, no waiting for anybody.
 *
 *     c = cursor_load()
 *     claim_help(owner of c)            the latest winner may not have said so
 *     claim_announce(my slot, c, end)   before the swap: who dies, said it
 *     cursor_swap(c, {end, seq, me})    one wins; the losers begin again
 *     claim_own(my slot)
 *
 * Invariant: every span that was claimed and is not done is named in shared
 * memory at every instant. Announced before it is won; and nobody swaps the
 * cursor again before the winner's slot says OWNED, so of all announced claims
 * only the one of the cursor's owner can be won without saying so.
 *
 * An entry may change hands while a cursor still names it. That does no harm:
 * its new owner first announces at the position it reads there, and who
 * announces where the cursor is has not won.
 */
#ifndef SHMQI_CURSOR_H
#define SHMQI_CURSOR_H

#include "atomic.h"
#include "layout.h"

struct cursor {
	uint64_t pos;
	uint64_t seq;
	uint32_t owner; /* member entry, or SH_NOBODY */
};

static inline struct pair cursor_pack(struct cursor c)
{
	return (struct pair){ c.pos | (c.owner & 63),
			      c.seq << 6 | c.owner >> 6 };
}

static inline struct cursor cursor_unpack(struct pair p)
{
	return (struct cursor){ p.lo & ~UINT64_C(63), p.hi >> 6,
				(uint32_t)((p.lo & 63) | (p.hi & 63) << 6) };
}

/*
 * Both words, perhaps of different moments: then the swap fails, because lo
 * never returns to an old value. To rely on the pair without a swap, check
 * with cursor_unchanged().
 */
static inline struct cursor cursor_load(struct sh_cursor *sh)
{
	struct pair p;

	/* edges TAIL, CURSOR: pair with cursor_swap */
	p.lo = load_acquire(&sh->at.lo);
	p.hi = load_acquire(&sh->at.hi);
	return cursor_unpack(p);
}

static inline uint64_t cursor_pos(struct sh_cursor *sh)
{
	/* edges TAIL, CURSOR: pair with cursor_swap, cursor_move */
	return load_acquire(&sh->at.lo) & ~UINT64_C(63);
}

/* The number alone, for guesses. */
static inline uint64_t cursor_seq(struct sh_cursor *sh)
{
	return load_relaxed(&sh->at.hi) >> 6;
}

static inline bool cursor_unchanged(struct sh_cursor *sh, struct cursor c)
{
	struct pair p = cursor_pack(c);

	/* edges TAIL, CURSOR */
	return load_acquire(&sh->at.lo) == p.lo &&
	       load_acquire(&sh->at.hi) == p.hi;
}

static inline bool cursor_swap(struct sh_cursor *sh, struct cursor from,
			       struct cursor to)
{
	/*
	 * edges TAIL, CURSOR: carry the announcement. Edge LAP: a full fence,
	 * so the new tail is seen before what is written behind it.
	 */
	return cas128(&sh->at, cursor_pack(from), cursor_pack(to));
}

/* The only writer of a cursor moves it; seq follows when it can be relied on. */
static inline void cursor_move(struct sh_cursor *sh, uint64_t pos)
{
	/* edges TAIL, CURSOR */
	store_release(&sh->at.lo, pos | (SH_NOBODY & 63));
}

static inline void cursor_number(struct sh_cursor *sh, uint64_t seq)
{
	/* edges TAIL, CURSOR: all before seq is stamped, or released */
	store_release(&sh->at.hi, seq << 6 | SH_NOBODY >> 6);
}

static inline void cursor_init(struct sh_cursor *sh, struct cursor c)
{
	struct pair p = cursor_pack(c);

	store_relaxed(&sh->at.lo, p.lo);
	store_relaxed(&sh->at.hi, p.hi);
}

#define CLAIM_POS_MASK (SH_POS_MAX - SH_LINE)

static inline uint32_t claim_state(uint64_t word)
{
	return (uint32_t)((word & 63) | word >> 62 << 6);
}

static inline uint64_t claim_pos(uint64_t word)
{
	return word & CLAIM_POS_MASK;
}

static inline uint64_t claim_word(uint64_t pos, uint32_t state)
{
	return pos | (state & 63) | (uint64_t)state >> 6 << 62;
}

/* Numbers in a span, and where one that is being adopted comes from. */
#define CLAIM_NUMBERS_BITS 40

static inline uint64_t claim_numbers(struct sh_claim *claim)
{
	/* Relaxed: stored before the word, which was acquired. */
	return load_relaxed(&claim->count) &
	       ((UINT64_C(1) << CLAIM_NUMBERS_BITS) - 1);
}

/*
 * state is what claimants at this cursor announce. claim: slot 0 of the member
 * that c names; c is as cursor_load() gave it.
 */
static inline void claim_help(struct sh_cursor *sh, uint32_t state,
			      struct cursor c, struct sh_claim *claim)
{
	/* edge ANNOUNCE: pairs with claim_announce */
	uint64_t word = load_acquire(&claim->word);

	if (likely(claim_state(word) != state))
		return;
	/*
	 * Announced where the cursor is: it wants to claim again, its last win
	 * is done. Announced elsewhere while the cursor still names it: that
	 * is the win that brought the cursor here.
	 */
	if (claim_pos(word) != c.pos && cursor_unchanged(sh, c))
		cas64(&claim->word, word,
		      claim_word(claim_pos(word), SH_CLAIM_OWNED));
}

static inline void claim_announce(struct sh_claim *claim, uint32_t state,
				  uint64_t pos, uint64_t end, uint64_t seq,
				  uint64_t count)
{
	store_relaxed(&claim->end, end);
	store_relaxed(&claim->seq, seq);
	store_relaxed(&claim->count, count);
	/* edge ANNOUNCE: pairs with claim_help, shmqi_claim_look */
	store_release(&claim->word, claim_word(pos, state));
}

static inline void claim_own(struct sh_claim *claim, uint64_t pos)
{
	store_release(&claim->word, claim_word(pos, SH_CLAIM_OWNED));
}

static inline void claim_done(struct sh_claim *claim)
{
	/* edge DONE: pairs with shmqi_claim_look */
	store_release(&claim->word, SH_CLAIM_NONE);
}

/* What became of a claim. */
enum claim_fate {
	CLAIM_NONE,   /* none, or announced and not won */
	CLAIM_HELD,   /* owned, or announced and won */
	CLAIM_UNSURE, /* looked too often: somebody scribbles */
};

/*
 * For anybody: does slot 0 of member me hold the span that *word names then?
 */
enum claim_fate shmqi_claim_look(struct sh_cursor *sh, struct sh_claim *claim,
				 uint32_t me, uint64_t *word);

/*
 * For the holder of the member's lease: turn ANNOUNCED into OWNED or NONE,
 * whichever it really is.
 */
void shmqi_claim_settle(struct sh_cursor *sh, struct sh_claim *claim,
			uint32_t me);

#endif
