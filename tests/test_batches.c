/* SPDX-License-Identifier: MIT */
/* Gathered messages, and many at once. */
#include <errno.h>
#include <string.h>

#include "variants.h"

#define PARTS_MAX 1024

static void parts_are_joined(struct setting *s)
{
	uint8_t bytes[300];
	struct iovec parts[] = {
		{ bytes, 0 },        { bytes, 1 }, { NULL, 0 },
		{ bytes + 1, 47 },   { bytes, 0 }, { bytes + 48, 200 },
		{ bytes + 248, 52 },
	};

	pattern_fill(bytes, sizeof(bytes), 7);
	must_be(shmq_sendv(s->p, parts, 7, SHMQ_NOWAIT), 0);
	setting_receive(s, 300, 7);
	must_be(shmq_sendv(s->p, parts, 3, SHMQ_NOWAIT), 0);
	setting_receive(s, 1, 7);
	must_be(shmq_sendv(s->p, NULL, 0, SHMQ_NOWAIT), 0);
	setting_receive(s, 0, 0);
	must_be(shmq_sendv(s->p, parts, 0, SHMQ_NOWAIT), 0);
	setting_receive(s, 0, 0);
	setting_is_empty(s);
}

static void there_may_be_1024_parts(struct setting *s)
{
	struct iovec parts[PARTS_MAX + 1];
	uint8_t bytes[PARTS_MAX + 1];

	pattern_fill(bytes, sizeof(bytes), 3);
	for (int i = 0; i <= PARTS_MAX; i++)
		parts[i] = (struct iovec){ &bytes[i], 1 };
	must_be(shmq_sendv(s->p, parts, PARTS_MAX + 1, SHMQ_NOWAIT), -EINVAL);
	must_be(shmq_sendv(s->p, parts, PARTS_MAX, SHMQ_NOWAIT), 0);
	setting_receive(s, PARTS_MAX, 3);
	setting_is_empty(s);
}

static void the_largest_message_can_be_gathered(struct setting *s)
{
	struct iovec parts[2];

	pattern_fill(s->buf, VARIANT_MAX, 5);
	parts[0] = (struct iovec){ s->buf, 1000 };
	parts[1] = (struct iovec){ s->buf + 1000, VARIANT_MAX - 1000 };
	must_be(shmq_sendv(s->p, parts, 2, SHMQ_NOWAIT), 0);
	setting_receive(s, VARIANT_MAX, 5);
}

/* ---------------------------------------------------------------- batches */

static void fill_all(struct iovec *messages, uint8_t *bytes, unsigned n,
		     size_t len)
{
	for (unsigned i = 0; i < n; i++) {
		messages[i] = (struct iovec){ bytes + i * len, len };
		pattern_fill(bytes + i * len, len, i);
	}
}

static void a_batch_is_sent_in_order(struct setting *s)
{
	struct iovec messages[100];
	uint8_t bytes[100 * 20];

	fill_all(messages, bytes, 100, 20);
	must_be(shmq_send_batch(s->p, messages, 100, SHMQ_NOWAIT), 100);
	must_be(stat_of(s->q).depth_messages, 100);
	for (unsigned i = 0; i < 100; i++)
		setting_receive(s, 20, i);
	setting_is_empty(s);
}

static void an_empty_batch_is_nothing(struct setting *s)
{
	must_be(shmq_send_batch(s->p, NULL, 0, SHMQ_NOWAIT), 0);
	must_be(shmq_send_batch(s->p, NULL, 0, SHMQ_FOREVER), 0);
	setting_is_empty(s);
	must_be(stat_of(s->q).sent_messages, s->seq);
}

static void a_batch_of_empty_messages(struct setting *s)
{
	struct iovec messages[3] = { { NULL, 0 }, { s->buf, 0 }, { NULL, 0 } };

	must_be(shmq_send_batch(s->p, messages, 3, SHMQ_NOWAIT), 3);
	for (int i = 0; i < 3; i++)
		setting_receive(s, 0, 0);
	setting_is_empty(s);
}

/* 50 KiB, of which one claim takes at most 16 and a line. */
static void a_batch_may_be_larger_than_a_quarter(struct setting *s)
{
	static uint8_t bytes[500 * 100];
	struct iovec messages[500];

	fill_all(messages, bytes, 500, 100);
	must_be(shmq_send_batch(s->p, messages, 500, SHMQ_NOWAIT), 500);
	for (unsigned i = 0; i < 500; i++)
		setting_receive(s, 100, i);
	setting_is_empty(s);
}

static void a_batch_mixes_sizes(struct setting *s)
{
	static uint8_t bytes[3][VARIANT_MAX];
	struct iovec messages[5] = {
		{ bytes[0], VARIANT_MAX },     { bytes[1], 0 },
		{ bytes[1], VARIANT_MAX },     { bytes[2], 1 },
		{ bytes[2], VARIANT_MAX - 1 },
	};

	for (uint64_t i = 0; i < 3; i++)
		pattern_fill(bytes[i], VARIANT_MAX, i);
	must_be(shmq_send_batch(s->p, messages, 5, SHMQ_NOWAIT), 5);
	setting_receive(s, VARIANT_MAX, 0);
	setting_receive(s, 0, 1);
	setting_receive(s, VARIANT_MAX, 1);
	setting_receive(s, 1, 2);
	setting_receive(s, VARIANT_MAX - 1, 2);
	setting_is_empty(s);
}

static void a_batch_sends_what_there_is_room_for(struct setting *s)
{
	static uint8_t bytes[2000 * 48];
	static struct iovec messages[2000];
	uint64_t i;

	fill_all(messages, bytes, 2000, 48);
	must_be(shmq_send_batch(s->p, messages, 2000, SHMQ_NOWAIT),
		VARIANT_LINES);
	must_be(shmq_send_batch(s->p, messages, 2000, SHMQ_NOWAIT), -EAGAIN);
	must_be(shmq_send_batch(s->p, messages, 1, 2000000), -ETIMEDOUT);
	for (i = 0; i < 10; i++)
		setting_receive(s, 48, i);
	/* Room for some: it does not wait for more. */
	must_be(shmq_send_batch(s->p, messages, 2000, SHMQ_FOREVER), 10);
	for (; i < VARIANT_LINES; i++)
		setting_receive(s, 48, i);
	for (i = 0; i < 10; i++)
		setting_receive(s, 48, i);
	setting_is_empty(s);
}

static void a_batch_stops_at_the_first_that_does_not_fit(struct setting *s)
{
	static uint8_t bytes[VARIANT_MAX];
	struct iovec messages[3] = { { bytes, 10 },
				     { bytes, VARIANT_MAX },
				     { bytes, 10 } };

	for (int i = 0; i < 3; i++)
		setting_send(s, VARIANT_MAX, (uint64_t)i);
	pattern_fill(bytes, sizeof(bytes), 9);
	must_be(shmq_send_batch(s->p, messages, 3, SHMQ_NOWAIT), 1);
	for (uint64_t i = 0; i < 3; i++)
		setting_receive(s, VARIANT_MAX, i);
	setting_receive(s, 10, 9);
	must_be(shmq_send_batch(s->p, messages + 1, 2, SHMQ_NOWAIT), 2);
	setting_receive(s, VARIANT_MAX, 9);
	setting_receive(s, 10, 9);
	setting_is_empty(s);
}

static void a_batch_with_one_too_large_sends_none(struct setting *s)
{
	struct iovec messages[3] = { { s->buf, 10 },
				     { s->buf, VARIANT_MAX + 1 },
				     { s->buf, 10 } };

	must_be(shmq_send_batch(s->p, messages, 3, SHMQ_NOWAIT), -EMSGSIZE);
	messages[1] = (struct iovec){ NULL, 10 };
	must_be(shmq_send_batch(s->p, messages, 3, SHMQ_NOWAIT), -EINVAL);
	setting_is_empty(s);
	must_be(stat_of(s->q).sent_messages, s->seq);
}

/* In and out by random numbers, so that batches lie across the wrap. */
static void batches_go_around_the_ring(struct setting *s)
{
	struct chance chance = chance_of(chance_seed(), 0);
	static uint8_t bytes[64 * 300];
	struct iovec messages[64];
	uint64_t sent = 0, received = 0;
	size_t len = 300;

	while (received < 4000) {
		unsigned n = 1 + (unsigned)chance_below(&chance, 64);
		uint64_t take;
		int r;

		for (unsigned i = 0; i < n; i++) {
			messages[i] = (struct iovec){ bytes + i * len, len };
			pattern_fill(bytes + i * len, len, sent + i);
		}
		r = shmq_send_batch(s->p, messages, n, SHMQ_NOWAIT);
		must(r > 0 || r == -EAGAIN);
		sent += r > 0 ? (unsigned)r : 0;
		take = chance_below(&chance, sent - received + 1);
		for (; take; take--)
			setting_receive(s, len, received++);
	}
	while (received < sent)
		setting_receive(s, len, received++);
	setting_is_empty(s);
}

int main(void)
{
	static const struct body bodies[] = {
		BODY(parts_are_joined),
		BODY(there_may_be_1024_parts),
		BODY(the_largest_message_can_be_gathered),
		BODY(a_batch_is_sent_in_order),
		BODY(an_empty_batch_is_nothing),
		BODY(a_batch_of_empty_messages),
		BODY(a_batch_may_be_larger_than_a_quarter),
		BODY(a_batch_mixes_sizes),
		BODY(a_batch_sends_what_there_is_room_for),
		BODY(a_batch_stops_at_the_first_that_does_not_fit),
		BODY(a_batch_with_one_too_large_sends_none),
		BODY(batches_go_around_the_ring),
	};

	return variants_run("batches", bodies,
			    sizeof(bodies) / sizeof(bodies[0]));
}
