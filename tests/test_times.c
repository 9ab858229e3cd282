/* SPDX-License-Identifier: MIT */
/*
 * Journals and the time of day, which is what this program says: messages that
 * share a time, clocks that are set back, and what outlives a limit to the
 * nanosecond, to the message, and beside what is not finished.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "handle.h"
#include "journal_files.h"
#include "layout.h"
#include "ring.h"
#include "support.h"

#define SEGMENT 262144
#define SPAN 1024
#define LEN 990
#define IN_SEGMENT (SEGMENT / SPAN)
#define S INT64_C(1000000000)

int __real_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t);

static int64_t now_ns;

int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
	if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)
		return __real_clock_gettime(clock, t);
	*t = (struct timespec){ now_ns / S, now_ns % S };
	return 0;
}

static struct shmq *create(struct shmq_attr attr)
{
	struct shmq *q;

	attr.size = sizeof(attr);
	attr.flags = SHMQ_JOURNAL | SHMQ_TOPIC;
	attr.segment_bytes = SEGMENT;
	must_be(shmq_open(&q, "j", SHMQ_CREATE | SHMQ_EXCL, 0600, &attr), 0);
	return q;
}

/* So many messages of that time. */
static void send_at(struct shmq *q, int64_t ns, unsigned n)
{
	struct shmq_producer *p = producer_join(q);
	uint8_t buf[LEN] = { 0 };

	now_ns = ns;
	while (n--)
		must_be(shmq_send(p, buf, LEN, SHMQ_NOWAIT), 0);
	shmq_producer_close(p);
}

/* The first message of that time or later, or -EAGAIN. */
static int64_t first_of(struct shmq *q, int64_t ns)
{
	struct shmq_consumer *tap;
	struct shmq_msg msg;
	int r;

	must_be(shmq_consumer_open(&tap, q, NULL, SHMQ_TAP), 0);
	must_be(shmq_seek(tap, SHMQ_SEEK_TIME, (uint64_t)ns), 0);
	r = shmq_receive(tap, &msg, 1, SHMQ_NOWAIT);
	shmq_consumer_close(tap);
	return r == 1 ? (int64_t)msg.seq : r;
}

static void many_share_a_time(void **state)
{
	struct shmq *q = create((struct shmq_attr){ 0 });

	(void)state;
	/* In the middle of windows, and over the ends of segments. */
	send_at(q, 100 * S, 70);
	send_at(q, 200 * S, 100);
	send_at(q, 300 * S, 2 * IN_SEGMENT);
	send_at(q, 300 * S + 1, 1);
	must_be(first_of(q, 0), 0);
	must_be(first_of(q, 100 * S), 0);
	must_be(first_of(q, 100 * S + 1), 70);
	must_be(first_of(q, 200 * S), 70);
	must_be(first_of(q, 200 * S + 1), 170);
	must_be(first_of(q, 300 * S), 170);
	must_be(first_of(q, 300 * S + 1), 170 + 2 * IN_SEGMENT);
	must_be(first_of(q, 300 * S + 2), -EAGAIN);
	shmq_close(q);
}

/* It has no time: what was sent behind it before it ended is not found by it. */
static void what_is_skipped_is_of_no_time(void **state)
{
	struct shmq *q = create((struct shmq_attr){ 0 });
	struct shmq_producer *p = producer_join(q);
	void *room;

	(void)state;
	send_at(q, 10 * S, 5);
	must_be(shmq_reserve(p, 100, &room, SHMQ_NOWAIT), 0);
	send_at(q, 20 * S, 5);
	now_ns = 100 * S;
	must_be(shmq_discard(p), 0);
	shmq_producer_close(p);
	send_at(q, 110 * S, 1);
	must_be(first_of(q, 15 * S), 6);
	must_be(first_of(q, 50 * S), 11);
	shmq_close(q);
}

static void seconds_are_whole(void **state)
{
	struct shmq *q = create((struct shmq_attr){ .retain_seconds = 10 });

	(void)state;
	send_at(q, 100 * S, IN_SEGMENT);
	send_at(q, 200 * S, IN_SEGMENT);
	send_at(q, 205 * S, 1);
	/* A segment is as old as what is behind it. */
	now_ns = 209 * S;
	must_be(shmq_journal_compact(q), 0);
	now_ns = 210 * S - 1;
	must_be(shmq_journal_compact(q), 0);
	now_ns = 210 * S;
	must_be(shmq_journal_compact(q), 1);
	/* The clock was set back: nothing is old. */
	now_ns = 50 * S;
	must_be(shmq_journal_compact(q), 0);
	now_ns = 215 * S;
	must_be(shmq_journal_compact(q), 1);
	shmq_close(q);
}

static void so_many_messages_stay(void **state)
{
	struct shmq *q = create((struct shmq_attr){ .retain_messages = 10 });

	(void)state;
	send_at(q, S, IN_SEGMENT + 9);
	must_be(shmq_journal_compact(q), 0);
	send_at(q, S, 1);
	must_be(shmq_journal_compact(q), 1);
	shmq_close(q);
}

static void so_many_bytes_stay(void **state)
{
	struct shmq *q = create((struct shmq_attr){ .retain_bytes = 2 * SPAN });

	(void)state;
	send_at(q, S, IN_SEGMENT + 1);
	must_be(shmq_journal_compact(q), 0);
	send_at(q, S, 1);
	must_be(shmq_journal_compact(q), 1);
	must_be(info_of(q).bytes, 2 * SPAN);
	must_be(info_of(q).segments, 1);
	shmq_close(q);
}

/* A number behind all others is no reason to remove what is before it. */
static void a_number_that_cannot_be_removes_nothing(void **state)
{
	struct shmq *q = create((struct shmq_attr){ .retain_messages = 1000 });
	const struct ring ring = { .cookie = q->seg->geo.cookie };
	uint64_t stamp = stamp_of(&ring, 1000000);

	(void)state;
	send_at(q, S, 2 * IN_SEGMENT + 1);
	scribble("j", segment_name(1), 0, &stamp, sizeof(stamp));
	must_be(shmq_journal_compact(q), 0);
	shmq_close(q);
}

/* Who writes the first message of a segment holds the one before it. */
static void what_is_not_finished_holds_what_is_before(void **state)
{
	struct shmq *q = create((struct shmq_attr){ .retain_bytes = 1 });
	struct shmq_producer *p = producer_join(q);
	void *room;

	(void)state;
	send_at(q, S, 2 * IN_SEGMENT);
	must_be(shmq_reserve(p, 100, &room, SHMQ_NOWAIT), 0);
	send_at(q, S, 2 * IN_SEGMENT);
	must_be(shmq_journal_compact(q) >= 0, 1);
	must_be(lowest_file("j"), 1);
	memset(room, 0, 100);
	must_be(shmq_commit(p, 100), 0);
	must_be(shmq_journal_compact(q), 3);
	shmq_producer_close(p);
	shmq_close(q);
}

/* As much of it as there was when the program was made. */
static void who_knows_less_is_told_less(void **state)
{
	struct shmq *q = create((struct shmq_attr){ 0 });
	struct shmq_journal_info info;

	(void)state;
	send_at(q, S, 5);
	memset(&info, 0x55, sizeof(info));
	info.size = offsetof(struct shmq_journal_info, next_seq);
	must_be(shmq_journal_info(q, &info), 0);
	must_be(info.segment_bytes, SEGMENT);
	must(info.next_seq == UINT64_C(0x5555555555555555));
	shmq_close(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(many_share_a_time),
		TEST_IN_DIRECTORY(what_is_skipped_is_of_no_time),
		TEST_IN_DIRECTORY(seconds_are_whole),
		TEST_IN_DIRECTORY(so_many_messages_stay),
		TEST_IN_DIRECTORY(so_many_bytes_stay),
		TEST_IN_DIRECTORY(a_number_that_cannot_be_removes_nothing),
		TEST_IN_DIRECTORY(what_is_not_finished_holds_what_is_before),
		TEST_IN_DIRECTORY(who_knows_less_is_told_less),
	};

	return cmocka_run_group_tests_name("times", tests, NULL, NULL);
}
