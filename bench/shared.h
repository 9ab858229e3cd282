/* SPDX-License-Identifier: MIT */
/*
 * Memory that the processes of one measurement share, for transports that are
 * nothing but memory, and for modules: all in line.
 */
#ifndef BENCH_SHARED_H
#define BENCH_SHARED_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

/* Whole pages, zeroed, shared with children. NULL: errno tells. */
static inline void *bench_shared_create(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	/* cppcheck-suppress memleak ; MAP_FAILED is not memory */
	return memory == MAP_FAILED ? NULL : memory;
}

/* A child has the mapping, but no page of it yet. */
static inline void bench_shared_touch(const void *memory, size_t bytes)
{
	const volatile unsigned char *p =
		(const volatile unsigned char *)memory;

	for (size_t i = 0; i < bytes; i += 4096)
		(void)p[i];
}

static inline size_t bench_round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

static inline size_t bench_power_of_two(size_t n)
{
	size_t power = 1;

	while (power < n)
		power *= 2;
	return power;
}

/* So many messages of `bytes` fit into `room`, a power of two, at least 4. */
static inline size_t bench_slots(size_t room, size_t bytes)
{
	size_t slots = 4;

	while (slots * 2 * bytes <= room)
		slots *= 2;
	return slots;
}

#endif /* BENCH_SHARED_H */
