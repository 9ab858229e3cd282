/* SPDX-License-Identifier: MIT */
/*
 * Sleeping and waking. A wake-up that gets lost shows as a wait that does not
 * end, or, where sleeps have a bound, as hundreds of waits that take too long
 * together.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "deny.h"
#include "support.h"

#define ROUNDS 300 /* at a quarter of a second each they exceed our patience */

struct pair {
	struct shmq *there; /* what one side sends, the other receives */
	struct shmq *back;
	unsigned flags; /* of the consumers */
	bool deny[2];   /* membarrier, to either side */
	bool late;      /* only after joining */
	step ready;
};

static struct pair *pair_make(uint64_t flags)
{
	struct pair *pair = shared_memory(sizeof(*pair));

	pair->there = queue_anonymous(4096, flags);
	pair->back = queue_anonymous(4096, flags);
	return pair;
}

static void pair_free(struct pair *pair)
{
	shmq_close(pair->there);
	shmq_close(pair->back);
	shared_free(pair, sizeof(*pair));
}

/* As in a strict container. */
static void deny_membarrier(void)
{
	deny(SYS_membarrier, EPERM);
}

/* Answer everything, from a sleep. */
static void answer(struct pair *pair)
{
	struct shmq_consumer *c;
	struct shmq_producer *p;
	int number;

	if (pair->deny[1] && !pair->late)
		deny_membarrier();
	c = consumer_join(pair->there, pair->flags);
	p = producer_join(pair->back);
	if (pair->deny[1] && pair->late)
		deny_membarrier();
	step_to(&pair->ready, 1);
	do {
		must_be(shmq_recv(c, &number, sizeof(number), SHMQ_FOREVER),
			sizeof(number));
		must_be(shmq_send(p, &number, sizeof(number), PATIENCE_NS), 0);
	} while (number);
	shmq_consumer_close(c);
	shmq_producer_close(p);
}

static void answer_process(void *arg)
{
	answer(arg);
}

static void *answer_thread(void *arg)
{
	answer(arg);
	return NULL;
}

/* Ask when the other side sleeps, and sleep for the answer. */
static void ask(struct pair *pair)
{
	int64_t begin = clock_now_ns();
	struct shmq_consumer *c;
	struct shmq_producer *p;
	int got;

	if (pair->deny[0] && !pair->late)
		deny_membarrier();
	p = producer_join(pair->there);
	c = consumer_join(pair->back, pair->flags);
	if (pair->deny[0] && pair->late)
		deny_membarrier();
	step_wait(&pair->ready, 1);
	for (int number = ROUNDS; number >= 0; number--) {
		wait_for_sleepers(pair->there, SHMQ_ROLE_CONSUMER, 1);
		must_be(shmq_send(p, &number, sizeof(number), SHMQ_NOWAIT), 0);
		must_be(shmq_recv(c, &got, sizeof(got), PATIENCE_NS),
			sizeof(got));
		must_be(got, number);
	}
	must(clock_now_ns() - begin < PATIENCE_NS);
	shmq_producer_close(p);
	shmq_consumer_close(c);
}

static void ask_process(void *arg)
{
	ask(arg);
}

static const uint64_t queue_flags[] = { 0, SHMQ_SINGLE_PRODUCER,
					SHMQ_SINGLE_CONSUMER,
					SHMQ_SINGLE_PRODUCER |
						SHMQ_SINGLE_CONSUMER };

static void processes_wake_each_other(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct pair *pair = pair_make(queue_flags[i]);
		pid_t pid = child_start(answer_process, pair);

		ask(pair);
		child_join(pid);
		pair_free(pair);
	}
}

static void threads_wake_each_other(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct pair *pair = pair_make(queue_flags[i]);
		pthread_t thread;

		must_be(pthread_create(&thread, NULL, answer_thread, pair), 0);
		ask(pair);
		pthread_join(thread, NULL);
		pair_free(pair);
	}
}

/* Bystanders make all sleeps bounded; that is no excuse. */
static void waking_works_among_bystanders(void **state)
{
	struct pair *pair = pair_make(0);
	struct shmq_consumer *a = consumer_join(pair->there, 0);
	struct shmq_consumer *b = consumer_join(pair->back, 0);
	pid_t pid = child_start(answer_process, pair);

	(void)state;
	ask(pair);
	child_join(pid);
	shmq_consumer_close(a);
	shmq_consumer_close(b);
	pair_free(pair);
}

static void waking_works_without_membarrier(void **state)
{
	(void)state;
	skip_unless_deniable();
	for (int i = 1; i < 8; i++) {
		struct pair *pair = pair_make(0);
		pid_t answerer;

		pair->deny[0] = i & 1;
		pair->deny[1] = i & 2;
		pair->late = i & 4;
		if (pair->deny[0] || pair->deny[1]) {
			answerer = child_start(answer_process, pair);
			child_run(ask_process, pair);
			child_join(answerer);
		}
		pair_free(pair);
	}
}

/* ------------------------------------------------------- sleeping for room */

struct writer {
	struct shmq *q;
	int sent;
	step full;
};

static void send_until_done(void *arg)
{
	struct writer *writer = arg;
	struct shmq_producer *p = producer_join(writer->q);

	while (shmq_send(p, NULL, 0, SHMQ_NOWAIT) == 0)
		;
	step_to(&writer->full, 1);
	for (int i = 0; i < ROUNDS; i++)
		must_be(shmq_send(p, NULL, 0, SHMQ_FOREVER), 0);
}

/* Make room for one, in all the ways there are. */
static void make_room(struct shmq_consumer *c, int round)
{
	struct shmq_msg msg;

	if (round % 2) {
		must_be(shmq_recv(c, NULL, 0, SHMQ_NOWAIT), 0);
		return;
	}
	must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
	must_be(shmq_release(c), 0);
}

static void producers_that_wait_for_room_are_woken(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct writer *writer = shared_memory(sizeof(*writer));
		int64_t begin = clock_now_ns();
		struct shmq_consumer *c;
		pid_t pid;

		writer->q = queue_anonymous(4096, queue_flags[i]);
		pid = child_start(send_until_done, writer);
		step_wait(&writer->full, 1);
		c = consumer_join(writer->q, 0);
		for (int round = 0; round < ROUNDS; round++) {
			wait_for_sleepers(writer->q, SHMQ_ROLE_PRODUCER, 1);
			make_room(c, round);
		}
		child_join(pid);
		must(clock_now_ns() - begin < PATIENCE_NS);
		shmq_consumer_close(c);
		shmq_close(writer->q);
		shared_free(writer, sizeof(*writer));
	}
}

/* ----------------------------------------------------------------- removal */

static void wait_for_a_message(void *arg)
{
	struct shmq *q = arg;
	char buf[8];

	must_be(shmq_recv(consumer_join(q, 0), buf, sizeof(buf), SHMQ_FOREVER),
		-EIDRM);
}

static void wait_for_room(void *arg)
{
	struct shmq *q = arg;
	struct shmq_producer *p = producer_join(q);

	while (shmq_send(p, NULL, 0, SHMQ_NOWAIT) == 0)
		;
	must_be(shmq_send(p, NULL, 0, SHMQ_FOREVER), -EIDRM);
}

static void removing_the_name_wakes_all_sleepers(void **state)
{
	struct shmq *q = queue_create("q", 4096, 0);
	struct shmq *full = queue_create("full", 4096, 0);
	pid_t pids[3];

	(void)state;
	pids[0] = child_start(wait_for_a_message, q);
	pids[1] = child_start(wait_for_a_message, q);
	pids[2] = child_start(wait_for_room, full);
	wait_for_sleepers(q, SHMQ_ROLE_CONSUMER, 2);
	wait_for_sleepers(full, SHMQ_ROLE_PRODUCER, 1);
	must_be(shmq_unlink("q"), 0);
	must_be(shmq_unlink("full"), 0);
	for (int i = 0; i < 3; i++)
		child_join(pids[i]);
	shmq_close(q);
	shmq_close(full);
}

/* ---------------------------------------------------------- doing nothing */

static void *sleep_for_ever(void *arg)
{
	struct shmq_consumer *c = consumer_join(arg, 0);
	char buf[8];

	must_be(shmq_recv(c, buf, sizeof(buf), SHMQ_FOREVER), 1);
	shmq_consumer_close(c);
	return NULL;
}

static void a_sleeper_uses_no_processor(void **state)
{
	struct shmq *q = queue_anonymous(4096, 0);
	struct shmq_producer *p = producer_join(q);
	pthread_t thread;

	(void)state;
	must_be(pthread_create(&thread, NULL, sleep_for_ever, q), 0);
	wait_for_sleepers(q, SHMQ_ROLE_CONSUMER, 1);
	must_stay_asleep(thread, INT64_C(600000000));
	must_be(shmq_send(p, "x", 1, SHMQ_NOWAIT), 0);
	pthread_join(thread, NULL);
	shmq_producer_close(p);
	shmq_close(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(processes_wake_each_other),
		TEST_IN_DIRECTORY(threads_wake_each_other),
		TEST_IN_DIRECTORY(waking_works_among_bystanders),
		TEST_IN_DIRECTORY(waking_works_without_membarrier),
		TEST_IN_DIRECTORY(producers_that_wait_for_room_are_woken),
		TEST_IN_DIRECTORY(removing_the_name_wakes_all_sleepers),
		TEST_IN_DIRECTORY(a_sleeper_uses_no_processor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
