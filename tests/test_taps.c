/* SPDX-License-Identifier: MIT */
/*
 * Taps: they see what there is, count what they miss, change nothing, and need
 * no more than to read.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "copies.h"
#include "handle.h"
#include "producer.h"
#include "support.h"

#define LINES 64 /* of a ring of 4096 bytes */

static const uint64_t kinds[] = {
	0,
	SHMQ_SINGLE_PRODUCER,
	SHMQ_SINGLE_PRODUCER | SHMQ_SINGLE_CONSUMER,
	SHMQ_TOPIC,
	SHMQ_OVERWRITE,
	SHMQ_OVERWRITE | SHMQ_SINGLE_PRODUCER | SHMQ_TOPIC,
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void send_numbers(struct shmq_producer *p, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++)
		must_be(shmq_send(p, &i, sizeof(i), SHMQ_NOWAIT), 0);
}

static uint64_t recv_number(struct shmq_consumer *c)
{
	uint64_t number;

	must_be(shmq_recv(c, &number, sizeof(number), SHMQ_NOWAIT),
		sizeof(number));
	return number;
}

static struct shmq_consumer *tap_of(struct shmq *q, unsigned flags)
{
	struct shmq_consumer *c;

	must_be(shmq_consumer_open(&c, q, NULL, SHMQ_TAP | flags), 0);
	return c;
}

static struct shmq *reader_of(const char *name)
{
	struct shmq *q;

	must_be(shmq_open(&q, name, SHMQ_RDONLY, 0, NULL), 0);
	return q;
}

static void a_tap_sees_all_and_the_others_do_not_see_it(void **state)
{
	(void)state;
	for (unsigned k = 0; k < KINDS; k++) {
		struct shmq *q = queue_create("q", 4096, kinds[k]);
		/* The same process shares one mapping: this one may write. */
		struct shmq_consumer *tap = tap_of(q, 0), *late, *newest;
		struct shmq_producer *p = producer_join(q);
		struct shmq_consumer *c;
		struct shmq_msg msgs[64];

		must_be(shmq_consumer_open(&c, q, NULL, 0), 0);
		must_be(shmq_recv(tap, msgs, 8, SHMQ_NOWAIT), -EAGAIN);
		send_numbers(p, 0, 40);
		must_be(stat_of(q).members, 2);
		must_be(shmq_receive(tap, msgs, 64, SHMQ_NOWAIT), 40);
		for (uint64_t i = 0; i < 40; i++) {
			must_be(msgs[i].seq, i);
			must_be(msgs[i].lost, 0);
			must_be(memcmp(msgs[i].data, &i, sizeof(i)), 0);
		}
		newest = tap_of(q, SHMQ_NEWEST);
		must_be(shmq_recv(newest, msgs, 8, SHMQ_NOWAIT), -EAGAIN);
		late = tap_of(q, SHMQ_OLDEST);
		for (uint64_t i = 0; i < 40; i++)
			must_be(recv_number(c), i);
		for (uint64_t i = 0; i < 40; i++)
			must_be(recv_number(late), i);
		send_numbers(p, 40, 41);
		must_be(recv_number(newest), 40);
		must_be(recv_number(late), 40);
		must_be(recv_number(tap), 40);
		must_be(shmq_consumer_lost(tap), 0);
		must_be(shmq_release(tap), 0);
		shmq_consumer_close(newest);
		shmq_consumer_close(late);
		shmq_consumer_close(tap);
		shmq_consumer_close(c);
		shmq_producer_close(p);
		shmq_close(q);
		must_be(shmq_unlink("q"), 0);
	}
}

static void a_tap_holds_nobody_back_and_counts_what_it_missed(void **state)
{
	(void)state;
	for (unsigned k = 0; k < KINDS; k++) {
		struct shmq *q = queue_create("q", 4096, kinds[k]);
		struct shmq_consumer *tap = tap_of(q, 0), *c;
		struct shmq_producer *p = producer_join(q);
		struct shmq_msg msg;
		uint64_t got = 0;

		must_be(shmq_consumer_open(&c, q, NULL, 0), 0);
		for (uint64_t i = 0; i < 1000; i++) {
			send_numbers(p, i, i + 1);
			if (i < 990)
				must_be(recv_number(c), i);
			if (i % 300)
				continue;
			must_be(shmq_receive(tap, &msg, 1, SHMQ_NOWAIT), 1);
			must(++got + shmq_consumer_lost(tap) == msg.seq + 1);
		}
		while (shmq_receive(tap, &msg, 1, SHMQ_NOWAIT) == 1)
			must(++got + shmq_consumer_lost(tap) == msg.seq + 1);
		must_be(got + shmq_consumer_lost(tap), 1000);
		must(shmq_consumer_lost(tap) > 100);
		shmq_consumer_close(tap);
		shmq_consumer_close(c);
		shmq_producer_close(p);
		shmq_close(q);
		must_be(shmq_unlink("q"), 0);
	}
}

/* Another process, so that its mapping is its own; only for reading. */
static void read_along(void *arg)
{
	struct shmq *q = reader_of("q");
	struct shmq_consumer *tap = tap_of(q, 0);
	struct shmq_msg msg;
	uint64_t next = 0;

	step_to(arg, 1);
	while (next < 3000) {
		must_be(shmq_receive(tap, &msg, 1, PATIENCE_NS), 1);
		must_be(msg.seq, next + msg.lost);
		next = msg.seq + 1;
		must_be(shmq_release(tap), 0);
	}
	step_to(arg, 2);
	step_wait(arg, 3);
	while (shmq_receive(tap, &msg, 1, SHMQ_NOWAIT) == 1)
		must_be(shmq_release(tap), 0);
	must_be(shmq_recv(tap, &msg, 8, 2000000), -ETIMEDOUT);
	must_be(shmq_recv(tap, &msg, 8, SHMQ_NOWAIT), -EAGAIN);
	must_be(shmq_consumer_cancel(tap), 0);
	must_be(shmq_recv(tap, &msg, 8, SHMQ_FOREVER), -ECANCELED);
	shmq_close(q);
	must_be(shmq_consumer_fd(tap), -EOPNOTSUPP);
	must_be(shmq_wait(&tap, 1, SHMQ_NOWAIT), -EOPNOTSUPP);
	shmq_consumer_close(tap);
}

static void permission_to_read_is_enough(void **state)
{
	(void)state;
	for (unsigned k = 0; k < KINDS; k++) {
		struct shmq *q = queue_create("q", 4096, kinds[k]);
		struct shmq_producer *p = producer_join(q);
		step *ready = shared_memory(sizeof(*ready));
		pid_t child = child_start(read_along, ready);
		struct shmq_consumer *c;
		int64_t deadline;

		step_wait(ready, 1);
		must_be(shmq_consumer_open(&c, q, NULL, 0), 0);
		/* Who is overtaken at the very end learns it with the next. */
		deadline = clock_now_ns() + PATIENCE_NS;
		for (uint64_t i = 0; i < 3000 || load_acquire(ready) < 2; i++) {
			send_numbers(p, i, i + 1);
			must_be(recv_number(c), i);
			must(clock_now_ns() < deadline);
		}
		step_to(ready, 3);
		child_join(child);
		shmq_consumer_close(c);
		shmq_producer_close(p);
		shmq_close(q);
		must_be(shmq_unlink("q"), 0);
		shared_free(ready, sizeof(*ready));
	}
}

static void await_a_message(void *arg)
{
	struct shmq *q = reader_of("q");
	struct shmq_consumer *tap = tap_of(q, 0);
	struct shmq_msg msg;
	char c;

	/* So long that it does not spin for long any more. */
	for (int i = 0; i < 20; i++)
		must_be(shmq_recv(tap, &c, 1, 1000), -ETIMEDOUT);
	step_to(arg, 1);
	must_be(shmq_receive(tap, &msg, 1, PATIENCE_NS), 1);
	must_be(msg.seq, msg.lost);
	shmq_consumer_close(tap);
	shmq_close(q);
}

/* It is stopped, most likely asleep, while a lap goes by. */
static void a_tap_that_was_overtaken_in_its_sleep_wakes_up(void **state)
{
	struct shmq *q = queue_create("q", 4096, 0);
	struct shmq_producer *p = producer_join(q);
	step *ready = shared_memory(sizeof(*ready));
	pid_t child = child_start(await_a_message, ready);
	struct shmq_consumer *c;

	(void)state;
	must_be(shmq_consumer_open(&c, q, NULL, 0), 0);
	step_wait(ready, 1);
	usleep(2000);
	must_be(kill(child, SIGSTOP), 0);
	for (uint64_t i = 0; i < 1000; i++) {
		send_numbers(p, i, i + 1);
		must_be(recv_number(c), i);
	}
	must_be(kill(child, SIGCONT), 0);
	child_join(child);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(q);
	must_be(shmq_unlink("q"), 0);
	shared_free(ready, sizeof(*ready));
}

static void await_the_end(void *arg)
{
	struct shmq *q = reader_of("q");
	struct shmq_consumer *tap = tap_of(q, 0);
	char c;

	step_to(arg, 1);
	must_be(shmq_recv(tap, &c, 1, SHMQ_FOREVER), -EIDRM);
	shmq_consumer_close(tap);
	shmq_close(q);
}

static void a_tap_that_waits_learns_that_the_name_is_gone(void **state)
{
	struct shmq *q = queue_create("q", 4096, 0);
	step *ready = shared_memory(sizeof(*ready));
	pid_t child = child_start(await_the_end, ready);

	(void)state;
	step_wait(ready, 1);
	must_be(shmq_unlink("q"), 0);
	child_join(child);
	shmq_close(q);
	shared_free(ready, sizeof(*ready));
}

struct scene {
	struct shmq *q;
	step reserved;
};

static void send_reserve_and_wait(void *arg)
{
	struct scene *s = arg;
	struct shmq_producer *p = producer_join(s->q);
	void *room;

	send_numbers(p, 0, 3);
	must_be(shmq_reserve(p, 8, &room, SHMQ_NOWAIT), 0);
	step_to(&s->reserved, 1);
	for (;;)
		pause();
}

static void a_tap_waits_behind_a_claim_and_passes_a_dead_ones(void **state)
{
	struct scene *s = shared_memory(sizeof(*s));
	struct shmq_consumer *tap;
	struct shmq_producer *p;
	struct shmq_msg msg;
	pid_t child;

	(void)state;
	s->q = queue_anonymous(4096, SHMQ_OVERWRITE);
	tap = tap_of(s->q, 0);
	child = child_start(send_reserve_and_wait, s);
	step_wait(&s->reserved, 1);
	p = producer_join(s->q);
	send_numbers(p, 4, 7);
	for (uint64_t i = 0; i < 3; i++)
		must_be(recv_number(tap), i);
	must_be(shmq_recv(tap, &msg, 8, SHMQ_NOWAIT), -EAGAIN);
	must_be(shmq_recv(tap, &msg, 8, 2000000), -ETIMEDOUT);
	child_kill(child);
	must_be(shmq_receive(tap, &msg, 1, SHMQ_NOWAIT), 1);
	must_be(msg.seq, 4);
	must_be(msg.lost, 0);
	/* It has changed nothing: the dead one is still there. */
	must_be(shmq_recover(s->q), 1);
	must_be(recv_number(tap), 5);
	shmq_consumer_close(tap);
	shmq_producer_close(p);
	shmq_close(s->q);
	shared_free(s, sizeof(*s));
}

static void who_must_see_all_may_pass_over_what_is_in_the_way(void **state)
{
	struct shmq *q = queue_anonymous(4096, SHMQ_OVERWRITE);
	struct shmq_producer *a = producer_join(q), *b = producer_join(q);
	struct shmq_consumer *tap = tap_of(q, 0), *c = consumer_join(q, 0);
	uint64_t at, n, number;
	void *room;

	(void)state;
	must_be(shmq_tap_skip(NULL, NULL, NULL), -EINVAL);
	must_be(shmq_tap_skip(c, NULL, NULL), -EOPNOTSUPP);
	must_be(shmq_tap_skip(tap, NULL, NULL), 0);
	send_numbers(a, 0, 1);
	must_be(shmq_tap_skip(tap, NULL, NULL), 0);
	must_be(shmq_reserve(a, 100, &room, SHMQ_NOWAIT), 0);
	send_numbers(b, 2, 10);
	must_be(recv_number(tap), 0);
	must_be(shmq_recv(tap, &number, 8, SHMQ_NOWAIT), -EAGAIN);
	must_be(shmq_tap_skip(tap, &at, &n), SHMQ_SKIPPED_OPEN);
	must_be(at, 64);
	must_be(n, 1);
	must_be(recv_number(tap), 2);
	must_be(shmq_consumer_lost(tap), 0);
	must_be(shmq_discard(a), 0);
	/* Damage: the record of number 4, after two lines of reservation. */
	((uint64_t *)(void *)(a->ring.base + 5 * 64))[0]++;
	must_be(recv_number(tap), 3);
	must_be(shmq_recv(tap, &number, 8, SHMQ_NOWAIT), -EBADMSG);
	must_be(shmq_tap_skip(tap, &at, &n), SHMQ_SKIPPED_DAMAGE);
	must_be(at, 5 * 64);
	must_be(n, 1);
	must_be(recv_number(tap), 5);
	must_be(shmq_consumer_lost(tap), 1);
	shmq_consumer_close(c);
	shmq_consumer_close(tap);
	shmq_producer_close(a);
	shmq_producer_close(b);
	shmq_close(q);
}

/* As in a batch: its first messages are there, and its claim goes on. */
static void behind_a_single_producers_open_claim_there_is_nothing(void **state)
{
	struct shmq *q = queue_anonymous(4096, SHMQ_SINGLE_PRODUCER);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *tap = tap_of(q, 0);
	uint64_t numbered;
	void *room;

	(void)state;
	for (uint64_t i = 0; i < 3; i++) {
		numbered = load_relaxed(&p->control->tail.at.hi);
		send_numbers(p, i, i + 1);
		must_be(recv_number(tap), i);
		must_be(shmq_reserve(p, i * 40, &room, SHMQ_NOWAIT), 0);
		must_be(shmq_tap_skip(tap, NULL, NULL), 0);
		store_relaxed(&p->control->tail.at.hi, numbered);
		must_be(shmq_tap_skip(tap, NULL, NULL), 0);
		must_be(shmq_discard(p), 0);
	}
	must_be(shmq_consumer_lost(tap), 0);
	shmq_consumer_close(tap);
	shmq_producer_close(p);
	shmq_close(q);
}

static void arguments_that_make_no_sense_for_a_tap_are_refused(void **state)
{
	struct shmq *q = queue_anonymous(4096, 0);
	struct shmq_consumer *c = NULL;

	(void)state;
	must_be(shmq_consumer_open(&c, q, "g", SHMQ_TAP), -EINVAL);
	must_be(shmq_consumer_open(&c, q, NULL, SHMQ_TAP | SHMQ_EXCLUSIVE),
		-EINVAL);
	must_be(shmq_consumer_open(&c, q, NULL,
				   SHMQ_TAP | SHMQ_OLDEST | SHMQ_NEWEST),
		-EINVAL);
	must(!c);
	shmq_close(q);
}

static void use_an_inherited_tap(void *arg)
{
	struct shmq_consumer *tap = arg;
	char c;

	must_be(shmq_recv(tap, &c, 1, SHMQ_NOWAIT), -ESTALE);
	must_be(shmq_consumer_lost(tap), 0);
	shmq_consumer_close(tap);
}

static void a_forked_child_finds_its_parents_tap_stale(void **state)
{
	struct shmq *q = queue_anonymous(4096, 0);
	struct shmq_consumer *tap = tap_of(q, 0);

	(void)state;
	child_run(use_an_inherited_tap, tap);
	shmq_close(q);
	shmq_consumer_close(tap);
}

/* As on a handle that may only read, where /proc is not mounted. */
static void without_a_share_in_the_ring_there_is_no_tap(void **state)
{
	struct shmq *q = queue_anonymous(4096, 0);
	int lease_fd = q->seg->lease_fd;
	struct shmq_consumer *c;

	(void)state;
	q->seg->lease_fd = -1;
	must_be(shmq_consumer_open(&c, q, NULL, SHMQ_TAP), -ENOSYS);
	must(*shmq_errdetail());
	q->seg->lease_fd = lease_fd;
	must_be(shmq_consumer_open(&c, q, NULL, SHMQ_TAP), 0);
	shmq_consumer_close(c);
	shmq_close(q);
}

static void look_and_release(void *arg)
{
	struct shmq *q = reader_of("q");
	struct shmq_consumer *tap = tap_of(q, 0);

	(void)arg;
	must_be(recv_number(tap), 0);
	must_be(shmq_release(tap), 0);
	shmq_consumer_close(tap);
	shmq_close(q);
}

/* A tap makes no room, so it rings for nobody; nor could it. */
static void a_tap_strikes_no_chime_of_who_waits_for_room(void **state)
{
	struct shmq *q = queue_create("q", 4096, 0);
	struct shmq_producer *p = producer_join(q);
	uint64_t number = LINES;

	(void)state;
	send_numbers(p, 0, LINES);
	must(shmq_producer_fd(p) >= 0);
	must_be(shmq_send(p, &number, sizeof(number), SHMQ_NOWAIT), -EAGAIN);
	child_run(look_and_release, NULL);
	shmq_producer_close(p);
	shmq_close(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(a_tap_sees_all_and_the_others_do_not_see_it),
		TEST_IN_DIRECTORY(
			a_tap_holds_nobody_back_and_counts_what_it_missed),
		TEST_IN_DIRECTORY(permission_to_read_is_enough),
		TEST_IN_DIRECTORY(
			a_tap_that_was_overtaken_in_its_sleep_wakes_up),
		TEST_IN_DIRECTORY(
			a_tap_that_waits_learns_that_the_name_is_gone),
		TEST_IN_DIRECTORY(
			a_tap_waits_behind_a_claim_and_passes_a_dead_ones),
		TEST_IN_DIRECTORY(
			who_must_see_all_may_pass_over_what_is_in_the_way),
		TEST_IN_DIRECTORY(
			behind_a_single_producers_open_claim_there_is_nothing),
		TEST_IN_DIRECTORY(
			arguments_that_make_no_sense_for_a_tap_are_refused),
		TEST_IN_DIRECTORY(a_forked_child_finds_its_parents_tap_stale),
		TEST_IN_DIRECTORY(a_tap_strikes_no_chime_of_who_waits_for_room),
		TEST_IN_DIRECTORY(without_a_share_in_the_ring_there_is_no_tap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
