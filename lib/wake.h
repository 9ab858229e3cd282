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
 *
 * Bells count: a sleeper sleeps on the value it armed with. So a ring that
 * comes before it is asleep keeps it awake, even if another sleeper has armed
 * the bell again in between and has got what the ring was for.
 *
 * Who waits through a descriptor has a chime (chime.h), which wakers strike
 * when the bell says that some chime is armed.
 */
#ifndef SHMQI_WAKE_H
#define SHMQI_WAKE_H

#include <stdint.h>

#include "atomic.h"
#include "endpoint.h"
#include "layout.h"

/* At most so many bells at once; the kernel's limit too. */
#define BELLS_MAX 128u

/* Wake all who sleep at a bell of the segment, if any do; slow. */
void shmqi_bell_ring(struct segment *seg, struct sh_bell *bell);

/* Whoever changed what sleepers wait for calls this next. */
static inline void bell_look(const struct endpoint *ep, struct sh_bell *bell)
{
	/* The load may not be moved before the change: see above. */
	compiler_fence();
	/* Relaxed: edge ARM is completed by the futex and by re-checking. */
	if (unlikely(load_relaxed(&bell->at.lo) & SH_BELL_ASKS))
		shmqi_bell_ring(ep->seg, bell);
}

/* A member joins: make membarrier reach this process, or ask for fences. */
void shmqi_bell_register(struct sh_bell *a, struct sh_bell *b);

/* Does membarrier go through for the threads of this process? */
bool shmqi_bell_barrier_private(void);

/* A bell to be slept at. */
struct alarm {
	struct sh_bell *bell;
	uint32_t value; /* it was armed with */
};

/*
 * Before the last look for what one wants: arm n bells, 1 to BELLS_MAX. False
 * if wakers cannot be relied on to see it (membarrier is denied and one of them
 * may not know yet): then the sleep must have a bound.
 */
bool shmqi_bells_arm(struct alarm *alarms, unsigned n);

/* Every member passes a fence. False: membarrier is denied. */
bool shmqi_bells_fence(struct sh_bell *bell);

/* The same for a chime, which is armed already. */
bool shmqi_bell_arm_chime(struct sh_bell *bell);

/*
 * Sleep until one of the bells rings or deadline_ns of CLOCK_MONOTONIC,
 * INT64_MAX for none, has passed. May also return early. 0, -EINTR (a signal
 * handler ran), -ETIMEDOUT; -ENOSYS (no futex_waitv, and n is not 1).
 */
int shmqi_bells_sleep(const struct alarm *alarms, unsigned n,
		      int64_t deadline_ns);

/* Can many bells be slept at? What was denied once is not tried again. */
bool shmqi_bells_many(void);

uint64_t shmqi_clock_real_ns(void); /* CLOCK_REALTIME, for people */
/*
 * Sleep while the lower half of a word of a journal's control file is as it was
 * seen, so long at most. 1: look again; -ETIMEDOUT, -EINTR.
 */
int shmqi_word_wait(_Atomic uint64_t *word, uint64_t seen, int64_t ns);
void shmqi_word_wake(_Atomic uint64_t *word);

int64_t shmqi_clock_ns(void);        /* CLOCK_MONOTONIC */
int64_t shmqi_clock_coarse_ns(void); /* the same, cheap and up to 10 ms old */

#endif
