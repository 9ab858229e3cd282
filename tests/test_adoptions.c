/* SPDX-License-Identifier: MIT */
/*
 * Adopting what others returned, beside rescuers that make two of their entries
 * one, and what deaths in the middle of either leave.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "consumer.h"
#include "group.h"
#include "handle.h"
#include "lease.h"
#include "moment.h"
#include "policy.h"
#include "recovery.h"
#include "returned.h"

#define CAPACITY 4096

static void take_one_and_reserve(struct shmq *q)
{
	take_one_and_leave(q);
	reserve(q);
}

/* The same while two of them are to be made one. */
static void compacting_beside_one_who_adopts(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);
	struct shmq_consumer *one, *two;

	(void)state;
	send_numbers(q, 0, 2);
	one = borrower(q, 1);
	two = borrower(q, 1);
	shmq_consumer_close(one);
	shmq_consumer_close(two);
	moment_begin(q, SH_LEASE_MEMBER + 1, take_one_and_reserve);
	shmqi_returned_compact(q->seg);
	moment_end();
	must_be(load_acquire(&member_at(q->seg, 1)->state), SH_MEMBER_PRODUCER);
	must_be(shmq_recover(q), 1);
	must_come(q, 1, 1);
	shmq_close(q);
}

/* Who died in the middle of adopting slot of member: before the step that
 * decides. */
static void leave_an_adoption(struct shmq *q, uint32_t member, unsigned slot)
{
	struct sh_claim *from = &member_at(q->seg, member)->claims[slot];
	struct shmq_consumer *c = consumer_join(q, 0);

	store_relaxed(&c->claims[1].end, load_relaxed(&from->end));
	store_relaxed(&c->claims[1].seq, load_relaxed(&from->seq));
	store_relaxed(&c->claims[1].count, ((uint64_t)member << 8 | slot)
						   << CLAIM_NUMBERS_BITS);
	store_release(&c->ep.member->slots, 2);
	store_release(&c->claims[1].word,
		      claim_word(claim_pos(load_acquire(&from->word)),
				 SH_CLAIM_ADOPTING));
}

static void adopt_slot_0_of_0(struct shmq *q)
{
	leave_an_adoption(q, 0, 0);
}

static void adopt_slot_1_of_0(struct shmq *q)
{
	leave_an_adoption(q, 0, 1);
}

static void adopt_slot_0_of_1(struct shmq *q)
{
	leave_an_adoption(q, 1, 0);
}

static void adopt_slot_1_of_1(struct shmq *q)
{
	leave_an_adoption(q, 1, 1);
}

/*
 * Two entries are made one, and their spans joined; then the rescuer of an
 * adopter whose adoption was under way must not think that it was done.
 */
static void adoptions_of_the_dead_beside_compacting(void **state)
{
	static void (*const acts[])(
		struct shmq *) = { adopt_slot_0_of_0, adopt_slot_1_of_0,
				   adopt_slot_0_of_1, adopt_slot_1_of_1 };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct shmq *q = queue_anonymous(CAPACITY, 0);
		struct shmq_consumer *one, *two;

		send_numbers(q, 0, 4);
		one = borrower(q, 2);
		two = borrower(q, 2);
		shmq_consumer_close(one);
		shmq_consumer_close(two);
		dies_after(acts[i], q);
		shmqi_returned_compact(q->seg);
		must_be(shmq_recover(q), 1);
		must_come(q, 15, 15);
		shmq_close(q);
	}
}

/* By hand: the adoption's last step but one, which decides, was the last. */
static void adopt_all_but_say_so(struct shmq *q, uint32_t from, uint32_t to)
{
	struct sh_claim *old = &member_at(q->seg, from)->claims[0];
	struct sh_claim *new = &member_at(q->seg, to)->claims[1];

	store_relaxed(&new->end, load_relaxed(&old->end));
	store_relaxed(&new->seq, load_relaxed(&old->seq));
	store_relaxed(&new->count, (uint64_t)from << 8 << CLAIM_NUMBERS_BITS);
	store_release(&member_at(q->seg, to)->slots, 2);
	store_release(&new->word,
		      claim_word(claim_pos(load_acquire(&old->word)),
				 SH_CLAIM_ADOPTING));
	store_release(&old->word, SH_CLAIM_NONE);
}

static void join_and_adopt(struct shmq *q)
{
	consumer_join(q, 0);
	adopt_all_but_say_so(q, 0, 2);
}

/* Of an adopter, or of who made two entries one; then others do that. */
static void adoptions_that_were_decided(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct shmq *q = queue_anonymous(CAPACITY, 0);
		struct shmq_consumer *one, *two;

		send_numbers(q, 0, 2);
		one = borrower(q, 1);
		two = borrower(q, 1);
		shmq_consumer_close(one);
		shmq_consumer_close(two);
		if (i == 4)
			dies_after(join_and_adopt, q);
		else
			adopt_all_but_say_so(q, i % 2, 1 - i % 2);
		if (i / 2)
			shmqi_returned_compact(q->seg);
		must(shmq_recover(q) >= 0);
		must_come(q, 3, 3);
		shmq_close(q);
	}
}

/* More spans than one entry has slots for, none next to another. */
static void two_entries_that_do_not_fit_into_one(void **state)
{
	struct shmq *q = queue_anonymous((uint64_t)4 * CAPACITY, 0);
	struct shmq_consumer *c[3];
	struct shmq_msg msg;
	unsigned n = 0;

	(void)state;
	send_numbers(q, 0, 4 * SH_CLAIMS);
	for (unsigned i = 0; i < 3; i++)
		c[i] = consumer_join(q, 0);
	for (unsigned i = 0; i < 4 * SH_CLAIMS; i++) {
		unsigned who = i % 2 ? 2 : i / 2 % 2;

		must_be(shmq_receive(c[who], &msg, 1, SHMQ_NOWAIT), 1);
		if (who == 2)
			must_be(shmq_release(c[2]), 0);
	}
	for (unsigned i = 0; i < 3; i++)
		shmq_consumer_close(c[i]);
	shmqi_returned_compact(q->seg);
	c[0] = consumer_join(q, 0);
	while (shmq_receive(c[0], &msg, 1, SHMQ_NOWAIT) == 1) {
		must_be(msg.flags, SHMQ_REDELIVERED);
		must_be(shmq_release(c[0]), 0);
		n++;
	}
	must_be(n, 2 * SH_CLAIMS);
	shmq_consumer_close(c[0]);
	shmq_close(q);
}

/* One was received in place, the others by copy: the numbers are right. */
static void compacting_keeps_policies_apart(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);
	struct shmq_consumer *c[3];
	struct shmq_msg msg;

	(void)state;
	send_numbers(q, 0, 4);
	c[0] = borrower(q, 1);
	must_be(shmq_setattr(q, "overwrite", "on"), 0);
	c[1] = borrower(q, 1);
	c[2] = borrower(q, 1);
	must_be(shmq_receive(c[1], &msg, 1, SHMQ_NOWAIT), 1);
	for (int i = 0; i < 3; i++)
		shmq_consumer_close(c[i]);
	shmqi_returned_compact(q->seg);
	/* As whoever adopts or waits for room does first. */
	must_be(shmqi_policy_number(q->seg, NO_GROUP), 0);
	/* Of what is written over, each is lost once. */
	send_numbers(q, 0, CAPACITY / 64 - 2);
	c[0] = consumer_join(q, 0);
	must_be(shmq_receive(c[0], &msg, 1, SHMQ_NOWAIT), 1);
	must_be(msg.lost, 2);
	must_be(msg.flags, SHMQ_REDELIVERED);
	while (shmq_receive(c[0], &msg, 1, SHMQ_NOWAIT) == 1)
		must_be(shmq_release(c[0]), 0);
	must_be(shmq_consumer_lost(c[0]), 2);
	shmq_consumer_close(c[0]);
	shmq_close(q);
}

/* Each group gets its own back. */
static void compacting_keeps_groups_apart(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);
	struct shmq_consumer *one, *two;
	struct shmq_msg msg;

	(void)state;
	must_be(shmq_group_add(q, "other", SHMQ_OLDEST), 0);
	send_numbers(q, 0, 1);
	one = borrower(q, 1);
	must_be(shmq_consumer_open(&two, q, "other", 0), 0);
	must_be(shmq_receive(two, &msg, 1, SHMQ_NOWAIT), 1);
	shmq_consumer_close(one);
	shmq_consumer_close(two);
	shmqi_returned_compact(q->seg);
	must_be(shmq_consumer_open(&two, q, "other", 0), 0);
	must_be(shmq_receive(two, &msg, 1, SHMQ_NOWAIT), 1);
	must_be(shmq_receive(two, &msg, 1, SHMQ_NOWAIT), -EAGAIN);
	must_be(shmq_release(two), 0);
	must_come(q, 1, 1);
	shmq_consumer_close(two);
	shmq_close(q);
}

/* A rescuer died between the entry's state and the count of returns. */
static void what_was_returned_and_not_said(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);
	struct shmq_consumer *one, *two;
	struct shmq_msg msg;

	(void)state;
	send_numbers(q, 0, 1);
	one = borrower(q, 1);
	two = consumer_join(q, 0);
	/* It has looked for what there was once, and found nothing. */
	must_be(shmq_receive(two, &msg, 1, SHMQ_NOWAIT), -EAGAIN);
	shmq_consumer_close(one);
	add_release(&two->group->returns, -1);
	must_be(shmq_receive(two, &msg, 1, PATIENCE_NS), 1);
	must_be(msg.flags, SHMQ_REDELIVERED);
	shmq_consumer_close(two);
	shmq_close(q);
}

/* Somebody was stopped who is at the oldest: the next one is to be had. */
static void beside_one_who_was_stopped_adopting(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);
	struct shmq_consumer *one, *two;
	int other, got;

	(void)state;
	send_numbers(q, 0, 2);
	one = borrower(q, 1);
	two = borrower(q, 1);
	shmq_consumer_close(one);
	shmq_consumer_close(two);
	other = other_description(q);
	must_be(shmqi_lease_take(other, SH_LEASE_MEMBER), 0);
	/* Not the entry of one who has it. */
	one = consumer_join(q, 0);
	must_be(shmq_recv(one, &got, sizeof(got), SHMQ_NOWAIT), sizeof(got));
	must_be(got, 1);
	shmqi_lease_drop(other, SH_LEASE_MEMBER);
	must_be(shmq_recv(one, &got, sizeof(got), PATIENCE_NS), sizeof(got));
	must_be(got, 0);
	/* Nobody has the leases any more. */
	for (int i = 0; i < 2; i++)
		must(!shmqi_lease_held(other, SH_LEASE_MEMBER + i));
	/* What was copied is done with, and does not come again. */
	shmq_consumer_close(one);
	must_come(q, 0, 0);
	close(other);
	shmq_close(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(compacting_beside_one_who_adopts),
		TEST_IN_DIRECTORY(adoptions_of_the_dead_beside_compacting),
		TEST_IN_DIRECTORY(adoptions_that_were_decided),
		TEST_IN_DIRECTORY(two_entries_that_do_not_fit_into_one),
		TEST_IN_DIRECTORY(compacting_keeps_groups_apart),
		TEST_IN_DIRECTORY(compacting_keeps_policies_apart),
		TEST_IN_DIRECTORY(what_was_returned_and_not_said),
		TEST_IN_DIRECTORY(beside_one_who_was_stopped_adopting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
