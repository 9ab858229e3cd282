/* SPDX-License-Identifier: MIT */
/*
 * What the processes of a run noted, as figures.
 */
#ifndef BENCH_OUTCOME_H
#define BENCH_OUTCOME_H

#include "work.h"

/* 0; -ENOMEM; -EBADMSG: not all messages arrived. */
int outcome_compute(const struct job *job, const struct control *control,
		    struct job_outcome *outcome);

/* Sets job_offset_ticks, from the trip that was least disturbed. */
void outcome_learn_offset(const struct job *job, const struct control *control);

#endif /* BENCH_OUTCOME_H */
