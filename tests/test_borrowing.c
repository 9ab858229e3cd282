/* SPDX-License-Identifier: MIT */
/* Messages on loan: many at once, given back by release, close or death. */
#include <errno.h>
#include <string.h>

#include "variants.h"

#define SPANS 32 /* separate ones that a consumer may hold */

static void send_numbers(struct setting *s, uint64_t from, uint64_t n)
{
	for (uint64_t i = from; i < from + n; i++)
		setting_send(s, i % 100, i);
}

static void must_hold(const struct shmq_msg *msg, uint64_t number,
		      uint32_t flags)
{
	must_be(msg->len, number % 100);
	must_be(msg->flags, flags);
	must(pattern_matches(msg->data, msg->len, number));
}

static void must_take(struct shmq_consumer *c, uint64_t number, uint32_t flags)
{
	struct shmq_msg msg;

	must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
	must_hold(&msg, number, flags);
}

static void must_take_nothing(struct shmq_consumer *c)
{
	struct shmq_msg msg;

	must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), -EAGAIN);
}

static void many_are_borrowed_until_the_release(struct setting *s)
{
	struct shmq_msg msgs[64];

	send_numbers(s, 0, 50);
	must_be(shmq_receive(s->c, msgs, 20, SHMQ_NOWAIT), 20);
	must_be(shmq_receive(s->c, msgs + 20, 44, SHMQ_FOREVER), 30);
	for (uint64_t i = 0; i < 50; i++) {
		must_hold(&msgs[i], i, 0);
		must_be(msgs[i].seq, s->seq + i);
	}
	must_be(shmq_receive(s->c, msgs, 1, SHMQ_NOWAIT), -EAGAIN);
	must_be(shmq_release(s->c), 0);
	must_be(shmq_release(s->c), 0);
	setting_is_empty(s);
}

static void what_is_on_loan_keeps_its_room(struct setting *s)
{
	struct shmq_msg msgs[2];

	for (uint64_t i = 0; i < VARIANT_LINES; i++)
		setting_send(s, 40, i);
	must_be(shmq_receive(s->c, msgs, 2, SHMQ_NOWAIT), 2);
	must_be(shmq_send(s->p, "", 0, SHMQ_NOWAIT), -EAGAIN);
	must_be(shmq_send(s->p, "", 0, 2000000), -ETIMEDOUT);
	must(pattern_matches(msgs[0].data, 40, 0));
	must(pattern_matches(msgs[1].data, 40, 1));
	must_be(shmq_release(s->c), 0);
	setting_send(s, 40, 0);
	setting_send(s, 40, 1);
	must_be(shmq_send(s->p, "", 0, SHMQ_NOWAIT), -EAGAIN);
	s->seq += 2;
	for (uint64_t i = 2; i < VARIANT_LINES; i++)
		setting_receive(s, 40, i);
	setting_receive(s, 40, 0);
	setting_receive(s, 40, 1);
	setting_is_empty(s);
}

static void copying_and_borrowing_mix(struct setting *s)
{
	struct shmq_msg msgs[4];

	send_numbers(s, 0, 8);
	must_be(shmq_recv(s->c, s->buf, 100, SHMQ_NOWAIT), 0);
	must_be(shmq_receive(s->c, msgs, 2, SHMQ_NOWAIT), 2);
	must_be(shmq_recv(s->c, s->buf, 100, SHMQ_NOWAIT), 3);
	must(pattern_matches(s->buf, 3, 3));
	must_be(shmq_receive(s->c, msgs + 2, 2, SHMQ_NOWAIT), 2);
	must_hold(&msgs[0], 1, 0);
	must_hold(&msgs[1], 2, 0);
	must_hold(&msgs[2], 4, 0);
	must_hold(&msgs[3], 5, 0);
	must_be(shmq_release(s->c), 0);
	must_be(shmq_recv(s->c, s->buf, 100, SHMQ_NOWAIT), 6);
	must_be(shmq_recv(s->c, s->buf, 100, SHMQ_NOWAIT), 7);
	setting_is_empty(s);
}

static void closing_gives_back_what_is_on_loan(struct setting *s)
{
	struct shmq_msg msgs[8];

	send_numbers(s, 0, 10);
	must_be(shmq_receive(s->c, msgs, 2, SHMQ_NOWAIT), 2);
	must_be(shmq_release(s->c), 0);
	must_be(shmq_receive(s->c, msgs, 3, SHMQ_NOWAIT), 3);
	must_be(shmq_receive(s->c, msgs, 1, SHMQ_NOWAIT), 1);
	shmq_consumer_close(s->c);
	s->c = consumer_join(s->q, s->kind->consumer_flags);
	/* The oldest first, and flagged; the others as if new. */
	for (uint64_t i = 2; i < 10; i++) {
		must_take(s->c, i, i < 6 ? SHMQ_REDELIVERED : 0);
		must_be(shmq_release(s->c), 0);
	}
	setting_is_empty(s);
}

static void a_loan_that_came_back_can_be_copied(struct setting *s)
{
	struct shmq_msg msgs[8];

	send_numbers(s, 60, 6);
	must_be(shmq_receive(s->c, msgs, 4, SHMQ_NOWAIT), 4);
	shmq_consumer_close(s->c);
	s->c = consumer_join(s->q, s->kind->consumer_flags);
	must_be(shmq_recv(s->c, s->buf, 8, SHMQ_NOWAIT), -EMSGSIZE);
	for (uint64_t i = 60; i < 66; i++) {
		must_be(shmq_recv(s->c, s->buf, 100, SHMQ_NOWAIT), i);
		must(pattern_matches(s->buf, i, i));
	}
	setting_is_empty(s);
}

static void a_loan_can_come_back_many_times(struct setting *s)
{
	struct shmq_msg msgs[8];
	uint64_t out = 0; /* messages that somebody had */

	send_numbers(s, 0, 8);
	for (int i = 0; i < 100; i++) {
		int n = shmq_receive(s->c, msgs, 1 + (unsigned)i % 8,
				     SHMQ_NOWAIT);

		must(n > 0);
		for (uint64_t k = 0; k < (uint64_t)n; k++)
			must_hold(&msgs[k], k, k < out ? SHMQ_REDELIVERED : 0);
		out = (uint64_t)n > out ? (uint64_t)n : out;
		shmq_consumer_close(s->c);
		s->c = consumer_join(s->q, s->kind->consumer_flags);
	}
	for (uint64_t i = 0; i < 8; i++)
		must_take(s->c, i, i < out ? SHMQ_REDELIVERED : 0);
	must_take_nothing(s->c);
	must_be(shmq_release(s->c), 0);
	setting_is_empty(s);
}

/* Room is freed by the last holder only. */
static void what_came_back_still_keeps_its_room(struct setting *s)
{
	struct shmq_msg msg;

	for (uint64_t i = 0; i < VARIANT_LINES; i++)
		setting_send(s, 0, 0);
	must_be(shmq_receive(s->c, &msg, 1, SHMQ_NOWAIT), 1);
	shmq_consumer_close(s->c);
	must_be(shmq_send(s->p, "", 0, SHMQ_NOWAIT), -EAGAIN);
	s->c = consumer_join(s->q, s->kind->consumer_flags);
	must_be(shmq_receive(s->c, &msg, 1, SHMQ_NOWAIT), 1);
	must_be(msg.flags, SHMQ_REDELIVERED);
	must_be(shmq_send(s->p, "", 0, SHMQ_NOWAIT), -EAGAIN);
	must_be(shmq_release(s->c), 0);
	must_be(shmq_send(s->p, "", 0, SHMQ_NOWAIT), 0);
	must_be(shmq_send(s->p, "", 0, SHMQ_NOWAIT), -EAGAIN);
}

static void an_open_consumer_gets_what_another_gives_back(struct setting *s)
{
	struct shmq_consumer *other;

	if (!s->kind->competing)
		return;
	other = consumer_join(s->q, 0);
	send_numbers(s, 0, 6);
	must_take(s->c, 0, 0);
	must_take(other, 1, 0);
	must_take(s->c, 2, 0);
	must_take(other, 3, 0);
	shmq_consumer_close(other);
	must_take(s->c, 1, SHMQ_REDELIVERED);
	must_take(s->c, 3, SHMQ_REDELIVERED);
	must_take(s->c, 4, 0);
	must_take(s->c, 5, 0);
	must_take_nothing(s->c);
	must_be(shmq_release(s->c), 0);
	setting_is_empty(s);
}

/* Two take turns, so that each holds every other message. */
static void spans_run_out_and_come_back(struct setting *s)
{
	struct shmq_consumer *other;
	uint64_t next = 0;
	struct shmq_msg msg;

	if (!s->kind->competing)
		return;
	other = consumer_join(s->q, 0);
	for (int round = 0; round < 3; round++) {
		send_numbers(s, next, 2 * SPANS + 4);
		for (uint64_t i = 0; i < 2 * SPANS; i++)
			must_take(i % 2 ? other : s->c, next + i, 0);
		must_be(shmq_receive(s->c, &msg, 1, SHMQ_NOWAIT), -ENOBUFS);
		must_be(shmq_recv(s->c, s->buf, 100, SHMQ_NOWAIT), -ENOBUFS);
		must_be(shmq_receive(s->c, &msg, 1, SHMQ_FOREVER), -ENOBUFS);
		must_be(shmq_release(other), 0);
		must_take(other, next + 2 * SPANS, 0);
		must_take(other, next + 2 * SPANS + 1, 0);
		must_be(shmq_release(s->c), 0);
		must_take(s->c, next + 2 * SPANS + 2, 0);
		must_take(s->c, next + 2 * SPANS + 3, 0);
		must_be(shmq_release(s->c), 0);
		must_be(shmq_release(other), 0);
		setting_is_empty(s);
		next += 2 * SPANS + 4;
	}
	shmq_consumer_close(other);
}

/* One who holds all spans it can dies or leaves: another holds few at a time. */
static void all_spans_of_one_come_back_to_another(struct setting *s)
{
	struct shmq_consumer *other;

	if (!s->kind->competing)
		return;
	other = consumer_join(s->q, 0);
	send_numbers(s, 0, 2 * SPANS);
	for (uint64_t i = 0; i < 2 * SPANS; i++)
		must_take(i % 2 ? other : s->c, i, 0);
	shmq_consumer_close(other);
	/* It holds 32 spans already. */
	must_be(shmq_recv(s->c, s->buf, 100, SHMQ_NOWAIT), -ENOBUFS);
	must_be(shmq_release(s->c), 0);
	for (uint64_t i = 1; i < 2 * SPANS; i += 2) {
		must_take(s->c, i, SHMQ_REDELIVERED);
		if (i == SPANS + 1)
			must_be(shmq_release(s->c), 0);
	}
	must_be(shmq_release(s->c), 0);
	setting_is_empty(s);
}

int main(void)
{
	static const struct body bodies[] = {
		BODY(many_are_borrowed_until_the_release),
		BODY(what_is_on_loan_keeps_its_room),
		BODY(copying_and_borrowing_mix),
		BODY(closing_gives_back_what_is_on_loan),
		BODY(a_loan_that_came_back_can_be_copied),
		BODY(a_loan_can_come_back_many_times),
		BODY(what_came_back_still_keeps_its_room),
		BODY(an_open_consumer_gets_what_another_gives_back),
		BODY(spans_run_out_and_come_back),
		BODY(all_spans_of_one_come_back_to_another),
	};

	return variants_run("borrowing", bodies,
			    sizeof(bodies) / sizeof(bodies[0]));
}
