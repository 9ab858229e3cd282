/* SPDX-License-Identifier: MIT */
/* The plan: which rows, which states of each, which deaths in each state. */
#ifndef STEP_PLAN_H
#define STEP_PLAN_H

#include "step_case.h"

struct plan {
	const char *row;   /* NULL: all */
	const char *state; /* NULL: all of the row */
	unsigned at;       /* place, 0: all */
	bool full;         /* else a slice */
	uint64_t seed;     /* of the slice */
	unsigned states;   /* of each row, in the slice */
};

/* How many states of each row make a slice. */
unsigned plan_slice(void);

/* False, after saying so: there is no such row or state. */
bool plan_check(const struct plan *plan);

/* The plan has so many parts, that need not be done in order. */
uint64_t plan_parts(const struct plan *plan);
void plan_run(const struct plan *plan, struct worker *w, uint64_t part);

/* How many states there are of a row. */
unsigned plan_states(unsigned row);

#endif
