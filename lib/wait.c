/* SPDX-License-Identifier: MIT */
/* Waiting. See wait.h, and wake.h for how nobody misses a ring. */
#include "config.h"

#include <errno.h>

#include <shmq.h>

#include "atomic.h"
#include "wait.h"
#include "wake.h"

/*
 * Spinning pays only if the other side runs on another processor just now. A
 * spin that got something doubles the next one, one that did not halves it.
 */
static int64_t spin(const struct waiter *w)
{
	for (uint32_t i = *w->spin; i; i--) {
		int64_t r;

		cpu_relax();
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

/* What one wait remembers from sleep to sleep. */
struct sleeping {
	int64_t deadline;
	int64_t bound; /* of the last sleep; 0: there was none */
};

/* How long to sleep at most. */
static int64_t bound_of(struct sleeping *s, int outlook, bool sure)
{
	if (outlook == OUTLOOK_RING && sure)
		return INT64_MAX;
	if (s->bound)
		s->bound = s->bound * 2 < WAIT_BOUND_NS ? s->bound * 2 :
							  WAIT_BOUND_NS;
	else
		s->bound = outlook == OUTLOOK_CLAIM ? WAIT_BOUND_CLAIM_NS :
						      WAIT_BOUND_PEERS_NS;
	return s->bound;
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

static int64_t deadline_of(int64_t timeout_ns)
{
	int64_t now;

	if (timeout_ns == SHMQ_FOREVER)
		return INT64_MAX;
	now = shmqi_clock_ns();
	return timeout_ns > INT64_MAX - now ? INT64_MAX : now + timeout_ns;
}

static void count(_Atomic uint64_t *counter)
{
	/* Relaxed: for people. */
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* One sleep. -EAGAIN: woken, or looked long enough; try again. */
static int64_t sleep_once(const struct waiter *w, struct sleeping *s)
{
	bool sure = shmqi_bell_arm(w->bell);
	int64_t r = w->attempt(w->self), until;
	int outlook;

	if (r != -EAGAIN)
		return r;
	outlook = w->look_around(w->self);
	if (outlook < 0)
		return outlook;
	if (outlook == OUTLOOK_RETRY)
		return -EAGAIN;
	/* edge ARM: who removes a name says so before it rings */
	if (load_acquire(&w->control->moved))
		return -EIDRM;
	until = bound_of(s, outlook, sure);
	if (until != INT64_MAX)
		until += shmqi_clock_ns();
	if (outlook == OUTLOOK_CLAIM)
		count(&w->control->stalls);
	count(w->sleeps);
	r = shmqi_bell_sleep(w->bell,
			     until < s->deadline ? until : s->deadline);
	return r == -EINTR ? r : -EAGAIN;
}

int64_t shmqi_wait(const struct waiter *w, int64_t timeout_ns)
{
	struct sleeping s = { 0 };
	int64_t r = spin(w);

	if (r != -EAGAIN)
		return r;
	s.deadline = deadline_of(timeout_ns);
	for (;;) {
		r = sleep_once(w, &s);
		if (r != -EAGAIN)
			return r;
		r = spin(w);
		if (r != -EAGAIN)
			return r;
		if (s.deadline != INT64_MAX && shmqi_clock_ns() >= s.deadline)
			return -ETIMEDOUT;
	}
}
