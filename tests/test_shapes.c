/* SPDX-License-Identifier: MIT */
/*
 * Inner functions on shapes that are made by hand: what a look at two moments
 * may not be taken for, and lengths that no record has.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "bounds.h"
#include "consumer.h"
#include "copies.h"
#include "handle.h"
#include "producer.h"
#include "recovery.h"
#include "span.h"
#include "support.h"

#define LINE 64
#define CAPACITY 4096

/* ------------------------------------------------------------------- claims */

static struct sh_cursor cursor_at(uint64_t pos, uint32_t owner)
{
	struct sh_cursor sh;

	memset(&sh, 0, sizeof(sh));
	cursor_init(&sh, (struct cursor){ pos, pos / LINE, owner });
	return sh;
}

static struct sh_claim claim_at(uint64_t pos, uint32_t state)
{
	struct sh_claim claim;

	memset(&claim, 0, sizeof(claim));
	store_relaxed(&claim.word, claim_word(pos, state));
	return claim;
}

/* Member 3 has announced: is it helped by one who saw it as the owner here? */
static uint32_t state_after_help(uint64_t announced, uint64_t seen,
				 uint64_t now, uint32_t owner)
{
	struct sh_cursor sh = cursor_at(now, owner);
	struct sh_claim claim = claim_at(announced, SH_CLAIM_ANNOUNCED);

	claim_help(&sh, SH_CLAIM_ANNOUNCED,
		   (struct cursor){ seen, seen / LINE, 3 }, &claim);
	return claim_state(load_relaxed(&claim.word));
}

static void only_the_last_winner_is_helped(void **state)
{
	struct sh_cursor sh = cursor_at(2 * LINE, 3);
	struct sh_claim claim = claim_at(LINE, SH_CLAIM_ANNOUNCED + 1);

	(void)state;
	/* It has won, from 1 to 2. */
	must_be(state_after_help(LINE, 2 * LINE, 2 * LINE, 3), SH_CLAIM_OWNED);
	/* It wants to claim again. */
	must_be(state_after_help(2 * LINE, 2 * LINE, 2 * LINE, 3),
		SH_CLAIM_ANNOUNCED);
	/* It wants to claim where another has gone on to meanwhile. */
	must_be(state_after_help(5 * LINE, 2 * LINE, 5 * LINE, 4),
		SH_CLAIM_ANNOUNCED);
	/* It claims at another cursor: that of a group. */
	claim_help(&sh, SH_CLAIM_ANNOUNCED, cursor_load(&sh), &claim);
	must_be(claim_state(load_relaxed(&claim.word)), SH_CLAIM_ANNOUNCED + 1);
}

static void who_has_won(void **state)
{
	static const struct {
		uint32_t owner;
		uint64_t announced;
		enum claim_fate fate;
		uint32_t settled;
	} cases[] = {
		{ 3, LINE, CLAIM_HELD, SH_CLAIM_OWNED },
		{ 3, 2 * LINE, CLAIM_NONE, SH_CLAIM_NONE },
		{ 4, LINE, CLAIM_NONE, SH_CLAIM_NONE },
		{ 4, 2 * LINE, CLAIM_NONE, SH_CLAIM_NONE },
	};
	uint64_t word;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct sh_cursor sh = cursor_at(2 * LINE, cases[i].owner);
		struct sh_claim claim = claim_at(cases[i].announced,
						 SH_CLAIM_ANNOUNCED);

		must_be(shmqi_claim_look(&sh, &claim, 3, &word), cases[i].fate);
		shmqi_claim_settle(&sh, &claim, 3);
		must_be(claim_state(load_relaxed(&claim.word)),
			cases[i].settled);
		/* What is settled stays so. */
		shmqi_claim_settle(&sh, &claim, 3);
		must_be(claim_state(load_relaxed(&claim.word)),
			cases[i].settled);
	}
}

/* ------------------------------------------------------------------ records */

static bool readable(struct shmq_producer *p, uint32_t size, uint32_t flags,
		     uint64_t span, uint64_t count)
{
	struct sh_record *record = record_at(&p->ring, 0);
	struct found found;

	record_describe(record, size, flags, 0);
	if (flags & SH_RECORD_TAIL)
		shmqi_record_extend(record, size, span, count);
	return record_read(&p->ring, 0, &found);
}

static void lengths_that_cannot_be(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);
	struct shmq_producer *p = producer_join(q);
	const uint32_t most = (uint32_t)p->ring.max_message;
	const uint32_t tail = SH_RECORD_TAIL;

	(void)state;
	must(readable(p, most, 0, 0, 0));
	must(!readable(p, most + 1, 0, 0, 0));
	must(!readable(p, 1, 64, 0, 0));
	must(readable(p, 0, tail, LINE, 1));
	must(readable(p, 0, tail, 4 * LINE, 4));
	must(!readable(p, 0, tail, 4 * LINE, 5));
	must(!readable(p, 0, tail, 4 * LINE, 0));
	must(!readable(p, 0, tail, 4 * LINE + 8, 1));
	must(readable(p, 0, tail, CAPACITY, 1));
	must(!readable(p, 0, tail, CAPACITY + LINE, 1));
	must(!readable(p, 100, tail, LINE, 1));
	must(readable(p, 100, tail, 3 * LINE, 1));
	must(!readable(p, most + 1, tail, CAPACITY, 1));
	shmq_producer_close(p);
	shmq_close(q);
}

/* Two lines from a position on, and what it is to end at. */
static void a_walk_ends_where_it_is_told(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);
	struct shmq_producer *p = producer_join(q);
	const uint64_t begin = cursor_pos(&p->control->tail);
	const uint64_t first = cursor_seq(&p->control->tail);
	struct rings rings = rings_of_one(&p->ring);
	uint64_t pos = begin, seq = first;

	(void)state;
	/* A record of three numbers, and one that sticks out. */
	shmqi_ring_abort(&p->ring, begin, first, 4 * LINE, 3, 0);
	shmqi_ring_abort(&p->ring, begin + 4 * LINE, first + 3, 2 * LINE, 1, 0);
	must(shmqi_ring_walk(&rings, &pos, &seq, begin + 6 * LINE));
	must_be(pos, begin + 6 * LINE);
	must_be(seq, first + 4);
	pos = begin;
	seq = first;
	must(!shmqi_ring_walk(&rings, &pos, &seq, begin + 5 * LINE));
	pos = begin;
	seq = first;
	must(shmqi_ring_walk(&rings, &pos, &seq, begin + 8 * LINE));
	must_be(pos, begin + 6 * LINE);
	shmq_producer_close(p);
	shmq_close(q);
}

/* ------------------------------------------------------------------ the ring */

static void how_far_apart_positions_may_lie(void **state)
{
	/* A ring of 4 lines up to 8 lines, then one of 16. */
	const struct reach reach = { 8 * LINE, 4 * LINE, 16 * LINE, 2 * LINE };

	(void)state;
	must(reach_holds(&reach, 2 * LINE, 6 * LINE));
	must(!reach_holds(&reach, 2 * LINE, 7 * LINE));
	must(!reach_holds(&reach, 3 * LINE, 2 * LINE));
	must(reach_holds(&reach, 4 * LINE, 24 * LINE));
	must(!reach_holds(&reach, 4 * LINE, 25 * LINE));
	must(!reach_holds(&reach, 3 * LINE, 9 * LINE));
	must(reach_holds(&reach, 9 * LINE, 25 * LINE));
	must(!reach_holds(&reach, 9 * LINE, 26 * LINE));
	must_be(reach_floor(&reach, 5 * LINE), 2 * LINE);
	must_be(reach_floor(&reach, 7 * LINE), 3 * LINE);
	must_be(reach_floor(&reach, 10 * LINE), 4 * LINE);
	must_be(reach_floor(&reach, 24 * LINE), 4 * LINE);
	must_be(reach_floor(&reach, 25 * LINE), 9 * LINE);
}

/* Where records begin is noted: who was overtaken again need not give up. */
static void who_was_overtaken_finds_a_place_ahead(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, SHMQ_OVERWRITE);
	struct shmq_producer *p = producer_join(q);
	uint64_t tail;

	(void)state;
	for (int i = 0; i < 3 * CAPACITY / LINE + 5; i++)
		must_be(shmq_send(p, "x", 1, SHMQ_NOWAIT), 0);
	tail = cursor_pos(&p->control->tail);
	for (unsigned laps = 1; laps < 4; laps++) {
		const uint64_t skipped = laps < 2  ? 0 :
					 laps == 2 ? CAPACITY / 8 :
						     CAPACITY / 2;
		struct rings rings = rings_of_one(&p->ring);
		struct cursor place;

		must(shmqi_bounds_oldest(q->seg, &rings, laps, &place));
		must(place.pos >= tail - CAPACITY + skipped);
		must(place.pos <=
		     tail - CAPACITY + skipped + 2 * CAPACITY / SH_BOUNDS);
	}
	shmq_producer_close(p);
	shmq_close(q);
}

/* ------------------------------------------------- what the dead left of loans */

/*
 * Who copies let the slot before take in the next one, and died when its count
 * had grown, and its end had not.
 */
static void a_slot_that_had_only_its_count(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, SHMQ_OVERWRITE);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0);
	struct sh_claim *claims = c->claims;
	struct shmq_msg msg;

	(void)state;
	for (int i = 0; i < 3; i++) {
		must_be(shmq_send(p, "x", 1, SHMQ_NOWAIT), 0);
		must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
	}
	/* Two are kept in slot 1, and the third is in slot 0. */
	must_be(claim_numbers(&claims[1]), 2);
	must_be(claim_numbers(&claims[0]), 1);
	must_be(load_relaxed(&claims[1].end),
		claim_pos(load_relaxed(&claims[0].word)));
	store_relaxed(&claims[1].count, 3);
	must(shmqi_span_settle(q->seg, c->ep.index));
	must_be(claim_numbers(&claims[1]), 2);
	must_be(claim_numbers(&claims[0]), 1);
	must_be(shmq_release(c), 0);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(q);
}

/* Slots of the consumer, by hand; spans in lines from where it began. */
struct slot {
	unsigned from, to;
	uint32_t state, left; /* before, and after settling */
};

static void must_settle(const struct slot *slots, unsigned n)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);
	struct shmq_consumer *c = consumer_join(q, 0);
	const uint64_t begin = cursor_pos(&c->group->cursor);
	bool held = false;

	for (unsigned i = 0; i < n; i++) {
		struct sh_claim *claim = &c->claims[i];

		store_relaxed(&claim->end,
			      begin + (uint64_t)slots[i].to * LINE);
		store_relaxed(&claim->count, UINT64_C(0xffff00)
						     << CLAIM_NUMBERS_BITS);
		store_relaxed(&claim->word,
			      claim_word(begin + (uint64_t)slots[i].from * LINE,
					 slots[i].state));
		held |= slots[i].left == SH_CLAIM_OWNED;
	}
	store_relaxed(&c->ep.member->slots, n);
	must_be(shmqi_span_settle(q->seg, c->ep.index), held);
	for (unsigned i = 0; i < n; i++) {
		must_be(claim_state(load_relaxed(&c->claims[i].word)),
			slots[i].left);
		store_relaxed(&c->claims[i].word, SH_CLAIM_NONE);
	}
	shmq_consumer_close(c);
	shmq_close(q);
}

/* Each span stays in one slot, whichever it was being copied to. */
static void copies_of_a_span_go(void **state)
{
	/* Slot 0 has been kept in slot 1. */
	static const struct slot kept[] = {
		{ 2, 3, SH_CLAIM_OWNED, SH_CLAIM_NONE },
		{ 2, 3, SH_CLAIM_OWNED, SH_CLAIM_OWNED },
	};
	/* And its end is that of the next claim; slot 1 has been adopted. */
	static const struct slot announcing[] = {
		{ 2, 9, SH_CLAIM_OWNED, SH_CLAIM_NONE },
		{ 3, 4, SH_CLAIM_OWNED, SH_CLAIM_OWNED },
		{ 2, 3, SH_CLAIM_OWNED, SH_CLAIM_OWNED },
	};
	/* Slot 1 has taken in slot 2; slot 3 is next to it. */
	static const struct slot joined[] = {
		{ 0, 0, SH_CLAIM_NONE, SH_CLAIM_NONE },
		{ 2, 5, SH_CLAIM_OWNED, SH_CLAIM_OWNED },
		{ 4, 5, SH_CLAIM_OWNED, SH_CLAIM_NONE },
		{ 5, 6, SH_CLAIM_OWNED, SH_CLAIM_OWNED },
	};
	/* From an entry that there is not. */
	static const struct slot scribbled[] = {
		{ 0, 0, SH_CLAIM_NONE, SH_CLAIM_NONE },
		{ 2, 5, SH_CLAIM_ADOPTING, SH_CLAIM_NONE },
	};

	(void)state;
	must_settle(kept, 2);
	must_settle(announcing, 3);
	must_settle(joined, 4);
	must_settle(scribbled, 2);
}

struct victim {
	struct shmq *q;
	uint64_t end, count; /* of its claim: this much more */
};

static void reserve_scribble_and_die(void *arg)
{
	struct victim *v = arg;
	struct shmq_producer *p = producer_join(v->q);
	void *room;

	must_be(shmq_reserve(p, 1, &room, SHMQ_NOWAIT), 0);
	add_release(&p->claim->end, v->end);
	add_release(&p->claim->count, v->count);
	raise(SIGKILL);
}

static void claims_that_cannot_be(void **state)
{
	static const struct {
		uint64_t end, count;
		int recovered;
	} cases[] = { { 0, 0, 1 },
		      { LINE, 0, -EBADMSG },
		      { -(uint64_t)LINE, 0, -EBADMSG },
		      { 0, 1, -EBADMSG },
		      { 0, -(uint64_t)1, -EBADMSG } };

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct shmq *q = queue_anonymous(CAPACITY, 0);
		struct victim victim = { q, cases[i].end, cases[i].count };

		child_must_be_killed(
			child_start(reserve_scribble_and_die, &victim));
		must_be(shmq_recover(q), cases[i].recovered);
		shmq_close(q);
	}
}

static void join_borrow_release_and_die(void *arg)
{
	struct victim *v = arg;
	struct shmq_consumer *c = consumer_join(v->q, (unsigned)v->end);
	struct shmq_msg msg;

	must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
	must_be(shmq_release(c), 0);
	raise(SIGKILL);
}

static void must_be_clear(struct shmq *q, uint32_t index)
{
	for (unsigned k = 0; k < SH_CLAIMS; k++)
		must_be(load_relaxed(&member_at(q->seg, index)->claims[k].word),
			SH_CLAIM_NONE);
}

/* Nothing of a predecessor is left, neither of one who is cleaned up after nor
 * of one whose rescuer died. */
static void entries_begin_and_end_without_claims(void **state)
{
	static const unsigned flags[] = { 0, SHMQ_EXCLUSIVE };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct shmq *q = queue_anonymous(CAPACITY, 0);
		struct victim victim = { q, flags[i], 0 };
		struct shmq_producer *p = producer_join(q);
		struct shmq_consumer *c;

		must_be(shmq_send(p, "x", 1, SHMQ_NOWAIT), 0);
		shmq_producer_close(p);
		child_must_be_killed(
			child_start(join_borrow_release_and_die, &victim));
		must_be(shmq_recover(q), 1);
		must_be_clear(q, 0);
		victim.end = 0;
		child_must_be_killed(
			child_start(reserve_scribble_and_die, &victim));
		must_be(shmq_recover(q), 1);
		must_be_clear(q, 0);
		for (unsigned k = 0; k < SH_CLAIMS; k++)
			store_relaxed(&member_at(q->seg, 0)->claims[k].word,
				      claim_word(LINE, SH_CLAIM_OWNED));
		c = consumer_join(q, 0);
		must_be_clear(q, 0);
		shmq_consumer_close(c);
		shmq_close(q);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(only_the_last_winner_is_helped),
		TEST_IN_DIRECTORY(who_has_won),
		TEST_IN_DIRECTORY(lengths_that_cannot_be),
		TEST_IN_DIRECTORY(a_walk_ends_where_it_is_told),
		TEST_IN_DIRECTORY(how_far_apart_positions_may_lie),
		TEST_IN_DIRECTORY(who_was_overtaken_finds_a_place_ahead),
		TEST_IN_DIRECTORY(a_slot_that_had_only_its_count),
		TEST_IN_DIRECTORY(copies_of_a_span_go),
		TEST_IN_DIRECTORY(claims_that_cannot_be),
		TEST_IN_DIRECTORY(entries_begin_and_end_without_claims),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
