/* SPDX-License-Identifier: MIT */
/*
 * Sleeping and waking, call by call: which calls of the kernel are made, in
 * which state of the bells, and for how long a sleep is. Nobody sleeps here.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "consumer.h"
#include "handle.h"
#include "producer.h"
#include "support.h"
#include "wait.h"
#include "wake.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

#define BELLS 2
#define MS INT64_C(1000000)
#define SLEEPS 8

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

/* What the calls did, and what they are to do. */
static struct {
	bool playing; /* else they go to the kernel */
	bool denied;  /* membarrier */
	struct sh_bell *bells[BELLS];
	struct segment *joining;
	unsigned registered, barriers, rings, sleeps;
	int64_t deadline_ns[SLEEPS], from_ns[SLEEPS], to_ns[SLEEPS];
	unsigned rung; /* this sleep is rung for, the others time out */
	struct endpoint *cancelled; /* by the end of a sleep */
} play;

static void play_begin(bool denied)
{
	memset(&play, 0, sizeof(play));
	play.denied = denied;
	play.rung = SLEEPS;
	play.playing = true;
}

static bool is_armed(struct sh_bell *bell)
{
	return load_acquire(&bell->at.lo) & SH_BELL_ARMED;
}

static bool is_fenced(struct sh_bell *bell)
{
	return load_acquire(&bell->at.lo) & SH_BELL_FENCED;
}

static long play_membarrier(long command)
{
	/* Before anybody can see the entry, and behind the arming. */
	if (command == MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) {
		must_be(load_acquire(&member_at(play.joining, 0)->state),
			SH_MEMBER_FREE);
		play.registered++;
	} else if (command == MEMBARRIER_CMD_GLOBAL_EXPEDITED) {
		for (unsigned i = 0; i < BELLS && play.bells[i]; i++)
			must(is_armed(play.bells[i]));
		play.barriers++;
	}
	errno = EPERM;
	return play.denied ? -1 : 0;
}

static long play_sleep(const struct timespec *deadline)
{
	unsigned n = play.sleeps++;

	must(n < SLEEPS);
	play.to_ns[n] = clock_now_ns();
	play.deadline_ns[n] = (int64_t)deadline->tv_sec * 1000000000 +
			      deadline->tv_nsec;
	for (unsigned i = 0; i < BELLS && play.bells[i]; i++)
		atomic_fetch_add(&play.bells[i]->at.lo, 1);
	if (play.cancelled)
		store_release(&play.cancelled->cancelled, 1);
	errno = ETIMEDOUT;
	return n == play.rung ? 0 : -1;
}

static void must_sleep_at(uint64_t address, uint64_t value)
{
	for (unsigned i = 0; i < BELLS && play.bells[i]; i++)
		if (address == (uintptr_t)&play.bells[i]->at.lo) {
			must_be(value,
				(uint32_t)load_acquire(&play.bells[i]->at.lo));
			return;
		}
	must_fail("a sleep at another word", __FILE__, __LINE__);
}

struct waitv {
	uint64_t val, uaddr;
	uint32_t flags, reserved;
};

static long play_waitv(const struct waitv *futexes, unsigned n,
		       const struct timespec *deadline)
{
	for (unsigned i = 0; i < n; i++) {
		must_be(futexes[i].flags, 2);
		must_sleep_at(futexes[i].uaddr, futexes[i].val);
	}
	return play_sleep(deadline);
}

/* The library makes these calls by syscall(2). */
long __wrap_syscall(long number, ...)
{
	va_list args;
	long a[6];

	va_start(args, number);
	for (unsigned i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (play.playing && number == SYS_membarrier)
		return play_membarrier(a[0]);
	if (play.playing && number == SYS_futex_waitv && a[1])
		return play_waitv((void *)a[0], (unsigned)a[1], (void *)a[3]);
	if (play.playing && number == SYS_futex &&
	    (a[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET) {
		must_be(a[1] & FUTEX_PRIVATE_FLAG, 0);
		must_sleep_at((uint64_t)a[0], (uint32_t)a[2]);
		return play_sleep((void *)a[3]);
	}
	if (play.playing && number == SYS_futex) {
		must_be(a[1], FUTEX_WAKE_OP);
		must_be(a[2], INT_MAX);
		play.rings++;
	}
	return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ----------------------------------------------------------------- the bells */

static void who_joins_can_be_reached_or_asks(void **state)
{
	(void)state;
	for (int denied = 0; denied < 2; denied++) {
		struct shmq *q = queue_anonymous(4096, 0);
		struct shmq_consumer *c;

		play_begin(denied);
		play.joining = q->seg;
		c = consumer_join(q, 0);
		must_be(play.registered, 1);
		must_be(is_fenced(&q->seg->control->recv), denied);
		must_be(is_fenced(&q->seg->control->send), denied);
		play.playing = false;
		shmq_consumer_close(c);
		shmq_close(q);
	}
}

/* None is fenced; one of two is, which is not enough; both are. */
static void who_arms_reaches_others_or_asks(void **state)
{
	struct shmq *q = queue_anonymous(4096, 0);
	struct sh_control *control = q->seg->control;

	(void)state;
	for (int denied = 0; denied < 2; denied++) {
		for (unsigned fenced = 0; fenced < 3; fenced++) {
			struct alarm alarms[BELLS] = { { &control->recv, 0 },
						       { &control->send, 0 } };

			play_begin(denied);
			for (unsigned i = 0; i < BELLS; i++) {
				play.bells[i] = alarms[i].bell;
				store_relaxed(&alarms[i].bell->at.lo,
					      i < fenced ? SH_BELL_FENCED : 0);
			}
			must_be(shmqi_bells_arm(alarms, BELLS), !denied);
			must_be(play.barriers, 1);
			for (unsigned i = 0; i < BELLS; i++) {
				struct sh_bell *bell = alarms[i].bell;

				must(is_armed(bell));
				must_be(is_fenced(bell), denied || i < fenced);
				must_be(alarms[i].value,
					(uint32_t)load_acquire(&bell->at.lo));
			}
		}
	}
	play.playing = false;
	shmq_close(q);
}

static void a_ring_is_one_call_and_only_if_armed(void **state)
{
	struct shmq *q = queue_anonymous(4096, 0);
	struct sh_bell *bell = &q->seg->control->recv;
	struct alarm alarm = { bell, 0 };

	(void)state;
	play_begin(false);
	shmqi_bell_ring(q->seg, bell);
	must_be(play.rings, 0);
	shmqi_bells_arm(&alarm, 1);
	shmqi_bell_ring(q->seg, bell);
	must_be(play.rings, 1);
	must(!is_armed(bell));
	must((uint32_t)load_acquire(&bell->at.lo) != alarm.value);
	shmqi_bell_ring(q->seg, bell);
	must_be(play.rings, 1);
	play.playing = false;
	shmq_close(q);
}

/* ------------------------------------------------------------------ the wait */

struct wait {
	struct waiter waiter;
	struct alarm alarms[BELLS];
	struct endpoint *eps[BELLS];
	uint32_t spin;
	unsigned attempts, looks;
	unsigned gives; /* this attempt succeeds */
	const int *outlooks;
};

/* By turns: as part of a spin, and behind the arming. */
static int64_t attempt(void *self)
{
	struct wait *w = self;

	if (w->attempts % 2)
		for (unsigned i = 0; i < w->waiter.n; i++)
			must(is_armed(w->alarms[i].bell));
	return w->attempts++ == w->gives ? 7 : -EAGAIN;
}

static int look_around(void *self)
{
	struct wait *w = self;

	play.from_ns[play.sleeps] = clock_now_ns();
	return w->outlooks[w->looks++];
}

struct hall {
	struct shmq *q[BELLS];
	struct shmq_consumer *c[BELLS];
};

static struct hall hall_open(void)
{
	struct hall hall;

	for (unsigned i = 0; i < BELLS; i++) {
		hall.q[i] = queue_anonymous(4096, 0);
		hall.c[i] = consumer_join(hall.q[i], 0);
	}
	return hall;
}

static void hall_close(struct hall *hall)
{
	play.playing = false;
	for (unsigned i = 0; i < BELLS; i++) {
		shmq_consumer_close(hall->c[i]);
		shmq_close(hall->q[i]);
	}
}

static void wait_begin(struct wait *w, struct hall *hall, unsigned n,
		       const int *outlooks)
{
	memset(w, 0, sizeof(*w));
	w->gives = UINT_MAX;
	w->outlooks = outlooks;
	for (unsigned i = 0; i < n; i++) {
		w->eps[i] = &hall->c[i]->ep;
		w->alarms[i].bell = &hall->q[i]->seg->control->recv;
		play.bells[i] = w->alarms[i].bell;
		store_relaxed(&play.bells[i]->at.lo, 0);
	}
	w->waiter = (struct waiter){ .self = w,
				     .n = n,
				     .alarms = w->alarms,
				     .eps = w->eps,
				     .spin = &w->spin,
				     .attempt = attempt,
				     .look_around = look_around };
}

/* The nth sleep was to last so long. */
static void must_have_slept(unsigned n, int64_t bound_ns)
{
	int64_t began = play.deadline_ns[n] - bound_ns;

	must(began >= play.from_ns[n] && began <= play.to_ns[n]);
}

static void sleeps_grow_and_begin_anew(void **state)
{
	static const int peers[] = { OUTLOOK_PEERS, OUTLOOK_PEERS,
				     OUTLOOK_PEERS, OUTLOOK_PEERS,
				     OUTLOOK_PEERS, OUTLOOK_PEERS,
				     OUTLOOK_PEERS, -EBADMSG };
	static const int64_t bounds[] = { 10, 20, 40, 80, 100, 10, 20 };
	struct hall hall = hall_open();
	struct wait w;

	(void)state;
	for (unsigned n = 1; n <= BELLS; n++) {
		uint64_t slept = load_relaxed(&hall.c[0]->ep.member->sleeps);

		play_begin(false);
		play.rung = 4;
		wait_begin(&w, &hall, n, peers);
		must_be(shmqi_wait(&w.waiter, INT64_MAX), -EBADMSG);
		must_be(play.sleeps, 7);
		for (unsigned i = 0; i < 7; i++)
			must_have_slept(i, bounds[i] * MS);
		must_be(load_relaxed(&hall.c[0]->ep.member->sleeps), slept + 7);
	}
	hall_close(&hall);
}

/* What a sleep has to do with the outlook; denied: wakers may not know. */
static void sleeps_have_a_bound_if_they_need_one(void **state)
{
	static const int outlooks[][2] = { { OUTLOOK_CLAIM, -EBADMSG },
					   { OUTLOOK_PEERS, -EBADMSG },
					   { OUTLOOK_RING, -EBADMSG } };
	static const int64_t bounds[] = { 1, 10, 10 };
	struct hall hall = hall_open();
	struct wait w;

	(void)state;
	for (int denied = 0; denied < 2; denied++) {
		for (unsigned i = 0; i < 3; i++) {
			int64_t far = clock_now_ns() + 3600000 * MS;

			play_begin(denied);
			wait_begin(&w, &hall, 1, outlooks[i]);
			must_be(shmqi_wait(&w.waiter, far), -EBADMSG);
			must_be(play.sleeps, 1);
			if (outlooks[i][0] == OUTLOOK_RING && !denied)
				must_be(play.deadline_ns[0], far);
			else
				must_have_slept(0, bounds[i] * MS);
		}
	}
	/* Never beyond the end. */
	play_begin(false);
	wait_begin(&w, &hall, 1, outlooks[1]);
	must_be(shmqi_wait(&w.waiter, clock_now_ns()), -ETIMEDOUT);
	must(play.deadline_ns[0] <= play.to_ns[0]);
	hall_close(&hall);
}

/* None of these sleeps. */
static void what_keeps_awake(void **state)
{
	static const int ring[] = { OUTLOOK_RING };
	static const int retry[] = { OUTLOOK_RETRY, OUTLOOK_RETRY, -EBADMSG };
	struct hall hall = hall_open();
	struct wait w;

	(void)state;
	play_begin(false);
	/* Found while it armed; or, twice, something was cleaned up. */
	wait_begin(&w, &hall, BELLS, ring);
	w.gives = 1;
	must_be(shmqi_wait(&w.waiter, INT64_MAX), 7);
	wait_begin(&w, &hall, 1, retry);
	must_be(shmqi_wait(&w.waiter, INT64_MAX), -EBADMSG);
	must_be(w.attempts, 6);
	for (unsigned i = 0; i < BELLS; i++) {
		wait_begin(&w, &hall, BELLS, ring);
		store_release(&hall.c[i]->ep.cancelled, 1);
		must_be(shmqi_wait(&w.waiter, INT64_MAX), -ECANCELED);
		wait_begin(&w, &hall, BELLS, ring);
		store_release(&hall.q[i]->seg->control->moved, 1);
		must_be(shmqi_wait(&w.waiter, INT64_MAX), -EIDRM);
		store_release(&hall.q[i]->seg->control->moved, 0);
	}
	must_be(play.sleeps, 0);
	hall_close(&hall);
}

#define HOUR (3600000 * MS)

/* One of them may have to look by itself, the last one need not. */
static void a_wait_for_many_is_as_short_as_any(void **state)
{
	struct hall hall;

	(void)state;
	/* An emulator may not know futex_waitv: then chimes are polled. */
	if (!shmqi_bells_many())
		skip();
	hall = hall_open();
	for (unsigned i = 0; i < BELLS; i++) {
		struct shmq_consumer *peer = consumer_join(hall.q[i], 0);

		play_begin(false);
		for (unsigned k = 0; k < BELLS; k++)
			play.bells[k] = &hall.q[k]->seg->control->recv;
		play.cancelled = &hall.c[0]->ep;
		must_be(shmq_wait(hall.c, BELLS, HOUR), -ECANCELED);
		must_be(play.sleeps, 1);
		must(play.deadline_ns[0] < play.to_ns[0] + 100 * MS);
		play.playing = false;
		shmq_consumer_close(peer);
	}
	hall_close(&hall);
}

/* Full: may this producer sleep until it is rung for? */
static bool sleeps_without_bound(struct shmq *q, struct shmq_producer *p)
{
	bool bounded;

	while (shmq_send(p, "x", 1, SHMQ_NOWAIT) == 0)
		;
	play_begin(false);
	play.bells[0] = &q->seg->control->send;
	play.cancelled = &p->ep;
	must_be(shmq_send(p, "x", 1, HOUR), -ECANCELED);
	must_be(play.sleeps, 1);
	bounded = play.deadline_ns[0] < play.to_ns[0] + 100 * MS;
	play.playing = false;
	return !bounded;
}

static void who_waits_for_room_and_may_have_to_look(void **state)
{
	struct shmq *q = queue_anonymous(4096, 0);
	struct shmq_producer *p = producer_join(q), *other;
	struct shmq_consumer *c;
	void *room;

	(void)state;
	/* Nobody receives: who comes to do that will ring. */
	must(sleeps_without_bound(q, p));
	/* It may die between releasing and ringing. */
	c = consumer_join(q, 0);
	must(!sleeps_without_bound(q, p));
	shmq_consumer_close(c);
	must(sleeps_without_bound(q, p));
	/* Others may be on their way from one policy to the next. */
	must_be(shmq_setattr(q, "overwrite", "on"), 0);
	must_be(shmq_setattr(q, "overwrite", "off"), 0);
	must(!sleeps_without_bound(q, p));
	/* An open claim is in the way, and its owner may die. */
	must_be(shmq_setattr(q, "overwrite", "on"), 0);
	other = producer_join(q);
	must_be(shmq_reserve(other, 1, &room, SHMQ_NOWAIT), 0);
	must(!sleeps_without_bound(q, p));
	must_be(shmq_discard(other), 0);
	shmq_producer_close(other);
	shmq_producer_close(p);
	shmq_close(q);
	/* The same where there is no group at all. */
	q = queue_anonymous(4096, SHMQ_TOPIC);
	p = producer_join(q);
	other = producer_join(q);
	must_be(shmq_reserve(other, 1, &room, SHMQ_NOWAIT), 0);
	must(!sleeps_without_bound(q, p));
	must_be(shmq_discard(other), 0);
	shmq_producer_close(other);
	shmq_producer_close(p);
	shmq_close(q);
}

static void rounds_are_made_now_and_then(void **state)
{
	struct rounds rounds = { 0, 0, 0 };

	(void)state;
	/* The last one was long ago; now it was just now. */
	must(shmqi_rounds_due(&rounds));
	must(rounds.made_ns > 0);
	rounds.made_ns += HOUR;
	must(!shmqi_rounds_due(&rounds));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(who_joins_can_be_reached_or_asks),
		TEST_IN_DIRECTORY(who_arms_reaches_others_or_asks),
		TEST_IN_DIRECTORY(a_ring_is_one_call_and_only_if_armed),
		TEST_IN_DIRECTORY(sleeps_grow_and_begin_anew),
		TEST_IN_DIRECTORY(sleeps_have_a_bound_if_they_need_one),
		TEST_IN_DIRECTORY(what_keeps_awake),
		TEST_IN_DIRECTORY(a_wait_for_many_is_as_short_as_any),
		TEST_IN_DIRECTORY(who_waits_for_room_and_may_have_to_look),
		TEST_IN_DIRECTORY(rounds_are_made_now_and_then),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
