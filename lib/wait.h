/* SPDX-License-Identifier: MIT */
/*
 * A wait: spin a little, then sleep, until a deadline. Producers and consumers
 * differ in what they try, in the bell, and in what keeps a sleep short.
 */
#ifndef SHMQI_WAIT_H
#define SHMQI_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "layout.h"

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

struct waiter {
	void *self;
	struct sh_bell *bell;
	struct sh_control *control;
	_Atomic uint64_t *sleeps; /* of the member, counted */
	uint32_t *spin;           /* adapts: what spinning was worth */

	/* The operation: -EAGAIN as long as there is reason to wait. */
	int64_t (*attempt)(void *self);
	/*
	 * After arming: an outlook, or a negative errno. long_enough: a sleep
	 * has run into its bound, so it is time to see who is dead.
	 */
	int (*look_around)(void *self, bool long_enough);
};

/*
 * A poller: who calls again and again without waiting. Now and then it has to
 * look around; the clock is asked at every call of a slow one, and at every
 * eighth of a fast one.
 */
struct poll {
	int64_t asked_ns;  /* when the clock was last asked */
	int64_t looked_ns; /* when it last looked around */
	uint32_t skip;     /* calls that do without the clock */
};

/* May this call do without the clock? */
static inline bool poll_skips(struct poll *poll)
{
	if (!poll->skip)
		return false;
	poll->skip--;
	return true;
}

/* By the clock: is it time to look around? */
bool shmqi_poll_due(struct poll *poll);

/*
 * Wait until attempt succeeds or fails otherwise, at most timeout_ns, or
 * SHMQ_FOREVER. Its result; -ETIMEDOUT, -EINTR, -EIDRM or what look_around
 * said.
 */
int64_t shmqi_wait(const struct waiter *waiter, int64_t timeout_ns);

#endif
