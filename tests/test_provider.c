/* SPDX-License-Identifier: MIT */
/*
 * The thread that works ahead of a journal's tail: it is ahead; nobody waits for
 * it, nobody needs it, and it is gone with the last producer. What it asks of the
 * kernel is answered here.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cursor.h"
#include "handle.h"
#include "journal.h"
#include "segfile.h"
#include "support.h"
#include "tsan.h"
#include "views.h"

#define SEGMENT (1u << 20)
#define LEN 1000
#define IN_SEGMENT (SEGMENT / 1088) /* messages of that length, or fewer */

int __real_posix_fallocate(int fd, off_t offset, off_t bytes);
int __wrap_posix_fallocate(int fd, off_t offset, off_t bytes);
int __real_madvise(void *at, size_t bytes, int advice);
int __wrap_madvise(void *at, size_t bytes, int advice);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*run)(void *arg), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*run)(void *arg), void *arg);

static _Atomic bool full, no_threads;
static _Atomic unsigned refused;
/* Its thread stops where it allocates, or where it makes pages. */
static _Atomic bool stuck_allocating, stuck_touching;
static step stuck;

static bool is_thread(void)
{
	return syscall(SYS_gettid) != getpid();
}

static void stay_while(_Atomic bool *held)
{
	if (!is_thread() || !*held)
		return;
	step_to(&stuck, 1);
	while (*held)
		nap();
}

int __wrap_posix_fallocate(int fd, off_t offset, off_t bytes)
{
	stay_while(&stuck_allocating);
	if (full)
		refused++;
	return full ? ENOSPC : __real_posix_fallocate(fd, offset, bytes);
}

int __wrap_madvise(void *at, size_t bytes, int advice)
{
	stay_while(&stuck_touching);
	return __real_madvise(at, bytes, advice);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*run)(void *arg), void *arg)
{
	return no_threads ? EAGAIN :
			    __real_pthread_create(thread, attr, run, arg);
}

/* ----------------------------------------------------------------- helpers */

static unsigned threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned n = 0;

	must(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

/* As many as at the beginning; a sanitizer may have one of its own. */
static unsigned threads_before;

/* The kernel takes a moment to forget one that was joined. */
static void must_be_alone(void)
{
	for (int i = 0; i < 10000 && threads() > threads_before; i++)
		usleep(1000);
	must(threads() <= threads_before);
}

static void skip_on_one_processor(void)
{
	cpu_set_t set;

	must(!sched_getaffinity(0, sizeof(set), &set));
	if (CPU_COUNT(&set) < 2)
		skip();
}

static struct shmq *journal_create(uint64_t segment_bytes)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *q;

	full = no_threads = stuck_allocating = stuck_touching = false;
	refused = 0;
	stuck = 0;
	attr.flags = SHMQ_JOURNAL;
	attr.segment_bytes = segment_bytes;
	must_be(shmq_open(&q, "j", SHMQ_CREATE | SHMQ_EXCL, 0600, &attr), 0);
	return q;
}

static void send_some(struct shmq_producer *p, unsigned n, uint64_t *sent)
{
	char message[LEN] = { 0 };

	for (unsigned i = 0; i < n; i++) {
		memcpy(message, sent, 8);
		must_be(shmq_send(p, message, LEN, SHMQ_NOWAIT), 0);
		++*sent;
	}
}

static void must_have_all(struct shmq *q, uint64_t sent)
{
	struct shmq_consumer *c = consumer_join(q, 0);
	char message[LEN];
	uint64_t number;

	for (uint64_t i = 0; i < sent; i++) {
		must_be(shmq_recv(c, message, LEN, SHMQ_NOWAIT), LEN);
		memcpy(&number, message, 8);
		must_be(number, i);
	}
	must_be(shmq_recv(c, message, LEN, SHMQ_NOWAIT), -EAGAIN);
	shmq_consumer_close(c);
	must_be(shmq_journal_verify(q, NULL, NULL), 0);
}

/* Up to where its mapping of the segment has pages; 0: it has none. */
static uint64_t ready(struct shmq *q, uint64_t number)
{
	struct view *view;
	uint64_t pos;

	pthread_mutex_lock(&q->seg->lock);
	view = shmqi_journal_written(q->seg, number);
	pos = view ? view->ready : 0;
	pthread_mutex_unlock(&q->seg->lock);
	return pos;
}

static void must_be_ready_soon(struct shmq *q, uint64_t number, uint64_t pos)
{
	for (int i = 0; i < 10000 && ready(q, number) < pos; i++)
		usleep(1000);
	must(ready(q, number) >= pos);
}

static void must_exist_soon(struct shmq *q, uint64_t number)
{
	for (int i = 0; i < 10000 && !shmqi_segfile_exists(q->seg, number); i++)
		usleep(1000);
	must(shmqi_segfile_exists(q->seg, number));
}

/* ------------------------------------------------------------------ bodies */

static void it_is_ahead(void **state)
{
	struct shmq *q = journal_create(SEGMENT);
	struct shmq_producer *p;
	uint64_t sent = 0, tail;

	(void)state;
	skip_on_one_processor();
	p = producer_join(q);
	/* At the third window it wakes, and makes an eighth of a segment. */
	send_some(p, 40, &sent);
	tail = cursor_pos(&q->seg->control->tail);
	must(tail > 2 * q->seg->journal->window);
	must_be_ready_soon(q, 0, tail + SEGMENT / 8 / 2);
	/* A producer alone would have half of the next file here. */
	send_some(p, IN_SEGMENT * 3 / 4 - 40, &sent);
	must_be(cursor_pos(&q->seg->control->tail) / SEGMENT, 0);
	must_exist_soon(q, 1);
	/* Pages of the next segment, before anybody is there. */
	send_some(p, IN_SEGMENT * 23 / 24 - IN_SEGMENT * 3 / 4, &sent);
	must_be(cursor_pos(&q->seg->control->tail) / SEGMENT, 0);
	must_be_ready_soon(q, 1, SEGMENT + 1);
	must(!shmqi_segfile_exists(q->seg, 2));
	send_some(p, 3 * IN_SEGMENT, &sent);
	shmq_producer_close(p);
	must_be_alone();
	must_have_all(q, sent);
	shmq_close(q);
}

static void who_sends_little_does_not_wake_it(void **state)
{
	struct shmq *q = journal_create(SEGMENT);
	struct shmq_producer *p = producer_join(q);
	uint64_t sent = 0;

	(void)state;
	send_some(p, 3, &sent);
	usleep(20000);
	must_be(ready(q, 0), q->seg->journal->window);
	shmq_producer_close(p);
	must_have_all(q, sent);
	shmq_close(q);
}

static void only_producers_of_large_segments_have_one(void **state)
{
	struct shmq *q = journal_create(SEGMENT / 2), *other;
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0);

	(void)state;
	must(!q->seg->journal->provider);
	must_be_alone();
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(q);
	must_be(shmq_unlink("j"), 0);
	q = journal_create(SEGMENT);
	c = consumer_join(q, 0);
	must_be(shmq_open(&other, "j", SHMQ_RDONLY, 0, NULL), 0);
	must_be_alone();
	shmq_close(other);
	shmq_consumer_close(c);
	shmq_close(q);
}

static void without_threads_all_is_done_in_line(void **state)
{
	struct shmq *q = journal_create(SEGMENT);
	struct shmq_producer *p;
	uint64_t sent = 0;

	(void)state;
	no_threads = true;
	p = producer_join(q);
	must(!q->seg->journal->provider);
	send_some(p, 3 * IN_SEGMENT, &sent);
	shmq_producer_close(p);
	must_have_all(q, sent);
	shmq_close(q);
}

static void pin(int only)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(only, &one);
	must(!sched_setaffinity(0, sizeof(one), &one));
}

static int first_processor(void)
{
	cpu_set_t set;
	int i = 0;

	must(!sched_getaffinity(0, sizeof(set), &set));
	while (!CPU_ISSET(i, &set))
		i++;
	return i;
}

static void use_one_processor(void *arg)
{
	struct shmq *q = arg;
	struct shmq_producer *p;
	uint64_t sent = 0;

	pin(first_processor());
	p = producer_join(q);
	must(!q->seg->journal->provider);
	send_some(p, 2 * IN_SEGMENT, &sent);
	shmq_producer_close(p);
}

static void a_process_of_one_processor_has_none(void **state)
{
	struct shmq *q = journal_create(SEGMENT);

	(void)state;
	child_run(use_one_processor, q);
	shmq_close(q);
}

static void *open_bound(void *arg)
{
	struct shmq_producer *p;

	pin(first_processor());
	p = producer_join(arg);
	must(((struct shmq *)arg)->seg->journal->provider);
	shmq_producer_close(p);
	return NULL;
}

static void a_bound_thread_has_one_that_is_not(void **state)
{
	struct shmq *q = journal_create(SEGMENT);
	pthread_t thread;

	(void)state;
	skip_on_one_processor();
	must(!pthread_create(&thread, NULL, open_bound, q));
	pthread_join(thread, NULL);
	must_be_alone();
	shmq_close(q);
}

static void producers_come_and_go(void **state)
{
	struct shmq *q = journal_create(SEGMENT);
	struct shmq_producer *p, *other;
	uint64_t sent = 0;

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		p = producer_join(q);
		send_some(p, i % 60, &sent);
		other = producer_join(q);
		send_some(other, i % 7, &sent);
		shmq_producer_close(p);
		send_some(other, i % 31, &sent);
		must_be(q->seg->journal->provider_users, 1);
		shmq_producer_close(other);
		must(!q->seg->journal->provider);
	}
	must_be_alone();
	must_have_all(q, sent);
	shmq_close(q);
}

struct inherited {
	struct shmq *q;
	uint64_t sent;
};

static void use_in_child(void *arg)
{
	struct inherited *in = arg;
	struct shmq_producer *p;

	must(!in->q->seg->journal->provider);
	must_be(in->q->seg->journal->provider_users, 0);
	p = producer_join(in->q);
	send_some(p, 100, &in->sent);
	shmq_producer_close(p);
	must_be_alone();
}

static void a_forked_child_has_its_own(void **state)
{
	struct inherited in = { 0 };
	struct shmq_producer *p;

	(void)state;
#ifdef SHMQI_TSAN
	skip(); /* no threads in children of who has some */
#endif
	in.q = journal_create(SEGMENT);
	p = producer_join(in.q);
	for (unsigned i = 0; i < 60; i++) {
		/* Whatever it is doing just then. */
		send_some(p, 20 + i, &in.sent);
		child_run(use_in_child, &in);
		in.sent += 100;
	}
	shmq_producer_close(p);
	must_have_all(in.q, in.sent);
	shmq_close(in.q);
}

static void a_full_disk_is_told_to_who_needs_it(void **state)
{
	struct shmq *q = journal_create(SEGMENT);
	struct shmq_producer *p = producer_join(q);
	char message[LEN] = { 0 };
	uint64_t sent = 0;
	int r;

	(void)state;
	full = true;
	send_some(p, IN_SEGMENT - 2, &sent);
	usleep(10000);
	/* Once ahead, by whomever; and nothing keeps what others may lack. */
	must(refused <= 1);
	pthread_mutex_lock(&q->seg->lock);
	must(q->seg->journal->ahead.fd < 0);
	pthread_mutex_unlock(&q->seg->lock);
	while (!(r = shmq_send(p, message, LEN, SHMQ_NOWAIT)))
		must(sent < 2 * IN_SEGMENT);
	must_be(r, -ENOSPC);
	full = false;
	must_be(shmq_send(p, message, LEN, SHMQ_NOWAIT), 0);
	send_some(p, 2 * IN_SEGMENT, &sent);
	shmq_producer_close(p);
	must_be(shmq_journal_verify(q, NULL, NULL), 0);
	shmq_close(q);
}

/* Stopped in the middle for the time of several segments. */
static void nobody_waits_while(_Atomic bool *held)
{
	struct shmq *q = journal_create(SEGMENT);
	struct shmq_producer *p;
	uint64_t sent = 0;

	skip_on_one_processor();
	*held = true;
	p = producer_join(q);
	send_some(p, IN_SEGMENT / 2, &sent);
	step_wait(&stuck, 1);
	send_some(p, 5 * IN_SEGMENT, &sent);
	must(shmqi_segfile_exists(q->seg, 5));
	*held = false;
	send_some(p, 2 * IN_SEGMENT, &sent);
	shmq_producer_close(p);
	must_be_alone();
	must_have_all(q, sent);
	shmq_close(q);
}

static void nobody_waits_for_what_it_allocates(void **state)
{
	(void)state;
	nobody_waits_while(&stuck_allocating);
}

static void nobody_waits_for_pages_that_it_makes(void **state)
{
	(void)state;
	nobody_waits_while(&stuck_touching);
}

static void *do_nothing(void *arg)
{
	return arg;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(it_is_ahead),
		TEST_IN_DIRECTORY(who_sends_little_does_not_wake_it),
		TEST_IN_DIRECTORY(only_producers_of_large_segments_have_one),
		TEST_IN_DIRECTORY(without_threads_all_is_done_in_line),
		TEST_IN_DIRECTORY(a_process_of_one_processor_has_none),
		TEST_IN_DIRECTORY(a_bound_thread_has_one_that_is_not),
		TEST_IN_DIRECTORY(producers_come_and_go),
		TEST_IN_DIRECTORY(a_forked_child_has_its_own),
		TEST_IN_DIRECTORY(a_full_disk_is_told_to_who_needs_it),
		TEST_IN_DIRECTORY(nobody_waits_for_what_it_allocates),
		TEST_IN_DIRECTORY(nobody_waits_for_pages_that_it_makes),
	};

	pthread_t thread;

	/* What a sanitizer makes with the first one is there then. */
	pthread_create(&thread, NULL, do_nothing, NULL);
	pthread_join(thread, NULL);
	for (int i = 0; i < 100; i++) {
		usleep(1000);
		threads_before = threads();
		if (threads_before == 1)
			break;
	}
	return cmocka_run_group_tests_name("provider", tests, NULL, NULL);
}
