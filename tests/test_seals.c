/* SPDX-License-Identifier: MIT */
/*
 * Seals: each thing that a sealed record says is in its checksum, and lengths
 * that no record has are refused.
 */
#include <string.h>

#include "crc32c.h"
#include "seal.h"
#include "support.h"

#define BYTES 4096
#define SEQ 7
#define SIZE 100

static _Alignas(64) char data[2 * BYTES];

static struct ring ring_of_data(void)
{
	return (struct ring){ .base = data,
			      .mask = BYTES - 1,
			      .cookie = 5,
			      .max_message = BYTES / 4,
			      .sealed = true };
}

/* A record at the beginning; span 0: without a tail. */
static struct found record_make(uint64_t span, uint64_t count)
{
	struct ring ring = ring_of_data();
	struct sh_record *record = (void *)data;
	struct found found;

	memset(data, 0, sizeof(data));
	memset(record_payload(record), 'p', SIZE);
	shmqi_seal(record, &(struct sealing){ .size = SIZE,
					      .producer = 3,
					      .seq = SEQ,
					      .span = span,
					      .count = count });
	record_stamp(&ring, record, SEQ);
	must(record_read(&ring, 0, &found));
	must(shmqi_seal_holds(&found, SEQ));
	return found;
}

static struct sh_seal *seal_of(void)
{
	return (void *)(data + seal_off(SIZE));
}

static struct sh_record_tail *tail_of(void)
{
	return (void *)(data + sealed_tail_off(SIZE));
}

static void all_that_it_says_is_sealed(void **state)
{
	struct found found = record_make(0, 0), other;
	uint8_t *payload = record_payload(found.record);

	(void)state;
	must(!shmqi_seal_holds(&found, SEQ + 1));
	other = found;
	other.size = SIZE - 4;
	must(!shmqi_seal_holds(&other, SEQ));
	other = found;
	other.producer ^= 1;
	must(!shmqi_seal_holds(&other, SEQ));
	other = found;
	other.flags |= SH_RECORD_SKIP;
	must(!shmqi_seal_holds(&other, SEQ));
	for (unsigned i = 0; i < SIZE; i++) {
		payload[i] ^= 1;
		must(!shmqi_seal_holds(&found, SEQ));
		payload[i] ^= 1;
	}
	seal_of()->time_lo ^= 1;
	must(!shmqi_seal_holds(&found, SEQ));
	seal_of()->time_lo ^= 1;
	seal_of()->time_hi ^= 1;
	must(!shmqi_seal_holds(&found, SEQ));
	seal_of()->time_hi ^= 1;
	must(shmqi_seal_holds(&found, SEQ));
}

static void a_tail_is_sealed_too(void **state)
{
	struct found found = record_make(512, 4);

	(void)state;
	must_be(found.span, 512);
	must_be(found.count, 4);
	store_relaxed(&tail_of()->span, 448);
	must(!shmqi_seal_holds(&found, SEQ));
	store_relaxed(&tail_of()->span, 512);
	store_relaxed(&tail_of()->count, 3);
	must(!shmqi_seal_holds(&found, SEQ));
	store_relaxed(&tail_of()->count, 4);
	must(shmqi_seal_holds(&found, SEQ));
}

/* What would be a seal, of a record that says that it has none. */
static void who_says_that_there_is_no_seal_has_none(void **state)
{
	struct found found = record_make(0, 0);
	uint64_t time = shmqi_seal_time(&found);
	uint64_t head[3] = { SEQ, 0, time };

	(void)state;
	found.flags &= ~SH_RECORD_SEAL;
	head[1] = (uint64_t)found.producer << 48 | (uint64_t)found.flags << 32 |
		  found.size;
	seal_of()->crc = shmqi_crc32c_behind(head, record_payload(found.record),
					     SIZE);
	must(!shmqi_seal_holds(&found, SEQ));
}

static bool reads(uint64_t span, uint64_t count)
{
	struct ring ring = ring_of_data();
	struct found found = record_make(512, 4);

	store_relaxed(&tail_of()->span, span);
	store_relaxed(&tail_of()->count, count);
	return shmqi_seal_read(&ring, &found);
}

static void lengths_that_no_record_has_are_refused(void **state)
{
	const uint64_t least = sealed_span_least(SIZE);

	(void)state;
	must(reads(least, 1));
	must(!reads(least - SH_SEALED_LINE, 1));
	must(reads(BYTES, 1));
	must(!reads(BYTES + SH_SEALED_LINE, 1));
	must(!reads(512 + SH_SEALED_LINE / 2, 1));
	must(!reads(512, 0));
	must(reads(512, 512 / SH_SEALED_LINE));
	must(!reads(512, 512 / SH_SEALED_LINE + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_it_says_is_sealed),
		cmocka_unit_test(a_tail_is_sealed_too),
		cmocka_unit_test(who_says_that_there_is_no_seal_has_none),
		cmocka_unit_test(lengths_that_no_record_has_are_refused),
	};

	shmqi_crc32c_init();
	return cmocka_run_group_tests_name("seals", tests, NULL, NULL);
}
