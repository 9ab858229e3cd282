/* SPDX-License-Identifier: MIT */
/* Signals: handlers that end a wait, processes that are stopped, and killed. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

/* A child at work, and what it is told. */
struct worker {
	struct shmq *q;
	unsigned flags; /* of a consumer */
	int restart;    /* SA_RESTART or not */
	int64_t timeout_ns;
	bool for_room; /* wait for room, not for a message */
	step there;
	step done;
};

static struct worker *worker_for(struct shmq *q)
{
	struct worker *worker = shared_memory(sizeof(*worker));

	worker->q = q;
	return worker;
}

static void worker_free(struct worker *worker)
{
	shmq_close(worker->q);
	shared_free(worker, sizeof(*worker));
}

/* ------------------------------------------------------------ interruption */

static void handler(int sig)
{
	(void)sig;
}

static void sleep_until_interrupted(void *arg)
{
	struct worker *worker = arg;
	struct sigaction action = { .sa_handler = handler,
				    .sa_flags = worker->restart };
	struct shmq_producer *p = producer_join(worker->q);
	struct shmq_consumer *c = consumer_join(worker->q, worker->flags);
	char buf[8];

	sigaction(SIGUSR1, &action, NULL);
	errno = 12345;
	if (worker->for_room) {
		while (shmq_send(p, NULL, 0, SHMQ_NOWAIT) == 0)
			;
		must_be(shmq_send(p, NULL, 0, worker->timeout_ns), -EINTR);
		must_be(shmq_recv(c, buf, sizeof(buf), SHMQ_NOWAIT), 0);
		must_be(shmq_send(p, NULL, 0, SHMQ_NOWAIT), 0);
	} else {
		must_be(shmq_recv(c, buf, sizeof(buf), worker->timeout_ns),
			-EINTR);
		must_be(shmq_send(p, NULL, 0, SHMQ_NOWAIT), 0);
		must_be(shmq_recv(c, buf, sizeof(buf), SHMQ_NOWAIT), 0);
	}
	must_be(errno, 12345);
	step_to(&worker->done, 1);
}

static void must_be_interrupted(struct worker *worker)
{
	pid_t pid = child_start(sleep_until_interrupted, worker);
	int status;

	wait_for_sleepers(worker->q,
			  worker->for_room ? SHMQ_ROLE_PRODUCER :
					     SHMQ_ROLE_CONSUMER,
			  1);
	/* Again and again: the first may come before it really sleeps. */
	while (waitpid(pid, &status, WNOHANG) == 0) {
		kill(pid, SIGUSR1);
		nap();
	}
	must_be(status, 0);
	must_be(worker->done, 1);
}

static void a_signal_handler_ends_a_wait(void **state)
{
	static const uint64_t flags[] = { 0, SHMQ_SINGLE_PRODUCER |
						     SHMQ_SINGLE_CONSUMER };

	(void)state;
	for (int i = 0; i < 16; i++) {
		struct worker *worker = worker_for(
			queue_anonymous(4096, flags[i & 1]));

		worker->for_room = i & 2;
		worker->restart = i & 4 ? SA_RESTART : 0;
		worker->timeout_ns = i & 8 ? PATIENCE_NS : SHMQ_FOREVER;
		must_be_interrupted(worker);
		worker_free(worker);
	}
}

/* ----------------------------------------------------------------- stopped */

static void stop_inside_a_reservation(void *arg)
{
	struct worker *worker = arg;
	struct shmq_producer *p = producer_join(worker->q);
	void *out;

	must_be(shmq_reserve(p, 7, &out, SHMQ_NOWAIT), 0);
	memcpy(out, "stopped", 7);
	step_to(&worker->there, 1);
	raise(SIGSTOP);
	must_be(shmq_commit(p, 7), 0);
	must_be(shmq_send(p, "going on", 8, SHMQ_NOWAIT), 0);
	step_to(&worker->done, 1);
	shmq_producer_close(p);
}

static pid_t stopped_child(void (*body)(void *), struct worker *worker)
{
	pid_t pid = child_start(body, worker);
	int status;

	must_be(waitpid(pid, &status, WUNTRACED), pid);
	must(WIFSTOPPED(status));
	return pid;
}

static void must_be_named(struct shmq *q, pid_t pid, uint64_t bytes)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < shmq_member_entries(q); i++) {
		struct shmq_member_info info = SHMQ_MEMBER_INFO_INIT;

		if (shmq_stat_member(q, i, &info) != 1 || info.pid != pid)
			continue;
		n++;
		must_be(info.alive, 1);
		must_be(info.claims, 1);
		must_be(info.held_seq, 0);
		must_be(info.held_bytes, bytes);
		must(info.noticed_ns > 0);
	}
	must_be(n, 1);
}

/* Slow is not dead: nobody takes its place, and all waits for it. */
static void a_stopped_producer_keeps_its_place(uint64_t flags)
{
	bool single = flags & SHMQ_SINGLE_PRODUCER;
	struct worker *worker = worker_for(queue_anonymous(4096, flags));
	pid_t pid = stopped_child(stop_inside_a_reservation, worker);
	struct shmq_consumer *c = consumer_join(worker->q, 0);
	struct shmq_producer *p = NULL;
	char buf[8];

	must_be(shmq_producer_open(&p, worker->q, 0), single ? -EBUSY : 0);
	if (p)
		must_be(shmq_send(p, "behind", 6, SHMQ_NOWAIT), 0);
	for (int i = 0; i < 5; i++) {
		must_be(shmq_recv(c, buf, sizeof(buf), SHMQ_NOWAIT), -EAGAIN);
		must_be(shmq_recv(c, buf, sizeof(buf), 10000000), -ETIMEDOUT);
		must_be(shmq_recover(worker->q), 0);
	}
	must(stat_of(worker->q).stalls > 0);
	must_be(stat_of(worker->q).recoveries, 0);
	must_be_named(worker->q, pid, 64);
	must_be(kill(pid, SIGCONT), 0);
	must_be(shmq_recv(c, buf, sizeof(buf), PATIENCE_NS), 7);
	must_be(memcmp(buf, "stopped", 7), 0);
	if (p) {
		must_be(shmq_recv(c, buf, sizeof(buf), PATIENCE_NS), 6);
		must_be(memcmp(buf, "behind", 6), 0);
	}
	must_be(shmq_recv(c, buf, sizeof(buf), PATIENCE_NS), 8);
	child_join(pid);
	shmq_producer_close(p);
	shmq_consumer_close(c);
	worker_free(worker);
}

static void one_of_many_producers_is_stopped(void **state)
{
	(void)state;
	a_stopped_producer_keeps_its_place(0);
	a_stopped_producer_keeps_its_place(SHMQ_SINGLE_CONSUMER);
}

static void the_single_producer_is_stopped(void **state)
{
	(void)state;
	a_stopped_producer_keeps_its_place(SHMQ_SINGLE_PRODUCER);
	a_stopped_producer_keeps_its_place(SHMQ_SINGLE_PRODUCER |
					   SHMQ_SINGLE_CONSUMER);
}

static void stop_with_a_loan(void *arg)
{
	struct worker *worker = arg;
	struct shmq_consumer *c = consumer_join(worker->q, worker->flags);
	struct shmq_msg msg;

	must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
	raise(SIGSTOP);
	must_be(memcmp(msg.data, "loan", 4), 0);
	must_be(shmq_release(c), 0);
	shmq_consumer_close(c);
}

static void a_stopped_consumer_keeps_its_loan(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct worker *worker = worker_for(
			queue_anonymous(4096,
					i & 1 ? SHMQ_SINGLE_PRODUCER : 0));
		struct shmq_producer *p = producer_join(worker->q);
		struct shmq_consumer *c = NULL;
		pid_t pid;

		worker->flags = i & 2 ? SHMQ_EXCLUSIVE : 0;
		must_be(shmq_send(p, "loan", 4, SHMQ_NOWAIT), 0);
		pid = stopped_child(stop_with_a_loan, worker);
		must_be(shmq_consumer_open(&c, worker->q, NULL, 0),
			i & 2 ? -EBUSY : 0);
		while (shmq_send(p, "", 0, SHMQ_NOWAIT) == 0)
			;
		for (int k = 0; c && k < 63; k++)
			must_be(shmq_recv(c, NULL, 0, SHMQ_NOWAIT), 0);
		must_be(shmq_recover(worker->q), 0);
		must_be(shmq_send(p, "", 0, 20000000), -ETIMEDOUT);
		must_be_named(worker->q, pid, 64);
		must_be(kill(pid, SIGCONT), 0);
		must_be(shmq_send(p, "", 0, PATIENCE_NS), 0);
		child_join(pid);
		shmq_producer_close(p);
		shmq_consumer_close(c);
		worker_free(worker);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(a_signal_handler_ends_a_wait),
		TEST_IN_DIRECTORY(one_of_many_producers_is_stopped),
		TEST_IN_DIRECTORY(the_single_producer_is_stopped),
		TEST_IN_DIRECTORY(a_stopped_consumer_keeps_its_loan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
