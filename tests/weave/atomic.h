/* SPDX-License-Identifier: MIT */
/*
 * Stands in for lib/atomic.h and lib/copy.h when the shipped code is compiled
 * for tests/weave: it is included first, takes their include guards, and turns
 * every access to shared memory into a step that the explorer decides on.
 */
#ifndef SHMQI_ATOMIC_H
#define SHMQI_ATOMIC_H
#define SHMQI_COPY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

enum weave_rmw {
	WEAVE_ADD,
	WEAVE_OR
};

/* where: the function that the access is in, for mutants and for traces. */
uint64_t weave_load(const volatile void *p, unsigned size, memory_order order,
		    const char *where);
void weave_store(volatile void *p, unsigned size, uint64_t value,
		 memory_order order, const char *where);
uint64_t weave_rmw(volatile void *p, unsigned size, enum weave_rmw what,
		   uint64_t operand, memory_order order, const char *where);
bool weave_cas(volatile void *p, unsigned size, uint64_t *expected,
	       uint64_t desired, const char *where);
void weave_fence(memory_order order);
void weave_fence_at(memory_order order, const char *where);
void weave_copy(void *to, const void *from, size_t n);

#define WEAVE_TYPE(p) __typeof__(*(p) + 0)
#define WEAVE_LOAD(p, order)                                                   \
	((WEAVE_TYPE(p))weave_load((p), sizeof(*(p)), (order), __func__))
#define WEAVE_STORE(p, v, order)                                               \
	weave_store((p), sizeof(*(p)), (uint64_t)(v), (order), __func__)
#define WEAVE_RMW(p, what, v, order)                                           \
	((WEAVE_TYPE(p))weave_rmw((p), sizeof(*(p)), (what), (uint64_t)(v),    \
				  (order), __func__))

#define load_relaxed(p) WEAVE_LOAD(p, memory_order_relaxed)
#define load_acquire(p) WEAVE_LOAD(p, memory_order_acquire)
#define store_relaxed(p, v) WEAVE_STORE(p, v, memory_order_relaxed)
#define store_release(p, v) WEAVE_STORE(p, v, memory_order_release)
#define add_release(p, v) WEAVE_RMW(p, WEAVE_ADD, v, memory_order_release)

/* What the library uses of C11 without a name of its own. */
#undef atomic_fetch_add_explicit
#define atomic_fetch_add_explicit(p, v, order) WEAVE_RMW(p, WEAVE_ADD, v, order)
#undef atomic_fetch_or_explicit
#define atomic_fetch_or_explicit(p, v, order) WEAVE_RMW(p, WEAVE_OR, v, order)
#undef atomic_thread_fence
#define atomic_thread_fence(order) weave_fence_at((order), __func__)
#undef atomic_compare_exchange_weak_explicit
#define atomic_compare_exchange_weak_explicit(p, expected, desired, yes, no)   \
	weave_cas32((p), (expected), (desired), __func__)

static inline bool weave_cas32(volatile void *p, uint32_t *expected,
			       uint32_t desired, const char *where)
{
	uint64_t e = *expected;
	bool r = weave_cas(p, 4, &e, desired, where);

	*expected = (uint32_t)e;
	return r;
}

static inline void compiler_fence(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

#define store_fence() weave_fence_at(memory_order_release, __func__)
#define full_fence() weave_fence_at(memory_order_seq_cst, __func__)

#define cas64(p, expected, desired)                                            \
	weave_cas64((p), (expected), (desired), __func__)

static inline bool weave_cas64(volatile void *p, uint64_t expected,
			       uint64_t desired, const char *where)
{
	return weave_cas(p, 8, &expected, desired, where);
}

struct pair {
	_Alignas(16) uint64_t lo;
	uint64_t hi;
};

struct sh_pair {
	_Alignas(16) _Atomic uint64_t lo;
	_Atomic uint64_t hi;
};

bool weave_cas128(struct sh_pair *p, struct pair expected, struct pair desired,
		  const char *where);
#define cas128(p, expected, desired)                                           \
	weave_cas128((p), (expected), (desired), __func__)

static inline void cpu_relax(void)
{
}

static inline void copy_bytes(void *to, const void *from, size_t n)
{
	weave_copy(to, from, n);
}

#endif
