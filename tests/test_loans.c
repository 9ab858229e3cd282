/* SPDX-License-Identifier: MIT */
/*
 * What comes behind a message that is on loan: copies, skipped records, many
 * numbers at once. None of it may end the loan, or be lost when its holder dies.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "producer.h"
#include "support.h"

#define CAPACITY 4096
#define LINE 64

static const unsigned kinds[] = { 0, SHMQ_EXCLUSIVE };

static void send(struct shmq_producer *p, int number)
{
	must_be(shmq_send(p, &number, sizeof(number), SHMQ_NOWAIT), 0);
}

static int number_of(const struct shmq_msg *msg)
{
	int number;

	must_be(msg->len, sizeof(number));
	memcpy(&number, msg->data, sizeof(number));
	return number;
}

/* How many more of a line each there is room for. */
static unsigned fill(struct shmq_producer *p)
{
	unsigned n = 0;
	int r;

	while ((r = shmq_send(p, "x", 1, SHMQ_NOWAIT)) == 0)
		n++;
	must_be(r, -EAGAIN);
	return n;
}

static struct shmq_msg borrow(struct shmq_consumer *c)
{
	struct shmq_msg msg;

	must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
	return msg;
}

static void what_is_copied_behind_a_loan(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct shmq *q = queue_anonymous(CAPACITY, 0);
		struct shmq_consumer *c = consumer_join(q, kinds[i]);
		struct shmq_producer *p = producer_join(q);
		struct shmq_msg msg;
		int got;

		send(p, 1);
		send(p, 2);
		msg = borrow(c);
		must_be(shmq_recv(c, &got, sizeof(got), SHMQ_NOWAIT),
			sizeof(got));
		must_be(got, 2);
		must_be(fill(p), CAPACITY / LINE - 2);
		must_be(number_of(&msg), 1);
		must_be(shmq_release(c), 0);
		must_be(fill(p), 2);
		shmq_producer_close(p);
		shmq_consumer_close(c);
		shmq_close(q);
	}
}

static void what_is_skipped_behind_a_loan(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct shmq *q = queue_anonymous(CAPACITY, 0);
		struct shmq_consumer *c = consumer_join(q, kinds[i]);
		struct shmq_producer *p = producer_join(q);
		struct shmq_msg msg;
		void *room;

		send(p, 1);
		must_be(shmq_reserve(p, 1, &room, SHMQ_NOWAIT), 0);
		must_be(shmq_discard(p), 0);
		msg = borrow(c);
		must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), -EAGAIN);
		must_be(shmq_wait(&c, 1, SHMQ_NOWAIT), -EAGAIN);
		must_be(fill(p), CAPACITY / LINE - 2);
		must_be(number_of(&msg), 1);
		must_be(shmq_release(c), 0);
		must_be(fill(p), 2);
		/* With nothing on loan there is room at once. */
		for (unsigned k = 0; k < CAPACITY / LINE; k++) {
			char x;

			must_be(shmq_recv(c, &x, 1, SHMQ_NOWAIT), 1);
		}
		must_be(shmq_reserve(p, 1, &room, SHMQ_NOWAIT), 0);
		must_be(shmq_discard(p), 0);
		must_be(shmq_wait(&c, 1, SHMQ_NOWAIT), -EAGAIN);
		must_be(fill(p), CAPACITY / LINE);
		shmq_producer_close(p);
		shmq_consumer_close(c);
		shmq_close(q);
	}
}

struct victim {
	struct shmq *q;
	unsigned consumer;
};

static void borrow_copy_and_die(void *arg)
{
	struct victim *v = arg;
	struct shmq_consumer *c = consumer_join(v->q, v->consumer);
	int got;

	borrow(c);
	must_be(shmq_recv(c, &got, sizeof(got), SHMQ_NOWAIT), sizeof(got));
	raise(SIGKILL);
}

/* What comes again is flagged: a copy may come again, as the loan before it. */
static void a_copy_behind_a_loan_that_comes_again(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct shmq *q = queue_anonymous(CAPACITY, 0);
		struct victim victim = { q, kinds[i] };
		struct shmq_producer *p = producer_join(q);
		struct shmq_consumer *c;
		struct shmq_msg msg;
		int r;

		for (int k = 0; k < 3; k++)
			send(p, k);
		child_must_be_killed(child_start(borrow_copy_and_die, &victim));
		c = consumer_join(q, 0);
		must(shmq_recover(q) >= 0);
		while ((r = shmq_receive(c, &msg, 1, SHMQ_NOWAIT)) == 1) {
			must_be(!!(msg.flags & SHMQ_REDELIVERED),
				number_of(&msg) < 2);
			must_be(shmq_release(c), 0);
		}
		must_be(r, -EAGAIN);
		shmq_producer_close(p);
		shmq_consumer_close(c);
		shmq_close(q);
	}
}

static void borrow_and_die(void *arg)
{
	borrow(consumer_join(arg, 0));
	raise(SIGKILL);
}

/* The third is adopted; then the slot of what is on loan is needed. */
static void borrow_adopt_borrow_and_die(void *arg)
{
	struct victim *v = arg;
	struct shmq_consumer *c = consumer_join(v->q, 0);

	for (unsigned i = 0; i < v->consumer; i++)
		borrow(c);
	child_must_be_killed(child_start(borrow_and_die, v->q));
	must_be(shmq_recover(v->q), 1);
	must_be(borrow(c).flags, SHMQ_REDELIVERED);
	must_be(borrow(c).flags, 0);
	raise(SIGKILL);
}

/* What it had borrowed before and after, and what it had adopted: all of it. */
static void an_adopted_loan_among_others(void **state)
{
	(void)state;
	for (unsigned before = 1; before < 4; before++) {
		struct shmq *q = queue_anonymous(CAPACITY, 0);
		struct victim victim = { q, before };
		struct shmq_producer *p = producer_join(q);
		struct shmq_consumer *c;
		unsigned seen = 0;

		for (int k = 0; k < 5; k++)
			send(p, k);
		child_must_be_killed(
			child_start(borrow_adopt_borrow_and_die, &victim));
		must_be(shmq_recover(q), 1);
		c = consumer_join(q, 0);
		for (unsigned k = 0; k < 5; k++) {
			struct shmq_msg msg = borrow(c);

			must_be(!!(msg.flags & SHMQ_REDELIVERED),
				(unsigned)number_of(&msg) < before + 2);
			must(!(seen >> number_of(&msg) & 1));
			seen |= 1u << number_of(&msg);
			must_be(shmq_release(c), 0);
		}
		must_be(seen, 31);
		must_be(shmq_recv(c, NULL, 0, SHMQ_NOWAIT), -EAGAIN);
		must_be(stat_of(q).depth_bytes, 0);
		shmq_consumer_close(c);
		shmq_producer_close(p);
		shmq_close(q);
	}
}

/* Of a batch of four, none was written. */
static void claim_four_and_die(void *arg)
{
	struct shmq_producer *p = producer_join(arg);
	struct span open = { 0 };

	must_be(claim_now(p, (uint64_t)4 * LINE, 4, &open), 0);
	raise(SIGKILL);
}

/* 1, a skipped record of four numbers, and 2. */
static struct shmq *queue_with_a_gap(void)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);
	struct shmq_producer *p = producer_join(q);

	send(p, 1);
	child_must_be_killed(child_start(claim_four_and_die, q));
	must_be(shmq_recover(q), 1);
	send(p, 2);
	shmq_producer_close(p);
	return q;
}

static void numbers_are_kept_across_a_gap(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct shmq *q = queue_with_a_gap();
		struct shmq_consumer *c = consumer_join(q, kinds[i]);
		struct shmq_msg msg = borrow(c);
		uint64_t first = msg.seq;
		int got;

		must_be(shmq_release(c), 0);
		must_be(shmq_wait(&c, 1, SHMQ_NOWAIT), 0);
		msg = borrow(c);
		must_be(number_of(&msg), 2);
		must_be(msg.seq, first + 5);
		shmq_consumer_close(c);
		c = consumer_join(q, kinds[i]);
		must_be(shmq_recv(c, &got, sizeof(got), SHMQ_NOWAIT),
			sizeof(got));
		must_be(got, 2);
		must_be(stat_of(q).depth_messages, 0);
		shmq_consumer_close(c);
		shmq_close(q);
	}
}

/* What was returned is given its numbers for those who copy. */
static void a_returned_gap_is_numbered(void **state)
{
	struct shmq *q = queue_with_a_gap();
	struct shmq_consumer *c = consumer_join(q, 0);
	struct shmq_msg msgs[2];

	(void)state;
	must_be(shmq_receive(c, msgs, 2, SHMQ_NOWAIT), 2);
	shmq_consumer_close(c);
	must_be(shmq_setattr(q, "overwrite", "on"), 0);
	c = consumer_join(q, 0);
	must_be(shmq_receive(c, msgs, 2, SHMQ_NOWAIT), 2);
	for (int i = 0; i < 2; i++) {
		must_be(number_of(&msgs[i]), i + 1);
		must_be(msgs[i].lost, 0);
		must_be(msgs[i].flags, SHMQ_REDELIVERED);
	}
	must_be(msgs[1].seq, msgs[0].seq + 5);
	must_be(shmq_release(c), 0);
	must_be(shmq_consumer_lost(c), 0);
	shmq_consumer_close(c);
	shmq_close(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(what_is_copied_behind_a_loan),
		TEST_IN_DIRECTORY(what_is_skipped_behind_a_loan),
		TEST_IN_DIRECTORY(a_copy_behind_a_loan_that_comes_again),
		TEST_IN_DIRECTORY(an_adopted_loan_among_others),
		TEST_IN_DIRECTORY(numbers_are_kept_across_a_gap),
		TEST_IN_DIRECTORY(a_returned_gap_is_numbered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
