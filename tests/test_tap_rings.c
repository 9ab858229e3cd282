/* SPDX-License-Identifier: MIT */
/*
 * Taps and shmq_check() on queues that are resized: a tap follows, counts what
 * it misses in each ring, and holds up nothing but the memory; what is in
 * several rings is sound.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "handle.h"
#include "producer.h"
#include "support.h"

#define SMALL 4096
#define LARGE 65536

static const uint64_t kinds[] = {
	0,
	SHMQ_SINGLE_PRODUCER,
	SHMQ_SINGLE_PRODUCER | SHMQ_SINGLE_CONSUMER,
	SHMQ_TOPIC,
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct scene {
	struct shmq *q;
	struct shmq_producer *p;
	struct shmq_consumer *c, *tap;
	uint64_t sent, received, seen;
};

static struct shmq_consumer *tap_of(struct shmq *q, unsigned flags)
{
	struct shmq_consumer *c;

	must_be(shmq_consumer_open(&c, q, NULL, SHMQ_TAP | flags), 0);
	return c;
}

static struct scene begin(uint64_t flags)
{
	struct scene s = { .q = queue_anonymous(SMALL, flags) };

	s.p = producer_join(s.q);
	s.c = consumer_join(s.q, 0);
	s.tap = tap_of(s.q, 0);
	return s;
}

static void end(struct scene *s)
{
	shmq_consumer_close(s->tap);
	shmq_consumer_close(s->c);
	shmq_producer_close(s->p);
	shmq_close(s->q);
}

static void send_some(struct scene *s, unsigned n)
{
	for (; n; n--, s->sent++)
		must_be(shmq_send(s->p, &s->sent, 8, SHMQ_NOWAIT), 0);
}

static void take_all(struct scene *s)
{
	uint64_t number;

	while (s->received < s->sent) {
		must_be(shmq_recv(s->c, &number, 8, SHMQ_NOWAIT), 8);
		must_be(number, s->received++);
	}
	must_be(shmq_recv(s->c, &number, 8, SHMQ_NOWAIT), -EAGAIN);
}

/* Send one by one, received at once. */
static void pass(struct scene *s, unsigned n)
{
	for (; n; n--) {
		send_some(s, 1);
		take_all(s);
	}
}

static void tap_all(struct scene *s)
{
	uint64_t number;

	while (s->seen < s->sent) {
		must_be(shmq_recv(s->tap, &number, 8, SHMQ_NOWAIT), 8);
		must_be(number, s->seen++);
	}
	must_be(shmq_recv(s->tap, &number, 8, SHMQ_NOWAIT), -EAGAIN);
	must_be(shmq_consumer_lost(s->tap), 0);
}

static uint64_t rings_held(const struct shmq *q)
{
	const struct sh_control *control = q->seg->control;

	return control->ring - control->given_back + 1;
}

static void a_tap_follows_to_larger_and_smaller_rings(void **state)
{
	(void)state;
	for (unsigned k = 0; k < KINDS; k++) {
		struct scene s = begin(kinds[k]);

		for (unsigned i = 0; i < 12; i++) {
			send_some(&s, 20);
			must_be(shmq_resize(s.q, i % 2 ? SMALL : LARGE), 0);
			send_some(&s, 20);
			tap_all(&s);
			take_all(&s);
			/* A single producer goes there when it needs room. */
			for (unsigned n = 0; n < 2 * LARGE / 64; n++) {
				pass(&s, 1);
				tap_all(&s);
			}
		}
		end(&s);
	}
}

/* What is claimed in another ring is not written over it. */
static void nothing_in_an_old_ring_is_lost_by_what_comes_after(void **state)
{
	(void)state;
	for (unsigned k = 0; k < KINDS; k++) {
		struct scene s = begin(kinds[k]);

		for (unsigned n = 0; n < 200; n++) {
			pass(&s, 1);
			tap_all(&s);
		}
		send_some(&s, 30);
		must_be(shmq_resize(s.q, LARGE), 0);
		send_some(&s, 500);
		take_all(&s);
		must(s.q->seg->control->given_back == 0);
		tap_all(&s);
		end(&s);
	}
}

/* All the numbers it did not get, and the marks of the turns. */
static void read_on(struct scene *s, uint64_t *got, uint64_t *next)
{
	uint64_t number, last = *got;
	struct shmq_msg msg;

	while (shmq_receive(s->tap, &msg, 1, SHMQ_NOWAIT) == 1) {
		memcpy(&number, msg.data, 8);
		must(number >= *next);
		*next = number + 1;
		++*got;
		must_be(shmq_release(s->tap), 0);
	}
	must(*got > last);
	must_be(*next, s->sent);
}

static void what_a_tap_missed_is_counted_over_rings(void **state)
{
	(void)state;
	for (unsigned k = 0; k < KINDS; k++) {
		struct scene s = begin(kinds[k]);
		uint64_t got = 0, next = 0, lost;

		pass(&s, 300);
		must_be(shmq_resize(s.q, LARGE), 0);
		pass(&s, 10);
		read_on(&s, &got, &next);
		lost = shmq_consumer_lost(s.tap);
		must(lost > 200);
		must(got + lost == s.sent || got + lost == s.sent + 1);
		/* Now past several rings, while it holds the first of them. */
		for (unsigned i = 0; i < 2; i++) {
			pass(&s, 3000);
			must_be(shmq_resize(s.q, i % 2 ? LARGE : SMALL), 0);
			pass(&s, 2000);
		}
		read_on(&s, &got, &next);
		lost = shmq_consumer_lost(s.tap);
		must(lost > 5000);
		must(got + lost >= s.sent && got + lost <= s.sent + 4);
		end(&s);
	}
}

static void a_tap_that_stays_behind_holds_up_only_the_memory(void **state)
{
	uint64_t number;

	(void)state;
	for (unsigned k = 0; k < KINDS; k++) {
		struct scene s = begin(kinds[k]);
		unsigned changes = 0;
		int r;

		do {
			r = shmq_resize(s.q, changes % 2 ? SMALL : LARGE);
			pass(&s, 3000);
		} while (!r && ++changes < 10);
		must_be(r, -EBUSY);
		must(strstr(shmq_errdetail(), "looks into a ring"));
		must_be(rings_held(s.q), SH_RINGS);
		must_be(s.q->seg->control->given_back, 0);
		/* It reads on, and all but one comes back. */
		while (shmq_recv(s.tap, &number, 8, SHMQ_NOWAIT) == 8)
			;
		must_be(number, s.sent - 1);
		must_be(shmq_recover(s.q), 0);
		must_be(shmq_resize(s.q, 2 * LARGE), 0);
		pass(&s, 3000);
		must_be(shmq_recv(s.tap, &number, 8, SHMQ_NOWAIT), 8);
		end(&s);
	}
}

static void a_tap_begins_in_the_ring_of_the_oldest_message(void **state)
{
	(void)state;
	for (unsigned k = 0; k < KINDS; k++) {
		struct scene s = begin(kinds[k]);
		struct shmq_consumer *newest;
		uint64_t number;

		pass(&s, 100);
		s.seen = s.sent;
		send_some(&s, 30);
		must_be(shmq_resize(s.q, LARGE), 0);
		send_some(&s, 100);
		shmq_consumer_close(s.tap);
		s.tap = tap_of(s.q, SHMQ_OLDEST);
		newest = tap_of(s.q, SHMQ_NEWEST);
		tap_all(&s);
		must_be(shmq_recv(newest, &number, 8, SHMQ_NOWAIT), -EAGAIN);
		send_some(&s, 1);
		must_be(shmq_recv(newest, &number, 8, SHMQ_NOWAIT), 8);
		must_be(number, s.sent - 1);
		shmq_consumer_close(newest);
		end(&s);
	}
}

/* ---------------------------------------------------------------- checking */

static void tell(void *arg, const struct shmq_finding *finding)
{
	(void)arg;
	print_message("%s\n", finding->text);
}

static void what_is_in_two_rings_is_sound(void **state)
{
	(void)state;
	for (unsigned k = 0; k < KINDS; k++) {
		struct scene s = begin(kinds[k]);
		struct shmq_msg msgs[3];
		char *old;

		pass(&s, 100);
		send_some(&s, 30);
		old = s.p->ring.base;
		must_be(shmq_receive(s.c, msgs, 3, SHMQ_NOWAIT), 3);
		must_be(shmq_resize(s.q, LARGE), 0);
		must_be(shmq_check(s.q, tell, NULL), 0);
		send_some(&s, 500);
		must_be(shmq_check(s.q, tell, NULL), 0);
		must_be(rings_held(s.q), 2);
		/* The last message of the old ring; then a word of the table. */
		old[(101 + 28) * 64 % SMALL]++;
		must(shmq_check(s.q, NULL, NULL) > 0);
		old[(101 + 28) * 64 % SMALL]--;
		must_be(shmq_check(s.q, tell, NULL), 0);
		s.q->seg->control->rings[1].capacity++;
		must(shmq_check(s.q, NULL, NULL) > 0);
		s.q->seg->control->rings[1].capacity--;
		must_be(shmq_check(s.q, tell, NULL), 0);
		s.received += 3;
		must_be(shmq_release(s.c), 0);
		take_all(&s);
		must_be(shmq_check(s.q, tell, NULL), 0);
		end(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(a_tap_follows_to_larger_and_smaller_rings),
		TEST_IN_DIRECTORY(
			nothing_in_an_old_ring_is_lost_by_what_comes_after),
		TEST_IN_DIRECTORY(what_a_tap_missed_is_counted_over_rings),
		TEST_IN_DIRECTORY(
			a_tap_that_stays_behind_holds_up_only_the_memory),
		TEST_IN_DIRECTORY(
			a_tap_begins_in_the_ring_of_the_oldest_message),
		TEST_IN_DIRECTORY(what_is_in_two_rings_is_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
