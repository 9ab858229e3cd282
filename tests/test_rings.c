/* SPDX-License-Identifier: MIT */
/*
 * The table of rings: what it says when it is damaged, who follows it, and
 * what is left of a change that was not finished.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handle.h"
#include "lease.h"
#include "rings.h"
#include "support.h"
#include "views.h"

#define SMALL UINT64_C(4096)
#define LARGE UINT64_C(65536)

static const unsigned kinds[] = { 0, SHMQ_SINGLE_PRODUCER, SHMQ_SINGLE_CONSUMER,
				  SHMQ_SINGLE_PRODUCER | SHMQ_SINGLE_CONSUMER };
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void send_number(struct shmq_producer *p, int n)
{
	must_be(shmq_send(p, &n, sizeof(n), PATIENCE_NS), 0);
}

static void receive_number(struct shmq_consumer *c, int n)
{
	int got = -1;

	must_be(shmq_recv(c, &got, sizeof(got), PATIENCE_NS), sizeof(got));
	must_be(got, n);
}

static uint64_t bytes_of(struct shmq *q)
{
	struct stat st;

	must_be(fstat(shmq_fd(q), &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

/* --------------------------------------------------------------- following */

struct meeting {
	struct shmq *q;
	step step;
};

static void receive_two(void *arg)
{
	struct meeting *m = arg;
	struct shmq_consumer *c = consumer_join(m->q, 0);

	receive_number(c, 1);
	receive_number(c, 2);
	shmq_consumer_close(c);
}

static void consumers_that_sleep_follow(void **state)
{
	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		struct meeting *m = shared_memory(sizeof(*m));
		struct shmq_producer *p;
		pid_t pid;

		m->q = queue_anonymous(SMALL, kinds[k]);
		pid = child_start(receive_two, m);
		wait_for_sleepers(m->q, SHMQ_ROLE_CONSUMER, 1);
		must_be(shmq_resize(m->q, LARGE), 0);
		p = producer_join(m->q);
		send_number(p, 1);
		wait_for_sleepers(m->q, SHMQ_ROLE_CONSUMER, 1);
		must_be(shmq_resize(m->q, SMALL), 0);
		send_number(p, 2);
		child_join(pid);
		shmq_producer_close(p);
		shmq_close(m->q);
		shared_free(m, sizeof(*m));
	}
}

static void fill_and_one_more(void *arg)
{
	struct meeting *m = arg;
	struct shmq_producer *p = producer_join(m->q);
	char buf[1000] = { 0 };

	while (shmq_send(p, buf, sizeof(buf), SHMQ_NOWAIT) == 0)
		;
	must_be(shmq_send(p, buf, sizeof(buf), PATIENCE_NS), 0);
	shmq_producer_close(p);
}

static void a_producer_that_waits_for_room_has_it(void **state)
{
	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		struct meeting *m = shared_memory(sizeof(*m));
		pid_t pid;

		m->q = queue_anonymous(SMALL, kinds[k]);
		pid = child_start(fill_and_one_more, m);
		/* There is no consumer: it sleeps without a bound. */
		wait_for_sleepers(m->q, SHMQ_ROLE_PRODUCER, 1);
		must_be(shmq_resize(m->q, LARGE), 0);
		child_join(pid);
		shmq_close(m->q);
		shared_free(m, sizeof(*m));
	}
}

/* A handle from before the change, in a process from before the change. */
static void children_that_were_there_before_follow(void **state)
{
	struct meeting *m = shared_memory(sizeof(*m));
	pid_t pid;

	(void)state;
	m->q = queue_anonymous(SMALL, 0);
	must_be(shmq_resize(m->q, LARGE), 0);
	must_be(shmq_resize(m->q, 2 * LARGE), 0);
	pid = child_start(receive_two, m);
	wait_for_sleepers(m->q, SHMQ_ROLE_CONSUMER, 1);
	must_be(shmq_resize(m->q, SMALL), 0);
	{
		struct shmq_producer *p = producer_join(m->q);

		send_number(p, 1);
		send_number(p, 2);
		child_join(pid);
		shmq_producer_close(p);
	}
	shmq_close(m->q);
	shared_free(m, sizeof(*m));
}

static void who_may_only_read_sees_it(void **state)
{
	struct shmq *q = queue_create("q", SMALL, 0), *look;
	struct shmq_producer *p = producer_join(q);

	(void)state;
	must_be(shmq_open(&look, "q", SHMQ_RDONLY, 0, NULL), 0);
	send_number(p, 1);
	must_be(shmq_resize(look, LARGE), -EBADF);
	must_be(shmq_resize(q, LARGE), 0);
	must_be(stat_of(look).capacity_bytes, LARGE);
	must_be(shmq_max_message(look), LARGE / 4);
	must(stat_of(look).depth_messages >= 1);
	shmq_close(look);
	must_be(shmq_open(&look, "q", SHMQ_RDONLY, 0, NULL), 0);
	must_be(stat_of(look).capacity_bytes, LARGE);
	shmq_producer_close(p);
	shmq_close(look);
	shmq_close(q);
	must_be(shmq_unlink("q"), 0);
}

/* Messages in both rings, as a file that is opened anew. */
static void a_queue_that_was_resized_is_opened(void **state)
{
	struct shmq *q = queue_create("q", SMALL, 0);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c;

	(void)state;
	send_number(p, 1);
	must_be(shmq_resize(q, LARGE), 0);
	send_number(p, 2);
	shmq_producer_close(p);
	shmq_close(q);
	q = queue_open("q");
	c = consumer_join(q, 0);
	receive_number(c, 1);
	receive_number(c, 2);
	shmq_consumer_close(c);
	shmq_close(q);
	q = queue_open("q");
	must_be(stat_of(q).capacity_bytes, LARGE);
	shmq_close(q);
	must_be(shmq_unlink("q"), 0);
}

/* ----------------------------------------------------------------- refusing */

static void bad_capacities_are_refused(void **state)
{
	struct shmq *q = queue_anonymous(SMALL, 0);

	(void)state;
	must_be(shmq_resize(NULL, LARGE), -EINVAL);
	must_be(shmq_resize(q, 0), -EINVAL);
	must_be(shmq_resize(q, 4095), -EINVAL);
	must_be(shmq_resize(q, (UINT64_C(1) << 40) + 1), -EINVAL);
	must(*shmq_errdetail());
	must_be(shmq_resize(q, SMALL), 0);
	must_be(shmq_resize(q, 5000), 0);
	must_be(stat_of(q).capacity_bytes, 8192);
	shmq_close(q);
}

/* All is as it was, and in use. */
static void no_storage(void *arg)
{
	struct rlimit limit = { 3 * LARGE, 3 * LARGE };
	struct shmq *q = queue_create("q", SMALL, 0);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0);
	uint64_t before = bytes_of(q);

	(void)arg;
	send_number(p, 1);
	must_be(setrlimit(RLIMIT_FSIZE, &limit), 0);
	must_be(shmq_resize(q, 4 * LARGE), -EFBIG);
	must_be(bytes_of(q), before);
	must_be(stat_of(q).capacity_bytes, SMALL);
	send_number(p, 2);
	receive_number(c, 1);
	receive_number(c, 2);
	must_be(shmq_resize(q, LARGE), 0);
	send_number(p, 3);
	receive_number(c, 3);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(q);
	must_be(shmq_unlink("q"), 0);
}

static void without_storage_all_is_as_it_was(void **state)
{
	(void)state;
	child_run(no_storage, NULL);
}

static void a_full_file_system_is_said_to_be_full(void **state)
{
	char path[PATH_MAX];
	struct shmq *q;

	(void)state;
	snprintf(path, sizeof(path), "%s/small", shmq_runtime_dir());
	must_be(mkdir(path, 0700), 0);
	if (mount("none", path, "tmpfs", 0, "size=512k") < 0) {
		must_be(rmdir(path), 0);
		skip();
	}
	strcat(path, "/q");
	must_be(shmq_open(&q, path, SHMQ_CREATE, 0600, NULL), -ENOSPC);
	{
		struct shmq_attr attr = SHMQ_ATTR_INIT;
		uint64_t before;

		attr.capacity = LARGE;
		must_be(shmq_open(&q, path, SHMQ_CREATE, 0600, &attr), 0);
		before = bytes_of(q);
		must_be(shmq_resize(q, 8 * LARGE), -ENOSPC);
		must_be(bytes_of(q), before);
		must_be(shmq_resize(q, 2 * LARGE), 0);
	}
	shmq_close(q);
	must_be(shmq_unlink(path), 0);
	*strrchr(path, '/') = '\0';
	must_be(umount(path), 0);
	must_be(rmdir(path), 0);
}

/* ------------------------------------------------------------- left behind */

/* As a resizer leaves it that dies before it publishes, and after. */
static void storage_that_nobody_has_is_given_back(void **state)
{
	struct shmq *q = queue_create("q", SMALL, 0);
	uint64_t before = bytes_of(q);

	(void)state;
	must_be(posix_fallocate(shmq_fd(q),
				(off_t)(q->seg->geo.ring_off + SMALL), LARGE),
		0);
	must_be(bytes_of(q), before + LARGE);
	must_be(shmq_resize(q, SMALL), 0);
	must_be(bytes_of(q), before);
	shmq_close(q);
	must_be(shmq_unlink("q"), 0);
}

static void publish_and_die(void *arg)
{
	struct shmq *q = arg;
	uint64_t offset = q->seg->geo.ring_off + SMALL;

	must_be(shmqi_lease_take(q->seg->lease_fd, SH_LEASE_RINGS), 0);
	must_be(posix_fallocate(shmq_fd(q), (off_t)offset, LARGE), 0);
	shmqi_rings_publish(q->seg, 1, offset, LARGE);
	raise(SIGKILL);
}

static void a_ring_whose_maker_died_is_in_force(void **state)
{
	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		struct shmq *q = queue_create("q", SMALL, kinds[k]);
		struct shmq_producer *p = producer_join(q);
		struct shmq_consumer *c;
		char buf[1000] = { 0 };
		int n = 0;

		while (shmq_send(p, buf, sizeof(buf), SHMQ_NOWAIT) == 0)
			n++;
		child_must_be_killed(child_start(publish_and_die, q));
		must_be(stat_of(q).capacity_bytes, LARGE);
		/* Nobody has decided where it begins; this does. */
		for (int i = 0; i < 10; i++, n++)
			must_be(shmq_send(p, buf, sizeof(buf), SHMQ_NOWAIT), 0);
		c = consumer_join(q, 0);
		while (n--)
			must_be(shmq_recv(c, buf, sizeof(buf), SHMQ_NOWAIT),
				sizeof(buf));
		must_be(shmq_recv(c, buf, sizeof(buf), SHMQ_NOWAIT), -EAGAIN);
		must_be(shmq_resize(q, SMALL), 0);
		shmq_consumer_close(c);
		shmq_producer_close(p);
		shmq_close(q);
		must_be(shmq_unlink("q"), 0);
	}
}

/* A consumer that does not come keeps the memory, and nobody waits for it. */
static void who_does_not_come_holds_up_only_the_memory(void **state)
{
	struct shmq *q = queue_create("q", SMALL, 0), *other;
	struct shmq_consumer *stays = consumer_join(q, 0), *c;
	struct shmq_producer *p = producer_join(q);
	uint64_t before = bytes_of(q);

	(void)state;
	/* In another process it would be the same. */
	must_be(shmq_open(&other, "q", SHMQ_RDONLY, 0, NULL), 0);
	c = consumer_join(q, 0);
	for (int i = 0; i < 2; i++) {
		must_be(shmq_resize(q, SMALL << (i + 1)), 0);
		send_number(p, i);
		receive_number(c, i);
		must_be(shmq_recover(q), 0);
		must(bytes_of(q) >= before + (SMALL << (i + 1)));
	}
	must_be(shmq_resize(q, SMALL << 3), 0);
	send_number(p, 2);
	receive_number(c, 2);
	/* There are four entries, and it holds all but the last. */
	must_be(shmq_resize(q, SMALL), -EBUSY);
	must_be(shmq_recv(stays, NULL, 0, SHMQ_NOWAIT), -EAGAIN);
	must_be(shmq_resize(q, SMALL), 0);
	send_number(p, 3);
	receive_number(stays, 3);
	must_be(shmq_recv(c, NULL, 0, SHMQ_NOWAIT), -EAGAIN);
	must_be(shmq_recover(q), 0);
	must_be(bytes_of(q), before);
	shmq_consumer_close(stays);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(other);
	shmq_close(q);
	must_be(shmq_unlink("q"), 0);
}

/* ---------------------------------------------------------------- damage */

static void flip(int fd, size_t at, unsigned bit)
{
	uint8_t byte;

	must_be(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= (uint8_t)(1u << bit);
	must_be(pwrite(fd, &byte, 1, (off_t)at), 1);
}

/*
 * Every bit of the words in use: whoever opens it is told, and so is whoever
 * has it open. That one more ring is gone may go unnoticed.
 */
static void every_flipped_bit_is_noticed(void **state)
{
	const size_t from = SH_CONTROL_OFF + offsetof(struct sh_control, ring);
	const size_t gone = SH_CONTROL_OFF +
			    offsetof(struct sh_control, given_back);
	const size_t rings = SH_CONTROL_OFF +
			     offsetof(struct sh_control, rings);
	struct shmq *q = queue_create("q", SMALL, 0), *other;
	struct shmq_producer *p = producer_join(q);
	struct shmq_stat st = SHMQ_STAT_INIT;
	int fd = dup(shmq_fd(q));

	(void)state;
	send_number(p, 1);
	must_be(shmq_resize(q, LARGE), 0);
	shmq_producer_close(p);
	shmq_close(q);
	for (size_t at = from; at < rings + 2 * sizeof(struct sh_ring); at++) {
		if (at >= gone + 8 && at < rings)
			continue;
		for (unsigned bit = at == gone; bit < 8; bit++) {
			flip(fd, at, bit);
			must_be(shmq_open(&other, "q", 0, 0, NULL), -EBADMSG);
			must(*shmq_errdetail());
			flip(fd, at, bit);
			q = queue_open("q");
			flip(fd, at, bit);
			must_be(shmq_stat(q, &st), -EBADMSG);
			must_be(shmq_max_message(q), 0);
			must_be(shmq_resize(q, SMALL), -EBADMSG);
			must_be(shmq_producer_open(&p, q, 0), -EBADMSG);
			flip(fd, at, bit);
			shmq_close(q);
		}
	}
	close(fd);
	must_be(shmq_unlink("q"), 0);
}

static unsigned leased(const struct segment *seg)
{
	unsigned n = 0;

	for (const struct view *view = seg->views; view; view = view->next)
		n += view->leased;
	return n;
}

#define HUGE_RING (UINT64_C(64) << 20)

/* Half of the addresses that the ring takes are left. */
static void open_without_addresses(void *arg)
{
	struct shmq *q = queue_anonymous(HUGE_RING, 0);
	struct rlimit limit = { 0, 0 }, kept;
	struct shmq_consumer *c;
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	(void)arg;
	must(f && fscanf(f, "%lu", &pages) == 1);
	fclose(f);
	limit.rlim_cur = limit.rlim_max = pages * 4096 + HUGE_RING;
	must_be(setrlimit(RLIMIT_AS, &limit), 0);
	must_be(getrlimit(RLIMIT_AS, &kept), 0);
	if (kept.rlim_cur != limit.rlim_cur) {
		puts("an emulator that sets no limit to addresses");
		shmq_close(q);
		return;
	}
	must_be(shmq_consumer_open(&c, q, NULL, 0), -ENOMEM);
	must_be(leased(q->seg), 0);
	must_be(shmq_consumer_open(&c, q, NULL, SHMQ_TAP), -ENOMEM);
	must_be(leased(q->seg), 0);
	shmq_close(q);
}

static void who_cannot_map_a_ring_keeps_no_lease_on_it(void **state)
{
	(void)state;
	child_run(open_without_addresses, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(consumers_that_sleep_follow),
		TEST_IN_DIRECTORY(a_producer_that_waits_for_room_has_it),
		TEST_IN_DIRECTORY(children_that_were_there_before_follow),
		TEST_IN_DIRECTORY(who_may_only_read_sees_it),
		TEST_IN_DIRECTORY(a_queue_that_was_resized_is_opened),
		TEST_IN_DIRECTORY(bad_capacities_are_refused),
		TEST_IN_DIRECTORY(without_storage_all_is_as_it_was),
		TEST_IN_DIRECTORY(a_full_file_system_is_said_to_be_full),
		TEST_IN_DIRECTORY(storage_that_nobody_has_is_given_back),
		TEST_IN_DIRECTORY(a_ring_whose_maker_died_is_in_force),
		TEST_IN_DIRECTORY(who_does_not_come_holds_up_only_the_memory),
		TEST_IN_DIRECTORY(every_flipped_bit_is_noticed),
		TEST_IN_DIRECTORY(who_cannot_map_a_ring_keeps_no_lease_on_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
