/* SPDX-License-Identifier: MIT */
/*
 * Looking into a journal from anywhere: what passes for a record, what comes
 * behind damage, and what is said of a segment by its first record.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "handle.h"
#include "journal_files.h"
#include "layout.h"
#include "scan.h"
#include "seal.h"
#include "segfile.h"
#include "index.h"
#include "support.h"

#define SEGMENT 65536
#define SPAN 1024
#define LEN 990
#define IN_SEGMENT (SEGMENT / SPAN)

static struct shmq *journal_create(void)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *q;

	attr.flags = SHMQ_JOURNAL | SHMQ_TOPIC;
	attr.segment_bytes = SEGMENT;
	must_be(shmq_open(&q, "j", SHMQ_CREATE | SHMQ_EXCL, 0600, &attr), 0);
	return q;
}

static void send_some(struct shmq *q, unsigned n)
{
	struct shmq_producer *p = producer_join(q);
	uint8_t buf[LEN] = { 0 };

	while (n--)
		must_be(shmq_send(p, buf, LEN, SHMQ_NOWAIT), 0);
	shmq_producer_close(p);
}

static struct cursor place(uint64_t number)
{
	return (struct cursor){ number * SPAN, number, SH_NOBODY };
}

static void scan_at(struct scan *scan, struct shmq *q, uint64_t number)
{
	shmqi_scan_begin(scan, q->seg);
	must_be(shmqi_scan_to(scan, place(number).pos), 0);
}

/* Write over a part of a message, or over its head. */
static void spoil(uint64_t number, off_t where, const void *what, size_t n)
{
	scribble("j", segment_name(number / IN_SEGMENT),
		 (off_t)(number % IN_SEGMENT * SPAN) + where, what, n);
}

static void only_records_of_its_segment_are_read(void **state)
{
	const struct cursor astray = { SEGMENT, 0, SH_NOBODY };
	const uint32_t size = 5000;
	struct shmq *q = journal_create();
	struct found found;
	struct scan scan;

	(void)state;
	send_some(q, IN_SEGMENT + 5);
	scan_at(&scan, q, 0);
	must(shmqi_scan_read(&scan, place(0), &found));
	must(!shmqi_scan_read(&scan, astray, &found));
	/* Longer than what is left of the segment. */
	must(shmqi_scan_read(&scan, place(IN_SEGMENT - 1), &found));
	spoil(IN_SEGMENT - 1, 8, &size, sizeof(size));
	must(!shmqi_scan_read(&scan, place(IN_SEGMENT - 1), &found));
	must_be(shmqi_scan_to(&scan, SEGMENT), 0);
	must(shmqi_scan_read(&scan, place(IN_SEGMENT), &found));
	shmqi_scan_end(&scan);
	shmq_close(q);
}

/* In the payload of a message: a record of that number; whole, or torn. */
static void put_image(struct shmq *q, uint64_t number, uint64_t seq, bool whole)
{
	static _Alignas(64) uint8_t image[64];
	struct sh_record *record = (void *)image;
	const struct ring ring = { .cookie = q->seg->geo.cookie };

	memset(image, 0, sizeof(image));
	shmqi_seal(record,
		   &(struct sealing){ .size = 4, .seq = seq, .producer = 0 });
	record_stamp(&ring, record, seq);
	if (!whole)
		image[sizeof(*record)] ^= 1;
	spoil(number, 128, image, sizeof(image));
}

static void must_come_behind(struct shmq *q, uint64_t number, uint64_t next,
			     uint64_t tail)
{
	struct cursor at = place(number);
	struct scan scan;

	scan_at(&scan, q, number);
	shmqi_scan_behind(&scan, place(tail), &at);
	must_be(at.seq, next);
	must_be(at.pos, next * SPAN);
	shmqi_scan_end(&scan);
}

static void behind_damage_comes_the_next_that_is_whole(void **state)
{
	struct shmq *q = journal_create();
	struct cursor at = { 5 * SPAN, 4, SH_NOBODY };
	struct scan scan;

	(void)state;
	send_some(q, 20);
	must_come_behind(q, 3, 4, 20);
	/* Images of records are none: older, or to come, or torn. */
	put_image(q, 3, 2, true);
	must_come_behind(q, 3, 4, 20);
	put_image(q, 3, 20, true);
	must_come_behind(q, 3, 4, 20);
	put_image(q, 3, 10, false);
	must_come_behind(q, 3, 4, 20);
	/* What is there is passed, whatever number was looked for. */
	scan_at(&scan, q, 5);
	shmqi_scan_behind(&scan, place(20), &at);
	must_be(at.seq, 6);
	shmqi_scan_end(&scan);
	/* Nothing is left before the tail. */
	must_come_behind(q, 18, 19, 19);
	shmq_close(q);
}

static void behind_a_segment_comes_the_next(void **state)
{
	const uint64_t last = 3 * IN_SEGMENT;
	struct shmq *q = journal_create();

	(void)state;
	send_some(q, last + 1);
	must_come_behind(q, last - 1, last, last + 1);
	spoil(2 * IN_SEGMENT, 8, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	must_come_behind(q, 2 * IN_SEGMENT - 1, last, last + 1);
	shmq_close(q);
}

/* As a rescuer leaves what a dead sender had claimed: one record, two numbers. */
static void what_is_skipped_may_take_many_numbers(void **state)
{
	static _Alignas(64) uint8_t head[64];
	struct shmq *q = journal_create();
	const struct ring ring = { .cookie = q->seg->geo.cookie };
	struct sh_record *record = (void *)head;
	struct shmq_consumer *tap;
	struct shmq_msg msg;

	(void)state;
	send_some(q, 10);
	shmqi_seal(record, &(struct sealing){ .flags = SH_RECORD_SKIP,
					      .seq = 3,
					      .span = 2 * SPAN,
					      .count = 2 });
	record_stamp(&ring, record, 3);
	spoil(3, 0, head, sizeof(head));
	must_be(shmq_journal_verify(q, NULL, NULL), 0);
	must_be(shmq_consumer_open(&tap, q, NULL, SHMQ_TAP), 0);
	for (uint64_t seq = 3; seq <= 5; seq++) {
		must_be(shmq_seek(tap, SHMQ_SEEK_SEQ, seq), 0);
		must_be(shmq_receive(tap, &msg, 1, SHMQ_NOWAIT), 1);
		must_be(msg.seq, 5);
		must_be(msg.lost, 0);
		must_be(shmq_release(tap), 0);
	}
	shmq_consumer_close(tap);
	shmq_close(q);
}

static void count(void *arg, const struct shmq_finding *finding)
{
	must_be(finding->kind, SHMQ_FINDING_DAMAGE);
	++*(unsigned *)arg;
}

static void verifying_passes_a_segment_that_is_missing(void **state)
{
	struct shmq *q = journal_create(), *other;
	unsigned told = 0;

	(void)state;
	send_some(q, 2 * IN_SEGMENT + 1);
	shmq_close(q);
	must_be(unlink(path_of("j", segment_name(1))), 0);
	/* It has none of them mapped. */
	other = queue_open("j");
	must_be(shmq_journal_verify(other, count, &told), 1);
	must_be(told, 1);
	shmq_close(other);
}

/* The beginning itself: then nothing has ever been in sight. */
static void verifying_needs_a_beginning(void **state)
{
	struct shmq *q = journal_create();
	unsigned told = 0;

	(void)state;
	send_some(q, 2 * IN_SEGMENT + 1);
	shmq_close(q);
	must_be(unlink(path_of("j", segment_name(0))), 0);
	q = queue_open("j");
	must_be(shmq_journal_verify(q, count, &told), 1);
	must_be(told, 1);
	shmq_close(q);
}

static void what_a_first_record_says_may_be_nonsense(void **state)
{
	struct shmq *q = journal_create();
	const struct ring ring = { .cookie = q->seg->geo.cookie };
	uint64_t about, stamp, high = stamp_of(&ring, SH_SEQ_MAX), time;
	uint32_t size = SEGMENT / 4 + 1;
	struct cursor first;

	(void)state;
	send_some(q, IN_SEGMENT + 5);
	must(shmqi_scan_first(q->seg, 1, &first, &time));
	must_be(first.seq, IN_SEGMENT);
	must_be(first.pos, SEGMENT);
	look_at("j", segment_name(1), 8, &about, sizeof(about));
	look_at("j", segment_name(1), 0, &stamp, sizeof(stamp));
	spoil(IN_SEGMENT, 8, &size, sizeof(size));
	must(!shmqi_scan_first(q->seg, 1, &first, &time));
	about &= ~((uint64_t)SH_RECORD_SEAL << 32);
	spoil(IN_SEGMENT, 8, &about, sizeof(about));
	must(!shmqi_scan_first(q->seg, 1, &first, &time));
	about |= (uint64_t)SH_RECORD_SEAL << 32;
	spoil(IN_SEGMENT, 8, &about, sizeof(about));
	must(shmqi_scan_first(q->seg, 1, &first, &time));
	spoil(IN_SEGMENT, 0, &high, sizeof(high));
	must(!shmqi_scan_first(q->seg, 1, &first, &time));
	spoil(IN_SEGMENT, 0, &stamp, sizeof(stamp));
	must(!shmqi_scan_first(q->seg, 7, &first, &time));
	shmq_close(q);
}

static void a_range_that_cannot_be_is_damage(void **state)
{
	struct shmq_journal_info info = SHMQ_JOURNAL_INFO_INIT;
	struct shmq *q = journal_create();
	struct sh_control *control = q->seg->control;
	uint64_t lowest, highest;

	(void)state;
	send_some(q, IN_SEGMENT + 5);
	must_be(shmqi_scan_range(q->seg, &lowest, &highest), 0);
	must_be(lowest, 0);
	must_be(highest, 1);
	store_relaxed(&control->oldest, 2);
	must_be(shmqi_scan_range(q->seg, &lowest, &highest), -EBADMSG);
	must_be(shmq_journal_info(q, &info), -EBADMSG);
	must_be(shmq_journal_verify(q, NULL, NULL), -EBADMSG);
	must(*shmq_errdetail());
	store_relaxed(&control->oldest, 0);
	store_relaxed(&control->ring, UINT64_MAX);
	must_be(shmqi_scan_range(q->seg, &lowest, &highest), -EBADMSG);
	store_relaxed(&control->ring, 1);
	must_be(shmq_journal_info(q, &info), 0);
	shmq_close(q);
}

/* ------------------------------------------------------------- their names */

static void names_are_sixteen_digits_and_an_end(void **state)
{
	static const char *const none[] = {
		"",
		"1.seg",
		"0000000000000001",
		"0000000000000001.sea",
		"0000000000000001.segs",
		"0000000000000001.seg.bak",
		"000000000000000A.seg",
		"000000000000000g.seg",
		"00000000000000001.seg",
		"+000000000000001.seg",
		"0x00000000000001.seg",
		" 000000000000001.seg",
		"0000000000000001.idx ",
		"000000000000000A.idx",
		"1.idx",
	};
	uint64_t number;

	(void)state;
	must(shmqi_segfile_number("00000000000000ab.seg", &number));
	must_be(number, 0xab);
	must(shmqi_index_number("ffffffffffffffff.idx", &number));
	must(number == UINT64_MAX);
	must(!shmqi_segfile_number("00000000000000ab.idx", &number));
	must(!shmqi_index_number("00000000000000ab.seg", &number));
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		must(!shmqi_segfile_number(none[i], &number));
		must(!shmqi_index_number(none[i], &number));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(only_records_of_its_segment_are_read),
		TEST_IN_DIRECTORY(behind_damage_comes_the_next_that_is_whole),
		TEST_IN_DIRECTORY(behind_a_segment_comes_the_next),
		TEST_IN_DIRECTORY(what_is_skipped_may_take_many_numbers),
		TEST_IN_DIRECTORY(verifying_passes_a_segment_that_is_missing),
		TEST_IN_DIRECTORY(verifying_needs_a_beginning),
		TEST_IN_DIRECTORY(what_a_first_record_says_may_be_nonsense),
		TEST_IN_DIRECTORY(a_range_that_cannot_be_is_damage),
		cmocka_unit_test(names_are_sixteen_digits_and_an_end),
	};

	return cmocka_run_group_tests_name("scans", tests, NULL, NULL);
}
