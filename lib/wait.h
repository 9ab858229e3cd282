/* SPDX-License-Identifier: MIT */
/*
 * A wait: spin a little, then sleep, until a deadline. Producers and consumers
 * differ in what they try, in the bell, and in what keeps a sleep short. One
 * wait may be for several consumers, then each has its bell.
 */
#ifndef SHMQI_WAIT_H
#define SHMQI_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include <shmq.h>

#include "endpoint.h"
#include "wake.h"

#define WAIT_SPIN_MIN 32u
#define WAIT_SPIN_MAX 2048u

/*
 * How long a sleeper may go without looking around by itself: short at first,
 * then twice as long each time. A death that nobody rings for is noticed
 * within the last of these.
 */
#define WAIT_BOUND_NS INT64_C(100000000)
#define WAIT_BOUND_PEERS_NS INT64_C(10000000)
#define WAIT_BOUND_CLAIM_NS INT64_C(1000000)

/* What look_around found out. */
enum outlook {
	OUTLOOK_RING, /* only a ring can change anything: sleep without bound */
	OUTLOOK_PEERS, /* another member may die with what we wait for */
	OUTLOOK_CLAIM, /* we wait behind an open claim */
	OUTLOOK_RETRY, /* something was cleaned up: try at once */
};

/* A word that changes to value if there is something to try. */
struct watch {
	_Atomic uint64_t *word;
	uint64_t value;
};

struct waiter {
	void *self;
	unsigned n;           /* bells and endpoints */
	struct alarm *alarms; /* at these bells */
	struct endpoint *const *eps;
	uint32_t *spin; /* adapts: what spinning was worth */

	/* The operation: -EAGAIN as long as there is reason to wait. */
	int64_t (*attempt)(void *self);
	/* What to poll between two attempts; NULL: only attempts tell. */
	void (*watch)(void *self, struct watch *watch);
	/* After arming: an outlook, or a negative errno. */
	int (*look_around)(void *self);
	/* Is somebody just doing what we wait for? NULL: cannot be told. */
	bool (*imminent)(void *self);
};

/*
 * A member's rounds: now and then it sees which of its peers are dead,
 * whether it waits, polls or is busy all the time. A slow one asks the clock
 * at every call, a fast one at every eighth.
 */
struct rounds {
	int64_t asked_ns; /* when the clock was last asked */
	int64_t made_ns;  /* when the last round was made */
	uint32_t skip;    /* calls that do without the clock */
};

/* May this call do without the clock? */
static inline bool rounds_skip(struct rounds *rounds)
{
	if (!rounds->skip)
		return false;
	rounds->skip--;
	return true;
}

/* By the clock: is it time? Then whoever asked makes the round. */
bool shmqi_rounds_due(struct rounds *rounds);

/* Points in time are what shmq_until() gives: a range below SHMQ_FOREVER, but
 * not the lowest number of all, which is rather a mistake. */
static inline bool timeout_valid(int64_t timeout_ns)
{
	return timeout_ns >= SHMQ_FOREVER ||
	       (timeout_ns <= INT64_MIN / 2 && timeout_ns != INT64_MIN);
}

/* When, of CLOCK_MONOTONIC, it is over. INT64_MAX: never. */
int64_t shmqi_wait_deadline(int64_t timeout_ns);

/*
 * How long to sleep at most, after bound (0: the first time); INT64_MAX: no
 * bound. sure: wakers can be relied on.
 */
int64_t shmqi_wait_bound(int64_t bound, int outlook, bool sure);

/* Count a sleep, for people. */
void shmqi_wait_count(struct endpoint *ep, int outlook);

/*
 * Wait until attempt succeeds or fails otherwise, until deadline_ns. Its
 * result; -ETIMEDOUT, -EINTR, -EIDRM, -ECANCELED or what look_around said;
 * -ENOSYS, if n is not 1.
 */
int64_t shmqi_wait(const struct waiter *waiter, int64_t deadline_ns);

#endif
