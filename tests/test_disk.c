/* SPDX-License-Identifier: MIT */
/*
 * Journals and their disk: who is waited for before a message counts as durable,
 * and what happens when the disk says no. Both calls are answered here.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "support.h"

#define SEGMENT 65536

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_posix_fallocate(int fd, off_t offset, off_t bytes);
int __wrap_posix_fallocate(int fd, off_t offset, off_t bytes);

static bool full;
static int sync_error;
static unsigned syncs;

int __wrap_fdatasync(int fd)
{
	syncs++;
	if (!sync_error)
		return __real_fdatasync(fd);
	errno = sync_error;
	return -1;
}

int __wrap_posix_fallocate(int fd, off_t offset, off_t bytes)
{
	return full ? ENOSPC : __real_posix_fallocate(fd, offset, bytes);
}

static struct shmq *journal_create(uint32_t durability)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *q;

	full = false;
	sync_error = 0;
	attr.flags = SHMQ_JOURNAL;
	attr.segment_bytes = SEGMENT;
	attr.durability = durability;
	must_be(shmq_open(&q, "j", SHMQ_CREATE | SHMQ_EXCL, 0600, &attr), 0);
	return q;
}

static void a_full_disk_stops_senders_only(void **state)
{
	struct shmq *q = journal_create(SHMQ_DURABLE_NONE);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0);
	uint64_t sent = 0, number, taken = 0;
	char message[1000] = { 0 };
	int r;

	(void)state;
	full = true;
	do {
		memcpy(message, &sent, 8);
		r = shmq_send(p, message, sizeof(message), SHMQ_FOREVER);
		sent += !r;
	} while (!r);
	must_be(r, -ENOSPC);
	must(sent > 50);
	must_be(shmq_send(p, message, sizeof(message), SHMQ_NOWAIT), -ENOSPC);
	while (shmq_recv(c, message, sizeof(message), SHMQ_NOWAIT) > 0) {
		memcpy(&number, message, 8);
		must_be(number, taken++);
	}
	must_be(taken, sent);
	/* What is small still fits into the segment. */
	must_be(shmq_check(q, NULL, NULL), 0);
	full = false;
	for (int i = 0; i < 100; i++) {
		memcpy(message, &sent, 8);
		must_be(shmq_send(p, message, sizeof(message), SHMQ_NOWAIT), 0);
		sent++;
	}
	while (shmq_recv(c, message, sizeof(message), SHMQ_NOWAIT) > 0) {
		memcpy(&number, message, 8);
		must_be(number, taken++);
	}
	must_be(taken, sent);
	must_be(shmq_journal_verify(q, NULL, NULL), 0);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(q);
}

static void each_way_of_sending_waits_for_the_disk(void **state)
{
	struct shmq *q = journal_create(SHMQ_DURABLE_EACH);
	struct shmq_producer *p = producer_join(q);
	char letters[2] = "ab";
	struct iovec parts[2] = { { &letters[0], 1 }, { &letters[1], 1 } };
	void *to;

	(void)state;
	syncs = 0;
	must_be(shmq_send(p, "x", 1, SHMQ_NOWAIT), 0);
	must_be(syncs, 1);
	must_be(shmq_sendv(p, parts, 2, SHMQ_NOWAIT), 0);
	must_be(syncs, 2);
	must_be(shmq_send_batch(p, parts, 2, SHMQ_NOWAIT), 2);
	must_be(syncs, 3);
	must_be(shmq_reserve(p, 10, &to, SHMQ_NOWAIT), 0);
	must_be(syncs, 3);
	must_be(shmq_commit(p, 5), 0);
	must_be(syncs, 4);
	/* There is nothing that the disk does not have. */
	must_be(shmq_sync(q, SHMQ_NOWAIT), 0);
	must_be(syncs, 4);
	shmq_producer_close(p);
	shmq_close(q);
}

static void what_lies_behind_an_unfinished_message_is_not_durable(void **state)
{
	struct shmq *q = journal_create(SHMQ_DURABLE_EACH);
	struct shmq_producer *slow = producer_join(q), *p = producer_join(q);
	void *to;

	(void)state;
	must_be(shmq_reserve(slow, 100, &to, SHMQ_NOWAIT), 0);
	must_be(shmq_send(p, "x", 1, SHMQ_NOWAIT), -EINPROGRESS);
	must_be(shmq_send(p, "y", 1, 20000000), -EINPROGRESS);
	must_be(shmq_sync(q, SHMQ_NOWAIT), -ETIMEDOUT);
	memset(to, 0, 100);
	must_be(shmq_commit(slow, 100), 0);
	must_be(shmq_sync(q, SHMQ_NOWAIT), 0);
	must_be(shmq_send(p, "z", 1, SHMQ_NOWAIT), 0);
	must_be(stat_of(q).depth_messages, 4);
	shmq_producer_close(p);
	shmq_producer_close(slow);
	shmq_close(q);
}

static void die_with_a_reservation(void *arg)
{
	struct shmq *q = queue_open("j");
	struct shmq_producer *p = producer_join(q);
	step *begun = arg;
	void *to;

	must_be(shmq_reserve(p, 100, &to, SHMQ_NOWAIT), 0);
	step_to(begun, 1);
	for (;;)
		nap();
}

static void a_dead_sender_holds_up_no_sync(void **state)
{
	struct shmq *q = journal_create(SHMQ_DURABLE_EACH);
	step *begun = shared_memory(sizeof(*begun));
	struct shmq_producer *p;
	pid_t pid = child_start(die_with_a_reservation, begun);

	(void)state;
	step_wait(begun, 1);
	child_kill(pid);
	p = producer_join(q);
	must_be(shmq_send(p, "x", 1, PATIENCE_NS), 0);
	must_be(shmq_sync(q, SHMQ_NOWAIT), 0);
	shmq_producer_close(p);
	shmq_close(q);
	shared_free(begun, sizeof(*begun));
}

/* The kernel says it once only. */
static void what_the_disk_refused_is_never_called_durable(void **state)
{
	struct shmq *q = journal_create(SHMQ_DURABLE_EACH);
	struct shmq_producer *p = producer_join(q);

	(void)state;
	must_be(shmq_send(p, "a", 1, SHMQ_NOWAIT), 0);
	sync_error = EIO;
	must_be(shmq_send(p, "b", 1, SHMQ_NOWAIT), -EINPROGRESS);
	sync_error = 0;
	must_be(shmq_send(p, "c", 1, SHMQ_NOWAIT), -EINPROGRESS);
	must_be(shmq_sync(q, SHMQ_NOWAIT), -EIO);
	must(*shmq_errdetail());
	must_be(stat_of(q).depth_messages, 3);
	shmq_producer_close(p);
	shmq_close(q);
}

/* A process that can open no more files has not seen the disk refuse anything. */
static void who_cannot_open_a_segment_spoils_nothing(void **state)
{
	struct shmq *q = journal_create(SHMQ_DURABLE_NONE);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, SHMQ_EXCLUSIVE);
	struct rlimit limit, none;
	struct shmq_msg msg;

	(void)state;
	/* It keeps the segment mapped. */
	must_be(shmq_send(p, "a", 1, SHMQ_NOWAIT), 0);
	must_be(shmq_receive(c, &msg, 1, PATIENCE_NS), 1);
	must_be(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){ 0, limit.rlim_max };
	must_be(setrlimit(RLIMIT_NOFILE, &none), 0);
	must_be(shmq_sync(q, SHMQ_NOWAIT), -EMFILE);
	must_be(setrlimit(RLIMIT_NOFILE, &limit), 0);
	must_be(shmq_sync(q, SHMQ_NOWAIT), 0);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(q);
}

static void only_a_journal_is_synced(void **state)
{
	struct shmq *q = queue_create("plain", 4096, 0), *look;

	(void)state;
	must_be(shmq_sync(q, SHMQ_NOWAIT), -EOPNOTSUPP);
	must_be(shmq_sync(NULL, SHMQ_NOWAIT), -EINVAL);
	shmq_close(q);
	q = journal_create(SHMQ_DURABLE_NONE);
	must_be(shmq_sync(q, -2), -EINVAL);
	must_be(shmq_open(&look, "j", SHMQ_RDONLY, 0, NULL), 0);
	must_be(shmq_sync(look, SHMQ_NOWAIT), -EBADF);
	shmq_close(look);
	shmq_close(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(a_full_disk_stops_senders_only),
		TEST_IN_DIRECTORY(each_way_of_sending_waits_for_the_disk),
		TEST_IN_DIRECTORY(
			what_lies_behind_an_unfinished_message_is_not_durable),
		TEST_IN_DIRECTORY(a_dead_sender_holds_up_no_sync),
		TEST_IN_DIRECTORY(
			what_the_disk_refused_is_never_called_durable),
		TEST_IN_DIRECTORY(who_cannot_open_a_segment_spoils_nothing),
		TEST_IN_DIRECTORY(only_a_journal_is_synced),
	};

	return cmocka_run_group_tests_name("disk", tests, NULL, NULL);
}
