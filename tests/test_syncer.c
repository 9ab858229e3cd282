/* SPDX-License-Identifier: MIT */
/*
 * The thread that syncs a journal at intervals, step by step: what happens just
 * before it arms its bell, and while it sleeps, without sleeping.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "cursor.h"
#include "handle.h"
#include "support.h"
#include "wake.h"

#define SIGNALS 32 /* behind them libc has some of its own */

bool __real_shmqi_bells_arm(struct alarm *alarms, unsigned n);
bool __wrap_shmqi_bells_arm(struct alarm *alarms, unsigned n);
int __real_shmqi_bells_sleep(const struct alarm *alarms, unsigned n,
			     int64_t deadline_ns);
int __wrap_shmqi_bells_sleep(const struct alarm *alarms, unsigned n,
			     int64_t deadline_ns);
void __real_shmqi_word_wake(_Atomic uint64_t *word);
void __wrap_shmqi_word_wake(_Atomic uint64_t *word);
void __real_shmqi_bell_ring(struct segment *seg, struct sh_bell *bell);
void __wrap_shmqi_bell_ring(struct segment *seg, struct sh_bell *bell);

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*body)(void *arg), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*body)(void *arg), void *arg);

/* Where the thread is held once: 0: nowhere; 1: there; 2: it is; 3: no more. */
struct gate {
	step now;
};

static pthread_t tester;
static sigset_t blocked; /* there */
static unsigned threads; /* that were made */
static struct gate arming, sleeping;
static step told; /* 1: we tell it to stop; 2: it has been told */

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*body)(void *arg), void *arg)
{
	threads++;
	return __real_pthread_create(thread, attr, body, arg);
}

static void pass(struct gate *gate)
{
	if (gate->now != 1)
		return;
	step_to(&gate->now, 2);
	step_wait(&gate->now, 3);
}

static void let_pass(struct gate *gate)
{
	if (gate->now == 2)
		step_to(&gate->now, 3);
}

static bool is_tester(void)
{
	return pthread_equal(pthread_self(), tester);
}

bool __wrap_shmqi_bells_arm(struct alarm *alarms, unsigned n)
{
	if (!is_tester()) {
		pthread_sigmask(SIG_SETMASK, NULL, &blocked);
		pass(&arming);
	}
	return __real_shmqi_bells_arm(alarms, n);
}

int __wrap_shmqi_bells_sleep(const struct alarm *alarms, unsigned n,
			     int64_t deadline_ns)
{
	if (!is_tester()) {
		/* Nobody would ring any more. */
		must(told < 3);
		if (sleeping.now == 1) {
			pass(&sleeping);
			return 0;
		}
	}
	return __real_shmqi_bells_sleep(alarms, n, deadline_ns);
}

void __wrap_shmqi_word_wake(_Atomic uint64_t *word)
{
	if (is_tester() && told == 1)
		step_to(&told, 2);
	__real_shmqi_word_wake(word);
}

void __wrap_shmqi_bell_ring(struct segment *seg, struct sh_bell *bell)
{
	__real_shmqi_bell_ring(seg, bell);
	if (!is_tester() || told != 2)
		return;
	step_to(&told, 3);
	let_pass(&arming);
	let_pass(&sleeping);
}

/* ------------------------------------------------------------------ helpers */

static struct shmq *create(uint32_t interval_ms)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *q;

	tester = pthread_self();
	arming.now = sleeping.now = 0;
	told = 0;
	threads = 0;
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

static void send_one(struct shmq_producer *p)
{
	must_be(shmq_send(p, "m", 1, SHMQ_NOWAIT), 0);
}

/* ------------------------------------------------------------------ bodies */

static void what_comes_before_it_arms_is_synced(void **state)
{
	struct shmq *q = create(1);
	struct shmq_producer *p;

	(void)state;
	arming.now = 1;
	p = producer_join(q);
	step_wait(&arming.now, 2);
	send_one(p);
	let_pass(&arming);
	for (int i = 0; i < 5000 && !is_synced(q); i++)
		nap();
	must(is_synced(q));
	shmq_producer_close(p);
	shmq_close(q);
}

static void an_end_that_comes_before_it_arms_is_one(void **state)
{
	struct shmq *q = create(1);
	struct shmq_producer *p;

	(void)state;
	arming.now = 1;
	p = producer_join(q);
	step_wait(&arming.now, 2);
	told = 1;
	shmq_producer_close(p);
	must_be(told, 3);
	shmq_close(q);
}

static void what_comes_with_the_end_is_synced(void **state)
{
	struct shmq *q = create(1);
	struct shmq_producer *p;

	(void)state;
	sleeping.now = 1;
	p = producer_join(q);
	step_wait(&sleeping.now, 2);
	send_one(p);
	must(!is_synced(q));
	told = 1;
	shmq_producer_close(p);
	must(is_synced(q));
	shmq_close(q);
}

/* One for all producers, and no signal of the program is for it. */
static void there_is_one_and_signals_are_not_for_it(void **state)
{
	struct shmq *q = create(1);
	struct shmq_producer *p, *other;
	sigset_t none, after;

	(void)state;
	sigemptyset(&none);
	must_be(pthread_sigmask(SIG_SETMASK, &none, NULL), 0);
	arming.now = 1;
	p = producer_join(q);
	other = producer_join(q);
	must_be(threads, 1);
	must_be(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
	step_wait(&arming.now, 2);
	for (int sig = 1; sig < SIGNALS; sig++) {
		must_be(sigismember(&after, sig), 0);
		if (sig != SIGKILL && sig != SIGSTOP)
			must_be(sigismember(&blocked, sig), 1);
	}
	let_pass(&arming);
	shmq_producer_close(other);
	shmq_producer_close(p);
	shmq_close(q);
}

static void send_and_close(void *arg)
{
	struct shmq *q = arg;
	struct shmq_producer *p = producer_join(q);

	send_one(p);
	must(!is_synced(q));
	shmq_producer_close(p);
	must(is_synced(q));
}

/* Its parent's would sync in an hour. */
static void a_child_does_not_rely_on_its_parents(void **state)
{
	struct shmq *q;
	struct shmq_producer *p;

	(void)state;
#ifdef __SANITIZE_THREAD__
	/* It allows a forked child no threads. */
	skip();
#endif
	q = create(3600000);
	p = producer_join(q);
	child_run(send_and_close, q);
	shmq_producer_close(p);
	shmq_close(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(there_is_one_and_signals_are_not_for_it),
		TEST_IN_DIRECTORY(what_comes_before_it_arms_is_synced),
		TEST_IN_DIRECTORY(an_end_that_comes_before_it_arms_is_one),
		TEST_IN_DIRECTORY(what_comes_with_the_end_is_synced),
		TEST_IN_DIRECTORY(a_child_does_not_rely_on_its_parents),
	};

	return cmocka_run_group_tests_name("syncer", tests, NULL, NULL);
}
