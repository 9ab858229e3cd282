/* SPDX-License-Identifier: MIT */
/*
 * Others notice a death by themselves: asleep, or polling now and then. That
 * takes a quarter of a second, a second if they poll; these tests fail when it
 * takes many times as long.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cursor.h"
#include "handle.h"
#include "support.h"

#define NOTICED_NS INT64_C(5000000000)

struct scene {
	struct shmq *q;
	unsigned flags; /* of a consumer */
	step ready;
};

static struct scene *scene_of(uint64_t flags)
{
	struct scene *scene = shared_memory(sizeof(*scene));

	scene->q = queue_anonymous(4096, flags);
	return scene;
}

static void scene_end(struct scene *scene)
{
	shmq_close(scene->q);
	shared_free(scene, sizeof(*scene));
}

static pid_t actor(void (*body)(void *), struct scene *scene)
{
	pid_t pid;

	scene->ready = 0;
	pid = child_start(body, scene);
	step_wait(&scene->ready, 1);
	return pid;
}

static void stay(struct scene *scene)
{
	step_to(&scene->ready, 1);
	for (;;)
		pause();
}

static void reserve_and_stay(void *arg)
{
	struct scene *scene = arg;
	void *out;

	must_be(shmq_reserve(producer_join(scene->q), 100, &out, SHMQ_NOWAIT),
		0);
	stay(scene);
}

static void borrow_and_stay(void *arg)
{
	struct scene *scene = arg;
	struct shmq_msg msgs[2];

	must_be(shmq_receive(consumer_join(scene->q, scene->flags), msgs, 2,
			     SHMQ_NOWAIT),
		2);
	stay(scene);
}

/* Three messages that arrive in the end. */
static void receive_three(void *arg)
{
	struct scene *scene = arg;
	struct shmq_consumer *c = consumer_join(scene->q, scene->flags);
	char buf[8];

	step_to(&scene->ready, 1);
	for (int i = 0; i < 3; i++)
		must_be(shmq_recv(c, buf, sizeof(buf), SHMQ_FOREVER), i + 1);
	shmq_consumer_close(c);
}

static void send_three(struct shmq_producer *p)
{
	for (size_t i = 0; i < 3; i++)
		must_be(shmq_send(p, "abc", i + 1, SHMQ_NOWAIT), 0);
}

/* ------------------------------------------------------------------ asleep */

static void a_sleeper_notices_the_death_of_a_producer(void **state)
{
	static const uint64_t flags[] = { 0, SHMQ_SINGLE_CONSUMER };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct scene *scene = scene_of(flags[i]);
		pid_t dying = actor(reserve_and_stay, scene), sleeper;
		struct shmq_producer *p = producer_join(scene->q);

		sleeper = actor(receive_three, scene);
		wait_for_sleepers(scene->q, SHMQ_ROLE_CONSUMER, 1);
		send_three(p);
		wait_for_sleepers(scene->q, SHMQ_ROLE_CONSUMER, 1);
		must_be(stat_of(scene->q).depth_messages, 4);
		child_kill(dying);
		child_join(sleeper);
		must_be(stat_of(scene->q).recoveries, 1);
		must_be(stat_of(scene->q).depth_messages, 0);
		shmq_producer_close(p);
		scene_end(scene);
	}
}

/* Nothing is behind the reservation; the next producer comes later. */
static void a_sleeper_outlives_single_producers(void **state)
{
	static const uint64_t flags[] = { SHMQ_SINGLE_PRODUCER,
					  SHMQ_SINGLE_PRODUCER |
						  SHMQ_SINGLE_CONSUMER };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct scene *scene = scene_of(flags[i]);
		pid_t sleeper = actor(receive_three, scene);
		struct shmq_producer *p;

		for (int k = 0; k < 5; k++) {
			pid_t dying = actor(reserve_and_stay, scene);

			wait_for_sleepers(scene->q, SHMQ_ROLE_CONSUMER, 1);
			child_kill(dying);
		}
		p = producer_join(scene->q);
		send_three(p);
		child_join(sleeper);
		must_be(stat_of(scene->q).sent_messages, 8);
		must_be(stat_of(scene->q).depth_messages, 0);
		shmq_producer_close(p);
		scene_end(scene);
	}
}

static void receive_two_returned(void *arg)
{
	struct scene *scene = arg;
	struct shmq_consumer *c = consumer_join(scene->q, 0);
	struct shmq_msg msgs[2];

	must_be(shmq_receive(c, msgs, 2, SHMQ_FOREVER), 2);
	must_be(msgs[0].flags & msgs[1].flags, SHMQ_REDELIVERED);
	shmq_consumer_close(c);
}

static void a_sleeping_consumer_notices_the_death_of_another(void **state)
{
	struct scene *scene = scene_of(0);
	struct shmq_producer *p = producer_join(scene->q);
	pid_t dying, sleeper;

	(void)state;
	must_be(shmq_send(p, "a", 1, SHMQ_NOWAIT), 0);
	must_be(shmq_send(p, "b", 1, SHMQ_NOWAIT), 0);
	dying = actor(borrow_and_stay, scene);
	sleeper = child_start(receive_two_returned, scene);
	wait_for_sleepers(scene->q, SHMQ_ROLE_CONSUMER, 1);
	child_kill(dying);
	child_join(sleeper);
	shmq_producer_close(p);
	scene_end(scene);
}

/* The room that a dead consumer held comes back when another releases it. */
static void send_when_there_is_room(void *arg)
{
	struct scene *scene = arg;
	struct shmq_producer *p = producer_join(scene->q);

	step_to(&scene->ready, 1);
	must_be(shmq_send(p, "d", 1, SHMQ_FOREVER), 0);
	shmq_producer_close(p);
}

static void a_producer_waits_behind_a_dead_consumer_no_longer(void **state)
{
	struct scene *scene = scene_of(0);
	struct shmq_producer *p = producer_join(scene->q);
	struct shmq_consumer *c;
	pid_t dying, sleeper;

	(void)state;
	while (shmq_send(p, "x", 1, SHMQ_NOWAIT) == 0)
		;
	dying = actor(borrow_and_stay, scene);
	sleeper = actor(send_when_there_is_room, scene);
	wait_for_sleepers(scene->q, SHMQ_ROLE_PRODUCER, 1);
	child_kill(dying);
	c = consumer_join(scene->q, 0);
	for (int i = 0; i < 65; i++) {
		char buf[8];

		must_be(shmq_recv(c, buf, sizeof(buf), PATIENCE_NS), 1);
	}
	child_join(sleeper);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	scene_end(scene);
}

/* ----------------------------------------------------------------- polling */

/* Polls until the message is there. How long that took. */
static int64_t poll_for(struct shmq_consumer *c, int64_t len)
{
	int64_t begin = clock_now_ns(), r;
	char buf[8];

	do {
		r = shmq_recv(c, buf, sizeof(buf), SHMQ_NOWAIT);
		must(r == len || r == -EAGAIN);
		must(clock_now_ns() - begin < NOTICED_NS);
		nap();
	} while (r == -EAGAIN);
	return clock_now_ns() - begin;
}

static void a_poller_gets_what_a_dead_consumer_held(void **state)
{
	struct scene *scene = scene_of(0);
	struct shmq_producer *p = producer_join(scene->q);
	struct shmq_consumer *c = consumer_join(scene->q, 0);
	pid_t dying;
	char buf[8];

	(void)state;
	send_three(p);
	dying = actor(borrow_and_stay, scene);
	must_be(shmq_recv(c, buf, sizeof(buf), SHMQ_NOWAIT), 3);
	must_be(shmq_recv(c, buf, sizeof(buf), SHMQ_NOWAIT), -EAGAIN);
	child_kill(dying);
	print_message("noticed after %ld us\n", (long)(poll_for(c, 1) / 1000));
	must_be(shmq_recv(c, buf, sizeof(buf), SHMQ_NOWAIT), 2);
	must_be(shmq_recv(c, buf, sizeof(buf), SHMQ_NOWAIT), -EAGAIN);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	scene_end(scene);
}

static void a_poller_gets_past_a_dead_producer(void **state)
{
	static const uint64_t flags[] = { 0, SHMQ_SINGLE_CONSUMER };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct scene *scene = scene_of(flags[i]);
		pid_t dying = actor(reserve_and_stay, scene);
		struct shmq_producer *p = producer_join(scene->q);
		struct shmq_consumer *c = consumer_join(scene->q, 0);
		char buf[8];

		send_three(p);
		must_be(shmq_recv(c, buf, sizeof(buf), SHMQ_NOWAIT), -EAGAIN);
		child_kill(dying);
		print_message("noticed after %ld us\n",
			      (long)(poll_for(c, 1) / 1000));
		must_be(shmq_recv(c, buf, sizeof(buf), SHMQ_NOWAIT), 2);
		shmq_consumer_close(c);
		shmq_producer_close(p);
		scene_end(scene);
	}
}

/* ------------------------------------------- nobody else is there to ring */

static void fill_and_wait_for_room(void *arg)
{
	struct shmq_producer *p = producer_join(arg);

	while (shmq_send(p, NULL, 0, SHMQ_NOWAIT) == 0)
		;
	must_be(shmq_send(p, NULL, 0, SHMQ_FOREVER), 0);
}

static void claim_and_stay(void *arg)
{
	void *out;

	must_be(shmq_reserve(producer_join(arg), 8, &out, SHMQ_NOWAIT), 0);
	pause();
}

/*
 * A topic without groups keeps nothing, so what is full is so because of an
 * open claim; its owner dies when the other one already sleeps.
 */
static void whoever_waits_for_a_claim_alone_notices_its_end(void **state)
{
	struct shmq *q = queue_anonymous(4096, SHMQ_TOPIC);
	pid_t owner = child_start(claim_and_stay, q), waiter;

	(void)state;
	while (stat_of(q).sent_messages == 0)
		nap();
	waiter = child_start(fill_and_wait_for_room, q);
	wait_for_sleepers(q, SHMQ_ROLE_PRODUCER, 1);
	child_kill(owner);
	child_join(waiter);
	must(shmq_recover(q) >= 0);
	shmq_close(q);
}

/* It has made room, and dies before it rings. */
static void make_room_and_die(void *arg)
{
	struct shmq *q = arg;
	struct sh_cursor *cursor = &q->seg->groups[0].cursor;
	struct cursor at;

	consumer_join(q, 0);
	at = cursor_load(cursor);
	must(cursor_swap(cursor, at,
			 (struct cursor){ at.pos + SH_LINE, at.seq + 1,
					  SH_NOBODY }));
}

static void a_consumer_that_joined_and_died_leaves_nobody_asleep(void **state)
{
	struct shmq *q = queue_anonymous(4096, 0);
	pid_t waiter = child_start(fill_and_wait_for_room, q);

	(void)state;
	wait_for_sleepers(q, SHMQ_ROLE_PRODUCER, 1);
	child_run(make_room_and_die, q);
	child_join(waiter);
	must(shmq_recover(q) >= 0);
	shmq_close(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(a_sleeper_notices_the_death_of_a_producer),
		TEST_IN_DIRECTORY(a_sleeper_outlives_single_producers),
		TEST_IN_DIRECTORY(
			a_sleeping_consumer_notices_the_death_of_another),
		TEST_IN_DIRECTORY(
			a_producer_waits_behind_a_dead_consumer_no_longer),
		TEST_IN_DIRECTORY(a_poller_gets_what_a_dead_consumer_held),
		TEST_IN_DIRECTORY(a_poller_gets_past_a_dead_producer),
		TEST_IN_DIRECTORY(
			whoever_waits_for_a_claim_alone_notices_its_end),
		TEST_IN_DIRECTORY(
			a_consumer_that_joined_and_died_leaves_nobody_asleep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
