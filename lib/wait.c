/* SPDX-License-Identifier: MIT */
/* Waiting. See wait.h, and wake.h for how nobody misses a ring. */
#include "config.h"

#include <errno.h>
#include <sched.h>

#include "atomic.h"
#include "cursor.h"
#include "tsan.h"
#include "wait.h"

/* In a fast stream, before a sleep. */
#define GIVE_WAYS 4

/* Polls of a watched word before the next attempt, which sees more. */
#define POLLS 32

/*
 * Poll until there may be something to try, at most max times. How often. The
 * place may be somebody else's by now, with any payload in the word.
 */
TSAN_BLIND static uint32_t poll_word(const struct waiter *w, uint32_t max)
{
	struct watch watch;
	uint32_t i = 0;

	if (!w->watch) {
		cpu_relax();
		return 1;
	}
	w->watch(w->self, &watch);
	if (max > POLLS)
		max = POLLS;
	do {
		cpu_relax();
		i++;
		/* Relaxed: the attempt looks again. */
	} while (i < max && load_relaxed(watch.word) != watch.value);
	return i;
}

/*
 * Spinning pays only if the other side runs on another processor just now. A
 * spin that got something doubles the next one, one that did not halves it.
 */
static int64_t spin(const struct waiter *w)
{
	uint32_t left = *w->spin / w->n + 1;

	while (left) {
		int64_t r;

		left -= poll_word(w, left);
		r = w->attempt(w->self);
		if (r != -EAGAIN) {
			if (*w->spin < WAIT_SPIN_MAX)
				*w->spin *= 2;
			return r;
		}
	}
	if (*w->spin > WAIT_SPIN_MIN)
		*w->spin /= 2;
	return -EAGAIN;
}

/* Let the others go on, if they are likely to be who we wait for. */
static int64_t give_way(const struct waiter *w)
{
	struct endpoint *ep = w->eps[0];
	int64_t r = -EAGAIN;

	/* No budget for spinning: the queue is to have sleepers. */
	if (w->n > 1 || !*w->spin ||
	    !shmqi_pace_fast(&ep->pace, shmqi_clock_ns(),
			     cursor_seq(&ep->seg->control->tail)))
		return -EAGAIN;
	for (int i = 0; i < GIVE_WAYS && r == -EAGAIN; i++) {
		sched_yield();
		r = w->attempt(w->self);
	}
	return r;
}

int64_t shmqi_wait_bound(int64_t bound, int outlook, bool sure)
{
	if (outlook == OUTLOOK_RING && sure)
		return INT64_MAX;
	if (bound && bound != INT64_MAX)
		return bound * 2 < WAIT_BOUND_NS ? bound * 2 : WAIT_BOUND_NS;
	return outlook == OUTLOOK_CLAIM ? WAIT_BOUND_CLAIM_NS :
					  WAIT_BOUND_PEERS_NS;
}

bool shmqi_rounds_due(struct rounds *rounds)
{
	int64_t now = shmqi_clock_coarse_ns();

	rounds->skip = now - rounds->asked_ns < WAIT_BOUND_CLAIM_NS ? 7 : 0;
	rounds->asked_ns = now;
	if (now - rounds->made_ns < WAIT_BOUND_NS / 4)
		return false;
	rounds->made_ns = now;
	return true;
}

int64_t shmq_until(int64_t monotonic_ns)
{
	const int64_t most = INT64_MAX / 2;

	if (monotonic_ns < 1)
		monotonic_ns = 1;
	return INT64_MIN + (monotonic_ns < most ? monotonic_ns : most);
}

int64_t shmqi_wait_deadline(int64_t timeout_ns)
{
	int64_t now;

	if (timeout_ns == SHMQ_FOREVER)
		return INT64_MAX;
	if (timeout_ns < 0)
		return timeout_ns - INT64_MIN;
	now = shmqi_clock_ns();
	return timeout_ns > INT64_MAX - now ? INT64_MAX : now + timeout_ns;
}

static void count(_Atomic uint64_t *counter)
{
	/* Relaxed: for people. */
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

void shmqi_wait_count(struct endpoint *ep, int outlook)
{
	if (outlook == OUTLOOK_CLAIM)
		count(&ep->seg->control->stalls);
	count(&ep->member->sleeps);
}

/* Armed, and nothing there: -EAGAIN, or why not to sleep. */
static int may_sleep(const struct waiter *w)
{
	for (unsigned i = 0; i < w->n; i++) {
		/* edge ARM: who removes a name says so before it rings */
		if (load_acquire(&w->eps[i]->seg->control->moved))
			return -EIDRM;
		if (endpoint_cancelled(w->eps[i]))
			return -ECANCELED;
	}
	return -EAGAIN;
}

/* One sleep. -EAGAIN: woken, or looked long enough; try again. */
static int64_t sleep_once(const struct waiter *w, int64_t deadline,
			  int64_t *bound)
{
	bool sure = shmqi_bells_arm(w->alarms, w->n);
	int64_t r = w->attempt(w->self), until;
	int outlook;

	if (r != -EAGAIN)
		return r;
	outlook = w->look_around(w->self);
	if (outlook < 0)
		return outlook;
	if (outlook == OUTLOOK_RETRY)
		return -EAGAIN;
	r = may_sleep(w);
	if (r != -EAGAIN)
		return r;
	until = *bound = shmqi_wait_bound(*bound, outlook, sure);
	if (until != INT64_MAX)
		until += shmqi_clock_ns();
	for (unsigned i = 0; i < w->n; i++)
		shmqi_wait_count(w->eps[i],
				 w->n == 1 ? outlook : OUTLOOK_PEERS);
	r = shmqi_bells_sleep(w->alarms, w->n,
			      until < deadline ? until : deadline);
	/* Rung for: who sleeps again looks soon, as if it had just come. */
	if (r == 0)
		*bound = 0;
	return r == -EINTR || r == -ENOSYS ? r : -EAGAIN;
}

int64_t shmqi_wait(const struct waiter *w, int64_t deadline)
{
	int64_t r = spin(w), bound = 0;

	if (r == -EAGAIN)
		r = give_way(w);
	if (r != -EAGAIN)
		return r;
	for (;;) {
		r = sleep_once(w, deadline, &bound);
		if (r != -EAGAIN)
			return r;
		r = spin(w);
		if (r != -EAGAIN)
			return r;
		if (deadline != INT64_MAX && shmqi_clock_ns() >= deadline)
			return -ETIMEDOUT;
	}
}
