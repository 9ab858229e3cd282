/* SPDX-License-Identifier: MIT */
/* Between what the code asks for (access.c) and what memory does with it. */
#ifndef TESTS_WEAVE_MEMORY_H
#define TESTS_WEAVE_MEMORY_H

#include "weave.h"

#define LOCATIONS 224
#define LATE 16

/* How far each location must have been seen. */
struct view {
	uint8_t upto[LOCATIONS];
};

struct store {
	volatile void *at;
	unsigned size;
	uint64_t value;
	memory_order order;
};

struct participant {
	struct view view;
	struct view seen; /* by relaxed loads, until an acquire fence */
	struct view told; /* what a relaxed store carries: the last fence */
	struct store late[LATE];
	unsigned pending;
	struct store deferred; /* of a mutant */
};

/* Plain memory, outside of executions; the ring's second half is its first. */
uint64_t memory_get(const volatile void *p, unsigned size);
void memory_put(volatile void *p, unsigned size, uint64_t value);
void *memory_place(const volatile void *p);

/* Who is at it, if it is shared memory and an execution; else NULL. */
struct participant *memory_self(const volatile void *p);

uint64_t memory_load(struct participant *me, volatile void *p, unsigned size,
		     memory_order order);
void memory_store(struct participant *me, const struct store *s);

/* For swaps: the last value, and the next. */
uint64_t memory_latest(struct participant *me, volatile void *p, unsigned size,
		       memory_order order);
void memory_swap(struct participant *me, volatile void *p, unsigned size,
		 uint64_t value, memory_order order);
void memory_swap_pair(struct participant *me, struct sh_pair *p,
		      struct pair value);

#endif
