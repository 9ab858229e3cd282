/* SPDX-License-Identifier: MIT */
/*
 * A timeout that survives interruptions: the moment it ends is fixed once, and
 * each new try waits for what is left.
 */
#ifndef DEADLINE_H
#define DEADLINE_H

#include <stdint.h>
#include <time.h>

#include <shmq.h>

struct deadline {
	int64_t timeout_ns; /* as the library takes it */
	int64_t end_ns;     /* CLOCK_MONOTONIC; only for a positive timeout */
};

static inline int64_t deadline_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline struct deadline deadline_start(int64_t timeout_ns)
{
	struct deadline deadline = { timeout_ns, 0 };

	if (timeout_ns > 0)
		deadline.end_ns = deadline_now_ns() + timeout_ns;
	return deadline;
}

/* What to give to the next try; SHMQ_NOWAIT once the time is up. */
static inline int64_t deadline_left_ns(const struct deadline *deadline)
{
	int64_t left;

	if (deadline->timeout_ns <= 0)
		return deadline->timeout_ns;
	left = deadline->end_ns - deadline_now_ns();
	return left > 0 ? left : SHMQ_NOWAIT;
}

#endif /* DEADLINE_H */
