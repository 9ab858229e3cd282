/* SPDX-License-Identifier: MIT */
/*
 * Stamps are found only where they were put: what one lap leaves behind, mixed
 * with payload of the next, never passes for a record of the one after.
 */
#include <errno.h>
#include <string.h>

#include "handle.h"
#include "ring.h"
#include "support.h"

#define CAPACITY 4096
#define LINE 64
#define LINES (CAPACITY / LINE)
#define FIRST (LINE - 16) /* bytes of payload in a record's first line */

static void exchange(struct shmq_producer *p, struct shmq_consumer *c,
		     const void *buf, size_t len)
{
	uint8_t got[CAPACITY];

	must_be(shmq_send(p, buf, len, SHMQ_NOWAIT), 0);
	must_be(shmq_recv(c, got, sizeof(got), SHMQ_NOWAIT), len);
	must_be(memcmp(got, buf, len), 0);
}

/* The three ways to write a payload of two lines. */
static void exchange_in_place(struct shmq_producer *p, struct shmq_consumer *c,
			      const uint8_t *buf, size_t len, bool whole)
{
	uint8_t got[CAPACITY];
	void *out;

	must_be(shmq_reserve(p, len, &out, SHMQ_NOWAIT), 0);
	if (whole)
		memcpy(out, buf, len);
	else /* only what reaches into the second line */
		memcpy((uint8_t *)out + FIRST, buf + FIRST, len - FIRST);
	must_be(shmq_commit(p, len), 0);
	must_be(shmq_recv(c, got, sizeof(got), SHMQ_NOWAIT), len);
}

/*
 * Lap 0 leaves stamp 1 in line 1. In lap 1 the end of a message covers bytes of
 * it, chosen to make it the stamp that lap 2 will look for there.
 */
static void mix(unsigned flags, size_t bytes, int way)
{
	struct shmq *q = queue_anonymous(CAPACITY, flags);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0);
	struct ring ring = { .cookie = q->seg->geo.cookie };
	uint64_t coming = stamp_of(&ring, 2 * LINES - 1 + 1);
	uint8_t message[FIRST + 8] = { 0 };

	memcpy(message + FIRST, &coming, bytes);
	for (unsigned i = 0; i < LINES; i++)
		exchange(p, c, "", 0);
	if (way == 0)
		exchange(p, c, message, FIRST + bytes);
	else
		exchange_in_place(p, c, message, FIRST + bytes, way == 1);
	for (unsigned i = 2; i < LINES; i++)
		exchange(p, c, "", 0);
	exchange(p, c, "", 0);
	must_be(stat_of(q).sent_messages, 2 * LINES);
	must_be(shmq_recv(c, NULL, 0, SHMQ_NOWAIT), -EAGAIN);
	must_be(stat_of(q).depth_messages, 0);
	exchange(p, c, "after", 5);
	shmq_producer_close(p);
	shmq_consumer_close(c);
	shmq_close(q);
}

static void an_old_stamp_and_new_payload_make_no_record(void **state)
{
	(void)state;
	for (unsigned flags = 0; flags < 4; flags++)
		for (size_t bytes = 1; bytes < 8; bytes++)
			for (int way = 0; way < 3; way++)
				mix(flags, bytes, way);
}

static void a_stamp_has_its_number(void **state)
{
	struct sh_record record[2] = { 0 };
	struct ring ring = { .base = (char *)record, .cookie = 0x123456789 };

	(void)state;
	for (uint64_t seq = 1; seq < SH_SEQ_MAX; seq *= 3) {
		record_stamp(&ring, record, seq);
		must(record_published(&ring, 0, seq));
		must(!record_published(&ring, 0, seq - 1));
		must_be(record_seq(&ring, 0), seq);
	}
}

static void stamps_of_one_time_are_far_apart(void **state)
{
	const unsigned bits = 22;
	uint64_t apart = 0;

	(void)state;
	for (uint64_t n = 1; n < UINT64_C(1) << bits; n++) {
		apart += SH_STAMP_STEP;
		must(apart > UINT64_C(1) << (62 - bits));
		must(-apart > UINT64_C(1) << (62 - bits));
		must(apart << (64 - bits) != 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stamp_has_its_number),
		cmocka_unit_test(stamps_of_one_time_are_far_apart),
		TEST_IN_DIRECTORY(an_old_stamp_and_new_payload_make_no_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
