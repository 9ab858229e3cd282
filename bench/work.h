/* SPDX-License-Identifier: MIT */
/*
 * What the processes of one run share, and what each of them does.
 */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#include <stdatomic.h>

#include "job.h"

struct worker {
	uint64_t begin, end; /* ticks of what counts */
	uint64_t taken;      /* messages, of a consumer */
	uint64_t cpu_ns;     /* used between begin and end */
	uint64_t wall_ns;
};

struct control {
	_Atomic uint32_t ready;     /* processes that have attached */
	_Atomic int32_t error;      /* of the first that failed */
	char where[64];             /* what it was doing */
	_Atomic uint32_t producing; /* that have not sent everything */
	_Atomic uint32_t turn;      /* of those that work one after the other */
	_Atomic uint64_t taken;     /* where there is one at a time */
	struct worker workers[2 * JOB_WORKERS];
	uint64_t ticks[]; /* of single messages: out, seen, back, n of each */
};

static inline size_t control_bytes(const struct job *job)
{
	bool single = job->kind == JOB_ROUND_TRIP || job->kind == JOB_ONE_WAY ||
		      job->kind == JOB_WAKE;

	return sizeof(struct control) +
	       (single ? 3 * job->n * sizeof(uint64_t) : 0);
}

/* The life of process `side`, `index` after the fork. */
_Noreturn void work(const struct job *job, struct control *control,
		    struct bench_channel *channels, enum bench_side side,
		    unsigned int index);

/* Begin and end of what JOB_CALLS counts: a call that nobody else makes. */
void work_mark(void);

#endif /* BENCH_WORK_H */
