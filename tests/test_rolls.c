/* SPDX-License-Identifier: MIT */
/*
 * From one segment to the next: what is prepared, when, by whom, and what comes
 * of it if the disk is full just then. The disk is full as long as one says so,
 * or as long as a file is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handle.h"
#include "journal_files.h"
#include "lease.h"
#include "segfile.h"
#include "support.h"
#include "views.h"

#define SEGMENT 65536
#define WINDOW 16384
#define SPAN 1024
#define LEN 990
#define IN_SEGMENT (SEGMENT / SPAN)

int __real_posix_fallocate(int fd, off_t offset, off_t bytes);
int __wrap_posix_fallocate(int fd, off_t offset, off_t bytes);

static bool full;
static const char *filling; /* it is full while this file is there */
static unsigned allocations;

int __wrap_posix_fallocate(int fd, off_t offset, off_t bytes)
{
	allocations++;
	if (full || (filling && has_file("j", filling)))
		return ENOSPC;
	return __real_posix_fallocate(fd, offset, bytes);
}

static struct shmq *create(uint64_t retain_bytes)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *q;

	full = false;
	filling = NULL;
	attr.flags = SHMQ_JOURNAL;
	attr.segment_bytes = SEGMENT;
	attr.retain_bytes = retain_bytes;
	must_be(shmq_open(&q, "j", SHMQ_CREATE | SHMQ_EXCL, 0640, &attr), 0);
	return q;
}

static int send_one(struct shmq_producer *p, size_t len)
{
	static const uint8_t buf[SEGMENT / 4];

	return shmq_send(p, buf, len, SHMQ_NOWAIT);
}

static void send_some(struct shmq_producer *p, unsigned n)
{
	while (n--)
		must_be(send_one(p, LEN), 0);
}

static void receive_some(struct shmq_consumer *c, unsigned n)
{
	uint8_t buf[LEN];

	while (n--)
		must_be(shmq_recv(c, buf, LEN, SHMQ_NOWAIT), LEN);
}

/* Can another process have this lease of the journal? */
static void take_lease(void *arg)
{
	struct shmq *q = queue_open("j");

	must_be(shmqi_lease_take(q->seg->lease_fd, *(int64_t *)arg), 0);
	shmq_close(q);
}

static void must_be_free(int64_t byte)
{
	child_run(take_lease, &byte);
}

/* ------------------------------------------------------------- a full disk */

static void what_fits_to_the_last_byte_needs_no_room(void **state)
{
	struct shmq *q = create(0);
	struct shmq_producer *p = producer_join(q);

	(void)state;
	full = true;
	send_some(p, IN_SEGMENT);
	must_be(send_one(p, LEN), -ENOSPC);
	must_be(shmq_sync(q, SHMQ_NOWAIT), 0);
	must(!has_file("j", segment_name(1)));
	full = false;
	must_be(send_one(p, LEN), 0);
	shmq_producer_close(p);
	shmq_close(q);
}

static void what_is_small_still_fits_behind_what_did_not(void **state)
{
	struct shmq *q = create(0);
	struct shmq_producer *p = producer_join(q);

	(void)state;
	full = true;
	send_some(p, IN_SEGMENT - 1);
	must_be(send_one(p, 2 * LEN), -ENOSPC);
	must_be(send_one(p, 100), 0);
	must_be(send_one(p, LEN), -ENOSPC);
	must_be(send_one(p, 100), 0);
	shmq_producer_close(p);
	shmq_close(q);
}

/* A group has come on since the last segment: what it had kept makes room. */
static void what_can_go_makes_room(void **state)
{
	(void)state;
	/* To the last byte of the segment, or not. */
	for (unsigned left = 0; left < 2; left++) {
		struct shmq *q = create(1);
		struct shmq_producer *p = producer_join(q);
		struct shmq_consumer *c = consumer_join(q, 0);

		send_some(p, IN_SEGMENT + 1);
		filling = "0000000000000000.seg";
		send_some(p, IN_SEGMENT - 1 - left);
		must_be(send_one(p, 2 * LEN), -ENOSPC);
		receive_some(c, IN_SEGMENT + 1);
		must_be(send_one(p, 2 * LEN), 0);
		must(!has_file("j", filling));
		shmq_consumer_close(c);
		shmq_producer_close(p);
		shmq_close(q);
		must_be(shmq_unlink("j"), 0);
	}
}

/* It has come to the end of the last segment there is. */
static void who_reads_to_the_end_goes_on_in_the_next(void **state)
{
	static const unsigned flags[] = { 0, SHMQ_EXCLUSIVE, SHMQ_TAP };

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct shmq *q = create(0);
		struct shmq_producer *p = producer_join(q);
		struct shmq_consumer *c;
		uint8_t buf[LEN];

		must_be(shmq_consumer_open(&c, q, NULL, flags[i]), 0);
		full = true;
		send_some(p, IN_SEGMENT);
		receive_some(c, IN_SEGMENT);
		must_be(shmq_recv(c, buf, LEN, SHMQ_NOWAIT), -EAGAIN);
		must(!has_file("j", segment_name(1)));
		full = false;
		send_some(p, 1);
		receive_some(c, 1);
		must_be(shmq_recv(c, buf, LEN, SHMQ_NOWAIT), -EAGAIN);
		shmq_consumer_close(c);
		shmq_producer_close(p);
		shmq_close(q);
		must_be(shmq_unlink("j"), 0);
	}
}

/* ---------------------------------------------------------------- preparing */

static void the_next_segment_is_made_on_the_way(void **state)
{
	struct shmq *q = create(0);
	struct shmq_producer *p = producer_join(q);
	unsigned before;

	(void)state;
	for (uint64_t k = 1; k < 4; k++) {
		before = allocations;
		send_some(p, IN_SEGMENT / 2);
		must(!has_file("j", segment_name(k)));
		send_some(p, IN_SEGMENT / 2);
		must(has_file("j", segment_name(k)));
		must(allocations - before >= 2);
		must_be_free(SH_LEASE_PREPARE);
	}
	shmq_producer_close(p);
	shmq_close(q);
}

static void what_was_prepared_in_vain_is_given_back(void **state)
{
	struct shmq *q = create(0);
	struct shmq_producer *p = producer_join(q);

	(void)state;
	send_some(p, IN_SEGMENT / 2 + 1);
	must(q->seg->journal->ahead.fd >= 0);
	full = true;
	send_some(p, IN_SEGMENT / 2 - 1);
	must_be(q->seg->journal->ahead.fd, -1);
	must_be_free(SH_LEASE_PREPARE);
	shmq_producer_close(p);
	shmq_close(q);
}

static void prepare_anew(void *arg)
{
	struct shmq *q = arg;
	struct shmq_producer *p;

	must_be(q->seg->journal->ahead.fd, -1);
	p = producer_join(q);
	send_some(p, IN_SEGMENT);
	shmq_producer_close(p);
}

static void what_a_parent_prepares_is_not_its_childs(void **state)
{
	struct shmq *q = create(0);
	struct shmq_producer *p = producer_join(q);

	(void)state;
	send_some(p, IN_SEGMENT / 2 + 1);
	must(q->seg->journal->ahead.fd >= 0);
	child_run(prepare_anew, q);
	must(q->seg->journal->ahead.fd >= 0);
	send_some(p, IN_SEGMENT);
	must_be(shmq_journal_verify(q, NULL, NULL), 0);
	shmq_producer_close(p);
	shmq_close(q);
}

/* Others have gone on since it was begun. */
static void one_number_is_not_taken_for_another(void **state)
{
	struct shmq *q = create(0);
	struct segment *seg = q->seg;

	(void)state;
	pthread_mutex_lock(&seg->lock);
	shmqi_segfile_prepare(seg, 5, WINDOW, SEGMENT, false);
	must_be(seg->journal->ahead.number, 5);
	must_be(shmqi_segfile_make(seg, 1), 0);
	must(has_file("j", segment_name(1)));
	must(!has_file("j", segment_name(5)));
	shmqi_segfile_prepare(seg, 6, SEGMENT - WINDOW, SEGMENT, false);
	shmqi_segfile_prepare(seg, 2, WINDOW, SEGMENT, false);
	must_be(seg->journal->ahead.number, 2);
	shmqi_segfile_prepare(seg, 2, SEGMENT, SEGMENT, false);
	must(has_file("j", segment_name(2)));
	must(!has_file("j", segment_name(6)));
	/* What is there, or has been removed, is not prepared. */
	shmqi_segfile_prepare(seg, 1, WINDOW, SEGMENT, false);
	must_be(seg->journal->ahead.fd, -1);
	must_be(unlink(path_of("j", segment_name(0))), 0);
	store_relaxed(&seg->control->oldest, 1);
	store_relaxed(&seg->control->ring, 1);
	shmqi_segfile_prepare(seg, 0, WINDOW, SEGMENT, false);
	must_be(seg->journal->ahead.fd, -1);
	must_be(shmqi_segfile_make(seg, 0), -ESTALE);
	pthread_mutex_unlock(&seg->lock);
	shmq_close(q);
}

struct holder {
	step now;
	int64_t byte;
};

static void hold_lease(void *arg)
{
	struct holder *holder = arg;
	struct shmq *q = queue_open("j");

	must_be(shmqi_lease_take(q->seg->lease_fd, holder->byte), 0);
	step_to(&holder->now, 1);
	step_wait(&holder->now, 2);
	shmq_close(q);
}

static void one_process_prepares_at_a_time(void **state)
{
	struct holder *holder = shared_memory(sizeof(*holder));
	struct shmq *q = create(0);
	struct shmq_producer *p = producer_join(q);
	pid_t pid;

	(void)state;
	holder->byte = SH_LEASE_PREPARE;
	pid = child_start(hold_lease, holder);
	step_wait(&holder->now, 1);
	send_some(p, IN_SEGMENT);
	must_be(q->seg->journal->ahead.fd, -1);
	must(!has_file("j", segment_name(1)));
	/* Nor does it wait for it. */
	must_be(send_one(p, LEN), 0);
	step_to(&holder->now, 2);
	child_join(pid);
	shmq_producer_close(p);
	shmq_close(q);
	shared_free(holder, sizeof(*holder));
}

/* That it could not be prepared is no news to who has sent a message. */
static void what_goes_wrong_with_it_is_not_told(void **state)
{
	struct rlimit limit, small;
	struct shmq *q = create(0);
	struct shmq_producer *p = producer_join(q);

	(void)state;
	must_be(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small = (struct rlimit){ WINDOW / 2, limit.rlim_max };
	must_be(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (int i = 0; i < IN_SEGMENT; i++) {
		must_be(send_one(p, LEN), 0);
		must(!*shmq_errdetail());
	}
	must_be(send_one(p, LEN), -EFBIG);
	must_be(setrlimit(RLIMIT_FSIZE, &limit), 0);
	must_be(send_one(p, LEN), 0);
	shmq_producer_close(p);
	shmq_close(q);
}

/* ----------------------------------------------------------------- the files */

static void all_files_are_as_the_first(void **state)
{
	mode_t before = umask(077);
	struct shmq *q = create(0);
	struct shmq_producer *p = producer_join(q);
	struct stat control, st;

	(void)state;
	must_be(stat(path_of("j", "control"), &control), 0);
	must_be(chmod(path_of("j", "control"), 0664), 0);
	send_some(p, IN_SEGMENT + 1);
	must_be(stat(path_of("j", segment_name(1)), &st), 0);
	must_be(st.st_mode & 0777, 0664);
	must_be(stat(path_of("j", index_name(1)), &st), 0);
	must_be(st.st_mode & 0777, 0664);
	umask(before);
	shmq_producer_close(p);
	shmq_close(q);
}

/* A part of it would be a mapping without a file behind it. */
static void a_file_of_the_wrong_size_is_damage(void **state)
{
	static const off_t sizes[] = { SEGMENT / 2, SEGMENT + 1, 0 };
	struct shmq *q = create(0);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c;
	struct shmq_msg msg;

	(void)state;
	send_some(p, 5);
	shmq_producer_close(p);
	shmq_close(q);
	for (int i = 0; i < 3; i++) {
		must_be(truncate(path_of("j", segment_name(0)), sizes[i]), 0);
		q = queue_open("j");
		must_be(shmq_consumer_open(&c, q, NULL, SHMQ_TAP), 0);
		must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), -EBADMSG);
		must(strstr(shmq_errdetail(), "bytes and should have"));
		shmq_consumer_close(c);
		shmq_close(q);
	}
}

static bool has_view(const struct segment *seg, uint64_t number)
{
	const struct view *view = seg->views;

	while (view && view->number != number)
		view = view->next;
	return view;
}

/* Who has joined, and never sent, keeps nothing mapped. */
static void who_does_nothing_keeps_nothing(void **state)
{
	struct shmq *q = create(0);
	struct shmq_producer *idle = producer_join(q), *p = producer_join(q);

	(void)state;
	send_some(p, 5 * IN_SEGMENT + 1);
	for (uint64_t k = 0; k < 3; k++)
		must(!has_view(q->seg, k));
	shmq_producer_close(p);
	shmq_producer_close(idle);
	shmq_close(q);
}

/* A control file that is in no directory, and another one in its place. */
static void a_removed_control_file_has_no_segments(void **state)
{
	struct shmq *q = create(0), *other;
	char control[4096];
	int fd;

	(void)state;
	snprintf(control, sizeof(control), "%s", path_of("j", "control"));
	fd = open(control, O_RDWR);
	must(fd >= 0);
	shmq_close(q);
	must_be(unlink(control), 0);
	must_be(close(open(control, O_CREAT | O_WRONLY, 0600)), 0);
	must_be(shmq_open_fd(&other, fd, 0), -EOPNOTSUPP);
	must(*shmq_errdetail());
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(what_fits_to_the_last_byte_needs_no_room),
		TEST_IN_DIRECTORY(what_is_small_still_fits_behind_what_did_not),
		TEST_IN_DIRECTORY(what_can_go_makes_room),
		TEST_IN_DIRECTORY(who_reads_to_the_end_goes_on_in_the_next),
		TEST_IN_DIRECTORY(the_next_segment_is_made_on_the_way),
		TEST_IN_DIRECTORY(what_was_prepared_in_vain_is_given_back),
		TEST_IN_DIRECTORY(what_a_parent_prepares_is_not_its_childs),
		TEST_IN_DIRECTORY(one_number_is_not_taken_for_another),
		TEST_IN_DIRECTORY(one_process_prepares_at_a_time),
		TEST_IN_DIRECTORY(what_goes_wrong_with_it_is_not_told),
		TEST_IN_DIRECTORY(all_files_are_as_the_first),
		TEST_IN_DIRECTORY(a_file_of_the_wrong_size_is_damage),
		TEST_IN_DIRECTORY(who_does_nothing_keeps_nothing),
		TEST_IN_DIRECTORY(a_removed_control_file_has_no_segments),
	};

	return cmocka_run_group_tests_name("rolls", tests, NULL, NULL);
}
