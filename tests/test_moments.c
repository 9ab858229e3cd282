/* SPDX-License-Identifier: MIT */
/*
 * What others do at one certain moment: between somebody's look at an entry and
 * the lease that he takes for it, and in the middle of what dead ones did. Each
 * second look is there for one of these.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "consumer.h"
#include "group.h"
#include "handle.h"
#include "lease.h"
#include "policy.h"
#include "producer.h"
#include "recovery.h"
#include "returned.h"
#include "support.h"

#define CAPACITY 4096

int __real_fcntl(int fd, int cmd, ...);
int __wrap_fcntl(int fd, int cmd, ...);

/* A child that acts, and then dies, when a lease is about to be taken. */
struct moment {
	struct shmq *q;
	step now;
	int64_t byte; /* the lease; -1: the moment is over */
	pid_t pid;
	void (*act)(struct shmq *q);
};
static struct moment *moment;

/* Who resizes this one has just let the others go on: arm the senders' bell. */
static struct shmq *resized;

static void act_and_die(void *arg)
{
	struct moment *m = arg;

	step_wait(&m->now, 1);
	m->act(m->q);
	raise(SIGKILL);
}

static void moment_begin(struct shmq *q, int64_t byte,
			 void (*act)(struct shmq *q))
{
	moment = shared_memory(sizeof(*moment));
	moment->q = q;
	moment->byte = byte;
	moment->act = act;
	moment->pid = child_start(act_and_die, moment);
}

static void moment_end(void)
{
	must_be(moment->byte, -1);
	shared_free(moment, sizeof(*moment));
	moment = NULL;
}

/* The library asks for its leases by this. */
int __wrap_fcntl(int fd, int cmd, ...)
{
	va_list args;
	void *arg;

	va_start(args, cmd);
	arg = va_arg(args, void *);
	va_end(args);
	if (moment && cmd == F_OFD_SETLK) {
		const struct flock *lock = arg;

		if (lock->l_type == F_WRLCK && lock->l_start == moment->byte) {
			moment->byte = -1;
			step_to(&moment->now, 1);
			child_must_be_killed(moment->pid);
		}
	}
	if (resized && cmd == F_OFD_SETLK) {
		const struct flock *lock = arg;
		struct alarm alarm = { &resized->seg->control->send, 0 };

		if (lock->l_type == F_UNLCK &&
		    lock->l_start == SH_LEASE_RINGS) {
			shmqi_bells_arm(&alarm, 1);
			resized = NULL;
		}
	}
	return __real_fcntl(fd, cmd, arg);
}

/* ------------------------------------------------------------------- actors */

static void send(struct shmq *q, int from, int to)
{
	struct shmq_producer *p = producer_join(q);

	for (int i = from; i < to; i++)
		must_be(shmq_send(p, &i, sizeof(i), SHMQ_NOWAIT), 0);
	shmq_producer_close(p);
}

static struct shmq_consumer *borrower(struct shmq *q, unsigned n)
{
	struct shmq_consumer *c = consumer_join(q, 0);
	struct shmq_msg msg;

	while (n--)
		must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
	return c;
}

static void borrow_one(struct shmq *q)
{
	borrower(q, 1);
}

static void reserve(struct shmq *q)
{
	void *room;

	must_be(shmq_reserve(producer_join(q), 1, &room, SHMQ_NOWAIT), 0);
}

/* A winner that had not got to say so. */
static void reserve_unsaid(struct shmq *q)
{
	struct shmq_producer *p = producer_join(q);
	void *room;

	must_be(shmq_reserve(p, 1, &room, SHMQ_NOWAIT), 0);
	store_release(&p->claim->word,
		      claim_word(p->open.pos, SH_CLAIM_ANNOUNCED));
}

static void take_one_and_leave(struct shmq *q)
{
	struct shmq_consumer *c = borrower(q, 1);

	must_be(shmq_release(c), 0);
	shmq_consumer_close(c);
}

static void take_one_and_reserve(struct shmq *q)
{
	take_one_and_leave(q);
	reserve(q);
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

struct doing {
	void (*act)(struct shmq *q);
	struct shmq *q;
};

static void do_and_die(void *arg)
{
	struct doing *doing = arg;

	doing->act(doing->q);
	raise(SIGKILL);
}

static void dies_after(void (*act)(struct shmq *q), struct shmq *q)
{
	struct doing doing = { act, q };

	child_must_be_killed(child_start(do_and_die, &doing));
}

/* Once each, in any order; these, and no more. flagged: a bit each. */
static void must_come(struct shmq *q, unsigned numbers, unsigned flagged)
{
	struct shmq_consumer *c = consumer_join(q, 0);
	struct shmq_msg msg;
	unsigned seen = 0;
	int r;

	while ((r = shmq_receive(c, &msg, 1, SHMQ_NOWAIT)) == 1) {
		int number;

		memcpy(&number, msg.data, sizeof(number));
		must(!(seen >> number & 1));
		seen |= 1u << number;
		must_be(!!(msg.flags & SHMQ_REDELIVERED),
			flagged >> number & 1);
		must_be(shmq_release(c), 0);
	}
	must_be(r, -EAGAIN);
	must_be(seen, numbers);
	shmq_consumer_close(c);
	must_be(stat_of(q).depth_bytes, 0);
}

/* -------------------------------------------------------------------- tests */

/* The dead producer's entry is another's by then, who is dead as well. */
static void an_entry_that_was_cleaned_up_meanwhile(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);

	(void)state;
	send(q, 0, 2);
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
	send(q, 0, 1);
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
	send(q, 0, 1);
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

/* The same while two of them are to be made one. */
static void compacting_beside_one_who_adopts(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);
	struct shmq_consumer *one, *two;

	(void)state;
	send(q, 0, 2);
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

		send(q, 0, 4);
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

		send(q, 0, 2);
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
	send(q, 0, 4 * SH_CLAIMS);
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
	send(q, 0, 4);
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
	send(q, 0, CAPACITY / 64 - 2);
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
	send(q, 0, 1);
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
	send(q, 0, 1);
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

/* Another description of the queue, as another process has one. */
static int other_description(struct shmq *q)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", shmq_fd(q));
	fd = open(path, O_RDWR | O_CLOEXEC);
	must(fd >= 0);
	return fd;
}

/* Somebody was stopped who is at the oldest: the next one is to be had. */
static void beside_one_who_was_stopped_adopting(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);
	struct shmq_consumer *one, *two;
	int other, got;

	(void)state;
	send(q, 0, 2);
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
	resized = q;
	must_be(shmq_resize(q, (uint64_t)2 * CAPACITY), 0);
	must(!resized);
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
	send(q, 0, 1);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(an_entry_that_was_cleaned_up_meanwhile),
		TEST_IN_DIRECTORY(one_death_is_counted_once),
		TEST_IN_DIRECTORY(a_free_entry_that_is_taken_meanwhile),
		TEST_IN_DIRECTORY(a_returned_entry_that_is_taken_meanwhile),
		TEST_IN_DIRECTORY(compacting_beside_one_who_adopts),
		TEST_IN_DIRECTORY(adoptions_of_the_dead_beside_compacting),
		TEST_IN_DIRECTORY(adoptions_that_were_decided),
		TEST_IN_DIRECTORY(two_entries_that_do_not_fit_into_one),
		TEST_IN_DIRECTORY(compacting_keeps_groups_apart),
		TEST_IN_DIRECTORY(compacting_keeps_policies_apart),
		TEST_IN_DIRECTORY(what_was_returned_and_not_said),
		TEST_IN_DIRECTORY(beside_one_who_was_stopped_adopting),
		TEST_IN_DIRECTORY(full_while_somebody_resizes),
		TEST_IN_DIRECTORY(who_has_resized_rings),
		TEST_IN_DIRECTORY(what_was_not_too_large_before),
		TEST_IN_DIRECTORY(who_switched_and_told_nobody),
		TEST_IN_DIRECTORY(the_busy_look_for_the_dead_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
