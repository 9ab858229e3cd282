/* SPDX-License-Identifier: MIT */
/*
 * Sleeping and waking: bells, futexes, membarrier.
 *
 * A sleeper arms the bell, looks once more for what it wants, and sleeps. A
 * waker changes what sleepers want and looks at the bell. Both are a store
 * followed by a load of the other's word, so one of them must put a fence
 * between. It is the sleeper, who has time: membarrier makes every processor
 * that runs a registered member pass a fence, so wakers need none. Only if
 * some member's kernel denies that, FENCED asks the wakers for theirs.
 *
 * A waker clears the bell and wakes everybody, in one system call: a wake-up
 * given to one sleeper could die with it, and so could a waker in between. A
 * bell left armed by a dead sleeper costs one needless system call, once.
 */
#ifndef SHMQI_WAKE_H
#define SHMQI_WAKE_H

#include <stdint.h>

#include "atomic.h"
#include "layout.h"

/* Wake all who sleep at the bell, if any do; slow. */
void shmqi_bell_ring(struct sh_bell *bell);

/* Whoever changed what sleepers wait for calls this next. */
static inline void bell_look(struct sh_bell *bell)
{
	/* The load may not be moved before the change: see above. */
	compiler_fence();
	/* Relaxed: edge ARM is completed by the futex and by re-checking. */
	if (unlikely(load_relaxed(&bell->word)))
		shmqi_bell_ring(bell);
}

/* A member joins: make membarrier reach this process, or ask for fences. */
void shmqi_bell_register(struct sh_bell *a, struct sh_bell *b);

/*
 * Before the last look for what one wants. False if wakers cannot be relied on
 * to see it (membarrier is denied and one of them may not know yet): then the
 * sleep must have a bound.
 */
bool shmqi_bell_arm(struct sh_bell *bell);

/*
 * Sleep until the bell rings or deadline_ns of CLOCK_MONOTONIC, INT64_MAX for
 * none, has passed. May also return early. 0, -EINTR (a signal handler ran) or
 * -ETIMEDOUT.
 */
int shmqi_bell_sleep(struct sh_bell *bell, int64_t deadline_ns);

uint64_t shmqi_clock_real_ns(void);  /* CLOCK_REALTIME, for people */
int64_t shmqi_clock_ns(void);        /* CLOCK_MONOTONIC */
int64_t shmqi_clock_coarse_ns(void); /* the same, cheap and up to 10 ms old */

#endif
