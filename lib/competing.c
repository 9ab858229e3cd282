/* SPDX-License-Identifier: MIT */
/*
 * Competing consumers: each claims a span of published records at the group's
 * cursor. What is at the cursor is read before the claim; the swap succeeds
 * only if it was still there to be read.
 *
 * What a death leaves: slot 0 announced and not won: nothing. Won: a span that
 * goes to another consumer, flagged. While slot 0's span is being kept in
 * another slot both name it, and shmqi_span_settle() drops one.
 */
#include "config.h"

#include <errno.h>
#include "members.h"
#include "consumer.h"
#include "copies.h"
#include "copy.h"
#include "wake.h"

/* Lost swaps in a row; so many are no contention. */
#define SWAPS 1000000

/* What a look at the cursor found. */
struct look {
	struct cursor at;
	uint64_t end; /* of the records to be claimed */
	uint64_t seq; /* behind them */
	unsigned n;   /* messages among them */
	struct found last;
};

/*
 * Read records from the cursor. 0, -EMSGSIZE, or -EBADMSG; all but 0 matter
 * only if the cursor has not moved meanwhile.
 */
static __attribute__((always_inline)) inline int
look_at_cursor(struct shmq_consumer *c, const struct wanted *w,
	       struct look *look)
{
	uint64_t redelivered =
		w->msgs ? load_relaxed(&c->group->redelivered_pos) : 0;
	unsigned max = w->msgs ? w->max : 1;
	struct found found;

	look->at = cursor_load(&c->group->cursor);
	look->end = look->at.pos;
	look->seq = look->at.seq;
	look->n = 0;
	look->last.record = NULL;
	look->last.size = 0;
	while (look->n < max &&
	       record_published(&c->ring, look->end, look->seq)) {
		if (unlikely(!record_read(&c->ring, look->end, &found)) ||
		    unlikely(look->end + found.span - look->at.pos >
			     c->ring.mask + 1))
			return -EBADMSG;
		if (likely(!(found.flags & SH_RECORD_SKIP))) {
			if (!w->msgs && found.size > w->size)
				return -EMSGSIZE;
			if (w->msgs)
				msg_fill(&w->msgs[look->n], &found, look->seq,
					 look->end < redelivered);
			look->last = found;
			look->n++;
			if (!w->msgs)
				record_fetch(&found);
		}
		look->end += found.span;
		look->seq += found.count;
	}
	return 0;
}

/* Slot 0 is needed for the next claim: name what it holds in another slot. */
static __attribute__((noinline)) int keep_lent(struct shmq_consumer *c)
{
	struct sh_claim *slot = &c->claims[c->slots];

	if (c->slots > c->first_slot && c->kept_end == c->lent_pos) {
		/* Adjacent: the last slot grows, its count first: see
		 * count_again() of span.c. edge DONE */
		store_relaxed(&slot[-1].count,
			      claim_numbers(&slot[-1]) + c->lent_count);
		store_release(&slot[-1].end, c->lent_end);
	} else if (c->slots == SH_CLAIMS) {
		return -ENOBUFS;
	} else {
		store_relaxed(&slot->end, c->lent_end);
		/* Relaxed: they are our own; the slot's word orders them. */
		store_relaxed(&slot->seq, load_relaxed(&c->claims[0].seq));
		store_relaxed(&slot->count, c->lent_count);
		c->slots++;
		if (shmqi_member_slots(c->ep.member) < c->slots)
			/* edge ANNOUNCE */
			store_release(&c->ep.member->slots, c->slots);
		claim_own(slot, c->lent_pos);
	}
	c->kept_end = c->lent_end;
	c->lent = false;
	return 0;
}

static inline int keep_loan(struct shmq_consumer *c)
{
	return unlikely(c->lent) ? keep_lent(c) : 0;
}

static __attribute__((always_inline)) inline bool
claim_span(struct shmq_consumer *c, struct cursor at, uint64_t end,
	   uint64_t seq, uint64_t count)
{
	struct sh_cursor *cursor = &c->group->cursor;
	const uint32_t me = c->ep.index;
	struct cursor to = { end, seq, me };
	uint32_t announced = SH_CLAIM_ANNOUNCED + 1 + c->group_index;

	if (at.owner != me && at.owner < c->ep.seg->geo.member_entries)
		claim_help(cursor, announced, at,
			   &member_at(c->ep.seg, at.owner)->claims[0]);
	claim_announce(&c->claims[0], announced, at.pos, end, at.seq, count);
	if (!cursor_swap(cursor, at, to))
		return false;
	claim_own(&c->claims[0], at.pos);
	return true;
}

static inline void lend(struct shmq_consumer *c, struct cursor at, uint64_t end,
			uint64_t count)
{
	c->lent = true;
	c->lent_pos = at.pos;
	c->lent_end = end;
	c->lent_count = count;
}

static inline void let_go(struct shmq_consumer *c)
{
	claim_done(&c->claims[0]);
	bell_look(&c->ep, &c->control->send);
}

/* The claim is won. -EAGAIN: it held nothing but skipped records. */
static __attribute__((always_inline)) inline int64_t
hand_out(struct shmq_consumer *c, const struct wanted *w,
	 const struct look *look)
{
	if (unlikely(!look->n)) {
		let_go(c);
		return -EAGAIN;
	}
	if (w->msgs) {
		lend(c, look->at, look->end, 0);
		return look->n;
	}
	copy_bytes(w->buf, record_payload(look->last.record), look->last.size);
	let_go(c);
	return look->last.size;
}

static __attribute__((always_inline)) inline int64_t
take(struct shmq_consumer *c, const struct wanted *w)
{
	bool announced = false;
	struct look look;
	int64_t r = -EBADMSG;

	for (int i = 0; i < SWAPS; i++) {
		r = look_at_cursor(c, w, &look);
		if (r || look.end == look.at.pos) {
			if (!cursor_unchanged(&c->group->cursor, look.at))
				continue;
			r = r ? r : -EAGAIN;
			break;
		}
		if (w->peek && look.n) {
			r = 1;
			break;
		}
		r = keep_loan(c);
		if (r)
			break;
		announced = true;
		if (claim_span(c, look.at, look.end, look.seq, 0)) {
			r = hand_out(c, w, &look);
			if (r != -EAGAIN)
				return r;
			announced = false;
		}
		r = -EBADMSG;
	}
	if (announced)
		claim_done(&c->claims[0]);
	return r;
}

int64_t shmqi_competing_take(struct shmq_consumer *c, const struct wanted *w)
{
	return take(c, w);
}

int64_t shmqi_competing_copy(struct shmq_consumer *c, void *buf, size_t size)
{
	const struct wanted wanted = { .buf = buf, .size = size };

	return take(c, &wanted);
}

void shmqi_competing_release(struct shmq_consumer *c)
{
	if (unlikely(c->copies))
		shmqi_copies_release(c);
	else if (c->slots > c->first_slot)
		shmqi_consumer_release_slots(c, c->first_slot);
	if (c->lent) {
		c->lent = false;
		let_go(c);
	}
}

/* ------------------------------------------- the same steps, for copies.c */

int shmqi_competing_keep(struct shmq_consumer *c)
{
	return keep_loan(c);
}

bool shmqi_competing_claim(struct shmq_consumer *c, struct cursor at,
			   uint64_t end, uint64_t seq, uint64_t count)
{
	return claim_span(c, at, end, seq, count);
}

void shmqi_competing_lend(struct shmq_consumer *c, struct cursor at,
			  uint64_t end, uint64_t count)
{
	lend(c, at, end, count);
}

void shmqi_competing_let_go(struct shmq_consumer *c)
{
	let_go(c);
}
