/* SPDX-License-Identifier: MIT */
/*
 * Time in ticks: of the processor's own counter where that runs evenly, else
 * nanoseconds of the system's clock. It is the same on all cores, or nearly:
 * offset.c measures the difference.
 */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include <stdint.h>
#include <time.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

static inline uint64_t bench_clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

#if defined(__x86_64__)
/* "Invariant TSC" of the processor manuals. */
static inline int bench_counter_is_even(void)
{
	unsigned a, b, c, d;

	return __get_cpuid(0x80000007, &a, &b, &c, &d) && d & 1U << 8;
}
#endif

/* Waits until what was loaded before has arrived, but not for stores. */
static inline uint64_t bench_ticks(void)
{
#if defined(__x86_64__)
	static int even = -1;
	unsigned core;

	if (__builtin_expect(even < 0, 0))
		even = bench_counter_is_even();
	if (__builtin_expect(even, 1))
		return __builtin_ia32_rdtscp(&core);
#elif defined(__aarch64__)
	uint64_t ticks;

	__asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(ticks) : : "memory");
	return ticks;
#endif
	return bench_clock_ns();
}

/* How long a tick is, and how long reading it takes. Measured once. */
double bench_tick_ns(void);
uint64_t bench_ticks_cost(void);

#endif /* BENCH_CLOCK_H */
