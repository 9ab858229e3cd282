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

uint64_t shmqi_clock_real_ns(void)
{
	return (uint64_t)clock_ns(CLOCK_REALTIME);
}

int64_t shmqi_clock_coarse_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC_COARSE);
}

static long membarrier(int command)
{
	return syscall(SYS_membarrier, command, 0, 0);
}

static void ask_for_fences(struct sh_bell *bell)
{
	atomic_fetch_or_explicit(&bell->word, SH_BELL_FENCED,
				 memory_order_seq_cst);
}

void shmqi_bell_register(struct sh_bell *a, struct sh_bell *b)
{
	int saved = errno;

	if (membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) != 0) {
		ask_for_fences(a);
		ask_for_fences(b);
	}
	errno = saved;
}

/*
 * The kernel clears the futex and wakes the sleepers in one call: whoever is
 * killed between clearing and waking would leave sleepers that nobody rings
 * for again. The futex is the lower half of the word; both architectures are
 * little-endian.
 */
void shmqi_bell_ring(struct sh_bell *bell)
{
	int saved = errno;

	full_fence();
	/* edge ARM: pairs with shmqi_bell_arm */
	if (load_acquire(&bell->word) & SH_BELL_ARMED)
		syscall(SYS_futex, &bell->word, FUTEX_WAKE_OP, INT_MAX, 0,
			&bell->word,
			FUTEX_OP(FUTEX_OP_SET, 0, FUTEX_OP_CMP_EQ, 0));
	errno = saved;
}

bool shmqi_bell_arm(struct sh_bell *bell)
{
	int saved = errno;
	uint64_t old;
	bool seen;

	/* edge ARM: pairs with bell_look, shmqi_bell_ring. A full fence. */
	old = atomic_fetch_or_explicit(&bell->word, SH_BELL_ARMED,
				       memory_order_seq_cst);
	seen = membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED) == 0;
	if (!seen && !(old & SH_BELL_FENCED))
		ask_for_fences(bell);
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

	if (syscall(SYS_futex, &bell->word, FUTEX_WAIT_BITSET,
		    (uint32_t)SH_BELL_ARMED, &deadline, NULL,
		    FUTEX_BITSET_MATCH_ANY) != 0 &&
	    (errno == EINTR || errno == ETIMEDOUT))
		r = -errno;
	errno = saved;
	return r;
}
