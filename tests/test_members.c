/* SPDX-License-Identifier: MIT */
/* Members: who may join, when there is no place, and when there is one again. */
#include <errno.h>
#include <string.h>

#include "support.h"

/* What a child joins, and how it goes. */
struct guest {
	struct shmq *q;
	unsigned flags; /* of the consumer */
	bool produces;
	bool consumes;
	int error;        /* what joining is expected to give */
	unsigned borrows; /* messages */
	step joined;
	step leave;
};

static struct guest *guest_of(struct shmq *q)
{
	struct guest *guest = shared_memory(sizeof(*guest));

	guest->q = q;
	return guest;
}

static void guest_free(struct guest *guest)
{
	shared_free(guest, sizeof(*guest));
}

static void be_a_guest(void *arg)
{
	struct guest *guest = arg;
	struct shmq_producer *p = NULL;
	struct shmq_consumer *c = NULL;
	struct shmq_msg msg;

	if (guest->produces)
		must_be(shmq_producer_open(&p, guest->q, 0), guest->error);
	if (guest->consumes)
		must_be(shmq_consumer_open(&c, guest->q, NULL, guest->flags),
			guest->error);
	for (unsigned i = 0; i < guest->borrows; i++)
		must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
	step_to(&guest->joined, 1);
	step_wait(&guest->leave, 1);
}

/* A child that has joined, and stays. */
static pid_t guest_arrive(struct guest *guest)
{
	pid_t pid;

	guest->joined = 0;
	guest->leave = 0;
	pid = child_start(be_a_guest, guest);
	step_wait(&guest->joined, 1);
	return pid;
}

static struct shmq *queue_for(unsigned members, uint64_t flags)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *q;

	attr.capacity = 65536;
	attr.max_members = members;
	attr.flags = flags;
	must_be(shmq_open_anonymous(&q, &attr), 0);
	return q;
}

/* ------------------------------------------------------ the single member */

static void a_second_single_producer_is_refused(void **state)
{
	struct shmq *q = queue_for(8, SHMQ_SINGLE_PRODUCER);
	struct shmq_producer *p = producer_join(q), *other = NULL;
	struct guest *guest = guest_of(q);

	(void)state;
	must_be(shmq_producer_open(&other, q, 0), -EBUSY);
	must(!other);
	guest->produces = true;
	guest->error = -EBUSY;
	child_kill(guest_arrive(guest));
	must_be(stat_of(q).members, 1);
	shmq_producer_close(p);
	p = producer_join(q);
	shmq_producer_close(p);
	guest_free(guest);
	shmq_close(q);
}

static void a_second_single_consumer_is_refused(void **state)
{
	struct shmq *q = queue_for(8, SHMQ_SINGLE_CONSUMER);
	struct shmq_consumer *c = consumer_join(q, 0), *other = NULL;
	struct guest *guest = guest_of(q);

	(void)state;
	must_be(shmq_consumer_open(&other, q, NULL, 0), -EBUSY);
	must_be(shmq_consumer_open(&other, q, NULL, SHMQ_EXCLUSIVE), -EBUSY);
	must(!other);
	guest->consumes = true;
	guest->error = -EBUSY;
	child_kill(guest_arrive(guest));
	shmq_consumer_close(c);
	c = consumer_join(q, SHMQ_EXCLUSIVE);
	shmq_consumer_close(c);
	guest_free(guest);
	shmq_close(q);
}

static void the_place_of_a_dead_single_member_is_free_at_once(void **state)
{
	struct shmq *q = queue_for(2,
				   SHMQ_SINGLE_PRODUCER | SHMQ_SINGLE_CONSUMER);
	struct guest *guest = guest_of(q);

	(void)state;
	guest->produces = guest->consumes = true;
	for (int i = 0; i < 20; i++) {
		struct shmq_producer *p;
		struct shmq_consumer *c;
		pid_t pid = guest_arrive(guest);

		must_be(shmq_producer_open(&p, q, 0), -EBUSY);
		must_be(shmq_consumer_open(&c, q, NULL, 0), -EBUSY);
		child_kill(pid);
		p = producer_join(q);
		c = consumer_join(q, 0);
		must_be(stat_of(q).members, 2);
		shmq_producer_close(p);
		shmq_consumer_close(c);
	}
	must_be(stat_of(q).recoveries, 40);
	guest_free(guest);
	shmq_close(q);
}

/* ---------------------------------------------------------------- exclusive */

static void exclusive_and_others_keep_each_other_out(void **state)
{
	struct shmq *q = queue_for(8, 0);
	struct shmq_consumer *c = consumer_join(q, SHMQ_EXCLUSIVE), *other;
	struct guest *guest = guest_of(q);

	(void)state;
	must_be(shmq_consumer_open(&other, q, NULL, 0), -EBUSY);
	must_be(shmq_consumer_open(&other, q, NULL, SHMQ_EXCLUSIVE), -EBUSY);
	guest->consumes = true;
	guest->error = -EBUSY;
	child_kill(guest_arrive(guest));
	guest->flags = SHMQ_EXCLUSIVE;
	child_kill(guest_arrive(guest));
	shmq_consumer_close(c);

	c = consumer_join(q, 0);
	other = consumer_join(q, 0);
	child_kill(guest_arrive(guest));
	shmq_consumer_close(c);
	/* One of ours has left, another has not. */
	must_be(shmq_consumer_open(&c, q, NULL, SHMQ_EXCLUSIVE), -EBUSY);
	child_kill(guest_arrive(guest));
	shmq_consumer_close(other);
	c = consumer_join(q, SHMQ_EXCLUSIVE);
	shmq_consumer_close(c);
	guest_free(guest);
	shmq_close(q);
}

static void an_exclusive_place_is_free_after_the_death_of_others(void **state)
{
	struct shmq *q = queue_for(8, 0);
	struct guest *guest = guest_of(q);
	struct shmq_consumer *c;

	(void)state;
	guest->consumes = true;
	for (int i = 0; i < 10; i++) {
		pid_t pid;

		guest->flags = i % 2 ? SHMQ_EXCLUSIVE : 0;
		pid = guest_arrive(guest);
		must_be(shmq_consumer_open(&c, q, NULL, SHMQ_EXCLUSIVE),
			-EBUSY);
		child_kill(pid);
		c = consumer_join(q, i % 3 ? SHMQ_EXCLUSIVE : 0);
		shmq_consumer_close(c);
	}
	guest_free(guest);
	shmq_close(q);
}

/* ----------------------------------------------------------- the full table */

static void a_table_full_of_the_living_is_full(void **state)
{
	struct shmq *q = queue_for(3, 0);
	struct shmq_producer *p = producer_join(q), *none;
	struct shmq_consumer *c = consumer_join(q, 0), *nothing;
	struct guest *guest = guest_of(q);
	pid_t pid;

	(void)state;
	guest->produces = true;
	pid = guest_arrive(guest);
	must_be(stat_of(q).members, 3);
	must_be(shmq_producer_open(&none, q, 0), -EUSERS);
	must_be(shmq_consumer_open(&nothing, q, NULL, 0), -EUSERS);
	must_be(shmq_consumer_open(&nothing, q, NULL, SHMQ_EXCLUSIVE), -EBUSY);
	shmq_consumer_close(c);
	must_be(stat_of(q).members, 2);
	c = consumer_join(q, 0);
	child_kill(pid);
	none = producer_join(q);
	shmq_producer_close(none);
	shmq_producer_close(p);
	shmq_consumer_close(c);
	guest_free(guest);
	shmq_close(q);
}

static void a_table_full_of_the_dead_makes_room(void **state)
{
	enum {
		MEMBERS = 5
	};
	struct shmq *q = queue_for(MEMBERS, 0);
	struct shmq_producer *p[MEMBERS];
	struct guest *guests[MEMBERS];
	pid_t pids[MEMBERS];

	(void)state;
	for (int i = 0; i < MEMBERS; i++) {
		guests[i] = guest_of(q);
		guests[i]->produces = i % 2;
		guests[i]->consumes = !(i % 2);
		pids[i] = guest_arrive(guests[i]);
	}
	must_be(shmq_producer_open(&p[0], q, 0), -EUSERS);
	for (int i = 0; i < MEMBERS; i++)
		child_kill(pids[i]);
	for (int i = 0; i < MEMBERS; i++)
		p[i] = producer_join(q);
	must_be(stat_of(q).members, MEMBERS);
	must_be(stat_of(q).recoveries, MEMBERS);
	for (int i = 0; i < MEMBERS; i++) {
		shmq_producer_close(p[i]);
		guest_free(guests[i]);
	}
	must_be(stat_of(q).members, 0);
	shmq_close(q);
}

static void send_some(struct shmq *q, int n)
{
	struct shmq_producer *p = producer_join(q);

	for (int i = 0; i < n; i++)
		must_be(shmq_send(p, &i, sizeof(i), SHMQ_NOWAIT), 0);
	shmq_producer_close(p);
}

/* All messages are there, the first of them flagged, none twice. */
static void must_drain(struct shmq *q, int n, int flagged)
{
	struct shmq_consumer *c = consumer_join(q, 0);
	struct shmq_msg msg;
	uint64_t seen = 0;
	int number;

	for (int i = 0; i < n; i++) {
		must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
		memcpy(&number, msg.data, sizeof(number));
		must(!(seen & UINT64_C(1) << number));
		seen |= UINT64_C(1) << number;
		flagged -= msg.flags == SHMQ_REDELIVERED;
		must_be(shmq_release(c), 0);
	}
	must_be(flagged, 0);
	must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), -EAGAIN);
	shmq_consumer_close(c);
	must_be(stat_of(q).depth_messages, 0);
}

static void dead_consumers_with_loans_make_room(void **state)
{
	enum {
		MEMBERS = 4
	};
	struct shmq *q = queue_for(MEMBERS, 0);
	struct guest *guests[MEMBERS];
	pid_t pids[MEMBERS];

	(void)state;
	send_some(q, 20);
	for (int i = 0; i < MEMBERS; i++) {
		guests[i] = guest_of(q);
		guests[i]->consumes = true;
		guests[i]->borrows = 3;
		pids[i] = guest_arrive(guests[i]);
	}
	for (int i = 0; i < MEMBERS; i++)
		child_kill(pids[i]);
	for (int i = 0; i < MEMBERS; i++)
		pids[i] = guest_arrive(guests[i]);
	for (int i = 0; i < MEMBERS; i++)
		child_kill(pids[i]);
	must_drain(q, 20, 12);
	for (int i = 0; i < MEMBERS; i++)
		guest_free(guests[i]);
	shmq_close(q);
}

static void one_member_is_enough_for_generations(void **state)
{
	struct shmq *q = queue_for(1, 0);
	struct guest *guest = guest_of(q);

	(void)state;
	send_some(q, 6);
	guest->consumes = true;
	for (int i = 0; i < 30; i++) {
		guest->borrows = 1 + (unsigned)i % 5;
		guest->flags = i % 3 ? SHMQ_EXCLUSIVE : 0;
		child_kill(guest_arrive(guest));
	}
	must_drain(q, 6, 5);
	guest_free(guest);
	shmq_close(q);
}

static void recover_counts_the_dead(void **state)
{
	struct shmq *q = queue_for(8, 0);
	struct shmq_consumer *c = consumer_join(q, 0);
	struct guest *guests[3];
	pid_t pids[3];

	(void)state;
	must_be(shmq_recover(q), 0);
	must_be(shmq_recover(NULL), -EINVAL);
	for (int i = 0; i < 3; i++) {
		guests[i] = guest_of(q);
		guests[i]->produces = true;
		pids[i] = guest_arrive(guests[i]);
	}
	must_be(shmq_recover(q), 0);
	child_kill(pids[1]);
	must_be(stat_of(q).members, 3);
	must_be(shmq_recover(q), 1);
	must_be(shmq_recover(q), 0);
	child_kill(pids[0]);
	child_kill(pids[2]);
	must_be(shmq_recover(q), 2);
	must_be(stat_of(q).recoveries, 3);
	must_be(stat_of(q).members, 1);
	for (int i = 0; i < 3; i++)
		guest_free(guests[i]);
	shmq_consumer_close(c);
	shmq_close(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(a_second_single_producer_is_refused),
		TEST_IN_DIRECTORY(a_second_single_consumer_is_refused),
		TEST_IN_DIRECTORY(
			the_place_of_a_dead_single_member_is_free_at_once),
		TEST_IN_DIRECTORY(exclusive_and_others_keep_each_other_out),
		TEST_IN_DIRECTORY(
			an_exclusive_place_is_free_after_the_death_of_others),
		TEST_IN_DIRECTORY(a_table_full_of_the_living_is_full),
		TEST_IN_DIRECTORY(a_table_full_of_the_dead_makes_room),
		TEST_IN_DIRECTORY(dead_consumers_with_loans_make_room),
		TEST_IN_DIRECTORY(one_member_is_enough_for_generations),
		TEST_IN_DIRECTORY(recover_counts_the_dead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
