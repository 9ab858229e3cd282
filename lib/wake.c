/* SPDX-License-Identifier: MIT */
/* Sleeping and waking: the only caller of futex and membarrier. See wake.h. */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "wake.h"

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t shmqi_clock_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

int64_t shmqi_clock_coarse_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC_COARSE);
}

static long membarrier(int command)
{
	return syscall(SYS_membarrier, command, 0, 0);
}

void shmqi_bell_register(struct sh_bell *a, struct sh_bell *b)
{
	int saved = errno;

	if (membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) != 0) {
		store_relaxed(&a->fenced, 1);
		store_relaxed(&b->fenced, 1);
		full_fence();
	}
	errno = saved;
}

void shmqi_bell_ring(struct sh_bell *bell)
{
	int saved = errno;

	if (atomic_exchange_explicit(&bell->armed, 0, memory_order_acq_rel))
		syscall(SYS_futex, &bell->armed, FUTEX_WAKE, INT_MAX, NULL,
			NULL, 0);
	errno = saved;
}

bool shmqi_bell_arm(struct sh_bell *bell)
{
	int saved = errno;
	bool seen;

	/* edge ARM: pairs with bell_look */
	store_release(&bell->armed, 1);
	full_fence();
	seen = membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED) == 0;
	if (!seen && !load_relaxed(&bell->fenced)) {
		store_relaxed(&bell->fenced, 1);
		full_fence();
	}
	errno = saved;
	return seen;
}

int shmqi_bell_sleep(struct sh_bell *bell, int64_t deadline_ns)
{
	/*
	 * Always with a deadline: a futex wait without one is restarted behind
	 * our back after a handler that was installed with SA_RESTART.
	 */
	struct timespec deadline = { deadline_ns / 1000000000,
				     deadline_ns % 1000000000 };
	int saved = errno;
	int r = 0;

	if (syscall(SYS_futex, &bell->armed, FUTEX_WAIT_BITSET, 1, &deadline,
		    NULL, FUTEX_BITSET_MATCH_ANY) != 0 &&
	    (errno == EINTR || errno == ETIMEDOUT))
		r = -errno;
	errno = saved;
	return r;
}
