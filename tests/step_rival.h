/* SPDX-License-Identifier: MIT */
/*
 * Rivals that live while an actor dies: one is stopped at a place of its own
 * operation, another sleeps until it gets what it waits for.
 */
#ifndef STEP_RIVAL_H
#define STEP_RIVAL_H

#include "step_case.h"

/* Start an actor, stopped at place 0. Negative, and noted, if it cannot. */
pid_t actor_start(struct actor *a, const struct row *row, uint32_t first_id,
		  unsigned consumer_flags);

/* It did not get where it was to go. */
void actor_failed(struct actor *a);

/* At its end: did it return what it may return? */
void actor_check_result(struct actor *a, const struct row *row);

/* At place 0, to record its trace. */
pid_t rival_start(struct worker *w, const struct state *s);

/* Where it is to be: stopped at its place, or asleep. */
pid_t rival_stop(struct worker *w, const struct state *s);
pid_t rival_sleep(struct worker *w, const struct state *s);

/*
 * Somebody died beside a sleeper, and nobody does anything: does it go on by
 * itself, if there is anything for it to go on with?
 */
void rival_watch(struct worker *w, const struct state *s);

/* It goes on, finishes what it was at, and leaves. */
void rival_finish(struct worker *w, const struct state *s, pid_t pid);

#endif
