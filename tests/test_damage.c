/* SPDX-License-Identifier: MIT */
/*
 * Damaged journals: what is not damaged is found, by number and by walking,
 * whatever has become of one segment file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handle.h"
#include "support.h"

#define SEGMENT 65536
#define IN_SEGMENT 1024 /* messages of 4 bytes: each takes a line */
#define MESSAGES (6 * IN_SEGMENT - 10)

static const char *segment_path(unsigned number)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/j/%016x.seg", shmq_runtime_dir(),
		 number);
	return path;
}

/* Without the first so many segments, and nobody has it open. */
static struct shmq *journal_from(unsigned oldest)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq_producer *p;
	struct shmq *q;

	attr.flags = SHMQ_JOURNAL | SHMQ_TOPIC;
	attr.segment_bytes = SEGMENT;
	attr.retain_messages = oldest ? MESSAGES - oldest * IN_SEGMENT : 0;
	must_be(shmq_open(&q, "j", SHMQ_CREATE | SHMQ_EXCL, 0600, &attr), 0);
	p = producer_join(q);
	for (uint32_t i = 0; i < MESSAGES; i++)
		must_be(shmq_send(p, &i, sizeof(i), SHMQ_NOWAIT), 0);
	shmq_producer_close(p);
	must(shmq_journal_compact(q) >= 0);
	shmq_close(q);
	return queue_open("j");
}

static void scribble(unsigned segment, off_t where, const char *what, size_t n)
{
	int fd = open(segment_path(segment), O_WRONLY);

	must(fd >= 0);
	must_be(pwrite(fd, what, n, where), n);
	close(fd);
}

/* -------------------------------------------------------- ways to do damage */

static void zero_the_first(unsigned segment)
{
	static const char zeros[64];

	scribble(segment, 0, zeros, sizeof(zeros));
}

static void scribble_the_first(unsigned segment)
{
	scribble(segment, 0, "\1\2\3\4\5\6\7", 7);
}

static void lengthen_the_first(unsigned segment)
{
	scribble(segment, 8, "\377\377\377\177", 4);
}

static void remove_it(unsigned segment)
{
	must_be(unlink(segment_path(segment)), 0);
}

static void make_it_a_directory(unsigned segment)
{
	remove_it(segment);
	must_be(mkdir(segment_path(segment), 0700), 0);
}

static void make_it_a_link(unsigned segment)
{
	remove_it(segment);
	must_be(symlink("/dev/zero", segment_path(segment)), 0);
}

static void make_it_a_fifo(unsigned segment)
{
	remove_it(segment);
	must_be(mkfifo(segment_path(segment), 0600), 0);
}

static void truncate_it(unsigned segment)
{
	must_be(truncate(segment_path(segment), SEGMENT / 2), 0);
}

static void lengthen_it(unsigned segment)
{
	must_be(truncate(segment_path(segment), SEGMENT + 4096), 0);
}

/* All in it is whole, and of another place. */
static void copy_the_next(unsigned segment)
{
	static char all[SEGMENT];
	int fd = open(segment_path(segment + 1), O_RDONLY);

	must(fd >= 0);
	must_be(read(fd, all, SEGMENT), SEGMENT);
	close(fd);
	scribble(segment, 0, all, SEGMENT);
}

static const struct {
	void (*damage)(unsigned segment);
	unsigned lost; /* messages */
} ways[] = {
	{ zero_the_first, 1 },
	{ scribble_the_first, 1 },
	{ lengthen_the_first, 1 },
	{ remove_it, IN_SEGMENT },
	{ make_it_a_directory, IN_SEGMENT },
	{ make_it_a_link, IN_SEGMENT },
	{ make_it_a_fifo, IN_SEGMENT },
	{ truncate_it, IN_SEGMENT },
	{ lengthen_it, IN_SEGMENT },
	{ copy_the_next, IN_SEGMENT },
};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

/* ------------------------------------------------------------------- looks */

static struct shmq_consumer *tap_of(struct shmq *q)
{
	struct shmq_consumer *tap;

	must_be(shmq_consumer_open(&tap, q, NULL, SHMQ_TAP), 0);
	return tap;
}

static void must_find(struct shmq_consumer *c, uint32_t number)
{
	uint32_t got;

	must_be(shmq_seek(c, SHMQ_SEEK_SEQ, number), 0);
	must_be(shmq_recv(c, &got, sizeof(got), SHMQ_NOWAIT), sizeof(got));
	must_be(got, number);
}

/* Numbers [from, from + n) cannot be read, all others can. */
static void must_find_all_but(struct shmq *q, uint32_t oldest, uint32_t from,
			      uint32_t n)
{
	struct shmq_consumer *tap = tap_of(q), *c;

	must_be(shmq_consumer_open(&c, q, "g", SHMQ_EXCLUSIVE | SHMQ_NEWEST),
		0);
	for (uint32_t i = oldest; i < MESSAGES; i += 127) {
		if (i >= from && i < from + n)
			continue;
		must_find(tap, i);
		must_find(c, i);
	}
	must_be(shmq_seek(tap, SHMQ_SEEK_SEQ, from), -EBADMSG);
	must_find(tap, from + n);
	must_find(c, from + n);
	shmq_consumer_close(c);
	shmq_consumer_close(tap);
}

static void must_walk_all_but(struct shmq *q, uint32_t oldest, uint32_t from,
			      uint32_t n)
{
	struct shmq_consumer *tap = tap_of(q);
	uint32_t got, next = oldest;
	unsigned gaps = 0;
	int r;

	do {
		while (shmq_recv(tap, &got, sizeof(got), SHMQ_NOWAIT) >= 0) {
			if (next == from)
				next += n;
			must_be(got, next++);
		}
		r = shmq_tap_skip(tap, NULL, NULL);
		gaps += r == SHMQ_SKIPPED_DAMAGE;
	} while (r > 0);
	must_be(r, 0);
	must_be(next, MESSAGES);
	must_be(gaps, 1);
	shmq_consumer_close(tap);
}

/* ------------------------------------------------------------------ bodies */

static void one_segment(unsigned oldest, unsigned segment)
{
	for (size_t i = 0; i < WAYS; i++) {
		struct shmq_journal_info info = SHMQ_JOURNAL_INFO_INIT;
		struct shmq *q = journal_from(oldest);
		uint32_t from = segment * IN_SEGMENT;

		ways[i].damage(segment);
		must_be(shmq_journal_info(q, &info), 0);
		if (segment != oldest)
			must_be(info.first_seq, oldest * IN_SEGMENT);
		/* Of what is all gone only the end is known. */
		must(info.first_seq >= oldest * IN_SEGMENT);
		must(info.first_seq < oldest * IN_SEGMENT + ways[i].lost);
		must_be(info.next_seq, MESSAGES);
		must_be(shmq_journal_verify(q, NULL, NULL), 1);
		must_find_all_but(q, oldest * IN_SEGMENT, from, ways[i].lost);
		must_walk_all_but(q, oldest * IN_SEGMENT, from, ways[i].lost);
		shmq_close(q);
		rmdir(segment_path(segment));
		must_be(shmq_unlink("j"), 0);
	}
}

static void damage_in_the_middle_hides_nothing_else(void **state)
{
	(void)state;
	one_segment(0, 3);
}

static void damage_at_the_beginning_hides_nothing_else(void **state)
{
	(void)state;
	one_segment(2, 2);
	one_segment(0, 0);
}

/* The walk past damage has an end, whatever the tail says. */
static void a_tail_far_away_is_damage_too(void **state)
{
	struct shmq *q = journal_from(0);
	struct shmq_consumer *tap = tap_of(q);

	(void)state;
	store_relaxed(&q->seg->control->tail.at.lo, SH_POS_MAX - 64);
	must_be(shmq_journal_verify(q, NULL, NULL), 1);
	must_be(shmq_seek(tap, SHMQ_SEEK_SEQ, 10), 0);
	shmq_consumer_close(tap);
	shmq_close(q);
}

/* It goes with the rest, if only a little later. */
static void damage_does_not_stop_retention(void **state)
{
	(void)state;
	for (size_t i = 0; i < WAYS; i++) {
		struct shmq_journal_info info = SHMQ_JOURNAL_INFO_INIT;
		struct shmq_attr attr = SHMQ_ATTR_INIT;
		struct shmq_producer *p;
		struct shmq *q;

		attr.flags = SHMQ_JOURNAL | SHMQ_TOPIC;
		attr.segment_bytes = SEGMENT;
		attr.retain_messages = 3 * IN_SEGMENT;
		must_be(shmq_open(&q, "j", SHMQ_CREATE, 0600, &attr), 0);
		p = producer_join(q);
		for (uint32_t n = 0; n < 8 * IN_SEGMENT; n++) {
			must_be(shmq_send(p, &n, sizeof(n), SHMQ_NOWAIT), 0);
			if (n == 3 * IN_SEGMENT)
				ways[i].damage(1);
		}
		must_be(shmq_send(p, "end", 4, SHMQ_NOWAIT), 0);
		must(shmq_journal_compact(q) >= 0);
		must_be(shmq_journal_info(q, &info), 0);
		must_be(info.first_seq, 5 * IN_SEGMENT);
		must_be(shmq_journal_verify(q, NULL, NULL), 0);
		shmq_producer_close(p);
		shmq_close(q);
		rmdir(segment_path(1));
		must_be(shmq_unlink("j"), 0);
	}
}

/* What somebody is just sending is no damage, and hides nothing either. */
static void an_unfinished_send_is_no_damage(void **state)
{
	static const uint64_t kinds[] = { 0, SHMQ_SINGLE_PRODUCER };

	(void)state;
	for (size_t k = 0; k < 2; k++) {
		struct shmq_attr attr = SHMQ_ATTR_INIT;
		struct shmq_producer *p, *other = NULL;
		struct shmq_consumer *tap;
		struct shmq *q;
		void *room;

		attr.flags = SHMQ_JOURNAL | SHMQ_TOPIC | kinds[k];
		attr.segment_bytes = SEGMENT;
		must_be(shmq_open(&q, "j", SHMQ_CREATE, 0600, &attr), 0);
		p = producer_join(q);
		for (uint32_t i = 0; i < 20; i++)
			must_be(shmq_send(p, &i, sizeof(i), SHMQ_NOWAIT), 0);
		must_be(shmq_reserve(p, 4, &room, SHMQ_NOWAIT), 0);
		if (!k)
			other = producer_join(q);
		for (uint32_t i = 21; other && i < 30; i++)
			must_be(shmq_send(other, &i, sizeof(i), SHMQ_NOWAIT),
				0);
		must_be(shmq_journal_verify(q, NULL, NULL), 0);
		must_be(shmq_check(q, NULL, NULL), 0);
		tap = tap_of(q);
		must_find(tap, 19);
		if (other)
			must_find(tap, 25);
		must_be(shmq_seek(tap, SHMQ_SEEK_SEQ, 20), 0);
		must_be(shmq_recv(tap, room, 4, SHMQ_NOWAIT), -EAGAIN);
		must_be(shmq_seek(tap, SHMQ_SEEK_TIME, UINT64_MAX), 0);
		must_be(shmq_recv(tap, room, 4, SHMQ_NOWAIT), -EAGAIN);
		shmq_consumer_close(tap);
		shmq_producer_close(other);
		shmq_producer_close(p);
		shmq_close(q);
		must_be(shmq_unlink("j"), 0);
	}
}

/* More segments gone than ever were. */
static void a_range_that_is_none_is_damage(void **state)
{
	struct shmq *q = journal_from(0);
	struct shmq_consumer *tap = tap_of(q);
	static const unsigned where[] = { SHMQ_SEEK_OLDEST, SHMQ_SEEK_SEQ,
					  SHMQ_SEEK_TIME };

	(void)state;
	store_release(&q->seg->control->oldest, 100);
	for (int i = 0; i < 3; i++)
		must_be(shmq_seek(tap, where[i], 1), -EBADMSG);
	shmq_consumer_close(tap);
	shmq_close(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(damage_in_the_middle_hides_nothing_else),
		TEST_IN_DIRECTORY(damage_at_the_beginning_hides_nothing_else),
		TEST_IN_DIRECTORY(a_tail_far_away_is_damage_too),
		TEST_IN_DIRECTORY(damage_does_not_stop_retention),
		TEST_IN_DIRECTORY(an_unfinished_send_is_no_damage),
		TEST_IN_DIRECTORY(a_range_that_is_none_is_damage),
	};

	return cmocka_run_group_tests_name("damage", tests, NULL, NULL);
}
