/* SPDX-License-Identifier: MIT */
/* shmq_wait: many queues at once; points in time; cancelling. */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "deny.h"
#include "endpoint.h"
#include "handle.h"
#include "support.h"
#include "wake.h"

#define MANY 128
#define ROUNDS 300
#define MS INT64_C(1000000)

static const uint64_t queue_flags[] = { 0, SHMQ_SINGLE_PRODUCER,
					SHMQ_SINGLE_CONSUMER,
					SHMQ_SINGLE_PRODUCER |
						SHMQ_SINGLE_CONSUMER };

struct set {
	unsigned n;
	struct shmq *q[MANY];
	struct shmq_producer *p[MANY];
	struct shmq_consumer *c[MANY];
};

/* n queues of all kinds, in shared memory, without members. */
static struct set *set_make(unsigned n)
{
	struct set *set = shared_memory(sizeof(*set));

	set->n = n;
	for (unsigned i = 0; i < n; i++)
		set->q[i] = queue_anonymous(4096, queue_flags[i % 4]);
	return set;
}

static void set_receive(struct set *set)
{
	for (unsigned i = 0; i < set->n; i++)
		set->c[i] = consumer_join(set->q[i], 0);
}

static void set_send(struct set *set)
{
	for (unsigned i = 0; i < set->n; i++)
		set->p[i] = producer_join(set->q[i]);
}

static void set_join(struct set *set)
{
	set_receive(set);
	set_send(set);
}

static void set_free(struct set *set)
{
	for (unsigned i = 0; i < set->n; i++) {
		shmq_producer_close(set->p[i]);
		shmq_consumer_close(set->c[i]);
		shmq_close(set->q[i]);
	}
	shared_free(set, sizeof(*set));
}

static void wrong_arguments_are_refused(void **state)
{
	struct set *set = set_make(2);
	struct shmq_consumer *cs[MANY + 1] = { NULL };

	(void)state;
	set_join(set);
	cs[0] = set->c[0];
	must_be(shmq_wait(NULL, 1, 0), -EINVAL);
	must_be(shmq_wait(cs, 0, 0), -EINVAL);
	must_be(shmq_wait(cs, 2, 0), -EINVAL);
	must_be(shmq_wait(cs, 1, -2), -EINVAL);
	for (int i = 0; i <= MANY; i++)
		cs[i] = set->c[0];
	must_be(shmq_wait(cs, MANY + 1, 0), -EINVAL);
	must_be(shmq_wait(cs, MANY, 0), -EAGAIN);
	must_be(shmq_wait(cs, MANY, MS), -ETIMEDOUT);
	must_be(shmq_consumer_cancel(NULL), -EINVAL);
	must_be(shmq_producer_cancel(NULL), -EINVAL);
	set_free(set);
}

static void ready_queues_take_turns(void **state)
{
	struct set *set = set_make(MANY);
	unsigned named[MANY] = { 0 };
	char buf[8];

	(void)state;
	set_join(set);
	for (unsigned i = 0; i < MANY; i += 2)
		for (int k = 0; k < 3; k++)
			must_be(shmq_send(set->p[i], "x", 1, 0), 0);
	for (unsigned i = 0; i < 3 * MANY / 2; i++) {
		int k = shmq_wait(set->c, MANY, i % 2 ? SHMQ_FOREVER : 0);

		must(k >= 0 && k < MANY);
		must_be(shmq_recv(set->c[k], buf, sizeof(buf), 0), 1);
		must_be(++named[k], i / (MANY / 2) + 1);
	}
	must_be(shmq_wait(set->c, MANY, 0), -EAGAIN);
	must_be(shmq_wait(set->c, MANY, MS), -ETIMEDOUT);
	set_free(set);
}

static void waiting_takes_nothing_and_skips_what_is_skipped(void **state)
{
	struct set *set = set_make(4);
	void *out;
	char buf[8];

	(void)state;
	set_join(set);
	for (unsigned i = 0; i < 4; i++) {
		struct shmq_consumer **c = &set->c[i];

		must_be(shmq_reserve(set->p[i], 8, &out, 0), 0);
		must_be(shmq_discard(set->p[i]), 0);
		must_be(shmq_wait(c, 1, 0), -EAGAIN);
		must_be(shmq_wait(c, 1, MS), -ETIMEDOUT);
		must_be(stat_of(set->q[i]).depth_messages, 0);
		must_be(shmq_send(set->p[i], NULL, 0, 0), 0);
		for (int k = 0; k < 3; k++)
			must_be(shmq_wait(c, 1, MS), 0);
		must_be(stat_of(set->q[i]).depth_messages, 1);
		must_be(shmq_recv(*c, buf, sizeof(buf), 0), 0);
		must_be(shmq_wait(c, 1, 0), -EAGAIN);
	}
	set_free(set);
}

static void returned_messages_are_waited_for(void **state)
{
	struct set *set = set_make(1);
	struct shmq_consumer *other;
	struct shmq_msg msg;

	(void)state;
	set_join(set);
	other = consumer_join(set->q[0], 0);
	must_be(shmq_send(set->p[0], "x", 1, 0), 0);
	must_be(shmq_receive(other, &msg, 1, 0), 1);
	must_be(shmq_wait(set->c, 1, 0), -EAGAIN);
	shmq_consumer_close(other);
	for (int i = 0; i < 3; i++)
		must_be(shmq_wait(set->c, 1, 0), 0);
	must_be(shmq_receive(set->c[0], &msg, 1, 0), 1);
	must_be(msg.flags, SHMQ_REDELIVERED);
	set_free(set);
}

static void a_forked_child_may_not_wait(void **state)
{
	struct set *set = set_make(1);
	pid_t pid;

	(void)state;
	set_join(set);
	pid = fork();
	if (!pid)
		_exit(shmq_wait(set->c, 1, 0) == -ESTALE &&
				      shmq_consumer_cancel(set->c[0]) ==
					      -ESTALE &&
				      shmq_producer_cancel(set->p[0]) ==
					      -ESTALE ?
			      0 :
			      1);
	child_join(pid);
	set_free(set);
}

/* --------------------------------------------------- asleep at many queues */

struct game {
	struct set *set;
	struct shmq *back;
	unsigned denied; /* 1: membarrier, 2: futex_waitv, to the receiver */
	unsigned denied_to_sender;
};

static void deny_some(unsigned denied)
{
	if (denied & 1)
		deny(SYS_membarrier, EPERM);
	if (denied & 2)
		deny(SYS_futex_waitv, denied & 4 ? EPERM : ENOSYS);
}

/* Receive from many, answer on one. */
static void answer(void *arg)
{
	struct game *game = arg;
	struct set *set = game->set;
	struct shmq_producer *p;
	unsigned number;

	deny_some(game->denied);
	set_receive(set);
	p = producer_join(game->back);
	must_be(shmq_send(p, "", 1, 0), 0);
	do {
		int k = shmq_wait(set->c, set->n, SHMQ_FOREVER);

		must(k >= 0);
		must_be(shmq_recv(set->c[k], &number, sizeof(number), 0),
			sizeof(number));
		must_be(shmq_send(p, &k, sizeof(k), PATIENCE_NS), 0);
	} while (number);
	for (unsigned i = 0; i < set->n; i++)
		shmq_consumer_close(set->c[i]);
}

static void ask(void *arg)
{
	struct game *game = arg;
	struct set *set = game->set;
	struct shmq_consumer *c = consumer_join(game->back, 0);
	int64_t begin;
	int got = 0;

	deny_some(game->denied_to_sender);
	set_send(set);
	must_be(shmq_recv(c, &got, sizeof(got), PATIENCE_NS), 1);
	begin = clock_now_ns();
	for (unsigned number = ROUNDS; number--;) {
		unsigned k = number * 7 % set->n;

		wait_for_sleepers(set->q[k], SHMQ_ROLE_CONSUMER, 1);
		must_be(shmq_send(set->p[k], &number, sizeof(number), 0), 0);
		must_be(shmq_recv(c, &got, sizeof(got), PATIENCE_NS),
			sizeof(got));
		must_be(got, k);
	}
	must(clock_now_ns() - begin < PATIENCE_NS);
}

static void play(unsigned n, unsigned receiver, unsigned sender)
{
	struct game *game = shared_memory(sizeof(*game));
	pid_t asker, answerer;

	*game = (struct game){ set_make(n), queue_anonymous(4096, 0), receiver,
			       sender };
	answerer = child_start(answer, game);
	asker = child_start(ask, game);
	child_join(asker);
	child_join(answerer);
	must(shmq_recover(game->back) >= 0);
	shmq_close(game->back);
	memset(game->set->p, 0, sizeof(game->set->p));
	memset(game->set->c, 0, sizeof(game->set->c));
	set_free(game->set);
	shared_free(game, sizeof(*game));
}

static void a_sleeper_at_many_queues_is_woken_by_each(void **state)
{
	(void)state;
	play(2, 0, 0);
	play(MANY, 0, 0);
}

static void so_it_is_without_membarrier_or_futex_waitv(void **state)
{
	(void)state;
	skip_unless_deniable();
	for (unsigned receiver = 0; receiver < 8; receiver++)
		if (receiver != 4 && receiver != 5)
			play(5, receiver, receiver & 1);
	play(5, 1, 0);
	play(5, 0, 1);
	play(5, 2, 1);
}

static void *wait_for_ever(void *arg)
{
	struct set *set = arg;

	set_receive(set);
	must_be(shmq_wait(set->c, set->n, SHMQ_FOREVER), -EIDRM);
	return NULL;
}

static void removing_one_name_ends_the_wait(void **state)
{
	struct set *set = set_make(3);
	pthread_t thread;

	(void)state;
	shmq_close(set->q[1]);
	set->q[1] = queue_create("q", 4096, 0);
	must_be(pthread_create(&thread, NULL, wait_for_ever, set), 0);
	for (unsigned i = 0; i < set->n; i++)
		wait_for_sleepers(set->q[i], SHMQ_ROLE_CONSUMER, 1);
	must_be(shmq_unlink("q"), 0);
	pthread_join(thread, NULL);
	set_free(set);
}

static void *sleep_at_all(void *arg)
{
	struct set *set = arg;

	set_receive(set);
	must_be(shmq_wait(set->c, set->n, SHMQ_FOREVER), set->n - 1);
	return NULL;
}

static void a_sleeper_at_many_queues_uses_no_processor(void **state)
{
	struct set *set = set_make(MANY);
	pthread_t thread;

	(void)state;
	set_send(set);
	must_be(pthread_create(&thread, NULL, sleep_at_all, set), 0);
	wait_for_sleepers(set->q[MANY - 1], SHMQ_ROLE_CONSUMER, 1);
	must_stay_asleep(thread, INT64_C(400000000));
	must_be(shmq_send(set->p[MANY - 1], "x", 1, 0), 0);
	pthread_join(thread, NULL);
	set_free(set);
}

/* ------------------------------------------------------------------- bells */

/* A sleeper is not kept asleep by another one that arms after the ring. */
static void a_ring_is_not_hidden_by_another_sleeper(void **state)
{
	struct shmq *q = queue_anonymous(4096, 0);
	struct sh_bell *bell = &q->seg->control->recv;
	struct alarm one = { bell, 0 }, other = { bell, 0 };
	int64_t begin = clock_now_ns();

	(void)state;
	shmqi_bells_arm(&one, 1);
	shmqi_bell_ring(q->seg, bell);
	shmqi_bells_arm(&other, 1);
	must_be(shmqi_bells_sleep(&one, 1, begin + PATIENCE_NS), 0);
	must(clock_now_ns() - begin < PATIENCE_NS);
	must_be(shmqi_bells_sleep(&other, 1, begin + MS), -ETIMEDOUT);
	shmq_close(q);
}

/* ---------------------------------------------------- time and cancelling */

static void a_point_in_time_ends_a_wait(void **state)
{
	struct set *set = set_make(2);
	int64_t until = clock_now_ns() + 20 * MS;
	char buf[8];

	(void)state;
	set_join(set);
	must_be(shmq_recv(set->c[0], buf, 8, shmq_until(until)), -ETIMEDOUT);
	must(clock_now_ns() >= until);
	/* It is past: tried once. */
	must_be(shmq_wait(set->c, 2, shmq_until(until)), -ETIMEDOUT);
	must_be(shmq_recv(set->c[0], buf, 8, shmq_until(0)), -ETIMEDOUT);
	must_be(shmq_recv(set->c[0], buf, 8, shmq_until(-5)), -ETIMEDOUT);
	until = clock_now_ns() + 20 * MS;
	must_be(shmq_wait(set->c, 2, shmq_until(until)), -ETIMEDOUT);
	must(clock_now_ns() >= until);
	must_be(shmq_send(set->p[0], "x", 1, shmq_until(0)), 0);
	must_be(shmq_wait(set->c, 2, shmq_until(INT64_MAX)), 0);
	must_be(shmq_recv(set->c[0], buf, 8, shmq_until(INT64_MAX)), 1);
	while (shmq_send(set->p[0], NULL, 0, 0) == 0)
		;
	until = clock_now_ns() + 20 * MS;
	must_be(shmq_send(set->p[0], NULL, 0, shmq_until(until)), -ETIMEDOUT);
	must(clock_now_ns() >= until);
	must_be(shmq_send(set->p[0], NULL, 0, INT64_MIN / 2 + 1), -EINVAL);
	set_free(set);
}

struct cancelled {
	struct set *set;
	step begun, ended;
	bool many;
};

static void *be_cancelled(void *arg)
{
	struct cancelled *job = arg;
	struct shmq_consumer **c = job->set->c;
	char buf[8];

	set_receive(job->set);
	for (int i = 0; i < ROUNDS; i++) {
		step_to(&job->begun, i + 1);
		must_be(job->many ? shmq_wait(c, 3, SHMQ_FOREVER) :
				    shmq_recv(c[0], buf, 8, SHMQ_FOREVER),
			-ECANCELED);
		step_to(&job->ended, i + 1);
	}
	return NULL;
}

/* The wait has begun, or is about to, or sleeps. */
static void cancelling_ends_the_current_or_the_next_wait(void **state)
{
	(void)state;
	for (int many = 0; many < 2; many++) {
		struct cancelled job = { .set = set_make(3), .many = many };
		pthread_t thread;

		must_be(pthread_create(&thread, NULL, be_cancelled, &job), 0);
		for (int i = 0; i < ROUNDS; i++) {
			step_wait(&job.begun, i + 1);
			if (i % 3 == 0)
				wait_for_sleepers(job.set->q[0],
						  SHMQ_ROLE_CONSUMER, 1);
			must_be(shmq_consumer_cancel(
					job.set->c[many ? i % 3 : 0]),
				0);
			step_wait(&job.ended, i + 1);
		}
		pthread_join(thread, NULL);
		set_free(job.set);
	}
}

static struct shmq_consumer *to_cancel;

static void cancel_in_handler(int sig)
{
	(void)sig;
	shmq_consumer_cancel(to_cancel);
}

static void a_cancel_waits_for_a_wait(void **state)
{
	struct sigaction action = { .sa_handler = cancel_in_handler };
	struct set *set = set_make(1);
	char buf[8];

	(void)state;
	set_join(set);
	to_cancel = set->c[0];
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	/* Neither of these has to wait. */
	must_be(shmq_recv(set->c[0], buf, 8, 0), -EAGAIN);
	must_be(shmq_send(set->p[0], "x", 1, 0), 0);
	must_be(shmq_recv(set->c[0], buf, 8, SHMQ_FOREVER), 1);
	must_be(shmq_recv(set->c[0], buf, 8, SHMQ_FOREVER), -ECANCELED);
	must_be(shmq_recv(set->c[0], buf, 8, MS), -ETIMEDOUT);
	while (shmq_send(set->p[0], NULL, 0, 0) == 0)
		;
	must_be(shmq_producer_cancel(set->p[0]), 0);
	must_be(shmq_producer_cancel(set->p[0]), 0);
	must_be(shmq_send(set->p[0], NULL, 0, SHMQ_FOREVER), -ECANCELED);
	must_be(shmq_send(set->p[0], NULL, 0, MS), -ETIMEDOUT);
	set_free(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(wrong_arguments_are_refused),
		TEST_IN_DIRECTORY(ready_queues_take_turns),
		TEST_IN_DIRECTORY(
			waiting_takes_nothing_and_skips_what_is_skipped),
		TEST_IN_DIRECTORY(returned_messages_are_waited_for),
		TEST_IN_DIRECTORY(a_forked_child_may_not_wait),
		TEST_IN_DIRECTORY(a_sleeper_at_many_queues_is_woken_by_each),
		TEST_IN_DIRECTORY(so_it_is_without_membarrier_or_futex_waitv),
		TEST_IN_DIRECTORY(removing_one_name_ends_the_wait),
		TEST_IN_DIRECTORY(a_sleeper_at_many_queues_uses_no_processor),
		TEST_IN_DIRECTORY(a_ring_is_not_hidden_by_another_sleeper),
		TEST_IN_DIRECTORY(a_point_in_time_ends_a_wait),
		TEST_IN_DIRECTORY(cancelling_ends_the_current_or_the_next_wait),
		TEST_IN_DIRECTORY(a_cancel_waits_for_a_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
