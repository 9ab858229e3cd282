/* SPDX-License-Identifier: MIT */
/*
 * The few ordered operations that the library uses on shared words. Nothing
 * here waits. Everything is C11, except the 16-byte compare-and-swap, which
 * the __sync builtin inlines on the supported architectures (the __atomic one
 * may call a library that locks, and a lock in one process is no lock in
 * another).
 */
#ifndef SHMQI_ATOMIC_H
#define SHMQI_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "tsan.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define load_relaxed(p) atomic_load_explicit((p), memory_order_relaxed)
#define load_acquire(p) atomic_load_explicit((p), memory_order_acquire)
#define store_relaxed(p, v)                                                    \
	atomic_store_explicit((p), (v), memory_order_relaxed)
#define store_release(p, v)                                                    \
	atomic_store_explicit((p), (v), memory_order_release)
#define add_release(p, v)                                                      \
	atomic_fetch_add_explicit((p), (v), memory_order_release)

/* Keeps the compiler, not the processor, from moving memory accesses. */
static inline void compiler_fence(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

static inline void full_fence(void)
{
	atomic_thread_fence(memory_order_seq_cst);
}

/*
 * Stores before it are seen before those behind it. x86-64 keeps them in order
 * anyway.
 */
static inline void store_fence(void)
{
#if defined(__aarch64__)
	__asm__ volatile("dmb ishst" ::: "memory");
#else
	compiler_fence();
#endif
}

/* Replace *p by desired if it is expected. Both orders: acquire and release. */
static inline bool cas64(_Atomic uint64_t *p, uint64_t expected,
			 uint64_t desired)
{
	return atomic_compare_exchange_strong_explicit(p, &expected, desired,
						       memory_order_acq_rel,
						       memory_order_acquire);
}

/* Two adjacent words, the first 16-byte aligned. */
struct pair {
	_Alignas(16) uint64_t lo;
	uint64_t hi;
};

struct sh_pair {
	_Alignas(16) _Atomic uint64_t lo;
	_Atomic uint64_t hi;
};

/* The same for both words at once. A full fence. */
TSAN_BLIND static inline bool cas128(struct sh_pair *p, struct pair expected,
				     struct pair desired)
{
	bool swapped;
	union {
		struct pair words;
		unsigned __int128 whole;
	} e = { expected }, d = { desired };
	union {
		struct sh_pair *words;
		unsigned __int128 *whole;
	} at = { p };

	tsan_give(p);
	swapped = __sync_bool_compare_and_swap(at.whole, e.whole, d.whole);
	tsan_take(p);
	return swapped;
}

/* Tells the processor that this is a polling loop. */
static inline void cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("isb" ::: "memory");
#endif
}

#endif
