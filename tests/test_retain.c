/* SPDX-License-Identifier: MIT */
/* Retention: what a journal is not asked to keep goes, and nothing else. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handle.h"
#include "index.h"
#include "journal.h"
#include "producer.h"
#include "support.h"

#define SEGMENT 65536
/* Records of 1024 bytes: 64 in a segment. */
#define LEN 990
#define IN_SEGMENT 64

static struct shmq *keep(const struct shmq_attr *how)
{
	struct shmq_attr attr = *how;
	struct shmq *q;

	attr.flags |= SHMQ_JOURNAL;
	attr.segment_bytes = SEGMENT;
	must_be(shmq_open(&q, "j", SHMQ_CREATE, 0600, &attr), 0);
	return q;
}

static void send_some(struct shmq_producer *p, uint64_t *next, unsigned n)
{
	uint8_t buf[LEN] = { 0 };

	while (n--) {
		memcpy(buf, next, sizeof(*next));
		must_be(shmq_send(p, buf, sizeof(buf), SHMQ_NOWAIT), 0);
		++*next;
	}
}

static uint64_t number_of(const struct shmq_msg *msg)
{
	uint64_t number;

	must_be(msg->len, LEN);
	memcpy(&number, msg->data, sizeof(number));
	must_be(number, msg->seq);
	return number;
}

static uint64_t receive_one(struct shmq_consumer *c, uint64_t *lost)
{
	struct shmq_msg msg;
	uint64_t number;

	must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
	number = number_of(&msg);
	*lost = msg.lost;
	must_be(shmq_release(c), 0);
	return number;
}

static bool is_there(unsigned number)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/j/%016x.seg", shmq_runtime_dir(),
		 number);
	return !access(path, F_OK);
}

static unsigned lowest_file(void)
{
	unsigned n = 0;

	while (!is_there(n))
		must(++n < 10000);
	return n;
}

static struct shmq_journal_info info_of(struct shmq *q)
{
	struct shmq_journal_info info = SHMQ_JOURNAL_INFO_INIT;

	must_be(shmq_journal_info(q, &info), 0);
	return info;
}

static void must_be_whole(struct shmq *q)
{
	must_be(shmq_journal_verify(q, NULL, NULL), 0);
	must_be(shmq_check(q, NULL, NULL), 0);
}

static void end(struct shmq *q)
{
	must_be_whole(q);
	shmq_close(q);
	must_be(shmq_unlink("j"), 0);
	must_be(directory_entries(), 0);
}

/* ------------------------------------------------------------------ bodies */

static void segments_go_when_so_many_bytes_are_behind_them(void **state)
{
	const struct shmq_attr attr = { .size = sizeof(attr),
					.flags = SHMQ_TOPIC,
					.retain_bytes = 3 * SEGMENT };
	struct shmq *q = keep(&attr);
	struct shmq_producer *p = producer_join(q);
	uint64_t next = 0;

	(void)state;
	send_some(p, &next, 3 * IN_SEGMENT);
	must_be(lowest_file(), 0);
	send_some(p, &next, 20 * IN_SEGMENT);
	/* As they are sent: one more than asked for, at most. */
	must(lowest_file() >= 18 && lowest_file() <= 20);
	must_be(shmq_journal_compact(q) >= 0, 1);
	must_be(lowest_file(), 20);
	must_be(info_of(q).first_seq, 20 * IN_SEGMENT);
	must_be(info_of(q).retain_bytes, 3 * SEGMENT);
	must_be(shmq_journal_compact(q), 0);
	shmq_producer_close(p);
	end(q);
}

static void segments_go_when_so_many_messages_are_behind_them(void **state)
{
	const struct shmq_attr attr = { .size = sizeof(attr),
					.flags = SHMQ_TOPIC,
					.retain_messages = 100 };
	struct shmq *q = keep(&attr);
	struct shmq_producer *p = producer_join(q);
	uint64_t next = 0;

	(void)state;
	send_some(p, &next, 10 * IN_SEGMENT + 1);
	must_be(shmq_journal_compact(q) >= 0, 1);
	must(info_of(q).first_seq + 100 <= next);
	must(info_of(q).first_seq + 100 + IN_SEGMENT > next);
	shmq_producer_close(p);
	end(q);
}

static void segments_go_when_time_has_passed(void **state)
{
	const struct shmq_attr attr = { .size = sizeof(attr),
					.flags = SHMQ_TOPIC,
					.retain_seconds = 1 };
	struct shmq *q = keep(&attr);
	struct shmq_producer *p = producer_join(q);
	uint64_t next = 0;

	(void)state;
	send_some(p, &next, 4 * IN_SEGMENT + 1);
	must_be(shmq_journal_compact(q), 0);
	sleep(1);
	usleep(50000);
	must_be(shmq_journal_compact(q), 4);
	must_be(lowest_file(), 4);
	/* The one that messages go to stays, however old. */
	must_be(shmq_journal_compact(q), 0);
	must_be(info_of(q).first_seq, 4 * IN_SEGMENT);
	shmq_producer_close(p);
	end(q);
}

static void what_a_group_has_not_received_stays(void **state)
{
	static const unsigned flags[] = { 0, SHMQ_EXCLUSIVE };
	const struct shmq_attr attr = { .size = sizeof(attr),
					.retain_bytes = 1 };

	(void)state;
	for (size_t k = 0; k < 2; k++) {
		struct shmq *q = keep(&attr);
		struct shmq_producer *p = producer_join(q);
		struct shmq_consumer *c;
		uint64_t next = 0, lost;

		must_be(shmq_consumer_open(&c, q, NULL, flags[k]), 0);
		send_some(p, &next, 10 * IN_SEGMENT);
		must_be(shmq_journal_compact(q), 0);
		must_be(lowest_file(), 0);
		for (uint64_t i = 0; i < 5 * IN_SEGMENT; i++) {
			must_be(receive_one(c, &lost), i);
			must_be(lost, 0);
		}
		must_be(shmq_journal_compact(q), 5);
		must_be(lowest_file(), 5);
		for (uint64_t i = 5 * IN_SEGMENT; i < next; i++)
			must_be(receive_one(c, &lost), i);
		must_be(shmq_consumer_lost(c), 0);
		send_some(p, &next, 2 * IN_SEGMENT);
		must(lowest_file() >= 8);
		shmq_consumer_close(c);
		shmq_producer_close(p);
		end(q);
	}
}

static void what_is_on_loan_stays_also_if_the_rest_is_dropped(void **state)
{
	static const unsigned flags[] = { 0, SHMQ_EXCLUSIVE };
	const struct shmq_attr attr = { .size = sizeof(attr),
					.retain_bytes = SEGMENT,
					.keep_unread = SHMQ_UNREAD_LOST };

	(void)state;
	for (size_t k = 0; k < 2; k++) {
		struct shmq *q = keep(&attr);
		struct shmq_producer *p = producer_join(q);
		struct shmq_consumer *c;
		struct shmq_msg msg;
		uint64_t next = 0, lost;

		must_be(shmq_consumer_open(&c, q, NULL, flags[k]), 0);
		send_some(p, &next, IN_SEGMENT + 1);
		must_be(receive_one(c, &lost), 0);
		must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
		send_some(p, &next, 8 * IN_SEGMENT);
		must_be(lowest_file(), 0);
		must_be(number_of(&msg), 1);
		must_be(shmq_release(c), 0);
		must_be(shmq_journal_compact(q), 8);
		/* It has the first segment mapped, and goes on there. */
		for (uint64_t i = 2; i < IN_SEGMENT; i++) {
			must_be(receive_one(c, &lost), i);
			must_be(lost, 0);
		}
		must_be(receive_one(c, &lost), 8 * IN_SEGMENT);
		must_be(lost, 7 * IN_SEGMENT);
		must_be(receive_one(c, &lost), 8 * IN_SEGMENT + 1);
		must_be(lost, 0);
		must_be(shmq_consumer_lost(c), 7 * IN_SEGMENT);
		shmq_consumer_close(c);
		shmq_producer_close(p);
		end(q);
	}
}

/* Far behind, and nobody of it was there. */
static void a_group_that_lost_messages_is_told_how_many(void **state)
{
	static const unsigned flags[] = { 0, SHMQ_EXCLUSIVE, SHMQ_TAP };
	const struct shmq_attr attr = { .size = sizeof(attr),
					.retain_bytes = SEGMENT,
					.keep_unread = SHMQ_UNREAD_LOST };

	(void)state;
	for (size_t k = 0; k < 3; k++) {
		bool tap = flags[k] == SHMQ_TAP;
		struct shmq *q = keep(&attr);
		struct shmq_producer *p = producer_join(q);
		struct shmq_consumer *c = NULL;
		uint64_t next = 0, lost, first;
		char buf[LEN];

		if (tap)
			must_be(shmq_consumer_open(&c, q, NULL, SHMQ_TAP), 0);
		send_some(p, &next, 6 * IN_SEGMENT);
		if (tap)
			for (uint64_t i = 0; i < IN_SEGMENT; i++)
				must_be(receive_one(c, &lost), i);
		must(shmq_journal_compact(q) >= 0);
		first = info_of(q).first_seq;
		must_be(first, 4 * IN_SEGMENT + IN_SEGMENT);
		if (!tap)
			must_be(shmq_consumer_open(&c, q, NULL, flags[k]), 0);
		must_be(receive_one(c, &lost), first);
		must_be(lost, tap ? first - IN_SEGMENT : first);
		must_be(shmq_consumer_lost(c), lost);
		/* Once more, with nothing to be told to but the sum. */
		send_some(p, &next, 6 * IN_SEGMENT);
		for (uint64_t i = first + 1; i < first + IN_SEGMENT; i++)
			must_be(receive_one(c, &lost), i);
		must_be(shmq_recv(c, buf, sizeof(buf), SHMQ_NOWAIT), LEN);
		must(shmq_consumer_lost(c) > first);
		(void)receive_one(c, &lost);
		must_be(lost, 0);
		shmq_consumer_close(c);
		shmq_producer_close(p);
		end(q);
	}
}

static void what_the_dead_held_stays_too(void **state)
{
	const struct shmq_attr attr = { .size = sizeof(attr),
					.retain_bytes = 1,
					.keep_unread = SHMQ_UNREAD_LOST };
	struct shmq *q = keep(&attr);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c;
	struct shmq_msg msg;
	uint64_t next = 0;

	(void)state;
	send_some(p, &next, 3 * IN_SEGMENT + 1);
	must_be(shmq_consumer_open(&c, q, NULL, 0), 0);
	must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
	/* Returned, as by one that died. */
	shmq_consumer_close(c);
	send_some(p, &next, 3 * IN_SEGMENT);
	must_be(shmq_consumer_open(&c, q, NULL, 0), 0);
	must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
	must_be(msg.flags, SHMQ_REDELIVERED);
	must_be(shmq_release(c), 0);
	must(shmq_journal_compact(q) > 0);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	end(q);
}

static void seeking_ends_at_what_is_there(void **state)
{
	const struct shmq_attr attr = { .size = sizeof(attr),
					.flags = SHMQ_TOPIC,
					.retain_bytes = 2 * SEGMENT };
	struct shmq *q = keep(&attr);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *tap, *c;
	uint64_t next = 0, lost, first;

	(void)state;
	send_some(p, &next, 9 * IN_SEGMENT);
	must(shmq_journal_compact(q) >= 0);
	first = info_of(q).first_seq;
	must(first > 0);
	must_be(shmq_consumer_open(&tap, q, NULL, SHMQ_TAP), 0);
	must_be(receive_one(tap, &lost), first);
	must_be(shmq_seek(tap, SHMQ_SEEK_SEQ, 0), 0);
	must_be(receive_one(tap, &lost), first);
	must_be(shmq_seek(tap, SHMQ_SEEK_SEQ, first + 3), 0);
	must_be(receive_one(tap, &lost), first + 3);
	must_be(shmq_seek(tap, SHMQ_SEEK_TIME, 0), 0);
	must_be(receive_one(tap, &lost), first);
	must_be(shmq_consumer_open(&c, q, "late", SHMQ_OLDEST), 0);
	must_be(receive_one(c, &lost), first);
	must_be(lost, 0);
	must_be(shmq_sync(q, SHMQ_NOWAIT), 0);
	must_be(shmq_journal_index(q), 0);
	shmq_consumer_close(c);
	shmq_consumer_close(tap);
	shmq_producer_close(p);
	end(q);
}

/* Who has raised what is the oldest may die before he has removed the files. */
static void what_a_death_leaves_goes_with_the_next(void **state)
{
	const struct shmq_attr attr = { .size = sizeof(attr),
					.flags = SHMQ_TOPIC,
					.retain_bytes = SEGMENT };
	struct shmq *q = keep(&attr);
	struct shmq_producer *p = producer_join(q);
	char from[4096], to[4096];
	uint64_t next = 0;
	unsigned oldest;

	(void)state;
	send_some(p, &next, 5 * IN_SEGMENT + 1);
	must(shmq_journal_compact(q) >= 0);
	oldest = lowest_file();
	must(oldest > 2);
	snprintf(from, sizeof(from), "%s/j/%016x.seg", shmq_runtime_dir(),
		 oldest);
	for (unsigned n = oldest - 2; n < oldest; n++) {
		snprintf(to, sizeof(to), "%s/j/%016x.seg", shmq_runtime_dir(),
			 n);
		must_be(link(from, to), 0);
	}
	must_be(info_of(q).first_seq, oldest * IN_SEGMENT);
	must_be(shmq_journal_compact(q), 0);
	must_be(lowest_file(), oldest);
	shmq_producer_close(p);
	end(q);
}

/* The tail that it read is in a segment that is gone by now. */
static void who_was_stopped_at_a_claim_makes_no_old_file(void **state)
{
	const struct shmq_attr attr = { .size = sizeof(attr),
					.flags = SHMQ_TOPIC,
					.retain_bytes = SEGMENT };
	struct shmq *q = keep(&attr);
	struct shmq_producer *p = producer_join(q), *late = producer_join(q);
	uint64_t next = 0;

	(void)state;
	send_some(p, &next, 8 * IN_SEGMENT);
	must(shmq_journal_compact(q) >= 0);
	must(lowest_file() > 4);
	must_be(shmqi_journal_find_room(late, 0, 1024), CLAIM_MOVED);
	must_be(shmqi_journal_find_room(late, 2 * SEGMENT, 2 * SEGMENT + 1024),
		CLAIM_MOVED);
	must_be(shmqi_journal_find_room(late, 3 * SEGMENT - 64,
					3 * SEGMENT + 1024),
		CLAIM_MOVED);
	for (unsigned n = 0; n <= 4; n++)
		must(!is_there(n));
	send_some(late, &next, IN_SEGMENT);
	shmq_producer_close(late);
	shmq_producer_close(p);
	end(q);
}

static bool has_index(unsigned number)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/j/%016x.idx", shmq_runtime_dir(),
		 number);
	return !access(path, F_OK);
}

/* Who was stopped with an entry, or while he built one, and who died so. */
static void an_index_that_comes_too_late_goes_too(void **state)
{
	const struct shmq_attr attr = { .size = sizeof(attr),
					.flags = SHMQ_TOPIC,
					.retain_bytes = SEGMENT };
	struct shmq *q = keep(&attr);
	struct shmq_producer *p = producer_join(q);
	uint64_t next = 0;
	char path[4096];
	unsigned oldest;

	(void)state;
	send_some(p, &next, 5 * IN_SEGMENT + 1);
	must(shmq_journal_compact(q) >= 0);
	oldest = lowest_file();
	must(oldest > 2);
	shmqi_index_note(q->seg, (struct cursor){ 0, 0, SH_NOBODY });
	must(!has_index(0));
	shmqi_index_build(q->seg, 1);
	must(!has_index(1));
	snprintf(path, sizeof(path), "%s/j/%016x.idx", shmq_runtime_dir(), 2);
	must_be(symlink("control", path), 0);
	must(has_index(2));
	must_be(shmq_journal_compact(q), 0);
	must(!has_index(2));
	/* One that is not gone is made anew, whatever stands in its place. */
	snprintf(path, sizeof(path), "%s/j/%016x.idx", shmq_runtime_dir(),
		 oldest);
	unlink(path);
	must_be(symlink("control", path), 0);
	must_be(shmqi_index_build(q->seg, oldest), 0);
	must(has_index(oldest));
	shmq_producer_close(p);
	end(q);
}

static void what_makes_no_sense_is_refused(void **state)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *q;

	(void)state;
	attr.retain_bytes = 1;
	must_be(shmq_open(&q, "j", SHMQ_CREATE, 0600, &attr), -EINVAL);
	attr.flags = SHMQ_JOURNAL;
	attr.retain_bytes = UINT64_MAX;
	must_be(shmq_open(&q, "j", SHMQ_CREATE, 0600, &attr), -EINVAL);
	attr.retain_bytes = 0;
	attr.retain_seconds = UINT64_C(1) << 40;
	must_be(shmq_open(&q, "j", SHMQ_CREATE, 0600, &attr), -EINVAL);
	attr.retain_seconds = 0;
	attr.keep_unread = 2;
	must_be(shmq_open(&q, "j", SHMQ_CREATE, 0600, &attr), -EINVAL);
	attr.keep_unread = 0;
	attr.reserved = 1;
	must_be(shmq_open(&q, "j", SHMQ_CREATE, 0600, &attr), -E2BIG);
	attr = (struct shmq_attr)SHMQ_ATTR_INIT;
	must_be(shmq_open(&q, "j", SHMQ_CREATE, 0600, &attr), 0);
	must_be(shmq_journal_compact(q), -EOPNOTSUPP);
	must_be(shmq_journal_compact(NULL), -EINVAL);
	shmq_close(q);
	must_be(shmq_unlink("j"), 0);
	attr.flags = SHMQ_JOURNAL;
	must_be(shmq_open(&q, "j", SHMQ_CREATE, 0600, &attr), 0);
	must_be(shmq_journal_compact(q), 0);
	shmq_close(q);
	must_be(shmq_open(&q, "j", SHMQ_RDONLY, 0, NULL), 0);
	must_be(shmq_journal_compact(q), -EBADF);
	shmq_close(q);
	must_be(shmq_unlink("j"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(
			segments_go_when_so_many_bytes_are_behind_them),
		TEST_IN_DIRECTORY(
			segments_go_when_so_many_messages_are_behind_them),
		TEST_IN_DIRECTORY(segments_go_when_time_has_passed),
		TEST_IN_DIRECTORY(what_a_group_has_not_received_stays),
		TEST_IN_DIRECTORY(
			what_is_on_loan_stays_also_if_the_rest_is_dropped),
		TEST_IN_DIRECTORY(a_group_that_lost_messages_is_told_how_many),
		TEST_IN_DIRECTORY(what_the_dead_held_stays_too),
		TEST_IN_DIRECTORY(seeking_ends_at_what_is_there),
		TEST_IN_DIRECTORY(what_a_death_leaves_goes_with_the_next),
		TEST_IN_DIRECTORY(who_was_stopped_at_a_claim_makes_no_old_file),
		TEST_IN_DIRECTORY(an_index_that_comes_too_late_goes_too),
		TEST_IN_DIRECTORY(what_makes_no_sense_is_refused),
	};

	return cmocka_run_group_tests_name("retain", tests, NULL, NULL);
}
