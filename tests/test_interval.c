/* SPDX-License-Identifier: MIT */
/* A journal that is synced at intervals: by a thread, and not needlessly. */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cursor.h"
#include "handle.h"
#include "support.h"

static _Atomic unsigned syncs;
static _Atomic unsigned failing;

int __wrap_fdatasync(int fd);

int __wrap_fdatasync(int fd)
{
	(void)fd;
	atomic_fetch_add(&syncs, 1);
	if (failing) {
		errno = EIO;
		return -1;
	}
	return 0;
}

static struct shmq *create(uint32_t interval_ms)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *q;

	attr.flags = SHMQ_JOURNAL;
	attr.segment_bytes = 65536;
	attr.durability = SHMQ_DURABLE_INTERVAL;
	attr.interval_ms = interval_ms;
	must_be(shmq_open(&q, "j", SHMQ_CREATE, 0600, &attr), 0);
	return q;
}

static bool is_synced(struct shmq *q)
{
	struct sh_control *control = q->seg->control;

	return load_acquire(&control->synced.lo) == cursor_pos(&control->tail);
}

static void must_be_synced_soon(struct shmq *q)
{
	for (int i = 0; i < 10000 && !is_synced(q); i++)
		usleep(1000);
	must(is_synced(q));
}

static void send_one(struct shmq_producer *p)
{
	must_be(shmq_send(p, "m", 1, SHMQ_NOWAIT), 0);
}

/* ------------------------------------------------------------------ bodies */

static void what_was_sent_is_synced_and_then_nothing(void **state)
{
	struct shmq *q = create(5);
	struct shmq_producer *p = producer_join(q), *other = producer_join(q);
	unsigned before;

	(void)state;
	must(is_synced(q));
	for (int round = 0; round < 20; round++) {
		send_one(p);
		if (round % 3)
			usleep(3000);
		send_one(other);
		if (round % 5 == 0)
			must_be_synced_soon(q);
	}
	must_be_synced_soon(q);
	before = syncs;
	usleep(50000);
	must_be(syncs, before);
	shmq_producer_close(other);
	send_one(p);
	must_be_synced_soon(q);
	shmq_producer_close(p);
	shmq_close(q);
}

static void messages_share_a_sync(void **state)
{
	struct shmq *q = create(100);
	struct shmq_producer *p = producer_join(q);
	unsigned before = syncs;

	(void)state;
	for (int i = 0; i < 200; i++)
		send_one(p);
	must_be_synced_soon(q);
	must(syncs - before <= 4);
	shmq_producer_close(p);
	shmq_close(q);
}

static void closing_syncs(void **state)
{
	struct shmq *q = create(3600000);
	struct shmq_producer *p = producer_join(q);

	(void)state;
	send_one(p);
	usleep(20000);
	must(!is_synced(q));
	shmq_producer_close(p);
	must(is_synced(q));
	shmq_close(q);
}

/* TSan allows a forked child no threads. */
static void children_need_threads(void)
{
#ifdef __SANITIZE_THREAD__
	skip();
#endif
}

static void send_and_die(void *arg)
{
	struct shmq_producer *p = producer_join(arg);

	send_one(p);
	_exit(0);
}

/* Its own syncer goes with it; ours sees to what it sent. */
static void what_the_dead_sent_is_synced_by_others(void **state)
{
	struct shmq *q;
	struct shmq_producer *p;

	(void)state;
	children_need_threads();
	q = create(20);
	p = producer_join(q);
	child_join(child_start(send_and_die, q));
	must_be_synced_soon(q);
	must_be(cursor_load(&q->seg->control->tail).seq, 1);
	send_one(p);
	must_be_synced_soon(q);
	shmq_producer_close(p);
	shmq_close(q);
}

static void use_in_child(void *arg)
{
	struct shmq *q = arg;
	struct shmq_producer *p = producer_join(q);

	send_one(p);
	must_be_synced_soon(q);
	shmq_producer_close(p);
}

static void a_forked_child_has_its_own(void **state)
{
	struct shmq *q;
	struct shmq_producer *p;

	(void)state;
	children_need_threads();
	q = create(2);
	p = producer_join(q);
	send_one(p);
	child_join(child_start(use_in_child, q));
	send_one(p);
	must_be_synced_soon(q);
	shmq_producer_close(p);
	shmq_close(q);
}

/* What was written before a failure may be lost: nothing counts any more. */
static void a_failing_disk_is_told(void **state)
{
	struct shmq *q = create(1);
	struct shmq_producer *p = producer_join(q);

	(void)state;
	failing = 1;
	send_one(p);
	usleep(30000);
	must(!is_synced(q));
	failing = 0;
	must_be(shmq_sync(q, SHMQ_NOWAIT), -EIO);
	send_one(p);
	shmq_producer_close(p);
	shmq_close(q);
}

static void intervals_make_sense(void **state)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *q;

	(void)state;
	attr.flags = SHMQ_JOURNAL;
	attr.durability = SHMQ_DURABLE_INTERVAL;
	must_be(shmq_open(&q, "j", SHMQ_CREATE, 0600, &attr), -EINVAL);
	attr.interval_ms = 3600001;
	must_be(shmq_open(&q, "j", SHMQ_CREATE, 0600, &attr), -EINVAL);
	attr.interval_ms = 1;
	attr.durability = SHMQ_DURABLE_EACH;
	must_be(shmq_open(&q, "j", SHMQ_CREATE, 0600, &attr), -EINVAL);
	attr.durability = SHMQ_DURABLE_INTERVAL + 1;
	must_be(shmq_open(&q, "j", SHMQ_CREATE, 0600, &attr), -EINVAL);
	attr.flags = 0;
	attr.durability = 0;
	must_be(shmq_open(&q, "j", SHMQ_CREATE, 0600, &attr), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(what_was_sent_is_synced_and_then_nothing),
		TEST_IN_DIRECTORY(messages_share_a_sync),
		TEST_IN_DIRECTORY(closing_syncs),
		TEST_IN_DIRECTORY(what_the_dead_sent_is_synced_by_others),
		TEST_IN_DIRECTORY(a_forked_child_has_its_own),
		TEST_IN_DIRECTORY(a_failing_disk_is_told),
		TEST_IN_DIRECTORY(intervals_make_sense),
	};

	return cmocka_run_group_tests_name("interval", tests, NULL, NULL);
}
