/* SPDX-License-Identifier: MIT */
/*
 * Journals: messages of all sizes through many segments, by one and by many,
 * kept for who comes later; what a directory may hold; what is refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handle.h"
#include "layout.h"
#include "pattern.h"
#include "support.h"

#define SEGMENT 65536
#define LARGEST (SEGMENT / 4)

static struct shmq *journal_create(uint64_t flags)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *q;

	attr.flags = SHMQ_JOURNAL | flags;
	attr.segment_bytes = SEGMENT;
	must_be(shmq_open(&q, "j", SHMQ_CREATE | SHMQ_EXCL, 0600, &attr), 0);
	return q;
}

static struct shmq_consumer *group_join(struct shmq *q, const char *group,
					unsigned flags)
{
	struct shmq_consumer *c;

	must_be(shmq_consumer_open(&c, q, group, flags), 0);
	return c;
}

/* Lengths from nothing to the largest, most of them small. */
static size_t length_of(uint64_t number)
{
	struct chance chance = chance_of(number, 77);

	switch (chance_below(&chance, 16)) {
	case 0:
		return chance_below(&chance, LARGEST + 1);
	case 1:
		return chance_below(&chance, 4096);
	default:
		return chance_below(&chance, 200);
	}
}

static void send_number(struct shmq_producer *p, uint64_t number)
{
	static uint8_t buf[LARGEST];
	size_t len = length_of(number);

	pattern_fill(buf, len, number);
	must_be(shmq_send(p, buf, len, SHMQ_NOWAIT), 0);
}

static void must_be_number(const struct shmq_msg *msg, uint64_t number)
{
	must_be(msg->len, length_of(number));
	must_be(msg->lost, 0);
	must(pattern_matches(msg->data, msg->len, number));
}

/* As many as come, in order from number on; how many. */
static uint64_t take_all(struct shmq_consumer *c, uint64_t number,
			 unsigned batch)
{
	struct shmq_msg msgs[16];
	uint64_t n = 0;
	int r;

	while ((r = shmq_receive(c, msgs, batch, SHMQ_NOWAIT)) > 0) {
		for (int i = 0; i < r; i++)
			must_be_number(&msgs[i], number + n++);
		must_be(shmq_release(c), 0);
	}
	must_be(r, -EAGAIN);
	return n;
}

static unsigned count_files(const char *name)
{
	char path[4096];
	struct stat st;
	unsigned n = 0;

	for (;; n++) {
		snprintf(path, sizeof(path), "%s/%s/%016x.seg",
			 shmq_runtime_dir(), name, n);
		if (stat(path, &st))
			return n;
		must_be(st.st_size, SEGMENT);
	}
}

/* ------------------------------------------------------------------ bodies */

static void messages_go_through_many_segments(void **state)
{
	static const unsigned flags[] = { 0, SHMQ_EXCLUSIVE };

	(void)state;
	for (size_t k = 0; k < 2; k++) {
		struct shmq *q = journal_create(0);
		struct shmq_producer *p = producer_join(q);
		struct shmq_consumer *c = group_join(q, NULL, flags[k]);
		uint64_t sent = 0, taken = 0;

		while (sent < 3000) {
			for (int i = 0; i < 100; i++)
				send_number(p, sent++);
			taken += take_all(c, taken, k ? 1 : 16);
			must_be(taken, sent);
		}
		must(count_files("j") > 20);
		shmq_consumer_close(c);
		shmq_producer_close(p);
		shmq_close(q);
		must_be(shmq_unlink("j"), 0);
		must_be(directory_entries(), 0);
	}
}

static void every_group_has_everything(void **state)
{
	struct shmq *q = journal_create(0);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c;

	(void)state;
	for (uint64_t i = 0; i < 2000; i++)
		send_number(p, i);
	for (int i = 0; i < 3; i++) {
		char name[] = "reader0";

		name[6] += (char)i;
		c = group_join(q, name, i ? SHMQ_OLDEST : 0);
		must_be(take_all(c, 0, 16), 2000);
		shmq_consumer_close(c);
	}
	c = group_join(q, "late", SHMQ_NEWEST);
	must_be(take_all(c, 0, 16), 0);
	send_number(p, 2000);
	must_be(take_all(c, 2000, 16), 1);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(q);
}

static void a_tap_sees_everything(void **state)
{
	struct shmq *q = journal_create(SHMQ_TOPIC), *look;
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *tap;
	uint64_t seen;

	(void)state;
	must_be(shmq_open(&look, "j", SHMQ_RDONLY, 0, NULL), 0);
	for (uint64_t i = 0; i < 1000; i++)
		send_number(p, i);
	tap = group_join(look, NULL, SHMQ_TAP);
	seen = take_all(tap, 0, 16);
	must_be(seen, 1000);
	for (uint64_t i = 1000; i < 2000; i++) {
		send_number(p, i);
		if (i % 10 == 0)
			seen += take_all(tap, seen, 16);
	}
	seen += take_all(tap, seen, 16);
	must_be(seen, 2000);
	must_be(shmq_consumer_lost(tap), 0);
	shmq_consumer_close(tap);
	tap = group_join(look, NULL, SHMQ_TAP | SHMQ_NEWEST);
	must_be(take_all(tap, 2000, 16), 0);
	send_number(p, 2000);
	must_be(take_all(tap, 2000, 16), 1);
	shmq_consumer_close(tap);
	shmq_producer_close(p);
	shmq_close(look);
	shmq_close(q);
}

static void it_is_there_when_it_is_opened_again(void **state)
{
	uint64_t sent = 0, taken = 0;

	(void)state;
	shmq_close(journal_create(0));
	for (int round = 0; round < 10; round++) {
		struct shmq *q = queue_open("j");
		struct shmq_producer *p = producer_join(q);
		struct shmq_consumer *c =
			consumer_join(q, round & 1 ? SHMQ_EXCLUSIVE : 0);

		for (int i = 0; i < 300; i++)
			send_number(p, sent++);
		must_be(stat_of(q).depth_messages > sent - taken - 1, 1);
		if (round != 4)
			taken += take_all(c, taken, 7);
		shmq_consumer_close(c);
		shmq_producer_close(p);
		must_be(shmq_check(q, NULL, NULL), 0);
		shmq_close(q);
	}
	must_be(taken, sent);
}

static void what_was_held_comes_again(void **state)
{
	struct shmq *q = journal_create(0);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0);
	struct shmq_msg msgs[16];
	uint64_t held = 0, n = 0;
	int r;

	(void)state;
	for (uint64_t i = 0; i < 600; i++)
		send_number(p, i);
	/* Borrowed from several segments, and not released. */
	while (held < 500) {
		r = shmq_receive(c, msgs, 16, SHMQ_NOWAIT);
		must(r > 0);
		for (int i = 0; i < r; i++)
			must_be_number(&msgs[i], held++);
	}
	shmq_consumer_close(c);
	c = consumer_join(q, 0);
	while ((r = shmq_receive(c, msgs, 16, SHMQ_NOWAIT)) > 0) {
		for (int i = 0; i < r; i++) {
			must_be(msgs[i].flags, n < held ? SHMQ_REDELIVERED : 0);
			must_be_number(&msgs[i], n++);
		}
		must_be(shmq_release(c), 0);
	}
	must_be(n, 600);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(q);
}

static void what_is_lent_stays_while_others_go_on(void **state)
{
	struct shmq *q = journal_create(0);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, SHMQ_EXCLUSIVE);
	struct shmq_msg first[16], msg;
	uint64_t taken;
	char path[4096];
	int n;

	(void)state;
	for (uint64_t i = 0; i < 2000; i++)
		send_number(p, i);
	n = shmq_receive(c, first, 16, SHMQ_NOWAIT);
	must(n > 0);
	taken = (uint64_t)n;
	while (shmq_receive(c, &msg, 1, SHMQ_NOWAIT) == 1)
		must_be_number(&msg, taken++);
	must_be(taken, 2000);
	/* Its file may even be gone. */
	snprintf(path, sizeof(path), "%s/j/%016x.seg", shmq_runtime_dir(), 0);
	must_be(unlink(path), 0);
	for (int i = 0; i < n; i++)
		must_be_number(&first[i], (uint64_t)i);
	must_be(shmq_release(c), 0);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(q);
}

static void batches_and_reservations_are_sealed_too(void **state)
{
	struct shmq *q = journal_create(0);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0);
	uint8_t data[50][100];
	struct iovec parts[50];
	uint64_t number = 0, taken = 0;
	struct shmq_msg msg;
	void *to;

	(void)state;
	for (int round = 0; round < 60; round++) {
		for (size_t i = 0; i < 50; i++) {
			parts[i].iov_base = data[i];
			parts[i].iov_len = 1 + (number + i) % 100;
			pattern_fill(data[i], parts[i].iov_len, number + i);
		}
		must_be(shmq_send_batch(p, parts, 50, SHMQ_NOWAIT), 50);
		number += 50;
		/* One message of two parts. */
		pattern_fill(data[0], 100, number++);
		parts[0].iov_len = 40;
		parts[1] = (struct iovec){ data[0] + 40, 60 };
		must_be(shmq_sendv(p, parts, 2, SHMQ_NOWAIT), 0);
		must_be(shmq_reserve(p, 1000, &to, SHMQ_NOWAIT), 0);
		must_be(shmq_send(p, "x", 1, SHMQ_NOWAIT), -EBUSY);
		must_be(shmq_discard(p), 0);
		must_be(shmq_reserve(p, 1000, &to, SHMQ_NOWAIT), 0);
		pattern_fill(to, 100, number++);
		must_be(shmq_commit(p, round % 2 ? 100 : 1000), 0);
	}
	while (shmq_receive(c, &msg, 1, SHMQ_NOWAIT) == 1) {
		uint64_t k = taken % 52;
		size_t want = k < 50 ? 1 + taken % 100 : 100;

		must(msg.len == want || (k == 51 && msg.len == 1000));
		must(pattern_matches(msg.data, want, taken));
		taken++;
		must_be(shmq_release(c), 0);
	}
	must_be(taken, number);
	must_be(shmq_check(q, NULL, NULL), 0);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(q);
}

/* ------------------------------------------------------------------ errors */

static void what_makes_no_sense_is_refused(void **state)
{
	static const struct {
		uint64_t flags, capacity, segment_bytes;
	} bad[] = {
		{ SHMQ_JOURNAL | SHMQ_OVERWRITE, 0, 0 },
		{ SHMQ_JOURNAL | SHMQ_HUGEPAGES, 0, 0 },
		{ SHMQ_JOURNAL | SHMQ_PREFAULT, 0, 0 },
		{ SHMQ_JOURNAL, 65536, 0 },
		{ SHMQ_JOURNAL, 0, 65535 },
		{ SHMQ_JOURNAL, 0, (UINT64_C(1) << 40) + 1 },
		{ 0, 0, 65536 },
	};
	struct shmq *q;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct shmq_attr attr = SHMQ_ATTR_INIT;

		attr.flags = bad[i].flags;
		attr.capacity = bad[i].capacity;
		attr.segment_bytes = bad[i].segment_bytes;
		must_be(shmq_open(&q, "j", SHMQ_CREATE, 0600, &attr), -EINVAL);
		must(*shmq_errdetail());
	}
	must_be(directory_entries(), 0);
	q = journal_create(0);
	must_be(shmq_max_message(q), LARGEST);
	must_be(shmq_resize(q, 1 << 20), -EOPNOTSUPP);
	must_be(shmq_setattr(q, "overwrite", "on"), -EOPNOTSUPP);
	must_be(shmq_setattr(q, "overwrite", "off"), 0);
	shmq_close(q);
	{
		struct shmq_attr attr = SHMQ_ATTR_INIT;

		attr.flags = SHMQ_JOURNAL;
		must_be(shmq_open(&q, "j", SHMQ_CREATE | SHMQ_EXCL, 0600,
				  &attr),
			-EEXIST);
		must_be(shmq_open_anonymous(&q, &attr), -EINVAL);
	}
}

static void a_directory_is_not_always_a_journal(void **state)
{
	char path[4096];
	struct shmq *q;
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/d", shmq_runtime_dir());
	must_be(mkdir(path, 0700), 0);
	must_be(shmq_open(&q, "d", 0, 0, NULL), -EISDIR);
	must_be(shmq_open(&q, "d", SHMQ_CREATE, 0600, NULL), -EISDIR);
	must_be(shmq_unlink("d"), -EISDIR);
	q = journal_create(0);
	shmq_close(q);
	/* Somebody's own file. */
	snprintf(path, sizeof(path), "%s/j/notes", shmq_runtime_dir());
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	must(fd >= 0);
	close(fd);
	must_be(shmq_unlink("j"), -ENOTEMPTY);
	q = queue_open("j");
	shmq_close(q);
	must_be(unlink(path), 0);
	must_be(shmq_unlink("j"), 0);
	must_be(shmq_open(&q, "j", 0, 0, NULL), -ENOENT);
}

static void a_missing_segment_is_damage(void **state)
{
	struct shmq *q = journal_create(0);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0);
	uint64_t number = 0;
	char path[4096], buf[LARGEST];
	ssize_t n;

	(void)state;
	while (count_files("j") < 5)
		send_number(p, number++);
	snprintf(path, sizeof(path), "%s/j/%016x.seg", shmq_runtime_dir(), 1);
	must_be(unlink(path), 0);
	while ((n = shmq_recv(c, buf, sizeof(buf), SHMQ_NOWAIT)) >= 0)
		;
	must_be(n, -EBADMSG);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(q);
}

static void segment_path(char path[4096], uint64_t number)
{
	snprintf(path, 4096, "%s/j/%016jx.seg", shmq_runtime_dir(),
		 (uintmax_t)number);
}

static void send_at(struct shmq *q, uint64_t tail)
{
	struct sh_cursor *sh = &q->seg->control->tail;
	uint64_t number = tail / SEGMENT, before = load_relaxed(&sh->at.lo);
	struct shmq_producer *p;
	struct stat st;
	char path[4096];
	int r;

	store_relaxed(&sh->at.lo, tail);
	r = shmq_producer_open(&p, q, 0);
	if (!r) {
		r = shmq_send(p, "x", 1, SHMQ_NOWAIT);
		store_relaxed(&sh->at.lo, before);
		shmq_producer_close(p);
	}
	must(r == -EBADMSG || r == -EOVERFLOW);
	segment_path(path, number);
	must_be(stat(path, &st), -1);
	store_relaxed(&sh->at.lo, before);
}

/* Whoever scribbles there must not make others write just anywhere. */
static void a_scribbled_tail_is_damage(void **state)
{
	static const uint64_t kinds[] = { 0, SHMQ_SINGLE_PRODUCER };

	(void)state;
	for (size_t k = 0; k < 2; k++) {
		struct shmq *q = journal_create(kinds[k]);
		struct shmq_producer *p = producer_join(q);
		uint64_t number = 0;
		char path[4096];

		while (count_files("j") < 5)
			send_number(p, number++);
		shmq_producer_close(p);
		segment_path(path, 0);
		must_be(unlink(path), 0);
		store_relaxed(&q->seg->control->oldest, 1);
		send_at(q, UINT64_MAX);
		send_at(q, UINT64_MAX - 63);
		send_at(q, UINT64_C(1) << 63);
		send_at(q, SH_POS_MAX - SEGMENT);
		send_at(q, SH_POS_MAX / 2 + 64);
		send_at(q, 10 * SEGMENT);
		send_at(q, 64);
		send_at(q, 0);
		p = producer_join(q);
		send_number(p, number++);
		shmq_producer_close(p);
		shmq_close(q);
		must_be(shmq_unlink("j"), 0);
	}
}

/* No segment is made any more, and none is there for who is behind. */
static void who_goes_on_after_unlinking_is_told(void **state)
{
	struct shmq *q = journal_create(0);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0), *tap;
	uint64_t sent = 0, taken = 0;
	char buf[LARGEST];
	ssize_t n;

	(void)state;
	must_be(shmq_consumer_open(&tap, q, NULL, SHMQ_TAP), 0);
	while (count_files("j") < 5)
		send_number(p, sent++);
	must_be(shmq_recv(c, buf, sizeof(buf), SHMQ_NOWAIT), length_of(0));
	must_be(shmq_recv(tap, buf, sizeof(buf), SHMQ_NOWAIT), length_of(0));
	must_be(shmq_unlink("j"), 0);
	must_be(shmq_sync(q, SHMQ_NOWAIT), -EIDRM);
	for (n = 0; n >= 0; taken++)
		n = shmq_recv(c, buf, sizeof(buf), SHMQ_NOWAIT);
	must_be(n, -EIDRM);
	must(taken > 10 && taken < sent);
	for (n = 0; n >= 0;)
		n = shmq_recv(tap, buf, sizeof(buf), SHMQ_NOWAIT);
	must_be(n, -EIDRM);
	/* Some end where the segment does, some would not. */
	for (n = 0; n >= 0; sent++)
		n = shmq_send(p, buf, sent % 2 ? 0 : 1000, SHMQ_NOWAIT);
	must_be(n, -EIDRM);
	for (n = 0; n >= 0;)
		n = shmq_send(p, buf, 0, SHMQ_NOWAIT);
	must_be(n, -EIDRM);
	must_be(shmq_send(p, buf, 0, SHMQ_NOWAIT), -EIDRM);
	shmq_consumer_close(tap);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(q);
}

/* ------------------------------------------------------------------- many */

#define SENDERS 3
#define READERS 3
#define EACH 4000

struct crowd {
	_Atomic uint64_t received;
	_Atomic uint8_t seen[SENDERS][EACH];
};

struct part {
	struct crowd *crowd;
	uint32_t index;
};

static void send_part(void *arg)
{
	const struct part *part = arg;
	struct shmq *q = queue_open("j");
	struct shmq_producer *p = producer_join(q);
	uint32_t message[64] = { 0 };

	for (uint32_t i = 0; i < EACH; i++) {
		message[0] = part->index;
		message[1] = i;
		must_be(shmq_send(p, message, 8 + i % 200, SHMQ_NOWAIT), 0);
	}
	shmq_producer_close(p);
	shmq_close(q);
}

static void receive_part(void *arg)
{
	struct crowd *crowd = ((struct part *)arg)->crowd;
	struct shmq *q = queue_open("j");
	struct shmq_consumer *c = consumer_join(q, 0);
	uint64_t last[SENDERS] = { 0 };
	struct shmq_msg msgs[8];
	int n;

	while (crowd->received < SENDERS * EACH) {
		n = shmq_receive(c, msgs, 8, 10000000);
		if (n == -ETIMEDOUT)
			continue;
		must(n > 0);
		for (int i = 0; i < n; i++) {
			const uint32_t *m = msgs[i].data;

			must(m[0] < SENDERS && m[1] < EACH);
			must_be(msgs[i].len, 8 + m[1] % 200);
			must(m[1] + 1 > last[m[0]]);
			last[m[0]] = m[1] + 1;
			must_be(crowd->seen[m[0]][m[1]]++, 0);
			crowd->received++;
		}
		must_be(shmq_release(c), 0);
	}
	shmq_consumer_close(c);
	shmq_close(q);
}

static void many_send_and_many_receive(void **state)
{
	struct crowd *crowd = shared_memory(sizeof(*crowd));
	struct part parts[SENDERS];
	pid_t pids[SENDERS + READERS];

	(void)state;
	shmq_close(journal_create(0));
	for (uint32_t i = 0; i < SENDERS; i++) {
		parts[i] = (struct part){ crowd, i };
		pids[i] = child_start(send_part, &parts[i]);
	}
	for (uint32_t i = 0; i < READERS; i++)
		pids[SENDERS + i] = child_start(receive_part, &parts[0]);
	for (size_t i = 0; i < SENDERS + READERS; i++)
		child_join(pids[i]);
	must_be(crowd->received, SENDERS * EACH);
	shared_free(crowd, sizeof(*crowd));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(messages_go_through_many_segments),
		TEST_IN_DIRECTORY(every_group_has_everything),
		TEST_IN_DIRECTORY(a_tap_sees_everything),
		TEST_IN_DIRECTORY(it_is_there_when_it_is_opened_again),
		TEST_IN_DIRECTORY(what_was_held_comes_again),
		TEST_IN_DIRECTORY(what_is_lent_stays_while_others_go_on),
		TEST_IN_DIRECTORY(batches_and_reservations_are_sealed_too),
		TEST_IN_DIRECTORY(what_makes_no_sense_is_refused),
		TEST_IN_DIRECTORY(a_directory_is_not_always_a_journal),
		TEST_IN_DIRECTORY(a_missing_segment_is_damage),
		TEST_IN_DIRECTORY(a_scribbled_tail_is_damage),
		TEST_IN_DIRECTORY(who_goes_on_after_unlinking_is_told),
		TEST_IN_DIRECTORY(many_send_and_many_receive),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
