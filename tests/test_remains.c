/* SPDX-License-Identifier: MIT */
/*
 * Mending what is left of a journal: files that are missing below, above and in
 * between, files of which nothing is whole, words that say what is not so. All
 * records take 1024 bytes, so where each of them lies is known.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cursor.h"
#include "handle.h"
#include "journal_files.h"
#include "layout.h"
#include "support.h"

#define SEGMENT 65536
#define SPAN 1024
#define LEN 990
#define IN_SEGMENT (SEGMENT / SPAN)
#define SYNCED offsetof(struct sh_control, synced)

/* A journal of so many messages, closed. */
static void make(uint64_t messages, bool synced)
{
	struct shmq *q = journal_of(SEGMENT);

	send_numbered(q, 0, messages, LEN);
	if (synced)
		must_be(shmq_sync(q, SHMQ_NOWAIT), 0);
	shmq_close(q);
}

/* Where a message lies in its file. */
static off_t place(uint64_t number)
{
	return (off_t)(number % IN_SEGMENT * SPAN);
}

static char *file_of(uint64_t number)
{
	return segment_name(number / IN_SEGMENT);
}

static void spoil(uint64_t number, off_t where)
{
	static const char junk[8] = "nothing";

	scribble("copy", file_of(number), place(number) + where, junk, 8);
}

/* It goes on with that number. */
static void must_go_on(struct shmq *q, uint64_t number)
{
	struct shmq_consumer *tap;
	struct shmq_msg msg;

	must_be(info_of(q).next_seq, number);
	send_numbered(q, number, number + 1, LEN);
	must_be(shmq_consumer_open(&tap, q, NULL, SHMQ_TAP | SHMQ_OLDEST), 0);
	must_be(shmq_seek(tap, SHMQ_SEEK_SEQ, number), 0);
	must_be(shmq_receive(tap, &msg, 1, SHMQ_NOWAIT), 1);
	must_be(msg.seq, number);
	must(!memcmp(msg.data, &number, sizeof(number)));
	shmq_consumer_close(tap);
}

/* The copy is mended so that it ends before that number; with so much damage. */
static struct shmq *damaged_to(uint64_t number, int damages)
{
	struct shmq *q = queue_open("copy");

	must(info_of(q).mended_ns > 0);
	must_go_on(q, number);
	must_be(shmq_check(q, NULL, NULL), damages);
	must_be(shmq_journal_verify(q, NULL, NULL), damages);
	return q;
}

static struct shmq *mended_to(uint64_t number)
{
	return damaged_to(number, 0);
}

static void end(struct shmq *q)
{
	shmq_close(q);
	must_be(shmq_unlink("copy"), 0);
}

/* ------------------------------------------------------------ missing files */

static void nothing_is_whole_but_numbers_go_on(void **state)
{
	static const char zeros[SEGMENT];
	struct shmq *q;

	(void)state;
	make(3 * IN_SEGMENT + 5, false);
	copy_from("j", "copy", 3);
	scribble("copy", segment_name(3), 0, zeros, SEGMENT);
	q = mended_to(3 * IN_SEGMENT + 5);
	must_be(info_of(q).first_seq, 3 * IN_SEGMENT + 5);
	end(q);
	/* If nobody says which number that is, they begin anew. */
	copy_from("j", "copy", 3);
	scribble("copy", segment_name(3), 0, zeros, SEGMENT);
	set_word("copy", offsetof(struct sh_control, tail) + 8, UINT64_MAX);
	q = mended_to(0);
	must_be(info_of(q).first_seq, 0);
	end(q);
}

static void what_was_synced_may_be_gone(void **state)
{
	struct shmq *q;

	(void)state;
	make(4 * IN_SEGMENT + 5, false);
	copy_from("j", "copy", 2);
	must_be(word_at("copy", SYNCED), 0);
	q = mended_to(4 * IN_SEGMENT + 5);
	must_be(info_of(q).first_seq, 2 * IN_SEGMENT);
	must_be(info_of(q).segments, 3);
	end(q);
}

static void more_was_synced_than_there_are_files(void **state)
{
	struct shmq *q;

	(void)state;
	make(2 * IN_SEGMENT + 5, false);
	copy_journal("j", "copy");
	set_word("copy", SYNCED, 1000 * SEGMENT);
	q = mended_to(2 * IN_SEGMENT + 5);
	must_be(info_of(q).first_seq, 0);
	end(q);
}

/* Retention removes upwards: what is below a gap is on its way out. */
static void where_it_begins_beside_gaps(void **state)
{
	struct shmq *q;

	(void)state;
	make(6 * IN_SEGMENT + 5, false);
	/* The gap is where it was synced to: above it. */
	copy_journal("j", "copy");
	must_be(unlink(path_of("copy", segment_name(2))), 0);
	set_word("copy", SYNCED, 2 * SEGMENT + SPAN);
	q = mended_to(6 * IN_SEGMENT + 5);
	must_be(info_of(q).first_seq, 3 * IN_SEGMENT);
	end(q);
	/* Nothing is above it: the last ones below. */
	copy_journal("j", "copy");
	for (uint64_t k = 4; has_file("copy", segment_name(k)); k++)
		must_be(unlink(path_of("copy", segment_name(k))), 0);
	must_be(unlink(path_of("copy", segment_name(1))), 0);
	set_word("copy", SYNCED, 5 * SEGMENT);
	q = mended_to(4 * IN_SEGMENT);
	must_be(info_of(q).first_seq, 2 * IN_SEGMENT);
	end(q);
}

/*
 * What a copy left out of a file, or the disk gave back without its storage:
 * here the last page of a segment, in which nothing begins.
 */
static void a_file_that_lost_its_end_gets_it_back(void **state)
{
	static const uint8_t large[SEGMENT / 4];
	const off_t page = 4096;
	struct shmq *q = journal_of(SEGMENT);
	struct shmq_producer *p;
	struct stat st;

	(void)state;
	send_numbered(q, 0, 56, LEN);
	p = producer_join(q);
	must_be(shmq_send(p, large, 9000, SHMQ_NOWAIT), 0);
	shmq_producer_close(p);
	shmq_close(q);
	for (int way = 0; way < 3; way++) {
		char *file;
		int fd;

		copy_journal("j", "copy");
		file = path_of("copy", segment_name(0));
		must_be(truncate(file, SEGMENT - page), 0);
		if (way == 1)
			must_be(truncate(file, SEGMENT), 0);
		if (way == 2) {
			fd = open(file, O_WRONLY);
			must_be(fallocate(fd, FALLOC_FL_KEEP_SIZE,
					  SEGMENT - page, page),
				0);
			close(fd);
		}
		q = mended_to(58);
		must_be(stat(path_of("copy", segment_name(0)), &st), 0);
		must_be(st.st_size, SEGMENT);
		must(st.st_blocks * 512 >= SEGMENT);
		end(q);
	}
}

static void what_is_behind_the_end_goes_with_its_indexes(void **state)
{
	struct shmq *q;

	(void)state;
	make(4 * IN_SEGMENT + 5, false);
	copy_journal("j", "copy");
	for (uint64_t k = 0; k < 5; k++)
		must(copy_file("j", "copy", index_name(k)));
	must_be(unlink(path_of("copy", segment_name(1))), 0);
	must(!link(path_of("copy", "control"), path_of("copy", ".shmq-0")));
	q = mended_to(IN_SEGMENT);
	must(has_file("copy", index_name(0)));
	for (uint64_t k = 2; k < 5; k++) {
		must(!has_file("copy", segment_name(k)));
		must(!has_file("copy", index_name(k)));
	}
	must(!has_file("copy", ".shmq-0"));
	end(q);
}

/* The same file; but the machine went down since. */
static void another_boot_is_another_matter(void **state)
{
	struct shmq *q;

	(void)state;
	make(5, false);
	must_be(shmq_open(&q, "j", SHMQ_RDONLY, 0, NULL), 0);
	shmq_close(q);
	set_word("j", offsetof(struct sh_control, boot), 1);
	must_be(shmq_open(&q, "j", SHMQ_RDONLY, 0, NULL), -EUCLEAN);
	q = queue_open("j");
	must(info_of(q).mended_ns > 0);
	must_go_on(q, 5);
	shmq_close(q);
}

static void of_a_link_only_the_link_is_removed(void **state)
{
	struct shmq *q;

	(void)state;
	make(5, false);
	must_be(symlink(path_of("j", ""), path_of("link", "")), 0);
	must_be(shmq_unlink("link"), 0);
	must(!has_file("link", ""));
	q = queue_open("j");
	must_go_on(q, 5);
	shmq_close(q);
}

/* ------------------------------------------------------------------ damage */

static void what_was_synced_last_stays_though_it_is_damaged(void **state)
{
	(void)state;
	make(10, true);
	copy_journal("j", "copy");
	spoil(9, 100);
	end(damaged_to(10, 1));
	/* Of what was not, nobody can say that it is. */
	copy_journal("j", "copy");
	set_word("copy", SYNCED, 9 * SPAN);
	spoil(9, 100);
	end(mended_to(9));
}

static void a_length_does_not_lead_out_of_the_segment(void **state)
{
	const uint32_t size = 5000;

	(void)state;
	make(2 * IN_SEGMENT, true);
	copy_journal("j", "copy");
	if (has_file("copy", segment_name(2)))
		must_be(unlink(path_of("copy", segment_name(2))), 0);
	scribble("copy", segment_name(1), place(IN_SEGMENT - 1) + 8, &size,
		 sizeof(size));
	end(mended_to(2 * IN_SEGMENT - 1));
}

/* A segment whose first record says another number does not begin there. */
static void a_number_is_believed_only_of_what_is_whole(void **state)
{
	uint64_t stamp;

	(void)state;
	make(2 * IN_SEGMENT + 1, true);
	copy_journal("j", "copy");
	look_at("copy", segment_name(0), place(5), &stamp, sizeof(stamp));
	scribble("copy", segment_name(2), 0, &stamp, sizeof(stamp));
	end(mended_to(2 * IN_SEGMENT));
}

/* Behind damage: only what was synced, too, is looked for. */
static void damage_is_passed_as_far_as_it_was_synced(void **state)
{
	(void)state;
	make(12, false);
	copy_journal("j", "copy");
	set_word("copy", SYNCED, 10 * SPAN);
	spoil(5, 0);
	end(damaged_to(12, 1));
	copy_journal("j", "copy");
	set_word("copy", SYNCED, 10 * SPAN);
	spoil(9, 0);
	end(damaged_to(12, 1));
	copy_journal("j", "copy");
	set_word("copy", SYNCED, 10 * SPAN);
	spoil(10, 0);
	end(mended_to(10));
}

/* A message may be what an older record was, byte by byte. */
static void an_image_of_a_record_is_none(void **state)
{
	struct shmq *q = journal_of(SEGMENT);
	struct shmq_producer *p;
	static uint8_t image[48 + SPAN];

	(void)state;
	send_numbered(q, 0, 5, LEN);
	look_at("j", segment_name(0), place(3), image + 48, SPAN);
	p = producer_join(q);
	must_be(shmq_send(p, image, sizeof(image), SHMQ_NOWAIT), 0);
	shmq_producer_close(p);
	must_be(shmq_sync(q, SHMQ_NOWAIT), 0);
	shmq_close(q);
	copy_journal("j", "copy");
	spoil(5, 0);
	end(mended_to(5));
}

/* -------------------------------------------------------- the other words */

static void what_is_half_done_is_undone(void **state)
{
	const uint32_t making = SH_GROUP_MAKING;
	struct sh_control *control;
	struct shmq *q;

	(void)state;
	make(10, false);
	copy_journal("j", "copy");
	scribble("copy", "control",
		 SH_GROUPS_OFF + sizeof(struct sh_group) +
			 offsetof(struct sh_group, state),
		 &making, sizeof(making));
	set_word("copy", offsetof(struct sh_control, epoch), 77);
	set_word("copy", offsetof(struct sh_control, sync_failed), 1);
	set_word("copy", offsetof(struct sh_control, moved), UINT64_C(7) << 32);
	q = queue_open("copy");
	control = q->seg->control;
	must_be(load_relaxed(&q->seg->groups[1].state), SH_GROUP_FREE);
	must_be(load_relaxed(&control->member_top), 0);
	must_be(load_relaxed(&control->epoch), 0);
	must_be(load_relaxed(&control->synced.lo), 10 * SPAN);
	must_be(load_relaxed(&control->synced.hi), 10);
	must_go_on(q, 10);
	must_be(shmq_sync(q, SHMQ_NOWAIT), 0);
	end(q);
}

static void torn_attributes_are_those_of_a_new_one(void **state)
{
	struct shmq *q = journal_of(SEGMENT);
	char fresh[32], value[32];

	(void)state;
	must(shmq_getattr(q, "spin", fresh, sizeof(fresh)) > 0);
	must_be(shmq_setattr(q, "spin", "17"), 0);
	must(shmq_setattr(q, "label", "a name") == 0);
	shmq_close(q);
	/* Whole, they stay. */
	copy_journal("j", "copy");
	q = queue_open("copy");
	must_be(shmq_getattr(q, "label", value, sizeof(value)), 6);
	end(q);
	copy_journal("j", "copy");
	for (size_t i = 0; i < SH_VERSIONS; i++)
		set_word("copy",
			 offsetof(struct sh_control, versions) +
				 i * sizeof(struct sh_attributes),
			 12345);
	q = queue_open("copy");
	must(shmq_getattr(q, "spin", value, sizeof(value)) > 0);
	must(!strcmp(value, fresh));
	must_be(shmq_getattr(q, "label", value, sizeof(value)), 0);
	must_be(shmq_setattr(q, "spin", "18"), 0);
	end(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(nothing_is_whole_but_numbers_go_on),
		TEST_IN_DIRECTORY(what_was_synced_may_be_gone),
		TEST_IN_DIRECTORY(more_was_synced_than_there_are_files),
		TEST_IN_DIRECTORY(where_it_begins_beside_gaps),
		TEST_IN_DIRECTORY(a_file_that_lost_its_end_gets_it_back),
		TEST_IN_DIRECTORY(what_is_behind_the_end_goes_with_its_indexes),
		TEST_IN_DIRECTORY(another_boot_is_another_matter),
		TEST_IN_DIRECTORY(of_a_link_only_the_link_is_removed),
		TEST_IN_DIRECTORY(
			what_was_synced_last_stays_though_it_is_damaged),
		TEST_IN_DIRECTORY(a_length_does_not_lead_out_of_the_segment),
		TEST_IN_DIRECTORY(a_number_is_believed_only_of_what_is_whole),
		TEST_IN_DIRECTORY(damage_is_passed_as_far_as_it_was_synced),
		TEST_IN_DIRECTORY(an_image_of_a_record_is_none),
		TEST_IN_DIRECTORY(what_is_half_done_is_undone),
		TEST_IN_DIRECTORY(torn_attributes_are_those_of_a_new_one),
	};

	return cmocka_run_group_tests_name("remains", tests, NULL, NULL);
}
