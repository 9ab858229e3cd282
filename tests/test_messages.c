/* SPDX-License-Identifier: MIT */
/* Sending and receiving one message at a time, on every kind of queue. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "variants.h"

static const size_t sizes[] = { 0,
				1,
				7,
				8,
				15,
				16,
				17,
				47,
				48,
				49,
				63,
				64,
				65,
				111,
				112,
				113,
				127,
				128,
				129,
				239,
				240,
				241,
				255,
				1000,
				4079,
				4080,
				4081,
				4095,
				4096,
				4097,
				VARIANT_MAX - 1,
				VARIANT_MAX };
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void every_size_arrives_whole(struct setting *s)
{
	for (size_t i = 0; i < SIZES; i++) {
		setting_send(s, sizes[i], i);
		must_be(stat_of(s->q).depth_messages, 1);
		setting_receive(s, sizes[i], i);
	}
	setting_is_empty(s);
	must_be(stat_of(s->q).sent_messages, s->seq);
}

static void every_size_is_copied_whole(struct setting *s)
{
	for (size_t i = 0; i < SIZES; i++) {
		setting_send(s, sizes[i], i);
		memset(s->buf, 0xaa, VARIANT_MAX + 64);
		must_be(shmq_recv(s->c, s->buf, VARIANT_MAX, SHMQ_NOWAIT),
			sizes[i]);
		must(pattern_matches(s->buf, sizes[i], i));
		must_be(s->buf[sizes[i]], 0xaa);
		/* Into exactly as much room, too. */
		setting_send(s, sizes[i], i + 1);
		must_be(shmq_recv(s->c, s->buf, sizes[i], SHMQ_NOWAIT),
			sizes[i]);
		must(pattern_matches(s->buf, sizes[i], i + 1));
	}
	setting_is_empty(s);
}

static void more_than_a_quarter_is_refused(struct setting *s)
{
	struct iovec parts[3] = { { s->buf, VARIANT_MAX }, { s->buf, 1 } };
	void *out = NULL;

	must_be(shmq_max_message(s->q), VARIANT_MAX);
	must_be(shmq_send(s->p, s->buf, VARIANT_MAX + 1, SHMQ_NOWAIT),
		-EMSGSIZE);
	must_be(shmq_send(s->p, s->buf, SIZE_MAX, SHMQ_NOWAIT), -EMSGSIZE);
	must_be(shmq_send(s->p, s->buf, (size_t)UINT32_MAX + 2, SHMQ_NOWAIT),
		-EMSGSIZE);
	must_be(shmq_sendv(s->p, parts, 2, SHMQ_NOWAIT), -EMSGSIZE);
	parts[1].iov_len = parts[2].iov_len = SIZE_MAX / 2;
	parts[2].iov_base = s->buf;
	must_be(shmq_sendv(s->p, parts, 3, SHMQ_NOWAIT), -EMSGSIZE);
	must_be(shmq_reserve(s->p, VARIANT_MAX + 1, &out, SHMQ_NOWAIT),
		-EMSGSIZE);
	must(!out);
	/* It is too large at any time, also for somebody who would wait. */
	must_be(shmq_send(s->p, s->buf, VARIANT_MAX + 1, SHMQ_FOREVER),
		-EMSGSIZE);
	setting_is_empty(s);
	must_be(stat_of(s->q).sent_messages, s->seq);
}

static void a_full_queue_says_so(struct setting *s)
{
	int64_t before;

	for (size_t i = 0; i < VARIANT_LINES; i++)
		setting_send(s, i % 49, i);
	must_be(shmq_send(s->p, "", 0, SHMQ_NOWAIT), -EAGAIN);
	before = clock_now_ns();
	must_be(shmq_send(s->p, "", 0, 3000000), -ETIMEDOUT);
	must(clock_now_ns() - before >= 3000000);
	must_be(stat_of(s->q).depth_bytes, VARIANT_CAPACITY);
	must_be(stat_of(s->q).depth_messages, VARIANT_LINES);
	for (size_t i = 0; i < VARIANT_LINES; i++) {
		setting_receive(s, i % 49, i);
		setting_send(s, 48, i);
		must_be(shmq_send(s->p, "", 0, SHMQ_NOWAIT), -EAGAIN);
	}
	for (size_t i = 0; i < VARIANT_LINES; i++)
		setting_receive(s, 48, i);
	setting_is_empty(s);
}

static void four_of_the_largest_do_not_fit(struct setting *s)
{
	/* Each takes a line more than a quarter. */
	for (int i = 0; i < 3; i++)
		setting_send(s, VARIANT_MAX, (uint64_t)i);
	must_be(shmq_send(s->p, s->buf, VARIANT_MAX, SHMQ_NOWAIT), -EAGAIN);
	setting_receive(s, VARIANT_MAX, 0);
	setting_send(s, VARIANT_MAX, 3);
	for (uint64_t i = 1; i < 4; i++)
		setting_receive(s, VARIANT_MAX, i);
	setting_is_empty(s);
}

static void an_empty_queue_says_so(struct setting *s)
{
	struct shmq_msg msg;
	int64_t before;

	setting_is_empty(s);
	before = clock_now_ns();
	must_be(shmq_recv(s->c, s->buf, 8, 3000000), -ETIMEDOUT);
	must_be(shmq_receive(s->c, &msg, 1, 3000000), -ETIMEDOUT);
	must(clock_now_ns() - before >= 6000000);
	must_be(shmq_recv(s->c, s->buf, 8, 1), -ETIMEDOUT);
	setting_send(s, 8, 1);
	setting_receive(s, 8, 1);
}

static void a_message_that_does_not_fit_the_buffer_stays(struct setting *s)
{
	uint8_t small[8];

	setting_send(s, 100, 1);
	setting_send(s, 8, 2);
	must_be(shmq_recv(s->c, small, sizeof(small), SHMQ_NOWAIT), -EMSGSIZE);
	must_be(shmq_recv(s->c, s->buf, 99, SHMQ_FOREVER), -EMSGSIZE);
	must_be(shmq_recv(s->c, NULL, 0, SHMQ_NOWAIT), -EMSGSIZE);
	must_be(stat_of(s->q).depth_messages, 2);
	must_be(shmq_recv(s->c, s->buf, 100, SHMQ_NOWAIT), 100);
	must(pattern_matches(s->buf, 100, 1));
	must_be(shmq_recv(s->c, small, sizeof(small), SHMQ_NOWAIT), 8);
	must(pattern_matches(small, 8, 2));
	setting_is_empty(s);
}

static void messages_keep_their_order_around_the_ring(struct setting *s)
{
	struct chance chance = chance_of(chance_seed(), 0);
	uint64_t sent = 0, received = 0;
	size_t lengths[VARIANT_LINES];

	while (received < 4000) {
		size_t len = chance_below(&chance, 16) ?
				     chance_below(&chance, 200) :
				     chance_below(&chance, VARIANT_MAX + 1);
		uint64_t take = chance_below(&chance, 4);

		pattern_fill(s->buf, len, sent);
		if (sent < 4000 &&
		    shmq_send(s->p, s->buf, len, SHMQ_NOWAIT) == 0)
			lengths[sent++ % VARIANT_LINES] = len;
		else
			take = sent - received;
		for (; take && received < sent; take--, received++)
			setting_receive(s, lengths[received % VARIANT_LINES],
					received);
	}
	setting_is_empty(s);
}

static void wrong_arguments_of_senders_are_refused(struct setting *s)
{
	struct iovec part = { NULL, 1 };
	void *out;

	must_be(shmq_send(NULL, s->buf, 1, SHMQ_NOWAIT), -EINVAL);
	must_be(shmq_send(s->p, NULL, 1, SHMQ_NOWAIT), -EINVAL);
	must_be(shmq_send(s->p, s->buf, 1, -2), -EINVAL);
	must_be(shmq_send(s->p, s->buf, 1, INT64_MIN), -EINVAL);
	must_be(shmq_sendv(NULL, &part, 0, SHMQ_NOWAIT), -EINVAL);
	must_be(shmq_sendv(s->p, NULL, 1, SHMQ_NOWAIT), -EINVAL);
	must_be(shmq_sendv(s->p, &part, 1, SHMQ_NOWAIT), -EINVAL);
	must_be(shmq_sendv(s->p, &part, -1, SHMQ_NOWAIT), -EINVAL);
	must_be(shmq_sendv(s->p, &part, INT_MAX, SHMQ_NOWAIT), -EINVAL);
	must_be(shmq_sendv(s->p, NULL, 0, -2), -EINVAL);
	must_be(shmq_send_batch(NULL, &part, 0, SHMQ_NOWAIT), -EINVAL);
	must_be(shmq_send_batch(s->p, NULL, 1, SHMQ_NOWAIT), -EINVAL);
	must_be(shmq_send_batch(s->p, &part, 1, SHMQ_NOWAIT), -EINVAL);
	must_be(shmq_send_batch(s->p, &part, 0, -2), -EINVAL);
	must_be(shmq_reserve(NULL, 1, &out, SHMQ_NOWAIT), -EINVAL);
	must_be(shmq_reserve(s->p, 1, NULL, SHMQ_NOWAIT), -EINVAL);
	must_be(shmq_reserve(s->p, 1, &out, -2), -EINVAL);
	must_be(shmq_commit(NULL, 0), -EINVAL);
	must_be(shmq_discard(NULL), -EINVAL);
	setting_is_empty(s);
	must_be(stat_of(s->q).sent_messages, s->seq);
}

static void wrong_arguments_of_receivers_are_refused(struct setting *s)
{
	struct shmq_msg msg;

	setting_send(s, 1, 1);
	must_be(shmq_recv(NULL, s->buf, 1, SHMQ_NOWAIT), -EINVAL);
	must_be(shmq_recv(s->c, NULL, 1, SHMQ_NOWAIT), -EINVAL);
	must_be(shmq_recv(s->c, s->buf, 1, -2), -EINVAL);
	must_be(shmq_recv(s->c, s->buf, 1, INT64_MIN), -EINVAL);
	must_be(shmq_receive(NULL, &msg, 1, SHMQ_NOWAIT), -EINVAL);
	must_be(shmq_receive(s->c, NULL, 1, SHMQ_NOWAIT), -EINVAL);
	must_be(shmq_receive(s->c, &msg, 0, SHMQ_NOWAIT), -EINVAL);
	must_be(shmq_receive(s->c, &msg, UINT_MAX, SHMQ_NOWAIT), -EINVAL);
	must_be(shmq_receive(s->c, &msg, 1, -2), -EINVAL);
	must_be(shmq_release(NULL), -EINVAL);
	must_be(shmq_release(s->c), 0);
	must_be(shmq_consumer_lost(s->c), 0);
	must_be(shmq_consumer_lost(NULL), 0);
	setting_receive(s, 1, 1);
}

int main(void)
{
	static const struct body bodies[] = {
		BODY(every_size_arrives_whole),
		BODY(every_size_is_copied_whole),
		BODY(more_than_a_quarter_is_refused),
		BODY(a_full_queue_says_so),
		BODY(four_of_the_largest_do_not_fit),
		BODY(an_empty_queue_says_so),
		BODY(a_message_that_does_not_fit_the_buffer_stays),
		BODY(messages_keep_their_order_around_the_ring),
		BODY(wrong_arguments_of_senders_are_refused),
		BODY(wrong_arguments_of_receivers_are_refused),
	};

	return variants_run("messages", bodies,
			    sizeof(bodies) / sizeof(bodies[0]));
}
