/* SPDX-License-Identifier: MIT */
/*
 * Inner functions on shapes that are made by hand: what a look at two moments
 * may not be taken for, and lengths that no record has.
 */
#include <errno.h>
#include <string.h>

#include "bounds.h"
#include "consumer.h"
#include "copies.h"
#include "handle.h"
#include "producer.h"
#include "recovery.h"
#include "returned.h"
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
	must(shmqi_returned_settle(q->seg, c->ep.index));
	must_be(claim_numbers(&claims[1]), 2);
	must_be(claim_numbers(&claims[0]), 1);
	must_be(shmq_release(c), 0);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(q);
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
