/* SPDX-License-Identifier: MIT */
/*
 * What others do at one certain moment: between somebody's look at an entry and
 * the lease that he takes for it, and in the middle of what dead ones did. Each
 * second look is there for one of these.
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
#include "producer.h"
#include "recovery.h"

#define CAPACITY 4096
#define SEGMENT 65536
#define PARTS 8 /* messages that fit into a segment */

/* A winner that had not got to say so. */
static void reserve_unsaid(struct shmq *q)
{
	struct shmq_producer *p = producer_join(q);
	void *room;

	must_be(shmq_reserve(p, 1, &room, SHMQ_NOWAIT), 0);
	store_release(&p->claim->word,
		      claim_word(p->open.pos, SH_CLAIM_ANNOUNCED));
}

static void take_one_and_reserve_unsaid(struct shmq *q)
{
	take_one_and_leave(q);
	reserve_unsaid(q);
}

static void recover_and_borrow(struct shmq *q)
{
	must_be(shmq_recover(q), 1);
	borrow_one(q);
}

/* The dead producer's entry is another's by then, who is dead as well. */
static void an_entry_that_was_cleaned_up_meanwhile(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);

	(void)state;
	send_numbers(q, 0, 2);
	dies_after(reserve, q);
	moment_begin(q, SH_LEASE_MEMBER, recover_and_borrow);
	must_be(shmqi_recover_member(q->seg, 0), 1);
	moment_end();
	must_be(stat_of(q).recoveries, 2);
	must_come(q, 3, 1);
	shmq_close(q);
}

static void recover(struct shmq *q)
{
	must_be(shmq_recover(q), 1);
}

static void one_death_is_counted_once(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);

	(void)state;
	dies_after(reserve, q);
	moment_begin(q, SH_LEASE_MEMBER, recover);
	must_be(shmqi_recover_member(q->seg, 0), 1);
	moment_end();
	must_be(stat_of(q).recoveries, 1);
	shmq_close(q);
}

/* It was free when somebody who joins looked at it. */
static void a_free_entry_that_is_taken_meanwhile(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);
	struct shmq_consumer *c;

	(void)state;
	send_numbers(q, 0, 1);
	moment_begin(q, SH_LEASE_MEMBER, borrow_one);
	c = consumer_join(q, 0);
	moment_end();
	shmq_consumer_close(c);
	must_be(shmq_recover(q), 1);
	must_come(q, 1, 1);
	shmq_close(q);
}

/* What was returned has been received, and the entry is a dead producer's. */
static void a_returned_entry_that_is_taken_meanwhile(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);
	struct shmq_consumer *c;
	struct shmq_msg msg;

	(void)state;
	send_numbers(q, 0, 1);
	dies_after(borrow_one, q);
	must_be(shmq_recover(q), 1);
	c = consumer_join(q, 0);
	moment_begin(q, SH_LEASE_MEMBER, take_one_and_reserve_unsaid);
	must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), -EAGAIN);
	moment_end();
	shmq_consumer_close(c);
	must(shmq_recover(q) >= 0);
	must_be(stat_of(q).recoveries, 2);
	must_come(q, 0, 0);
	shmq_close(q);
}

static void fill_and_send(void *arg)
{
	struct shmq_producer *p = producer_join(arg);

	for (;;)
		must_be(shmq_send(p, "x", 1, SHMQ_FOREVER), 0);
}

static uint64_t sleeps_of(struct shmq *q)
{
	return load_relaxed(&member_at(q->seg, 0)->sleeps);
}

/*
 * Who makes the queue larger has rung, and may die before it is: who waits for
 * room has only itself to rely on, though there are no consumers.
 */
static void full_while_somebody_resizes(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);
	int other = other_description(q);
	uint64_t sleeps;
	pid_t pid;

	(void)state;
	must_be(shmqi_lease_take(other, SH_LEASE_RINGS), 0);
	pid = child_start(fill_and_send, q);
	wait_for_sleepers(q, SHMQ_ROLE_PRODUCER, 1);
	sleeps = sleeps_of(q);
	for (int64_t end = clock_now_ns() + PATIENCE_NS;
	     sleeps_of(q) < sleeps + 2;) {
		must(clock_now_ns() < end);
		nap();
	}
	child_kill(pid);
	close(other);
	shmq_close(q);
}

/* Who slept until then has more room now. */
static void who_has_resized_rings(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);

	(void)state;
	moment_arm_at_resize(q);
	must_be(shmq_resize(q, (uint64_t)2 * CAPACITY), 0);
	must(moment_was_armed());
	must(!(load_acquire(&q->seg->control->send.at.lo) & SH_BELL_ARMED));
	shmq_close(q);
}

/* It joined when messages could be longer, and finds out at its next claim. */
static void what_was_not_too_large_before(void **state)
{
	static const uint64_t kinds[] = { 0, SHMQ_OVERWRITE };
	static const char bytes[2 * CAPACITY];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct shmq *q = queue_anonymous((uint64_t)16 * CAPACITY,
						 kinds[i]);
		struct shmq_producer *p = producer_join(q);

		must_be(shmq_resize(q, CAPACITY), 0);
		must_be(shmq_send(p, bytes, sizeof(bytes), SHMQ_NOWAIT),
			-EMSGSIZE);
		must_be(shmq_send(p, bytes, CAPACITY / 2, SHMQ_NOWAIT),
			-EMSGSIZE);
		must_be(shmq_send(p, bytes, CAPACITY / 8, SHMQ_NOWAIT), 0);
		shmq_producer_close(p);
		shmq_close(q);
	}
}

/*
 * Who switched overwriting on died before he told consumers: who waits for one
 * that receives in place tells it.
 */
static void who_switched_and_told_nobody(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);
	struct shmq_consumer *c = consumer_join(q, 0);
	struct shmq_producer *p = producer_join(q);
	int64_t end = clock_now_ns() + PATIENCE_NS;
	uint64_t returns;
	char got;

	(void)state;
	store_release(&q->seg->control->switches, 1);
	while (shmq_send(p, "x", 1, SHMQ_NOWAIT) == 0)
		;
	returns = load_acquire(&c->group->returns);
	while (load_acquire(&c->group->returns) == returns) {
		must(clock_now_ns() < end);
		must_be(shmq_send(p, "x", 1, SHMQ_NOWAIT), -EAGAIN);
	}
	must_be(shmq_recv(c, &got, 1, SHMQ_NOWAIT), 1);
	for (int i = 0; i < 2 * CAPACITY / 64; i++)
		must_be(shmq_send(p, "x", 1, SHMQ_NOWAIT), 0);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(q);
}

/* One who never waits: what a dead one held comes back in between. */
static void the_busy_look_for_the_dead_too(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);
	struct shmq_consumer *c = consumer_join(q, 0);
	struct shmq_producer *p;
	struct shmq_msg msg;
	int64_t end;

	(void)state;
	send_numbers(q, 0, 1);
	dies_after(borrow_one, q);
	p = producer_join(q);
	end = clock_now_ns() + PATIENCE_NS;
	do {
		must(clock_now_ns() < end);
		must_be(shmq_send(p, "x", 1, SHMQ_NOWAIT), 0);
		must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
		must_be(shmq_release(c), 0);
	} while (!(msg.flags & SHMQ_REDELIVERED));
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(q);
}

static void receive_and_release(struct shmq_consumer *c, unsigned n)
{
	struct shmq_msg msg;

	while (n--) {
		must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
		must_be(shmq_release(c), 0);
	}
}

static void send_parts_of_segments(struct shmq *q, unsigned n)
{
	static const char bytes[SEGMENT / PARTS - 1024];
	struct shmq_producer *p = producer_join(q);

	while (n--)
		must_be(shmq_send(p, bytes, sizeof(bytes), SHMQ_NOWAIT), 0);
	shmq_producer_close(p);
}

/* The stream goes on by segments, and one message of the third comes back. */
static void be_far_ahead(struct shmq *q)
{
	struct shmq_consumer *c;
	struct shmq_msg msg;

	send_parts_of_segments(q, 6 * PARTS);
	c = consumer_join(q, 0);
	receive_and_release(c, 2 * PARTS + 1);
	must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
	shmq_consumer_close(c);
}

/* What one adopts is far ahead of where it looked a moment ago. */
static void adopting_segments_ahead(void **state)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq_consumer *c, *gone;
	struct shmq_msg msg;
	struct shmq *q;

	(void)state;
	attr.flags = SHMQ_JOURNAL;
	attr.segment_bytes = SEGMENT;
	must_be(shmq_open(&q, "far", SHMQ_CREATE, 0600, &attr), 0);
	send_parts_of_segments(q, 2);
	c = consumer_join(q, 0);
	gone = borrower(q, 1);
	shmq_consumer_close(gone);
	moment_begin(q, SH_LEASE_MEMBER + 1, be_far_ahead);
	must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
	moment_end();
	must_be(msg.flags, SHMQ_REDELIVERED);
	must(msg.seq >= 2 * PARTS);
	/* It is there as long as it is on loan. */
	must_be(((const char *)msg.data)[msg.len - 1], 0);
	must_be(shmq_release(c), 0);
	shmq_consumer_close(c);
	shmq_close(q);
	must_be(shmq_unlink("far"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(an_entry_that_was_cleaned_up_meanwhile),
		TEST_IN_DIRECTORY(one_death_is_counted_once),
		TEST_IN_DIRECTORY(a_free_entry_that_is_taken_meanwhile),
		TEST_IN_DIRECTORY(a_returned_entry_that_is_taken_meanwhile),
		TEST_IN_DIRECTORY(full_while_somebody_resizes),
		TEST_IN_DIRECTORY(who_has_resized_rings),
		TEST_IN_DIRECTORY(what_was_not_too_large_before),
		TEST_IN_DIRECTORY(who_switched_and_told_nobody),
		TEST_IN_DIRECTORY(the_busy_look_for_the_dead_too),
		TEST_IN_DIRECTORY(adopting_segments_ahead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
