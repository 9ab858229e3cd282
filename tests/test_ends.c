/* SPDX-License-Identifier: MIT */
/* The ends of the ranges: the smallest queue, and the end of the stream. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "layout.h"
#include "variants.h"

static void the_smallest_queue_of_a_kind(const struct kind *kind)
{
	struct shmq *q = queue_create("q", 4096, kind->flags);
	struct shmq_consumer *c = consumer_join(q, kind->consumer_flags);
	struct shmq_producer *p = producer_join(q);
	uint64_t capacity = stat_of(q).capacity_bytes;
	size_t max = shmq_max_message(q);
	uint8_t *buf = malloc(max + 1);

	must(buf);
	must_be(capacity, sysconf(_SC_PAGESIZE));
	must_be(max, capacity / 4);
	for (uint64_t round = 0; round < 200; round++) {
		for (uint64_t i = 0; i < 3; i++) {
			pattern_fill(buf, max, round + i);
			must_be(shmq_send(p, buf, max - i, SHMQ_NOWAIT), 0);
		}
		must_be(shmq_send(p, buf, max, SHMQ_NOWAIT), -EAGAIN);
		for (uint64_t i = 0; i < 3; i++) {
			must_be(shmq_recv(c, buf, max, SHMQ_NOWAIT), max - i);
			must(pattern_matches(buf, max - i, round + i));
		}
	}
	must_be(shmq_send(p, buf, max + 1, SHMQ_NOWAIT), -EMSGSIZE);
	free(buf);
	shmq_producer_close(p);
	shmq_consumer_close(c);
	shmq_close(q);
	must_be(shmq_unlink("q"), 0);
}

static void a_queue_may_be_one_page(void **state)
{
	(void)state;
	for (int i = 0; i < KINDS; i++)
		the_smallest_queue_of_a_kind(&kinds[i]);
}

/* ---------------------------------------------------------- end of stream */

/* All ways of sending say so, and none does harm. */
static void nothing_more_can_be_sent(struct shmq_producer *p)
{
	struct iovec part = { NULL, 0 };
	void *out;

	must_be(shmq_send(p, NULL, 0, SHMQ_NOWAIT), -EOVERFLOW);
	must_be(shmq_send(p, NULL, 0, SHMQ_FOREVER), -EOVERFLOW);
	must_be(shmq_sendv(p, &part, 1, SHMQ_NOWAIT), -EOVERFLOW);
	must_be(shmq_send_batch(p, &part, 1, SHMQ_NOWAIT), -EOVERFLOW);
	must_be(shmq_reserve(p, 0, &out, SHMQ_NOWAIT), -EOVERFLOW);
}

static void the_stream_of_a_kind_ends(const struct kind *kind, uint64_t left,
				      size_t len)
{
	const struct start start = { "", SH_POS_MAX - left * 64, 1000 };
	struct shmq *q = queue_create_at(&start, 65536, kind->flags);
	struct shmq_consumer *c = consumer_join(q, kind->consumer_flags);
	struct shmq_producer *p = producer_join(q);
	uint64_t lines = (16 + len + 63) / 64, n = 0, received = 0;
	uint8_t buf[4096];
	int r;

	pattern_fill(buf, len, 1);
	while ((r = shmq_send(p, buf, len, SHMQ_NOWAIT)) != -EOVERFLOW) {
		if (!r) {
			n++;
			continue;
		}
		must_be(r, -EAGAIN);
		must_be(shmq_recv(c, buf, len, SHMQ_NOWAIT), len);
		received++;
	}
	must_be(n, left / lines);
	if (left % lines == 0)
		nothing_more_can_be_sent(p);
	for (; received < n; received++) {
		must_be(shmq_recv(c, buf, len, SHMQ_NOWAIT), len);
		must(pattern_matches(buf, len, 1));
	}
	must_be(shmq_recv(c, buf, len, SHMQ_NOWAIT), -EAGAIN);
	must_be(shmq_recv(c, buf, len, 1000000), -ETIMEDOUT);
	must_be(stat_of(q).sent_messages, 1000 + n);
	must_be(stat_of(q).depth_messages, 0);
	shmq_producer_close(p);
	shmq_consumer_close(c);
	shmq_close(q);
	/* And it can be opened all the same. */
	q = queue_open("q");
	p = producer_join(q);
	if (left % lines == 0)
		nothing_more_can_be_sent(p);
	shmq_producer_close(p);
	shmq_close(q);
	must_be(shmq_unlink("q"), 0);
}

static void the_stream_ends_and_what_was_sent_arrives(void **state)
{
	(void)state;
	for (int i = 0; i < KINDS; i++) {
		the_stream_of_a_kind_ends(&kinds[i], 1, 0);
		the_stream_of_a_kind_ends(&kinds[i], 10, 48);
		the_stream_of_a_kind_ends(&kinds[i], 11, 49);
		the_stream_of_a_kind_ends(&kinds[i], 3000, 100);
		the_stream_of_a_kind_ends(&kinds[i], 3001, 1000);
	}
}

static void a_batch_ends_with_the_stream(void **state)
{
	struct iovec messages[10] = { { NULL, 0 } };

	(void)state;
	for (int i = 0; i < KINDS; i++) {
		const struct start start = { "", SH_POS_MAX - 4 * 64, 0 };
		struct shmq *q = queue_create_at(&start, 65536, kinds[i].flags);
		struct shmq_consumer *c =
			consumer_join(q, kinds[i].consumer_flags);
		struct shmq_producer *p = producer_join(q);
		int r = shmq_send_batch(p, messages, 10, SHMQ_NOWAIT);

		/* In one claim none fits, in several some do. */
		must(r == -EOVERFLOW || (r > 0 && r <= 4));
		for (int n = r; n > 0; n--)
			must_be(shmq_recv(c, NULL, 0, SHMQ_NOWAIT), 0);
		must_be(shmq_recv(c, NULL, 0, SHMQ_NOWAIT), -EAGAIN);
		shmq_producer_close(p);
		shmq_consumer_close(c);
		shmq_close(q);
		must_be(shmq_unlink("q"), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(a_queue_may_be_one_page),
		TEST_IN_DIRECTORY(the_stream_ends_and_what_was_sent_arrives),
		TEST_IN_DIRECTORY(a_batch_ends_with_the_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
