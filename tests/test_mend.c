/* SPDX-License-Identifier: MIT */
/*
 * Journals after the machine went down. A copy of the directory is what a disk
 * gives back: another file, so what is shared in it is not believed. Here it is
 * torn, stale and scribbled on before it is opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cursor.h"
#include "handle.h"
#include "journal_files.h"
#include "layout.h"
#include "pattern.h"
#include "ring.h"
#include "support.h"

#define SEGMENT 65536
#define MESSAGES 1500

static struct shmq *journal_create(void)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *q;

	attr.flags = SHMQ_JOURNAL;
	attr.segment_bytes = SEGMENT;
	must_be(shmq_open(&q, "j", SHMQ_CREATE | SHMQ_EXCL, 0600, &attr), 0);
	return q;
}

static size_t length_of(uint64_t number)
{
	struct chance chance = chance_of(number, 5);

	return chance_below(&chance, chance_below(&chance, 8) ? 300 : 8000);
}

static void send_numbers(struct shmq *q, uint64_t from, uint64_t to)
{
	struct shmq_producer *p = producer_join(q);
	static uint8_t buf[8000];

	for (; from < to; from++) {
		size_t len = length_of(from);

		pattern_fill(buf, len, from);
		must_be(shmq_send(p, buf, len, SHMQ_NOWAIT), 0);
	}
	shmq_producer_close(p);
}

/* All that comes, in order from number on; how many, and how many flagged. */
static uint64_t take(struct shmq_consumer *c, uint64_t number, uint64_t max,
		     uint64_t *flagged)
{
	struct shmq_msg msg;
	uint64_t n = 0, again = 0;

	while (n < max && shmq_receive(c, &msg, 1, SHMQ_NOWAIT) == 1) {
		must_be(msg.seq, number + n);
		must_be(msg.len, length_of(msg.seq));
		must(pattern_matches(msg.data, msg.len, msg.seq));
		again += msg.flags & SHMQ_REDELIVERED;
		n++;
		must_be(shmq_release(c), 0);
	}
	if (flagged)
		*flagged = again;
	return n;
}

/* Skipped records at segment ends use numbers up: what really is message n? */
static void must_go_on(struct shmq *q, uint64_t from)
{
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c;
	struct shmq_msg msg;

	must_be(info_of(q).next_seq, from);
	must_be(shmq_send(p, "on", 2, SHMQ_NOWAIT), 0);
	must_be(shmq_consumer_open(&c, q, NULL, SHMQ_TAP), 0);
	must_be(shmq_seek(c, SHMQ_SEEK_SEQ, from), 0);
	must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
	must(msg.seq >= from && msg.seq <= from + 1);
	must_be(msg.len, 2);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	must_be(shmq_check(q, NULL, NULL), 0);
	must_be(shmq_journal_verify(q, NULL, NULL), 0);
}

/* ------------------------------------------------------------------ bodies */

/* Without segment ends between them numbers are those of the messages. */
#define FEW 60

static void a_copy_has_everything_and_says_so(void **state)
{
	struct shmq *q = journal_create();
	struct shmq_consumer *c = consumer_join(q, 0);
	uint64_t flagged;

	(void)state;
	send_numbers(q, 0, FEW);
	must_be(take(c, 0, 50, &flagged), 50);
	must_be(flagged, 0);
	copy_journal("j", "copy");
	shmq_consumer_close(c);
	must_be(info_of(q).mended_ns, 0);
	shmq_close(q);

	must_be(shmq_open(&q, "copy", SHMQ_RDONLY, 0, NULL), -EUCLEAN);
	q = queue_open("copy");
	must(info_of(q).mended_ns > 0);
	must_be(info_of(q).mended_bytes, 0);
	must_be(stat_of(q).members, 0);
	c = consumer_join(q, 0);
	must_be(take(c, 50, FEW, &flagged), info_of(q).next_seq - 50);
	must_be(flagged, info_of(q).next_seq - 50);
	shmq_consumer_close(c);
	must_go_on(q, info_of(q).next_seq);
	shmq_close(q);
	must_be(shmq_open(&q, "copy", SHMQ_RDONLY, 0, NULL), 0);
	shmq_close(q);
}

/* Its last segment was never named on the disk: it ends with the one before. */
static void the_end_of_a_segment_is_an_end(void **state)
{
	struct shmq *q = journal_create();
	struct shmq_consumer *c;
	uint64_t last, n = 0;
	char buf[8000];
	ssize_t r;

	(void)state;
	send_numbers(q, 0, 10 * FEW);
	last = info_of(q).segments - 1;
	must(last >= 1);
	copy_journal("j", "copy");
	shmq_close(q);
	must_be(unlink(path_of("copy", segment_name(last))), 0);
	q = queue_open("copy");
	must_be(info_of(q).segments, last);
	c = consumer_join(q, 0);
	while ((r = shmq_recv(c, buf, sizeof(buf), SHMQ_NOWAIT)) >= 0)
		n++;
	must_be(r, -EAGAIN);
	must(n > FEW);
	shmq_consumer_close(c);
	must_go_on(q, info_of(q).next_seq);
	shmq_close(q);
}

/* Where each message of the journal is. */
struct place {
	uint64_t pos;
	uint64_t seq;
	uint64_t end;
};

static unsigned places_of(const char *journal, uint64_t cookie,
			  struct place *places, unsigned max)
{
	static _Alignas(64) char data[2 * SEGMENT];
	struct place at = { 0, 0, 0 };
	unsigned n = 0;

	for (uint64_t k = 0; n < max; k++) {
		int fd = open(path_of(journal, segment_name(k)), O_RDONLY);
		struct ring ring = { .base = data,
				     .mask = SEGMENT - 1,
				     .cookie = cookie,
				     .max_message = SEGMENT / 4,
				     .sealed = true };
		struct found found;

		if (fd < 0)
			break;
		must_be(read(fd, data, SEGMENT), SEGMENT);
		close(fd);
		while (n < max && at.pos < (k + 1) * SEGMENT &&
		       record_published(&ring, at.pos, at.seq)) {
			must(record_read(&ring, at.pos, &found));
			at.end = at.pos + found.span;
			places[n++] = at;
			at.pos = at.end;
			at.seq += found.count;
		}
	}
	return n;
}

static void the_torn_end_is_cut(void **state)
{
	struct chance chance = chance_of(chance_seed(), 0);
	static struct place places[2 * MESSAGES];
	struct shmq *q = journal_create();
	uint64_t cookie = q->seg->geo.cookie;
	unsigned n;

	(void)state;
	send_numbers(q, 0, MESSAGES);
	shmq_close(q);
	n = places_of("j", cookie, places, 2 * MESSAGES);
	must(n > MESSAGES);
	for (int round = 0; round < 40; round++) {
		unsigned victim = (unsigned)chance_below(&chance, n);
		const struct place *at = &places[victim];
		uint64_t bytes = at->end - at->pos;
		char byte = 0x55;
		off_t where = (off_t)(at->pos % SEGMENT +
				      chance_below(&chance, 16));

		copy_journal("j", "copy");
		/* A byte of its header; or, often, a page that never came. */
		if (round % 2) {
			static const char zeros[64];

			where = (off_t)(at->pos % SEGMENT);
			scribble("copy", segment_name(at->pos / SEGMENT), where,
				 zeros, 64);
		} else {
			int fd = open(path_of("copy",
					      segment_name(at->pos / SEGMENT)),
				      O_RDWR);

			must_be(pread(fd, &byte, 1, where), 1);
			byte ^= (char)(1 << chance_below(&chance, 8));
			must_be(pwrite(fd, &byte, 1, where), 1);
			close(fd);
		}
		q = queue_open("copy");
		must_be(info_of(q).next_seq, at->seq);
		must(info_of(q).mended_bytes >= bytes);
		must_be(shmq_check(q, NULL, NULL), 0);
		must_go_on(q, at->seq);
		shmq_close(q);
		must_be(shmq_unlink("copy"), 0);
	}
}

/* A payload whose last bytes did not come is not whole. */
static void a_payload_is_checked(void **state)
{
	static struct place places[FEW + 50];
	struct shmq *q = journal_create();
	uint64_t cookie = q->seg->geo.cookie;
	char byte = 1;
	unsigned n;

	(void)state;
	send_numbers(q, 0, FEW);
	shmq_close(q);
	n = places_of("j", cookie, places, FEW + 50);
	for (unsigned i = 0; i < n; i += 13) {
		const struct place *at = &places[i];
		size_t len = length_of(i);

		if (at->seq != i || !len)
			break;
		copy_journal("j", "copy");
		pattern_fill(&byte, 1, i);
		byte = 0x7f;
		scribble("copy", segment_name(at->pos / SEGMENT),
			 (off_t)(at->pos % SEGMENT + 16 + len - 1), &byte, 1);
		q = queue_open("copy");
		must(info_of(q).next_seq == i ||
		     info_of(q).next_seq == places[n - 1].seq + 1);
		must_be(shmq_journal_verify(q, NULL, NULL), 0);
		shmq_close(q);
		must_be(shmq_unlink("copy"), 0);
	}
}

/* The control file is a page that was written back early, or late. */
static void a_stale_or_scribbled_control_file_is_mended(void **state)
{
	struct chance chance = chance_of(chance_seed(), 1);
	struct shmq *q = journal_create();
	uint64_t next;

	(void)state;
	send_numbers(q, 0, MESSAGES);
	next = info_of(q).next_seq;
	shmq_close(q);
	for (int round = 0; round < 60; round++) {
		struct shmq_consumer *c;
		struct shmq_msg msg;
		uint64_t last = 0;
		uint64_t words[8];

		copy_journal("j", "copy");
		for (int i = 0; i < 8; i++)
			words[i] = chance_next(&chance) >>
				   chance_below(&chance, 64);
		/* The tail; all bells; the default group's cursor. */
		scribble("copy", "control", SH_CONTROL_OFF, words, 16);
		scribble("copy", "control", SH_CONTROL_OFF + 128, words, 16);
		scribble("copy", "control", SH_GROUPS_OFF, words + 2, 16);
		/* A member, dead long ago: any claim words. */
		scribble("copy", "control",
			 SH_GROUPS_OFF + 16 * 256 +
				 (off_t)chance_below(&chance, 20000) / 8 * 8,
			 words, 64);
		q = queue_open("copy");
		must_be(info_of(q).next_seq, next);
		must_be(shmq_check(q, NULL, NULL), 0);
		c = consumer_join(q, 0);
		while (shmq_receive(c, &msg, 1, SHMQ_NOWAIT) == 1) {
			must(msg.seq >= last);
			must_be(msg.flags, SHMQ_REDELIVERED);
			last = msg.seq + 1;
			must_be(shmq_release(c), 0);
		}
		shmq_consumer_close(c);
		shmq_close(q);
		must_be(shmq_unlink("copy"), 0);
	}
}

static void damage_in_what_was_synced_cuts_nothing(void **state)
{
	static struct place places[2 * MESSAGES];
	struct shmq *q = journal_create();
	uint64_t cookie = q->seg->geo.cookie, next;
	unsigned n;

	(void)state;
	send_numbers(q, 0, MESSAGES);
	must_be(shmq_sync(q, SHMQ_NOWAIT), 0);
	next = info_of(q).next_seq;
	shmq_close(q);
	n = places_of("j", cookie, places, 2 * MESSAGES);
	/* Only the last segment is walked. */
	for (unsigned i = n - 1;
	     places[i].pos / SEGMENT == places[n - 1].pos / SEGMENT; i--) {
		static const char junk[16] = "not a record...";

		copy_journal("j", "copy");
		scribble("copy", segment_name(places[i].pos / SEGMENT),
			 (off_t)(places[i].pos % SEGMENT), junk, 16);
		q = queue_open("copy");
		/* Of the last one nobody can say that it was there. */
		if (i < n - 1 && places[i].pos % SEGMENT) {
			must_be(info_of(q).next_seq, next);
			must_be(info_of(q).mended_bytes, 0);
			must_be(shmq_journal_verify(q, NULL, NULL), 1);
		}
		shmq_close(q);
		must_be(shmq_unlink("copy"), 0);
	}
}

/* What was not synced begins where what was synced ends, damaged or not. */
static void damage_at_the_end_of_what_was_synced_cuts_nothing(void **state)
{
	static struct place places[2 * MESSAGES];
	struct shmq *q = journal_create();
	uint64_t cookie = q->seg->geo.cookie, next, synced;
	unsigned n;

	(void)state;
	send_numbers(q, 0, MESSAGES / 2);
	must_be(shmq_sync(q, SHMQ_NOWAIT), 0);
	synced = load_relaxed(&q->seg->control->synced.lo);
	send_numbers(q, MESSAGES / 2, MESSAGES);
	next = info_of(q).next_seq;
	shmq_close(q);
	n = places_of("j", cookie, places, 2 * MESSAGES);
	while (places[n - 1].pos >= synced)
		n--;
	copy_journal("j", "copy");
	scribble("copy", segment_name(places[n - 1].pos / SEGMENT),
		 (off_t)(places[n - 1].pos % SEGMENT), "not a record...", 16);
	q = queue_open("copy");
	must_be(info_of(q).next_seq, next);
	must_be(info_of(q).mended_bytes, 0);
	must_be(shmq_journal_verify(q, NULL, NULL), 1);
	shmq_close(q);
}

/* How many come, the first number as it should be. */
static uint64_t count_from(struct shmq_consumer *c, uint64_t seq)
{
	struct shmq_msg msg;
	uint64_t n = 0;

	for (; shmq_receive(c, &msg, 1, SHMQ_NOWAIT) == 1; n++) {
		must(n ? msg.seq >= seq : msg.seq == seq);
		must_be(msg.lost, 0);
		seq = msg.seq + 1;
		must_be(shmq_release(c), 0);
	}
	return n;
}

/* What was not synced ends at a missing file, and leaves no later one. */
static void a_gap_ends_what_was_not_synced(void **state)
{
	struct shmq *q = journal_create();
	struct shmq_consumer *c;
	uint64_t n;

	(void)state;
	send_numbers(q, 0, MESSAGES);
	copy_journal("j", "copy");
	must_be(unlink(path_of("copy", segment_name(3))), 0);
	must_be(access(path_of("copy", segment_name(5)), F_OK), 0);
	shmq_close(q);
	must_be(shmq_open(&q, "copy", 0, 0, NULL), 0);
	must(access(path_of("copy", segment_name(5)), F_OK));
	c = consumer_join(q, 0);
	n = count_from(c, 0);
	must(n > 0 && n < MESSAGES);
	must_be(shmq_journal_verify(q, NULL, NULL), 0);
	shmq_consumer_close(c);
	shmq_close(q);
}

/* Retention was on the way: what is below a gap is not the beginning. */
static void a_gap_below_what_was_synced_is_where_it_begins(void **state)
{
	struct shmq *q = journal_create();
	struct shmq_consumer *c;

	(void)state;
	send_numbers(q, 0, MESSAGES);
	must_be(shmq_sync(q, SHMQ_NOWAIT), 0);
	copy_journal("j", "copy");
	must_be(unlink(path_of("copy", segment_name(1))), 0);
	shmq_close(q);
	must_be(shmq_open(&q, "copy", 0, 0, NULL), 0);
	must(info_of(q).first_seq > 0);
	must_be(shmq_journal_verify(q, NULL, NULL), 0);
	c = consumer_join(q, 0);
	must(count_from(c, info_of(q).first_seq) > 0);
	shmq_consumer_close(c);
	shmq_close(q);
}

static void what_was_held_is_delivered_again(void **state)
{
	struct shmq *q = journal_create();
	struct shmq_consumer *c = consumer_join(q, 0);
	struct shmq_msg msgs[20];
	uint64_t flagged;
	int n;

	(void)state;
	send_numbers(q, 0, FEW);
	must_be(take(c, 0, 30, NULL), 30);
	n = shmq_receive(c, msgs, 20, SHMQ_NOWAIT);
	must(n > 0);
	/* The machine goes down here. */
	copy_journal("j", "copy");
	shmq_consumer_close(c);
	shmq_close(q);
	q = queue_open("copy");
	c = consumer_join(q, 0);
	must(take(c, 30, FEW, &flagged) >= (uint64_t)n);
	must(flagged >= (uint64_t)n);
	shmq_consumer_close(c);
	shmq_close(q);
}

static void a_death_while_mending_is_mended(void **state)
{
	struct shmq *q = journal_create();
	uint64_t next, identity[2] = { 0, 0 };

	(void)state;
	send_numbers(q, 0, FEW);
	next = info_of(q).next_seq;
	shmq_close(q);
	copy_journal("j", "copy");
	for (int i = 0; i < 3; i++) {
		q = queue_open("copy");
		must_be(info_of(q).next_seq, next);
		shmq_close(q);
		/* As if it had died before it said that all is true. */
		scribble("copy", "control", SH_CONTROL_OFF + 416, identity, 16);
	}
}

static void seeking_finds_every_message(void **state)
{
	static struct place places[2 * MESSAGES];
	struct shmq *q = journal_create();
	struct shmq_consumer *tap, *c;
	unsigned n;

	(void)state;
	send_numbers(q, 0, MESSAGES);
	n = places_of("j", q->seg->geo.cookie, places, 2 * MESSAGES);
	must_be(shmq_consumer_open(&tap, q, NULL, SHMQ_TAP), 0);
	c = consumer_join(q, SHMQ_EXCLUSIVE);
	for (int with = 0; with < 3; with++) {
		for (unsigned i = 0; i < n; i += 7) {
			uint64_t seq = places[n - 1 - i].seq;
			struct shmq_msg msg;

			must_be(shmq_seek(tap, SHMQ_SEEK_SEQ, seq), 0);
			must_be(shmq_receive(tap, &msg, 1, SHMQ_NOWAIT), 1);
			/* One that is skipped is at a segment's end. */
			must(msg.seq == seq || msg.seq == seq + 1);
			must_be(shmq_release(tap), 0);
			must_be(shmq_seek(c, SHMQ_SEEK_SEQ, seq), 0);
			must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
			must(msg.seq == seq || msg.seq == seq + 1);
			must_be(shmq_seek(c, SHMQ_SEEK_OLDEST, 0), -EBUSY);
			must_be(shmq_release(c), 0);
		}
		/* Then without an index, and with one that is nonsense. */
		for (uint64_t k = 0; k < 30; k++) {
			char name[32];

			snprintf(name, sizeof(name), "%016llx.idx",
				 (unsigned long long)k);
			unlink(path_of("j", name));
			if (with == 1) {
				char junk[24 * 64];
				int fd = open(path_of("j", name),
					      O_CREAT | O_WRONLY, 0600);

				memset(junk, (int)k + 1, sizeof(junk));
				must(fd >= 0);
				must(write(fd, junk, sizeof(junk)) > 0);
				close(fd);
			}
		}
	}
	must_be(shmq_seek(tap, SHMQ_SEEK_SEQ, info_of(q).next_seq + 1),
		-ERANGE);
	must_be(shmq_journal_index(q), 0);
	shmq_consumer_close(c);
	shmq_consumer_close(tap);
	shmq_close(q);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void seeking_finds_a_time(void **state)
{
	struct shmq *q = journal_create();
	struct shmq_consumer *tap;
	uint64_t before = now_ns() - 100000000, middle, seq;
	struct shmq_msg msg;

	(void)state;
	send_numbers(q, 0, MESSAGES / 2);
	seq = info_of(q).next_seq;
	usleep(50000);
	middle = now_ns() - 10000000;
	send_numbers(q, 0, MESSAGES / 2);
	must_be(shmq_consumer_open(&tap, q, NULL, SHMQ_TAP), 0);
	must_be(shmq_seek(tap, SHMQ_SEEK_TIME, middle), 0);
	must_be(shmq_receive(tap, &msg, 1, SHMQ_NOWAIT), 1);
	must(msg.seq == seq || msg.seq == seq + 1);
	must_be(shmq_release(tap), 0);
	must_be(shmq_seek(tap, SHMQ_SEEK_TIME, before), 0);
	must_be(shmq_receive(tap, &msg, 1, SHMQ_NOWAIT), 1);
	must_be(msg.seq, 0);
	must_be(shmq_release(tap), 0);
	must_be(shmq_seek(tap, SHMQ_SEEK_TIME, now_ns() + 1000000000), 0);
	must_be(shmq_receive(tap, &msg, 1, SHMQ_NOWAIT), -EAGAIN);
	must_be(shmq_seek(tap, SHMQ_SEEK_OLDEST, 0), 0);
	must_be(take(tap, 0, 50, NULL), 50);
	must_be(shmq_seek(tap, SHMQ_SEEK_NEWEST, 0), 0);
	must_be(shmq_receive(tap, &msg, 1, SHMQ_NOWAIT), -EAGAIN);
	shmq_consumer_close(tap);
	shmq_close(q);
}

static void what_cannot_seek_says_so(void **state)
{
	struct shmq *q = journal_create(), *plain;
	struct shmq_consumer *c = consumer_join(q, 0), *tap;

	(void)state;
	must_be(shmq_seek(c, SHMQ_SEEK_OLDEST, 0), -EOPNOTSUPP);
	must_be(shmq_seek(c, 4, 0), -EINVAL);
	must_be(shmq_seek(NULL, SHMQ_SEEK_OLDEST, 0), -EINVAL);
	shmq_consumer_close(c);
	plain = queue_create("plain", 4096, 0);
	must_be(shmq_consumer_open(&tap, plain, NULL, SHMQ_TAP), 0);
	must_be(shmq_seek(tap, SHMQ_SEEK_OLDEST, 0), -EOPNOTSUPP);
	must_be(shmq_journal_verify(plain, NULL, NULL), -EOPNOTSUPP);
	must_be(shmq_journal_index(plain), -EOPNOTSUPP);
	shmq_consumer_close(tap);
	shmq_close(plain);
	shmq_close(q);
}

static void count_findings(void *arg, const struct shmq_finding *finding)
{
	must_be(finding->kind, SHMQ_FINDING_DAMAGE);
	must(finding->text[0]);
	++*(unsigned *)arg;
}

static void damage_is_told_and_passed(void **state)
{
	static struct place places[2 * MESSAGES];
	struct shmq *q = journal_create();
	struct shmq_consumer *tap;
	struct shmq_msg msg;
	unsigned n, told = 0, seen = 0, gaps = 0;
	uint64_t next = 0;
	int r;

	(void)state;
	send_numbers(q, 0, MESSAGES);
	n = places_of("j", q->seg->geo.cookie, places, 2 * MESSAGES);
	must_be(shmq_journal_verify(q, count_findings, &told), 0);
	must_be(told, 0);
	/* A payload, and a stamp. */
	scribble("j", segment_name(places[100].pos / SEGMENT),
		 (off_t)(places[100].pos % SEGMENT + 8), "\1", 1);
	scribble("j", segment_name(places[200].pos / SEGMENT),
		 (off_t)(places[200].pos % SEGMENT), "\1\2\3\4", 4);
	must(shmq_journal_verify(q, count_findings, &told) >= 1);
	must(told >= 1);
	must_be(shmq_consumer_open(&tap, q, NULL, SHMQ_TAP), 0);
	for (;;) {
		while (shmq_receive(tap, &msg, 1, SHMQ_NOWAIT) == 1) {
			must(msg.seq >= next);
			next = msg.seq + 1;
			seen++;
			must_be(shmq_release(tap), 0);
		}
		r = shmq_tap_skip(tap, NULL, NULL);
		if (r <= 0)
			break;
		must_be(r, SHMQ_SKIPPED_DAMAGE);
		gaps++;
	}
	must_be(r, 0);
	must(gaps >= 1 && gaps <= 2);
	must(seen >= MESSAGES - 10);
	must_be(next, places[n - 1].seq + 1);
	shmq_consumer_close(tap);
	shmq_close(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(a_copy_has_everything_and_says_so),
		TEST_IN_DIRECTORY(the_end_of_a_segment_is_an_end),
		TEST_IN_DIRECTORY(the_torn_end_is_cut),
		TEST_IN_DIRECTORY(a_payload_is_checked),
		TEST_IN_DIRECTORY(a_stale_or_scribbled_control_file_is_mended),
		TEST_IN_DIRECTORY(damage_in_what_was_synced_cuts_nothing),
		TEST_IN_DIRECTORY(
			damage_at_the_end_of_what_was_synced_cuts_nothing),
		TEST_IN_DIRECTORY(a_gap_ends_what_was_not_synced),
		TEST_IN_DIRECTORY(
			a_gap_below_what_was_synced_is_where_it_begins),
		TEST_IN_DIRECTORY(what_was_held_is_delivered_again),
		TEST_IN_DIRECTORY(a_death_while_mending_is_mended),
		TEST_IN_DIRECTORY(seeking_finds_every_message),
		TEST_IN_DIRECTORY(seeking_finds_a_time),
		TEST_IN_DIRECTORY(what_cannot_seek_says_so),
		TEST_IN_DIRECTORY(damage_is_told_and_passed),
	};

	return cmocka_run_group_tests_name("mend", tests, NULL, NULL);
}
