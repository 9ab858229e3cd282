/* SPDX-License-Identifier: MIT */
/*
 * What the processes of a run noted, as figures: times of trips, less what
 * looking at the clock took but a tick at least, and the time each message of a
 * stream took.
 */
#include "outcome.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"

double job_offset_ticks;

static void subtract_clock(const struct job *job, const struct control *control,
			   struct job_outcome *outcome)
{
	const uint64_t *back = control->ticks + 2 * job->n;
	uint64_t before = control->workers[0].begin;
	uint64_t cost = bench_ticks_cost();

	for (uint64_t i = 0; i < job->n; i++) {
		uint64_t took = back[i] - before;

		took = took > cost ? took - cost : 1;
		outcome->ns[i] = (float)((double)took * bench_tick_ns());
		before = back[i];
	}
}

static void half_way(const struct job *job, const struct control *control,
		     struct job_outcome *outcome)
{
	const uint64_t *out = control->ticks, *seen = out + job->n;
	double cost = (double)bench_ticks_cost();

	for (uint64_t i = 0; i < job->n; i++) {
		double took = (double)(int64_t)(seen[i] - out[i]) -
			      job_offset_ticks - cost;

		outcome->ns[i] = (float)((took > 1 ? took : 1) *
					 bench_tick_ns());
	}
}

static double per_message(const struct job *job, const struct control *control)
{
	const struct worker *w = control->workers;
	uint64_t begin = UINT64_MAX, end = 0, messages = 0, expected;

	if (job->kind != JOB_FAN) {
		w += JOB_WORKERS;
		return (double)(w->end - w->begin) * bench_tick_ns() /
		       (double)job->n;
	}
	for (unsigned int i = 0; i < job->producers; i++)
		if (w[i].begin < begin)
			begin = w[i].begin;
	w += JOB_WORKERS;
	for (unsigned int i = 0; i < job->consumers; i++) {
		if (w[i].end > end)
			end = w[i].end;
		messages += w[i].taken;
	}
	expected = job->n * job->producers;
	if (job->transport->flags & BENCH_TO_ALL)
		expected *= job->consumers;
	if (messages != expected)
		return -1;
	return (double)(end - begin) * bench_tick_ns() / (double)messages;
}

int outcome_compute(const struct job *job, const struct control *control,
		    struct job_outcome *outcome)
{
	const struct worker *consumer = &control->workers[JOB_WORKERS];

	switch (job->kind) {
	case JOB_ROUND_TRIP:
	case JOB_ONE_WAY:
	case JOB_WAKE:
		outcome->ns = calloc(job->n, sizeof(*outcome->ns));
		if (!outcome->ns)
			return -ENOMEM;
		outcome->n = job->n;
		if (job->kind == JOB_ROUND_TRIP)
			subtract_clock(job, control, outcome);
		else
			half_way(job, control, outcome);
		break;
	case JOB_IDLE:
		outcome->cpu = (double)consumer->cpu_ns /
			       (double)consumer->wall_ns;
		break;
	case JOB_STREAM:
	case JOB_FAN:
	case JOB_QUEUES_TURN:
		outcome->message_ns = per_message(job, control);
		if (outcome->message_ns < 0) {
			snprintf(outcome->why, sizeof(outcome->why),
				 "messages were lost");
			return -EBADMSG;
		}
		break;
	default: /* counted while it ran */
		break;
	}
	return 0;
}

/* The clock of the second core, seen in the trip that was least disturbed. */
void outcome_learn_offset(const struct job *job, const struct control *control)
{
	const uint64_t *out = control->ticks, *seen = out + job->n,
		       *back = seen + job->n;
	uint64_t least = UINT64_MAX;

	for (uint64_t i = 0; i < job->n; i++) {
		if (back[i] - out[i] >= least)
			continue;
		least = back[i] - out[i];
		job_offset_ticks = ((double)(int64_t)(seen[i] - out[i]) -
				    (double)(int64_t)(back[i] - seen[i])) /
				   2;
	}
}
