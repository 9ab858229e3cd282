/* SPDX-License-Identifier: MIT */
/* Sleeping and waking: the only caller of futexes and membarrier. See wake.h. */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "strike.h"
#include "wake.h"

/* Headers older than Linux 5.16 lack these. */
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#define WAITV_32 2u /* FUTEX_32; shared between processes */

struct waitv {
	uint64_t val;
	uint64_t uaddr;
	uint32_t flags;
	uint32_t reserved;
};

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int shmqi_word_wait(_Atomic uint64_t *word, uint64_t seen, int64_t ns)
{
	const struct timespec t = { ns / 1000000000, ns % 1000000000 };

	if (!syscall(SYS_futex, word, FUTEX_WAIT, (uint32_t)seen, &t, NULL, 0))
		return 1;
	return errno == ETIMEDOUT ? -ETIMEDOUT : errno == EINTR ? -EINTR : 1;
}

void shmqi_word_wake(_Atomic uint64_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
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
	atomic_fetch_or_explicit(&bell->at.lo, SH_BELL_FENCED,
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

bool shmqi_bell_barrier_private(void)
{
	int saved = errno;
	bool done = membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0;

	errno = saved;
	return done;
}

/*
 * The kernel counts on and wakes the sleepers in one call: whoever is killed
 * between the two would leave sleepers that nobody rings for again. Two who
 * ring at once may leave the bell armed for nobody, which costs a needless
 * ring. The futex is the lower half of the word; both architectures are
 * little-endian.
 */
void shmqi_bell_ring(struct segment *seg, struct sh_bell *bell)
{
	int saved = errno;
	uint64_t word;

	full_fence();
	/* edge ARM: pairs with raise */
	word = load_acquire(&bell->at.lo);
	if (word & SH_BELL_ARMED)
		syscall(SYS_futex, &bell->at.lo, FUTEX_WAKE_OP, INT_MAX, 0,
			&bell->at.lo,
			FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 0));
	if (word & SH_BELL_CHIMES)
		shmqi_strike_all(seg, bell);
	errno = saved;
}

/* Returns whether wakers pass fences already. */
static bool raise_bell(struct alarm *alarm, uint64_t bit)
{
	/* edge ARM: pairs with bell_look, shmqi_bell_ring. A full fence. */
	uint64_t old = atomic_fetch_or_explicit(&alarm->bell->at.lo, bit,
						memory_order_seq_cst);

	alarm->value = (uint32_t)(old | bit);
	return old & SH_BELL_FENCED;
}

static bool arm(struct alarm *alarms, unsigned n, uint64_t bit)
{
	bool fenced = true, seen;
	int saved = errno;

	for (unsigned i = 0; i < n; i++)
		fenced &= raise_bell(&alarms[i], bit);
	seen = membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED) == 0;
	for (unsigned i = 0; i < n && !seen && !fenced; i++)
		ask_for_fences(alarms[i].bell);
	errno = saved;
	return seen;
}

bool shmqi_bells_arm(struct alarm *alarms, unsigned n)
{
	return arm(alarms, n, SH_BELL_ARMED);
}

bool shmqi_bells_fence(struct sh_bell *bell)
{
	int saved = errno;
	/* Whoever cannot be reached has asked for fences as it joined. */
	bool passed = membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED) == 0;

	if (!passed)
		ask_for_fences(bell);
	errno = saved;
	return passed;
}

bool shmqi_bell_arm_chime(struct sh_bell *bell)
{
	struct alarm alarm = { bell, 0 };

	/* edge ARM: pairs with shmqi_strike_all */
	add_release(&bell->at.hi, 1);
	return arm(&alarm, 1, SH_BELL_CHIMES);
}

/* 1: there is futex_waitv; -1: there is not; 0: nobody has asked. */
static _Atomic int waitv_there;

bool shmqi_bells_many(void)
{
	int saved = errno, there = load_relaxed(&waitv_there);

	if (!there) {
		/* Of nothing: an invalid argument, to a kernel that has it. */
		there = syscall(SYS_futex_waitv, NULL, 0, 0, NULL, 0) < 0 &&
					errno == EINVAL ?
				1 :
				-1;
		store_relaxed(&waitv_there, there);
		errno = saved;
	}
	return there > 0;
}

static long sleep_at_many(const struct alarm *alarms, unsigned n,
			  struct timespec *deadline)
{
	struct waitv futexes[BELLS_MAX];

	for (unsigned i = 0; i < n; i++)
		futexes[i] = (struct waitv){ alarms[i].value,
					     (uintptr_t)&alarms[i].bell->at.lo,
					     WAITV_32, 0 };
	return syscall(SYS_futex_waitv, futexes, n, 0, deadline,
		       CLOCK_MONOTONIC);
}

static long sleep_at_one(const struct alarm *alarm, struct timespec *deadline)
{
	return syscall(SYS_futex, &alarm->bell->at.lo, FUTEX_WAIT_BITSET,
		       alarm->value, deadline, NULL, FUTEX_BITSET_MATCH_ANY);
}

int shmqi_bells_sleep(const struct alarm *alarms, unsigned n,
		      int64_t deadline_ns)
{
	/*
	 * Always with a deadline: a futex wait without one is restarted behind
	 * our back after a handler that was installed with SA_RESTART.
	 */
	struct timespec deadline = { deadline_ns / 1000000000,
				     deadline_ns % 1000000000 };
	int saved = errno;
	int r = 0;

	if ((n == 1 ? sleep_at_one(alarms, &deadline) :
		      sleep_at_many(alarms, n, &deadline)) < 0)
		r = -errno;
	errno = saved;
	if (r == -EINTR || r == -ETIMEDOUT)
		return r;
	if (n == 1 || r == 0 || r == -EAGAIN)
		return 0;
	/* Denied, perhaps since we asked; or out of memory just now. */
	if (r != -ENOMEM)
		store_relaxed(&waitv_there, -1);
	return -ENOSYS;
}
