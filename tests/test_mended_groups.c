/* SPDX-License-Identifier: MIT */
/*
 * Where groups are after a journal was mended: at the lowest of what they had
 * not received and what their members held. All records take 1024 bytes.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "journal_files.h"
#include "layout.h"
#include "support.h"

#define SEGMENT 65536
#define SPAN 1024
#define LEN 990
#define IN_SEGMENT (SEGMENT / SPAN)

/* A journal of so many messages, closed. */
static void make(uint64_t messages)
{
	struct shmq *q = journal_of(SEGMENT);

	send_numbered(q, 0, messages, LEN);
	shmq_close(q);
}

static void receive_some(struct shmq_consumer *c, unsigned n)
{
	struct shmq_msg msg;

	while (n--)
		must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
}

static void receive_and_release(struct shmq_consumer *c, unsigned n)
{
	while (n--) {
		receive_some(c, 1);
		must_be(shmq_release(c), 0);
	}
}

/* The first message that a group of the copy has, or -EAGAIN. */
static int64_t first_of(const char *group)
{
	struct shmq *q = queue_open("copy");
	struct shmq_consumer *c;
	struct shmq_msg msg;
	int r;

	must_be(shmq_consumer_open(&c, q, group, 0), 0);
	r = shmq_receive(c, &msg, 1, SHMQ_NOWAIT);
	if (r == 1)
		must_be(msg.flags, SHMQ_REDELIVERED);
	shmq_consumer_close(c);
	shmq_close(q);
	must_be(shmq_unlink("copy"), 0);
	return r == 1 ? (int64_t)msg.seq : r;
}

static void who_had_received_all_has_nothing_again(void **state)
{
	static const unsigned flags[] = { 0, SHMQ_EXCLUSIVE };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct shmq *q = journal_of(SEGMENT);
		struct shmq_consumer *c = consumer_join(q, flags[i]);

		send_numbered(q, 0, IN_SEGMENT + 7, LEN);
		receive_and_release(c, IN_SEGMENT + 7);
		copy_journal("j", "copy");
		must_be(first_of(NULL), -EAGAIN);
		shmq_consumer_close(c);
		shmq_close(q);
		must_be(shmq_unlink("j"), 0);
	}
}

static void who_had_released_goes_on_where_he_was(void **state)
{
	static const unsigned flags[] = { 0, SHMQ_EXCLUSIVE };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct shmq *q = journal_of(SEGMENT);
		struct shmq_consumer *c = consumer_join(q, flags[i]);

		send_numbered(q, 0, 40, LEN);
		receive_and_release(c, 30);
		copy_journal("j", "copy");
		must_be(first_of(NULL), 30);
		shmq_consumer_close(c);
		shmq_close(q);
		must_be(shmq_unlink("j"), 0);
	}
}

static void what_was_returned_comes_again(void **state)
{
	struct shmq *q = journal_of(SEGMENT);
	struct shmq_consumer *c = consumer_join(q, 0), *other;

	(void)state;
	send_numbered(q, 0, 40, LEN);
	receive_and_release(c, 10);
	receive_some(c, 5);
	other = consumer_join(q, 0);
	receive_and_release(other, 15);
	shmq_consumer_close(c);
	copy_journal("j", "copy");
	must_be(first_of(NULL), 10);
	shmq_consumer_close(other);
	shmq_close(q);
}

/* In a slot behind the first one, as it has claimed something else since. */
static void what_is_kept_longest_counts(void **state)
{
	struct shmq *q = journal_of(SEGMENT);
	struct shmq_consumer *c = consumer_join(q, 0);
	struct shmq_consumer *other = consumer_join(q, 0);

	(void)state;
	send_numbered(q, 0, 40, LEN);
	receive_some(c, 1);
	receive_and_release(other, 20);
	receive_some(c, 1);
	receive_and_release(other, 3);
	copy_journal("j", "copy");
	must_be(first_of(NULL), 0);
	shmq_consumer_close(other);
	shmq_consumer_close(c);
	shmq_close(q);
}

static void groups_are_told_apart(void **state)
{
	struct shmq *q = journal_of(SEGMENT);
	struct shmq_consumer *slow = consumer_join(q, 0), *fast;

	(void)state;
	must_be(shmq_consumer_open(&fast, q, "fast", 0), 0);
	send_numbered(q, 0, 40, LEN);
	receive_and_release(slow, 3);
	receive_some(slow, 1);
	receive_and_release(fast, 30);
	copy_journal("j", "copy");
	must_be(first_of("fast"), 30);
	copy_journal("j", "copy");
	must_be(first_of(NULL), 3);
	shmq_consumer_close(fast);
	shmq_consumer_close(slow);
	shmq_close(q);
}

/* A page of the control file is what it was at any moment, or nothing. */
static void a_place_that_is_none_is_that_of_its_segment(void **state)
{
	static const uint64_t places[][2] = {
		{ 2 * SEGMENT + 10 * SPAN + 64, 2 * IN_SEGMENT },
		{ 2 * SEGMENT + 10 * SPAN, 2 * IN_SEGMENT + 10 },
		{ 64, 0 },
	};

	(void)state;
	make(3 * IN_SEGMENT);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		copy_journal("j", "copy");
		set_word("copy", SH_GROUPS_OFF - SH_CONTROL_OFF, places[i][0]);
		must_be(first_of(NULL), places[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(who_had_received_all_has_nothing_again),
		TEST_IN_DIRECTORY(who_had_released_goes_on_where_he_was),
		TEST_IN_DIRECTORY(what_was_returned_comes_again),
		TEST_IN_DIRECTORY(what_is_kept_longest_counts),
		TEST_IN_DIRECTORY(groups_are_told_apart),
		TEST_IN_DIRECTORY(a_place_that_is_none_is_that_of_its_segment),
	};

	return cmocka_run_group_tests_name("mended_groups", tests, NULL, NULL);
}
