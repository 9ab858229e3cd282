/* SPDX-License-Identifier: MIT */
/*
 * throughput: how many messages a second go from one process to another.
 */
#include <errno.h>

#include "plan.h"
#include "transports.h"

static const struct result_form form = {
	.verb = "throughput",
	.labels = { { "mode", "mode", true, false },
		    { "size_bytes", "message", false, true } },
	.metrics = { { "messages_per_s", ">MESSAGES/S", RESULT_PER_S },
		     { "bytes_per_s", ">BYTES/S", RESULT_BYTES_S },
		     { "message_ns", ">NS EACH", RESULT_NS } },
	.main = 2,
	.ratio = "of messages a second",
};

static const size_t sizes[] = { 8, 64, 256, 1024, 4096, 65536, 1048576 };

static int add_rows(struct result *result, bool sleeps, size_t len,
		    struct plan_group *group)
{
	for (unsigned int i = 0; i < group->n; i++) {
		struct plan_subject *s = &group->subjects[i];
		struct result_row *row = result_add(result, s->transport->name,
						    s->transport->flags);

		if (!row)
			return -ENOMEM;
		result_label_text(row, 0, sleeps ? "asleep" : "busy");
		result_label_number(row, 1, len);
		plan_subject_finish(s, row, 1);
		if (row->why[0])
			continue;
		row->metrics[0] = 1e9 / s->value[0];
		row->metrics[1] = row->metrics[0] * (double)len;
		row->metrics[2] = s->value[0];
	}
	return 0;
}

static int one_turn(struct plan *plan, struct result *result, bool sleeps,
		    size_t len)
{
	struct job job = plan_job(plan, JOB_STREAM, len, sleeps);
	struct plan_group group;
	int error = plan_group_init(&group, plan, &job, plan_message_ns);

	if (error)
		return error;
	group.floor = plan->floor ? plan->floor : &bench_lines;
	/* Bare memory never sleeps. */
	if (!(group.floor->flags & BENCH_SLEEPS))
		group.floor_job.sleeps = false;
	group.rates = true;
	error = plan_group_run(&group, plan);
	if (!error)
		error = add_rows(result, sleeps, len, &group);
	plan_group_fini(&group);
	return error;
}

int bench_throughput(struct plan *plan, struct result *result)
{
	const size_t *list = plan->n_sizes ? plan->sizes : sizes;
	unsigned int n = plan->n_sizes ? plan->n_sizes :
					 sizeof(sizes) / sizeof(sizes[0]);
	int error = 0;

	result->form = &form;
	result->floor = plan->floor ? plan->floor->name : bench_lines.name;
	plan->meter.groups = (double)n * (plan->busy + plan->sleep);
	for (int sleeps = !plan->busy; sleeps <= plan->sleep; sleeps++)
		for (unsigned int i = 0; i < n && !error; i++)
			error = one_turn(plan, result, sleeps, list[i]);
	return error;
}
