/* SPDX-License-Identifier: MIT */
/* The indexes of journals: who writes them, when, and who does without. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handle.h"
#include "index.h"
#include "journal_files.h"
#include "layout.h"
#include "support.h"

#define SEGMENT 262144
#define SPAN 1024
#define LEN 990
#define IN_SEGMENT (SEGMENT / SPAN)
#define WINDOW 16384
#define WINDOWS (SEGMENT / WINDOW)
#define IN_WINDOW (WINDOW / SPAN)

static struct shmq *journal_create(void)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *q;

	attr.flags = SHMQ_JOURNAL;
	attr.segment_bytes = SEGMENT;
	must_be(shmq_open(&q, "j", SHMQ_CREATE | SHMQ_EXCL, 0640, &attr), 0);
	return q;
}

static void send_some(struct shmq *q, uint64_t n)
{
	struct shmq_producer *p = producer_join(q);
	uint8_t buf[LEN] = { 0 };

	while (n--)
		must_be(shmq_send(p, buf, LEN, SHMQ_NOWAIT), 0);
	shmq_producer_close(p);
}

static struct shmq_consumer *tap_of(struct shmq *q)
{
	struct shmq_consumer *tap;

	must_be(shmq_consumer_open(&tap, q, NULL, SHMQ_TAP), 0);
	return tap;
}

static void must_find(struct shmq_consumer *tap, uint64_t seq)
{
	struct shmq_msg msg;

	must_be(shmq_seek(tap, SHMQ_SEEK_SEQ, seq), 0);
	must_be(shmq_receive(tap, &msg, 1, SHMQ_NOWAIT), 1);
	must_be(msg.seq, seq);
	must_be(shmq_release(tap), 0);
}

static struct sh_index entry_at(uint64_t number, unsigned window)
{
	struct sh_index entry;

	look_at("j", index_name(number), (off_t)(window * sizeof(entry)),
		&entry, sizeof(entry));
	return entry;
}

/* Each window's entry names a record in it. */
static void senders_note_each_window_in_passing(void **state)
{
	struct shmq *q = journal_create();

	(void)state;
	send_some(q, 2 * IN_SEGMENT);
	for (uint64_t k = 0; k < 2; k++)
		for (unsigned i = 0; i < WINDOWS; i++) {
			struct sh_index entry = entry_at(k, i);

			must_be(entry.pos, k * SEGMENT + i * WINDOW);
			must_be(entry.seq, k * IN_SEGMENT + i * IN_WINDOW);
		}
	shmq_close(q);
}

/* Who has walked long writes down what would have spared it; if he may. */
static void who_walks_far_writes_the_index_anew(void **state)
{
	struct shmq *q = journal_create(), *look;
	struct shmq_consumer *tap;

	(void)state;
	send_some(q, IN_SEGMENT + 5);
	must_be(unlink(path_of("j", index_name(0))), 0);
	must_be(shmq_open(&look, "j", SHMQ_RDONLY, 0, NULL), 0);
	tap = tap_of(look);
	must_find(tap, IN_SEGMENT - 1);
	must(!has_file("j", index_name(0)));
	shmq_consumer_close(tap);
	shmq_close(look);
	tap = tap_of(q);
	/* Not far: four windows at most. */
	must_find(tap, 4 * IN_WINDOW);
	must(!has_file("j", index_name(0)));
	must_find(tap, IN_SEGMENT - 1);
	must(has_file("j", index_name(0)));
	for (unsigned i = 0; i < WINDOWS; i++) {
		must_be(entry_at(0, i).pos, i * WINDOW);
		must_be(entry_at(0, i).seq, i * IN_WINDOW);
	}
	must_be(unlink(path_of("j", index_name(0))), 0);
	must_find(tap, 5 * IN_WINDOW);
	shmq_consumer_close(tap);
	shmq_close(q);
}

/* One that is missing is passed by; the walk from the next is not long. */
static void a_missing_entry_does_not_matter(void **state)
{
	static const struct sh_index none;
	struct shmq *q = journal_create();
	struct shmq_consumer *tap = tap_of(q);

	(void)state;
	send_some(q, IN_SEGMENT);
	scribble("j", index_name(0), WINDOWS / 2 * sizeof(none), &none,
		 sizeof(none));
	for (uint64_t seq = 0; seq < IN_SEGMENT; seq++)
		must_find(tap, seq);
	must_be(entry_at(0, WINDOWS / 2).check, 0);
	shmq_consumer_close(tap);
	shmq_close(q);
}

static uint64_t check_of(const struct shmq *q, struct sh_index entry)
{
	uint64_t hash = (q->seg->geo.cookie ^ entry.pos) * SH_STAMP_STEP;

	hash = ((hash ^ hash >> 32) ^ entry.seq) * SH_STAMP_STEP;
	return hash ^ hash >> 32;
}

/* It is as it should be, and there is no such record: that is looked at. */
static void an_entry_is_a_hint(void **state)
{
	static const struct sh_index wrong[] = {
		{ 5 * WINDOW, 3 * IN_WINDOW, 0 },
		{ 5 * WINDOW + 64, 5 * IN_WINDOW, 0 },
		{ 5 * WINDOW + SPAN, 5 * IN_WINDOW, 0 },
		{ 5 * WINDOW + 8, 5 * IN_WINDOW, 0 },
		{ 6 * WINDOW, 5 * IN_WINDOW, 0 },
		{ SEGMENT + 5 * WINDOW, 5 * IN_WINDOW, 0 },
	};
	struct shmq *q = journal_create();
	struct shmq_consumer *tap = tap_of(q);
	struct sh_index entry = { 5 * WINDOW, 5 * IN_WINDOW, 0 };

	(void)state;
	send_some(q, IN_SEGMENT);
	/* This is how it is made. */
	must(entry_at(0, 5).check == check_of(q, entry));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		entry = wrong[i];
		for (int right = 0; right < 2; right++) {
			entry.check = check_of(q, entry) ^ !right;
			scribble("j", index_name(0), (off_t)(5 * sizeof(entry)),
				 &entry, sizeof(entry));
			for (uint64_t seq = 4 * IN_WINDOW; seq < 8 * IN_WINDOW;
			     seq++)
				must_find(tap, seq);
		}
	}
	shmq_consumer_close(tap);
	shmq_close(q);
}

/* The right segment first; others are not walked, nor indexed. */
static void only_one_segment_is_walked(void **state)
{
	struct shmq *q = journal_create();
	struct shmq_consumer *tap = tap_of(q);

	(void)state;
	send_some(q, 3 * IN_SEGMENT);
	for (uint64_t k = 0; k < 3; k++)
		must_be(unlink(path_of("j", index_name(k))), 0);
	must_find(tap, 2 * IN_SEGMENT + 2);
	must_find(tap, IN_SEGMENT);
	for (uint64_t k = 0; k < 3; k++)
		must(!has_file("j", index_name(k)));
	/* All at once. */
	must_be(shmq_journal_index(q), 0);
	for (uint64_t k = 0; k < 3; k++)
		for (unsigned i = 0; i < WINDOWS; i++)
			must_be(entry_at(k, i).seq,
				k * IN_SEGMENT + i * IN_WINDOW);
	shmq_consumer_close(tap);
	shmq_close(q);
}

/* A link to somebody else's file is not followed. */
static void an_index_is_a_file_of_the_journal(void **state)
{
	static const char words[] = "somebody's words";
	struct shmq *q = journal_create();
	char got[sizeof(words)];
	struct stat st;

	(void)state;
	send_some(q, IN_SEGMENT);
	must_be(close(open(path_of("words", ""), O_CREAT | O_RDWR, 0600)), 0);
	scribble("words", "", 0, words, sizeof(words));
	must_be(unlink(path_of("j", index_name(0))), 0);
	must_be(symlink(path_of("words", ""), path_of("j", index_name(0))), 0);
	must_be(shmq_journal_index(q), 0);
	must_be(lstat(path_of("j", index_name(0)), &st), 0);
	must(S_ISREG(st.st_mode));
	must_be(st.st_mode & 0777, 0640);
	must_be(entry_at(0, 1).pos, WINDOW);
	look_at("words", "", 0, got, sizeof(got));
	must(!memcmp(got, words, sizeof(words)));
	/* Of nothing there is none. */
	must_be(shmqi_index_build(q->seg, 1), 0);
	must(!has_file("j", index_name(1)));
	shmq_close(q);
}

/* What is known of some is not taken for what is known of others. */
static void many_segments_are_told_apart(void **state)
{
	struct shmq *q = journal_create();
	struct shmq_consumer *tap = tap_of(q);
	uint64_t k;

	(void)state;
	send_some(q, 70 * IN_SEGMENT);
	for (k = 0; k < 70; k += 3)
		must_find(tap, k * IN_SEGMENT + 1);
	for (k = 70; k--;)
		must_find(tap, k * IN_SEGMENT + 1);
	/* The end, where nothing is yet. */
	must_be(shmq_seek(tap, SHMQ_SEEK_SEQ, 70 * IN_SEGMENT + 1), -ERANGE);
	must_be(shmq_seek(tap, SHMQ_SEEK_SEQ, 70 * IN_SEGMENT), 0);
	send_some(q, 1);
	{
		struct shmq_msg msg;

		must_be(shmq_receive(tap, &msg, 1, SHMQ_NOWAIT), 1);
		must_be(msg.seq, 70 * IN_SEGMENT);
	}
	shmq_consumer_close(tap);
	shmq_close(q);
}

/* Not at what is still being sent before it. */
static void the_end_is_behind_what_is_being_sent(void **state)
{
	struct shmq *q = journal_create();
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *tap = tap_of(q);
	struct shmq_msg msg;
	void *room;

	(void)state;
	send_some(q, 5);
	must_be(shmq_reserve(p, 10, &room, SHMQ_NOWAIT), 0);
	must_be(shmq_seek(tap, SHMQ_SEEK_SEQ, 6), 0);
	memset(room, 0, 10);
	must_be(shmq_commit(p, 10), 0);
	send_some(q, 1);
	must_be(shmq_receive(tap, &msg, 1, SHMQ_NOWAIT), 1);
	must_be(msg.seq, 6);
	shmq_consumer_close(tap);
	shmq_producer_close(p);
	shmq_close(q);
}

/* The group is there then, whether anything is received there or not. */
static void where_a_group_was_sought_it_stays(void **state)
{
	static const uint64_t places[] = { 30, 50, 5, 40 };
	struct shmq *q = journal_create();

	(void)state;
	send_some(q, 60);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct shmq_consumer *c = consumer_join(q, SHMQ_EXCLUSIVE);
		struct shmq_msg msg;

		for (int n = 0; n < 3; n++)
			must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
		must_be(shmq_seek(c, SHMQ_SEEK_SEQ, 7), -EBUSY);
		must_be(shmq_release(c), 0);
		must_be(shmq_seek(c, SHMQ_SEEK_SEQ, places[i]), 0);
		must_be(stat_of(q).depth_messages, 60 - places[i]);
		shmq_consumer_close(c);
		c = consumer_join(q, SHMQ_EXCLUSIVE);
		must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
		must_be(msg.seq, places[i]);
		must_be(shmq_release(c), 0);
		shmq_consumer_close(c);
	}
	shmq_close(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(senders_note_each_window_in_passing),
		TEST_IN_DIRECTORY(who_walks_far_writes_the_index_anew),
		TEST_IN_DIRECTORY(a_missing_entry_does_not_matter),
		TEST_IN_DIRECTORY(an_entry_is_a_hint),
		TEST_IN_DIRECTORY(only_one_segment_is_walked),
		TEST_IN_DIRECTORY(an_index_is_a_file_of_the_journal),
		TEST_IN_DIRECTORY(many_segments_are_told_apart),
		TEST_IN_DIRECTORY(the_end_is_behind_what_is_being_sent),
		TEST_IN_DIRECTORY(where_a_group_was_sought_it_stays),
	};

	return cmocka_run_group_tests_name("index", tests, NULL, NULL);
}
