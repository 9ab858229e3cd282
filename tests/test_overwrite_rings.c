/* SPDX-License-Identifier: MIT */
/* Overwriting queues that change their size while they are in use. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handle.h"
#include "layout.h"
#include "pattern.h"
#include "support.h"

#define SMALL UINT64_C(16384)
#define LARGE UINT64_C(65536)
#define LINE 64
#define SKIPPED_MOST (LARGE / 16 / LINE + 1)

static void send_numbers(struct shmq_producer *p, uint64_t *next, uint64_t n)
{
	for (; n; n--, (*next)++)
		must_be(shmq_send(p, next, sizeof(*next), SHMQ_NOWAIT), 0);
}

/* What one reader got. */
struct account {
	uint64_t seq; /* that comes next */
	uint64_t last, received, lost;
};

static bool receive_one(struct shmq_consumer *c, struct account *a)
{
	struct shmq_msg msg;
	uint64_t number;
	int r = shmq_receive(c, &msg, 1, SHMQ_NOWAIT);

	if (r == -EAGAIN)
		return false;
	must_be(r, 1);
	must_be(msg.len, sizeof(number));
	memcpy(&number, msg.data, sizeof(number));
	must(msg.seq >= a->seq + msg.lost);
	must(!a->received || number > a->last);
	a->seq = msg.seq + 1;
	a->last = number;
	a->received++;
	a->lost += msg.lost;
	must_be(shmq_release(c), 0);
	return true;
}

static uint64_t blocks(struct shmq *q)
{
	struct stat st;

	must_be(fstat(shmq_fd(q), &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static const unsigned readers[] = { 0, SHMQ_TAP };
static const uint64_t kinds[] = { 0, SHMQ_SINGLE_PRODUCER };

/* Nothing but what the turn skips is written over before the ring is full. */
static void what_is_in_the_old_ring_is_still_read(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct shmq *q = queue_anonymous(SMALL,
						 SHMQ_OVERWRITE | kinds[i % 2]);
		struct shmq_producer *p = producer_join(q);
		struct shmq_consumer *c = consumer_join(q, readers[i / 2]);
		struct account a = { 0 };
		uint64_t next = 0;

		send_numbers(p, &next, 5 * SMALL / LINE);
		must(receive_one(c, &a));
		must_be(a.lost, next - SMALL / LINE);
		must_be(shmq_resize(q, LARGE), 0);
		must_be(stat_of(q).capacity_bytes, LARGE);
		send_numbers(p, &next, LARGE / LINE);
		while (receive_one(c, &a))
			;
		must_be(a.last, next - 1);
		must(a.lost <= 4 * SMALL / LINE + SMALL / 16 / LINE + 2);
		must(a.received + a.lost >= next &&
		     a.received + a.lost <= next + 1);
		/* And from there on as ever. */
		send_numbers(p, &next, 3 * LARGE / LINE);
		while (receive_one(c, &a))
			;
		must_be(a.last, next - 1);
		must(a.received + a.lost >= next &&
		     a.received + a.lost <= next + 1);
		shmq_consumer_close(c);
		shmq_producer_close(p);
		shmq_close(q);
	}
}

static void the_memory_goes_back_though_nobody_reads(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct shmq *q = queue_anonymous(LARGE,
						 SHMQ_OVERWRITE | kinds[i]);
		struct shmq_producer *p = producer_join(q);
		uint64_t before = blocks(q), next = 0;

		for (int k = 0; k < 10; k++) {
			uint64_t capacity = k % 2 ? LARGE : SMALL;

			send_numbers(p, &next, 100);
			must_be(shmq_resize(q, capacity), 0);
			/* To the new ring, once round it, and on. */
			send_numbers(p, &next, 4 * LARGE / LINE);
			must_be(blocks(q), before - LARGE + capacity);
		}
		must_be(shmq_check(q, NULL, NULL), 0);
		shmq_producer_close(p);
		shmq_close(q);
	}
}

static void it_changes_as_often_as_one_likes_with_nothing_sent(void **state)
{
	struct shmq *q = queue_anonymous(LARGE, SHMQ_OVERWRITE);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0);
	struct account a = { 0 };
	uint64_t next = 0;

	(void)state;
	send_numbers(p, &next, 3 * LARGE / LINE);
	must(receive_one(c, &a));
	for (int k = 0; k < 20; k++) {
		int r = shmq_resize(q, k % 2 ? LARGE : SMALL);

		/* The fourth would be one too many: it looks into the first. */
		must(!r || r == -EBUSY);
		must(!r || k >= 2);
	}
	send_numbers(p, &next, 10);
	while (receive_one(c, &a))
		;
	must_be(a.last, next - 1);
	must_be(shmq_resize(q, 2 * LARGE), 0);
	send_numbers(p, &next, 10);
	while (receive_one(c, &a))
		;
	must_be(a.last, next - 1);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(q);
}

struct recording {
	_Atomic uint64_t sent;
	step step;
};

static void record(void *arg)
{
	struct recording *r = arg;
	struct shmq *q = queue_open("flight");
	struct shmq_producer *p = producer_join(q);

	for (uint64_t n = 0;; n++) {
		must_be(shmq_send(p, &n, sizeof(n), SHMQ_NOWAIT), 0);
		store_release(&r->sent, n + 1);
		if (n == 3 * SMALL / LINE)
			must_be(shmq_resize(q, LARGE), 0);
		if (n == 3 * SMALL / LINE + 200)
			step_to(&r->step, 1);
	}
}

/* Whole, in order, over both rings, and to the last one. */
static void a_recorder_that_was_killed_shows_both_rings(void **state)
{
	struct shmq *q = queue_create("flight", SMALL, SHMQ_OVERWRITE);
	struct recording *r = shared_memory(sizeof(*r));
	struct shmq_consumer *c;
	struct account a = { 0 };
	pid_t pid;

	(void)state;
	shmq_close(q);
	pid = child_start(record, r);
	step_wait(&r->step, 1);
	child_kill(pid);
	must_be(shmq_open(&q, "flight", SHMQ_RDONLY, 0, NULL), 0);
	c = consumer_join(q, SHMQ_TAP);
	for (;;) {
		uint64_t position, numbers;

		while (receive_one(c, &a))
			;
		if (!shmq_tap_skip(c, &position, &numbers))
			break;
	}
	must(a.last + 1 >= r->sent);
	must(a.received >= 200);
	shmq_consumer_close(c);
	shmq_close(q);
	must_be(shmq_unlink("flight"), 0);
	shared_free(r, sizeof(*r));
}

/* Borrowed out of both rings, and more than either holds. */
static void what_a_dead_one_held_of_both_rings_comes_again_or_is_lost(void **s)
{
	struct shmq *q = queue_anonymous(SMALL, SHMQ_OVERWRITE);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0);
	uint64_t next = 0, received = 0;
	struct shmq_msg msg;

	(void)s;
	for (int k = 0; k < 12; k++) {
		send_numbers(p, &next, SMALL / LINE / 2);
		while (shmq_receive(c, &msg, 1, SHMQ_NOWAIT) == 1)
			;
		must_be(shmq_consumer_lost(c), 0);
		if (k == 5) {
			send_numbers(p, &next, SMALL / LINE - 1);
			must_be(shmq_resize(q, LARGE), 0);
			while (shmq_receive(c, &msg, 1, SHMQ_NOWAIT) == 1)
				;
			break;
		}
	}
	send_numbers(p, &next, 3);
	while (shmq_receive(c, &msg, 1, SHMQ_NOWAIT) == 1)
		;
	shmq_consumer_close(c);
	c = consumer_join(q, 0);
	while (shmq_receive(c, &msg, 1, SHMQ_NOWAIT) == 1) {
		must_be(msg.flags, SHMQ_REDELIVERED);
		received++;
		must_be(shmq_release(c), 0);
	}
	must(received >= SMALL / LINE);
	must(received + shmq_consumer_lost(c) <= next + 1);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(what_is_in_the_old_ring_is_still_read),
		TEST_IN_DIRECTORY(the_memory_goes_back_though_nobody_reads),
		TEST_IN_DIRECTORY(
			it_changes_as_often_as_one_likes_with_nothing_sent),
		TEST_IN_DIRECTORY(a_recorder_that_was_killed_shows_both_rings),
		TEST_IN_DIRECTORY(
			what_a_dead_one_held_of_both_rings_comes_again_or_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
