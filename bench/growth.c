/* SPDX-License-Identifier: MIT */
/*
 * growth: what a message costs when there are more producers, more consumers
 * or more queues, when the ring or the message is larger. What stays flat is as
 * interesting as what does not.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"
#include "transports.h"

#define LEN 64
#define POINTS 8

static const struct result_form form = {
	.verb = "growth",
	.labels = { { "axis", "axis", true, false },
		    { "at", "", false, false } },
	.metrics = { { "message_ns", ">NS EACH", RESULT_NS },
		     { "growth", ">TIMES", RESULT_NUMBER } },
	.main = 0,
	.ratio = "of messages a second",
};

enum grows {
	PRODUCERS,
	CONSUMERS,
	QUEUES,
	RING,
	MESSAGE
};

static const struct axis {
	enum grows what;
	const char *name;
	uint64_t points[POINTS]; /* ended by 0 */
} axes[] = {
	{ PRODUCERS, "producers", { 1, 2, 4, 8, 16 } },
	{ CONSUMERS, "consumers", { 1, 2, 4, 8, 16 } },
	{ QUEUES, "queues", { 1, 4, 16, 64 } },
	{ RING, "bytes of ring", { 65536, 262144, 1048576, 4194304, 16777216 } },
	{ MESSAGE, "bytes a message", { 8, 64, 256, 1024, 4096, 16384, 65536 } },
};
#define N_AXES (sizeof(axes) / sizeof(axes[0]))

static const struct bench_transport *const usual[] = {
	&bench_lines, &bench_shmq_1, &bench_shmq,
	&bench_spsc,  &bench_vyukov, &bench_pipe,
};

static struct job job_at(struct plan *plan, const struct axis *axis,
			 uint64_t at, struct job *floor)
{
	size_t len = axis->what == MESSAGE ? at : LEN;
	bool crowd = (axis->what == PRODUCERS || axis->what == CONSUMERS) &&
		     at > 1;
	struct job job = plan_job(plan, crowd ? JOB_FAN : JOB_STREAM, len,
				  false);

	if (axis->what == RING)
		job.room = at;
	*floor = job;
	floor->kind = JOB_STREAM;
	if (axis->what == PRODUCERS)
		job.producers = (unsigned int)at;
	if (axis->what == CONSUMERS)
		job.consumers = (unsigned int)at;
	if (axis->what == QUEUES) {
		job.kind = JOB_QUEUES_TURN;
		job.queues = (unsigned int)at;
	}
	return job;
}

/* What the first row of this axis and transport says. */
static double first_of(const struct result *result,
		       const struct result_row *like)
{
	for (size_t i = 0; i < result->n; i++) {
		const struct result_row *row = &result->rows[i];

		if (!strcmp(row->name, like->name) && !row->why[0] &&
		    !strcmp(row->labels[0].text, like->labels[0].text))
			return row->metrics[0];
	}
	return like->metrics[0];
}

static int add_rows(struct result *result, const struct axis *axis, uint64_t at,
		    struct plan_group *group)
{
	for (unsigned int i = 0; i < group->n; i++) {
		struct plan_subject *s = &group->subjects[i];
		struct result_row *row = result_add(result, s->transport->name,
						    s->transport->flags);

		if (!row)
			return -ENOMEM;
		result_label_text(row, 0, axis->name);
		result_label_number(row, 1, at);
		plan_subject_finish(s, row, 1);
		if (row->why[0])
			continue;
		row->metrics[0] = s->value[0];
		row->metrics[1] = row->metrics[0] / first_of(result, row);
	}
	return 0;
}

static int one_point(struct plan *plan, struct result *result,
		     const struct axis *axis, uint64_t at)
{
	struct job floor, job = job_at(plan, axis, at, &floor);
	struct plan_group group;
	int error = plan_group_init(&group, plan, &job, plan_message_ns);

	if (error)
		return error;
	group.floor = plan->floor ? plan->floor : &bench_lines;
	group.floor_job = floor;
	group.rates = true;
	error = plan_group_run(&group, plan);
	if (!error)
		error = add_rows(result, axis, at, &group);
	plan_group_fini(&group);
	return error;
}

int bench_growth(struct plan *plan, struct result *result)
{
	int error = 0;

	result->form = &form;
	result->floor = plan->floor ? plan->floor->name : "lines, one to one";
	if (!plan->named) {
		plan->n_chosen = 0;
		for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
			plan->chosen[plan->n_chosen++] = usual[i];
	}
	plan->meter.groups = 0;
	for (size_t a = 0; a < N_AXES; a++)
		for (int i = 0; i < POINTS && axes[a].points[i]; i++)
			plan->meter.groups++;
	for (size_t a = 0; a < N_AXES; a++)
		for (int i = 0; i < POINTS && axes[a].points[i] && !error; i++)
			error = one_point(plan, result, &axes[a],
					  axes[a].points[i]);
	return error;
}
