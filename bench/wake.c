/* SPDX-License-Identifier: MIT */
/*
 * wake: how long a sleeping consumer takes from the moment a message is sent to
 * the moment it runs; what it uses while there is nothing; how many system
 * calls a message costs when nobody sleeps and when the consumer does.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "plan.h"
#include "transports.h"

#define LEN 64
#define GAP_NS 200000 /* whoever polls for a while first is asleep by then */
#define IDLE_NS 150000000
#define FEWEST 50
#define CALLS 8              /* messages that every transport can hold */
#define CALLS_GAP_NS 2000000 /* a traced process is slow to fall asleep */

static const struct result_form form = {
	.verb = "wake",
	.labels = { { "size_bytes", "message", false, true } },
	.metrics = { { "p50_ns", ">P50", RESULT_NS },
		     { "p90_ns", ">P90", RESULT_NS },
		     { "p99_ns", ">P99", RESULT_NS },
		     { "max_ns", ">MAX", RESULT_NS },
		     { "idle_cpu", ">IDLE CPU", RESULT_PERCENT },
		     { "calls_send_awake", ">CALLS: SEND", RESULT_NUMBER },
		     { "calls_recv_awake", ">RECV", RESULT_NUMBER },
		     { "calls_send_asleep", ">ASLEEP: SEND", RESULT_NUMBER },
		     { "calls_recv_asleep", ">RECV", RESULT_NUMBER } },
	.main = 0,
	.ratio = "of medians",
};

/* What the runs apart from the rounds say; NAN where they fail. */
static int run_apart(struct plan *plan, const struct plan_subject *s,
		     struct result_row *row)
{
	struct job job = plan_job(plan, JOB_IDLE, LEN, true);
	struct job_outcome outcome;
	int error;

	job.transport = s->transport;
	job.gap_ns = plan->messages ? GAP_NS : IDLE_NS;
	error = job_run(&job, &outcome);
	if (!error)
		row->metrics[4] = outcome.cpu;
	job.n = CALLS;
	job.gap_ns = CALLS_GAP_NS;
	for (int asleep = 0; asleep < 2 && error != -EINTR; asleep++) {
		job.kind = asleep ? JOB_CALLS_ASLEEP : JOB_CALLS_AWAKE;
		if (job_refusal(&job))
			continue;
		error = job_run(&job, &outcome);
		if (error)
			continue;
		row->metrics[5 + 2 * asleep] = outcome.calls_put;
		row->metrics[6 + 2 * asleep] = outcome.calls_take;
	}
	return error == -EINTR ? error : 0;
}

static int add_rows(struct plan *plan, struct result *result,
		    struct plan_group *group)
{
	static const double parts[] = { 0.5, 0.9, 0.99, 1 };
	int error = 0;

	for (unsigned int i = 0; i < group->n && !error; i++) {
		struct plan_subject *s = &group->subjects[i];
		struct result_row *row = result_add(result, s->transport->name,
						    s->transport->flags);

		if (!row)
			return -ENOMEM;
		meter_draw(&plan->meter, (double)i / group->n,
			   s->transport->name);
		result_label_number(row, 0, LEN);
		plan_subject_finish(s, row, 1);
		for (int k = 0; k < 4 && s->pooled; k++)
			row->metrics[k] = plan_quantile(s->pool, s->pooled,
							parts[k]);
		if (!row->why[0])
			error = run_apart(plan, s, row);
	}
	return error;
}

int bench_wake(struct plan *plan, struct result *result)
{
	struct job job = plan_job(plan, JOB_WAKE, LEN, true);
	struct plan_group group;
	uint64_t asked = plan->messages;
	int error;

	result->form = &form;
	plan->meter.groups = 2;
	job.gap_ns = GAP_NS;
	error = plan_group_init(&group, plan, &job, plan_median_ns);
	if (error)
		return error;
	group.floor = plan->floor ? plan->floor : &bench_futex;
	result->floor = group.floor->name;
	if (!plan->messages) /* most of the time nothing happens */
		plan->messages = plan->time_ns / GAP_NS > FEWEST ?
					 plan->time_ns / GAP_NS :
					 FEWEST;
	error = plan_group_run(&group, plan);
	plan->messages = asked;
	if (!error)
		error = add_rows(plan, result, &group);
	plan_group_fini(&group);
	return error;
}
