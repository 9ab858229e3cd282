/* SPDX-License-Identifier: MIT */
/*
 * Who changes what others may sleep for rings: each change, with both bells
 * armed as sleepers arm them. Somebody who is not rung for would look by
 * himself sooner or later, so that no other test would see it.
 */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "handle.h"
#include "support.h"
#include "wake.h"

#define RECV 1u /* for receivers */
#define SEND 2u
#define CAPACITY 4096

static struct sh_bell *bell_of(struct shmq *q, unsigned which)
{
	struct sh_control *control = q->seg->control;

	return which == RECV ? &control->recv : &control->send;
}

static void arm(struct shmq *q)
{
	for (unsigned which = RECV; which <= SEND; which *= 2) {
		struct alarm alarm = { bell_of(q, which), 0 };

		shmqi_bells_arm(&alarm, 1);
	}
}

/* At least these have been rung since they were armed; arm them again. */
static void must_have_rung(struct shmq *q, unsigned bells)
{
	for (unsigned which = RECV; which <= SEND; which *= 2)
		if (bells & which)
			must(!(load_acquire(&bell_of(q, which)->at.lo) &
			       SH_BELL_ARMED));
	arm(q);
}

static void send(struct shmq_producer *p)
{
	must_be(shmq_send(p, "x", 1, SHMQ_NOWAIT), 0);
}

static void copy(struct shmq_consumer *c)
{
	char got;

	must_be(shmq_recv(c, &got, 1, SHMQ_NOWAIT), 1);
}

static void borrow(struct shmq_consumer *c)
{
	struct shmq_msg msg;

	must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
}

/* A span that nobody needs any more. */
static void discard(struct shmq_producer *p)
{
	void *room;

	must_be(shmq_reserve(p, 1, &room, SHMQ_NOWAIT), 0);
	must_be(shmq_discard(p), 0);
}

static void senders_ring_at_the_claim_and_at_the_end(void **state)
{
	static const uint64_t kinds[] = { 0, SHMQ_SINGLE_PRODUCER,
					  SHMQ_OVERWRITE };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct shmq *q = queue_anonymous(CAPACITY, kinds[i]);
		struct shmq_producer *p = producer_join(q);
		void *room;

		arm(q);
		send(p);
		must_have_rung(q, RECV);
		must_be(shmq_reserve(p, 1, &room, SHMQ_NOWAIT), 0);
		must_have_rung(q, RECV);
		must_be(shmq_commit(p, 1), 0);
		must_have_rung(q,
			       kinds[i] == SHMQ_OVERWRITE ? RECV | SEND : RECV);
		must_be(shmq_reserve(p, 1, &room, SHMQ_NOWAIT), 0);
		must_have_rung(q, RECV);
		must_be(shmq_discard(p), 0);
		must_have_rung(q, RECV);
		shmq_producer_close(p);
		shmq_close(q);
	}
}

static void receivers_ring_for_room(void **state)
{
	static const struct {
		uint64_t flags;
		unsigned consumer;
	} kinds[] = { { 0, 0 },
		      { 0, SHMQ_EXCLUSIVE },
		      { SHMQ_SINGLE_PRODUCER | SHMQ_SINGLE_CONSUMER, 0 },
		      { SHMQ_OVERWRITE, 0 } };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct shmq *q = queue_anonymous(CAPACITY, kinds[i].flags);
		struct shmq_producer *p = producer_join(q);
		struct shmq_consumer *c;

		arm(q);
		c = consumer_join(q, kinds[i].consumer);
		must_have_rung(q, RECV | SEND);
		send(p);
		copy(c);
		must_have_rung(q, SEND);
		send(p);
		send(p);
		borrow(c);
		arm(q);
		borrow(c);
		must_be(shmq_release(c), 0);
		must_have_rung(q, SEND);
		discard(p);
		must_be(shmq_recv(c, NULL, 0, SHMQ_NOWAIT), -EAGAIN);
		must_have_rung(q, SEND);
		send(p);
		borrow(c);
		arm(q);
		shmq_consumer_close(c);
		must_have_rung(q, RECV | SEND);
		/* Two spans of those come back: one is copied, one borrowed. */
		c = consumer_join(q, kinds[i].consumer);
		arm(q);
		copy(c);
		must_have_rung(q, SEND);
		send(p);
		borrow(c);
		shmq_consumer_close(c);
		c = consumer_join(q, kinds[i].consumer);
		borrow(c);
		arm(q);
		must_be(shmq_release(c), 0);
		must_have_rung(q, SEND);
		shmq_consumer_close(c);
		must_have_rung(q, RECV | SEND);
		shmq_producer_close(p);
		shmq_close(q);
	}
}

/* Overtaken: what it passes over makes room where a policy keeps again. */
static void who_was_overtaken_rings(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, SHMQ_OVERWRITE);
	struct shmq_consumer *c = consumer_join(q, 0);
	struct shmq_producer *p = producer_join(q);
	struct shmq_msg msg;

	(void)state;
	for (int i = 0; i < 2 * CAPACITY / 64; i++)
		send(p);
	arm(q);
	must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
	must(msg.lost > 0);
	must_have_rung(q, SEND);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(q);
}

struct victim {
	struct shmq *q;
	bool consumer;
};

static void join_and_die(void *arg)
{
	struct victim *v = arg;
	void *room;

	if (v->consumer)
		borrow(consumer_join(v->q, 0));
	else
		must_be(shmq_reserve(producer_join(v->q), 1, &room,
				     SHMQ_NOWAIT),
			0);
	raise(SIGKILL);
}

static void rescuers_ring_for_both(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct shmq *q = queue_anonymous(CAPACITY, 0);
		struct shmq_producer *p = producer_join(q);
		struct victim victim = { q, i };

		send(p);
		child_must_be_killed(child_start(join_and_die, &victim));
		arm(q);
		must_be(shmq_recover(q), 1);
		must_have_rung(q, RECV | SEND);
		shmq_producer_close(p);
		shmq_close(q);
	}
}

static void changes_of_the_queue_ring(void **state)
{
	struct shmq *q = queue_create("q", CAPACITY, 0);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0);

	(void)state;
	must_be(shmq_group_add(q, "other", SHMQ_OLDEST), 0);
	arm(q);
	must_be(shmq_group_remove(q, "other"), 0);
	must_have_rung(q, SEND);
	must_be(shmq_resize(q, 2 * CAPACITY), 0);
	/* Who goes to the new ring leaves a mark in the old one. */
	must_have_rung(q, RECV | SEND);
	must_be(shmq_recv(c, NULL, 0, SHMQ_NOWAIT), -EAGAIN);
	arm(q);
	must_be(shmq_setattr(q, "overwrite", "on"), 0);
	must_have_rung(q, RECV | SEND);
	/* From now on it holds no room. */
	must_be(shmq_recv(c, NULL, 0, SHMQ_NOWAIT), -EAGAIN);
	must_have_rung(q, SEND);
	must_be(shmq_setattr(q, "overwrite", "off"), 0);
	must_have_rung(q, RECV | SEND);
	must_be(shmq_consumer_cancel(c), 0);
	must_have_rung(q, RECV);
	must_be(shmq_producer_cancel(p), 0);
	must_have_rung(q, SEND);
	must_be(shmq_unlink("q"), 0);
	must_have_rung(q, RECV | SEND);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(senders_ring_at_the_claim_and_at_the_end),
		TEST_IN_DIRECTORY(receivers_ring_for_room),
		TEST_IN_DIRECTORY(who_was_overtaken_rings),
		TEST_IN_DIRECTORY(rescuers_ring_for_both),
		TEST_IN_DIRECTORY(changes_of_the_queue_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
