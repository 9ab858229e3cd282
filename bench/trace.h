/* SPDX-License-Identifier: MIT */
/*
 * Counting system calls: the processes of a run are traced.
 */
#ifndef BENCH_TRACE_H
#define BENCH_TRACE_H

#include <sys/types.h>

#include "job.h"

bool trace_wanted(const struct job *job);

/* In a process that is to be traced, before it does anything. */
void trace_me(void);

/* Until all have ended; fills in calls_put and calls_take. 0 or -errno. */
int trace_all(pid_t *pids, const struct job *job, struct job_outcome *outcome);

#endif /* BENCH_TRACE_H */
