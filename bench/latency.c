/* SPDX-License-Identifier: MIT */
/*
 * latency: how long a message takes from one process to another, one way and
 * there and back, polled and asleep.
 */
#include <errno.h>

#include "plan.h"
#include "transports.h"

static const struct result_form form = {
	.verb = "latency",
	.labels = { { "way", "way", true, false },
		    { "mode", "mode", true, false },
		    { "size_bytes", "message", false, true } },
	.metrics = { { "min_ns", ">MIN", RESULT_NS },
		     { "p50_ns", ">P50", RESULT_NS },
		     { "p90_ns", ">P90", RESULT_NS },
		     { "p99_ns", ">P99", RESULT_NS },
		     { "p99_9_ns", ">P99.9", RESULT_NS },
		     { "p99_99_ns", ">P99.99", RESULT_NS },
		     { "max_ns", ">MAX", RESULT_NS } },
	.main = 1,
	.ratio = "of medians",
};

static const double parts[] = { 0, 0.5, 0.9, 0.99, 0.999, 0.9999, 1 };

static const size_t sizes[] = { 8, 64, 256, 1024, 4096, 65536, 1048576 };

struct turn {
	enum job_kind kind;
	const char *way;
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
		result_label_text(row, 0, turn->way);
		result_label_text(row, 1, turn->sleeps ? "asleep" : "busy");
		result_label_number(row, 2, turn->len);
		plan_subject_finish(s, row, 1);
		for (int k = 0; k < 7 && s->pooled; k++)
			row->metrics[k] = plan_quantile(s->pool, s->pooled,
							parts[k]);
		if (s->rounds)
			row->metrics[1] = s->value[0];
	}
	return 0;
}

static int one_turn(struct plan *plan, struct result *result,
		    const struct turn *turn)
{
	struct job job = plan_job(plan, turn->kind, turn->len, turn->sleeps);
	struct plan_group group;
	int error = plan_group_init(&group, plan, &job, plan_median_ns);

	if (error)
		return error;
	group.floor = plan->floor  ? plan->floor :
		      turn->sleeps ? &bench_futex :
				     &bench_line;
	error = plan_group_run(&group, plan);
	if (!error)
		error = add_rows(result, turn, &group);
	plan_group_fini(&group);
	return error;
}

int bench_latency(struct plan *plan, struct result *result)
{
	const size_t *list = plan->n_sizes ? plan->sizes : sizes;
	unsigned int n = plan->n_sizes ? plan->n_sizes :
					 sizeof(sizes) / sizeof(sizes[0]);
	int error = 0;

	result->form = &form;
	result->floor = plan->floor ? plan->floor->name :
				      "line (busy), futex (asleep)";
	plan->meter.groups = 2.0 * n * (plan->busy + plan->sleep);
	for (int way = 0; way < 2; way++) {
		for (int sleeps = !plan->busy; sleeps <= plan->sleep;
		     sleeps++) {
			for (unsigned int i = 0; i < n && !error; i++) {
				const struct turn turn = {
					way ? JOB_ROUND_TRIP : JOB_ONE_WAY,
					way ? "round trip" : "one way",
					sleeps,
					list[i],
				};

				error = one_turn(plan, result, &turn);
			}
		}
	}
	return error;
}
