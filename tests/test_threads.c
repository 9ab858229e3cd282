/* SPDX-License-Identifier: MIT */
/*
 * The queues that a process has open, when many threads open, use and close
 * them at once. Meant for the thread sanitizer as well.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "atomic.h"
#include "handle.h"
#include "support.h"

#define THREADS 6
#define QUEUES 3
#define ROUNDS 200

static const uint64_t queue_flags[QUEUES] = {
	0, SHMQ_SINGLE_PRODUCER, SHMQ_SINGLE_PRODUCER | SHMQ_SINGLE_CONSUMER
};

struct party {
	unsigned me;
	uint64_t seed;
	_Atomic uint64_t *sent; /* and not yet received, or lost: by queue */
	pthread_barrier_t *begin;
	struct segment *seg; /* what it found */
};

static void run_threads(void *(*body)(void *), struct party *party)
{
	_Atomic uint64_t sent[QUEUES] = { 0 };
	pthread_barrier_t begin;
	pthread_t threads[THREADS];
	uint64_t seed = chance_seed();

	pthread_barrier_init(&begin, NULL, THREADS);
	for (unsigned i = 0; i < THREADS; i++) {
		party[i] = (struct party){ i, seed, sent, &begin, NULL };
		must_be(pthread_create(&threads[i], NULL, body, &party[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&begin);
}

static const char *name_of(unsigned queue)
{
	static const char *const names[QUEUES] = { "q0", "q1", "q2" };

	return names[queue];
}

/* ------------------------------------------------------------ all of it */

static void send_one(struct party *party, struct shmq *q, unsigned queue)
{
	struct shmq_producer *p;
	int r = shmq_producer_open(&p, q, 0);

	if (r == -EBUSY)
		return;
	must_be(r, 0);
	r = shmq_send(p, &queue, sizeof(queue), SHMQ_NOWAIT);
	must(r == 0 || r == -EAGAIN);
	if (r == 0)
		atomic_fetch_add(&party->sent[queue], 1);
	shmq_producer_close(p);
}

static void receive_one(struct party *party, struct shmq *q, unsigned queue)
{
	struct shmq_consumer *c;
	unsigned content;
	ssize_t n;
	int r = shmq_consumer_open(&c, q, NULL, 0);

	if (r == -EBUSY)
		return;
	must_be(r, 0);
	n = shmq_recv(c, &content, sizeof(content), SHMQ_NOWAIT);
	if (n != -EAGAIN) {
		must_be(n, sizeof(content));
		must_be(content, queue);
		atomic_fetch_sub(&party->sent[queue], 1);
	}
	shmq_consumer_close(c);
}

static void *open_use_and_close(void *arg)
{
	struct party *party = arg;
	struct chance chance = chance_of(party->seed, party->me);

	for (int i = 0; i < ROUNDS; i++) {
		unsigned queue = (unsigned)chance_below(&chance, QUEUES);
		struct shmq *q = queue_open(name_of(queue)), *again = NULL;

		if (chance_below(&chance, 2))
			must_be(shmq_open_fd(&again, shmq_fd(q), 0), 0);
		if (chance_below(&chance, 2))
			send_one(party, q, queue);
		else
			receive_one(party, q, queue);
		must_be(stat_of(q).capacity_bytes, 16384);
		shmq_close(q);
		if (again)
			must_be(stat_of(again).groups, 1);
		shmq_close(again);
	}
	return NULL;
}

static void threads_open_use_and_close_the_same_queues(void **state)
{
	struct party party[THREADS];
	uint64_t depth = 0, sent = 0;

	(void)state;
	for (unsigned i = 0; i < QUEUES; i++)
		shmq_close(queue_create(name_of(i), 16384, queue_flags[i]));
	run_threads(open_use_and_close, party);
	for (unsigned i = 0; i < QUEUES; i++) {
		struct shmq *q = queue_open(name_of(i));

		must_be(stat_of(q).members, 0);
		must_be(stat_of(q).recoveries, 0);
		depth += stat_of(q).depth_messages;
		sent += stat_of(q).sent_messages;
		shmq_close(q);
	}
	must(sent > 0);
	must(depth <= sent);
}

/* ------------------------------------------------------------ one mapping */

static void *open_for_the_first_time(void *arg)
{
	struct party *party = arg;
	char name[16];

	for (int i = 0; i < ROUNDS; i++) {
		struct shmq *q;

		snprintf(name, sizeof(name), "n%d", i);
		pthread_barrier_wait(party->begin);
		must_be(shmq_open(&q, name, SHMQ_CREATE, 0600, NULL), 0);
		party->seg = q->seg;
		/* Nobody has closed it yet: all must have found the same. */
		pthread_barrier_wait(party->begin);
		must((party - party->me)->seg == q->seg);
		pthread_barrier_wait(party->begin);
		shmq_close(q);
		if (!party->me)
			must_be(shmq_unlink(name), 0);
	}
	return NULL;
}

static void threads_that_create_one_queue_share_its_mapping(void **state)
{
	struct party party[THREADS];

	(void)state;
	run_threads(open_for_the_first_time, party);
	must_be(directory_entries(), 0);
}

/* --------------------------------------------------- closing beside using */

static struct shmq *shared;

static void *use_an_own_handle(void *arg)
{
	struct party *party = arg;
	struct shmq *q = queue_open("q");
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0);

	pthread_barrier_wait(party->begin);
	if (!party->me)
		shmq_close(shared);
	for (int i = 0; i < ROUNDS; i++) {
		struct shmq *again = queue_open("q");
		char buf[64];
		ssize_t n;

		must_be(shmq_send(p, buf, 64, PATIENCE_NS), 0);
		n = shmq_recv(c, buf, 64, PATIENCE_NS);
		must_be(n, 64);
		shmq_close(again);
	}
	shmq_close(q);
	shmq_producer_close(p);
	shmq_consumer_close(c);
	return NULL;
}

static void one_closes_while_others_use_their_own_handles(void **state)
{
	struct party party[THREADS];

	(void)state;
	shared = queue_create("q", 16384, 0);
	run_threads(use_an_own_handle, party);
}

/* One handle for all, endpoints of their own, joining and leaving at once. */
static void *share_a_handle(void *arg)
{
	struct party *party = arg;

	pthread_barrier_wait(party->begin);
	for (int i = 0; i < ROUNDS; i++) {
		struct shmq_producer *p = producer_join(shared);
		struct shmq_consumer *c = consumer_join(shared, 0);
		struct shmq_msg msg;

		must_be(shmq_send(p, &i, sizeof(i), PATIENCE_NS), 0);
		must_be(shmq_receive(c, &msg, 1, PATIENCE_NS), 1);
		must_be(msg.len, sizeof(i));
		if (i % 3)
			must_be(shmq_release(c), 0);
		shmq_consumer_close(c);
		c = consumer_join(shared, 0);
		if (i % 3 == 0)
			must_be(shmq_receive(c, &msg, 1, PATIENCE_NS), 1);
		shmq_producer_close(p);
		must_be(shmq_release(c), 0);
		shmq_consumer_close(c);
	}
	return NULL;
}

static void threads_share_a_handle(void **state)
{
	struct party party[THREADS];

	(void)state;
	shared = queue_anonymous(16384, 0);
	run_threads(share_a_handle, party);
	must_be(stat_of(shared).depth_messages, 0);
	must_be(stat_of(shared).members, 0);
	must_be(stat_of(shared).recoveries, 0);
	shmq_close(shared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(threads_open_use_and_close_the_same_queues),
		TEST_IN_DIRECTORY(
			threads_that_create_one_queue_share_its_mapping),
		TEST_IN_DIRECTORY(
			one_closes_while_others_use_their_own_handles),
		TEST_IN_DIRECTORY(threads_share_a_handle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
