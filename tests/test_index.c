/* SPDX-License-Identifier: MIT */
/* The indexes of journals: who writes them, when, and who does without. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(senders_note_each_window_in_passing),
		TEST_IN_DIRECTORY(who_walks_far_writes_the_index_anew),
	};

	return cmocka_run_group_tests_name("index", tests, NULL, NULL);
}
