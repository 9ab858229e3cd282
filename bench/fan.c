/* SPDX-License-Identifier: MIT */
/*
 * fan: so many producers and so many consumers at once, on the given cores,
 * also more of them than cores. Each message goes to one of the consumers.
 */
#include <errno.h>

#include "plan.h"
#include "transports.h"

#define LEN 64

static const struct result_form form = {
	.verb = "fan",
	.labels = { { "producers", "producers", false, false },
		    { "consumers", "consumers", false, false },
		    { "mode", "mode", true, false },
		    { "size_bytes", "message", false, true } },
	.metrics = { { "messages_per_s", ">MESSAGES/S", RESULT_PER_S },
		     { "bytes_per_s", ">BYTES/S", RESULT_BYTES_S },
		     { "message_ns", ">NS EACH", RESULT_NS } },
	.main = 2,
	.ratio = "of messages a second",
};

struct turn {
	unsigned int producers, consumers;
	bool sleeps;
	size_t len;
};

static int add_rows(struct result *result, const struct turn *turn,
		    struct plan_group *group)
{
	for (unsigned int i = 0; i < group->n; i++) {
		struct plan_subject *s = &group->subjects[i];
		struct result_row *row = result_add(result, s->transport->name,
						    s->transport->flags);

		if (!row)
			return -ENOMEM;
		result_label_number(row, 0, turn->producers);
		result_label_number(row, 1, turn->consumers);
		result_label_text(row, 2, turn->sleeps ? "asleep" : "busy");
		result_label_number(row, 3, turn->len);
		plan_subject_finish(s, row, 1);
		if (row->why[0])
			continue;
		row->metrics[0] = 1e9 / s->value[0];
		row->metrics[1] = row->metrics[0] * (double)turn->len;
		row->metrics[2] = s->value[0];
	}
	return 0;
}

static int one_turn(struct plan *plan, struct result *result,
		    const struct turn *turn)
{
	bool crowd = turn->producers + turn->consumers > 2;
	struct job job = plan_job(plan, crowd ? JOB_FAN : JOB_STREAM, turn->len,
				  turn->sleeps);
	struct plan_group group;
	int error;

	job.producers = turn->producers;
	job.consumers = turn->consumers;
	error = plan_group_init(&group, plan, &job, plan_message_ns);
	if (error)
		return error;
	group.floor = plan->floor ? plan->floor : &bench_lines;
	group.floor_job = plan_job(plan, JOB_STREAM, turn->len, false);
	group.rates = true;
	error = plan_group_run(&group, plan);
	if (!error)
		error = add_rows(result, turn, &group);
	plan_group_fini(&group);
	return error;
}

/* Several sizes, as a rule one. */
static int turns_of_a_crowd(struct plan *plan, struct result *result,
			    struct turn turn)
{
	unsigned int n = plan->n_sizes ? plan->n_sizes : 1;
	int error = 0;

	for (int sleeps = !plan->busy; sleeps <= plan->sleep; sleeps++) {
		for (unsigned int i = 0; i < n && !error; i++) {
			turn.sleeps = sleeps;
			turn.len = plan->n_sizes ? plan->sizes[i] : LEN;
			error = one_turn(plan, result, &turn);
		}
	}
	return error;
}

static void default_counts(unsigned int *counts, unsigned int *n)
{
	static const unsigned int usual[] = { 1, 4, 8 };

	if (*n)
		return;
	for (unsigned int i = 0; i < 3; i++)
		counts[(*n)++] = usual[i];
}

int bench_fan(struct plan *plan, struct result *result)
{
	int error = 0;

	result->form = &form;
	result->floor = plan->floor ? plan->floor->name : "lines, one to one";
	default_counts(plan->producers, &plan->n_producers);
	default_counts(plan->consumers, &plan->n_consumers);
	plan->meter.groups = (double)plan->n_producers * plan->n_consumers *
			     (plan->busy + plan->sleep) *
			     (plan->n_sizes ? plan->n_sizes : 1);
	for (unsigned int p = 0; p < plan->n_producers; p++) {
		for (unsigned int c = 0; c < plan->n_consumers && !error; c++) {
			const struct turn turn = { plan->producers[p],
						   plan->consumers[c], false,
						   0 };

			error = turns_of_a_crowd(plan, result, turn);
		}
	}
	return error;
}
