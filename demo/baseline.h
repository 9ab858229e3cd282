/* SPDX-License-Identifier: MIT */
/*
 * What demo/pingpong.c compares queues with: bare cache lines and a pipe.
 */
#ifndef DEMO_BASELINE_H
#define DEMO_BASELINE_H

#include "measure.h"

/* One writer each: what a queue each way cannot do without. */
extern const struct transport baseline_lines;
/* One line that both write in turn: the least that can be. */
extern const struct transport baseline_turns;
/* A pipe each way, the reader asleep until it is woken, or polling. */
extern const struct transport baseline_pipes, baseline_polled_pipes;

/* Before the fork: make what both sides will share. */
void baseline_create(void);

#endif /* DEMO_BASELINE_H */
