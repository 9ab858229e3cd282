/* SPDX-License-Identifier: MIT */
/*
 * The measuring of one group. A run is short, and the floor runs right before
 * each transport: whatever happens to the machine happens to both. How many
 * messages a run has is found by trying, unless the user says.
 */
#include "plan.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRY_FIRST 100
#define TRY_NS 2000000.0
#define TRIPS_MOST 200000.0
#define STREAM_MOST 50e6
#define FEWEST 20

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int compare_floats(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

double plan_quantile(const float *sorted, size_t n, double part)
{
	return n ? (double)sorted[(size_t)((double)(n - 1) * part)] : NAN;
}

double plan_median_ns(const struct job_outcome *outcome)
{
	qsort(outcome->ns, outcome->n, sizeof(*outcome->ns), compare_floats);
	return plan_quantile(outcome->ns, outcome->n, 0.5);
}

double plan_message_ns(const struct job_outcome *outcome)
{
	return outcome->message_ns;
}

/* ------------------------------------------------------------------------- jobs */

static bool is_trips(const struct job *job)
{
	return job->kind == JOB_ROUND_TRIP || job->kind == JOB_ONE_WAY;
}

struct job plan_job(const struct plan *plan, enum job_kind kind, size_t len,
		    bool sleeps)
{
	struct job job = {
		.kind = kind,
		.len = len,
		.room = plan->room,
		.producers = 1,
		.consumers = 1,
		.queues = kind == JOB_ROUND_TRIP || kind == JOB_ONE_WAY ? 2 : 1,
		.sleeps = sleeps,
		.n_cores = plan->n_cores,
	};

	memcpy(job.cores, plan->cores, sizeof(job.cores));
	while (job.room < 8 * len)
		job.room *= 2;
	return job;
}

/* A stream's warm-up passes the whole ring, so that every page is there. */
static void set_count(struct job *job, uint64_t n)
{
	job->n = n;
	job->warmup = n / 10;
	if (is_trips(job))
		return;
	job->warmup += n < job->room / 64 ? n : job->room / 64;
}

/* Messages in so much time, by what one took. */
static uint64_t count_in(const struct job *job, double ns, double message_ns)
{
	double most = is_trips(job) ? TRIPS_MOST : STREAM_MOST;
	double n = ns / (message_ns > 1 ? message_ns : 1);

	n /= job->producers;
	return (uint64_t)(n < FEWEST ? FEWEST : n > most ? most : n);
}

/* Returns 0, or what job_run() said: then outcome->why has the reason. */
static int calibrate(const struct plan *plan, struct job *job,
		     plan_value_fn *value, struct job_outcome *outcome)
{
	const double aims[] = { TRY_NS, (double)plan->time_ns };
	int error = 0;

	if (plan->messages) {
		set_count(job, plan->messages);
		return 0;
	}
	set_count(job, TRY_FIRST);
	for (int i = 0; i < 2 && !error; i++) {
		error = job_run(job, outcome);
		if (!error)
			set_count(job, count_in(job, aims[i], value(outcome)));
		free(outcome->ns);
		outcome->ns = NULL;
	}
	return error;
}

/* ----------------------------------------------------------------------- groups */

int plan_group_init(struct plan_group *group, const struct plan *plan,
		    const struct job *job, plan_value_fn *value)
{
	memset(group, 0, sizeof(*group));
	group->job = group->floor_job = *job;
	group->value = value;
	group->subjects = calloc(plan->n_chosen, sizeof(*group->subjects));
	if (!group->subjects)
		return -ENOMEM;
	for (unsigned int i = 0; i < plan->n_chosen; i++) {
		struct plan_subject *s = &group->subjects[group->n];
		const char *why;

		s->transport = plan->chosen[i];
		s->job = *job;
		s->job.transport = s->transport;
		why = job_refusal(&s->job);
		/* Said only of those that were asked for by name. */
		if (why && !plan->named)
			continue;
		if (why)
			snprintf(s->why, sizeof(s->why), "%s", why);
		group->n++;
	}
	return 0;
}

void plan_group_fini(struct plan_group *group)
{
	for (unsigned int i = 0; i < group->n; i++)
		free(group->subjects[i].pool);
	free(group->subjects);
	group->subjects = NULL;
}

static int keep_trips(struct plan_subject *s, const struct job_outcome *outcome)
{
	float *pool = realloc(s->pool,
			      (s->pooled + outcome->n) * sizeof(*pool));

	if (!pool)
		return -ENOMEM;
	memcpy(pool + s->pooled, outcome->ns, outcome->n * sizeof(*pool));
	s->pool = pool;
	s->pooled += outcome->n;
	return 0;
}

/* The floor's value of this moment, NAN if there is none. */
static int run_floor(const struct plan_group *group, double *value)
{
	struct job_outcome outcome;
	int error;

	*value = NAN;
	if (!group->floor)
		return 0;
	error = job_run(&group->floor_job, &outcome);
	if (!error)
		*value = group->value(&outcome);
	free(outcome.ns);
	return error == -EINTR ? error : 0;
}

static int run_subject(const struct plan_group *group, struct plan_subject *s)
{
	struct job_outcome outcome;
	double floor, value;
	int error = run_floor(group, &floor);

	if (error)
		return error;
	error = job_run(&s->job, &outcome);
	if (!error) {
		value = group->value(&outcome);
		if (outcome.ns)
			error = keep_trips(s, &outcome);
		s->value[s->rounds++] = value;
		if (!isnan(floor) && value > 0 && floor > 0)
			s->ratio[s->ratios++] = group->rates ? floor / value :
							       value / floor;
	} else if (error == -ETIMEDOUT && s->job.n > FEWEST) {
		set_count(&s->job, FEWEST); /* this round is lost */
		error = 0;
	} else if (error != -EINTR) {
		snprintf(s->why, sizeof(s->why), "%s", outcome.why);
		error = 0;
	}
	free(outcome.ns);
	return error;
}

static int calibrate_all(struct plan_group *group, struct plan *plan)
{
	struct job_outcome outcome;
	int error = 0;

	if (group->floor) {
		group->floor_job.transport = group->floor;
		if (job_refusal(&group->floor_job) ||
		    calibrate(plan, &group->floor_job, group->value, &outcome))
			group->floor = NULL;
	}
	for (unsigned int i = 0; i < group->n && error != -EINTR; i++) {
		struct plan_subject *s = &group->subjects[i];

		meter_draw(&plan->meter, 0.2 * i / group->n,
			   s->transport->name);
		if (s->why[0])
			continue;
		error = calibrate(plan, &s->job, group->value, &outcome);
		if (error)
			snprintf(s->why, sizeof(s->why), "%s", outcome.why);
	}
	return error == -EINTR ? error : 0;
}

int plan_group_run(struct plan_group *group, struct plan *plan)
{
	double runs = (double)plan->repeat * group->n, done = 0;
	int error = calibrate_all(group, plan);

	for (unsigned int r = 0; r < plan->repeat && !error; r++) {
		for (unsigned int i = 0; i < group->n && !error; i++) {
			struct plan_subject *s = &group->subjects[i];

			meter_draw(&plan->meter, 0.2 + 0.8 * done++ / runs,
				   s->transport->name);
			if (!s->why[0])
				error = run_subject(group, s);
		}
	}
	plan->meter.done++;
	return error;
}

double plan_median(double *values, unsigned int n, double *low, double *high)
{
	qsort(values, n, sizeof(*values), compare_doubles);
	*low = values[0];
	*high = values[n - 1];
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

void plan_subject_finish(struct plan_subject *s, struct result_row *row,
			 double scale)
{
	if (s->why[0] || !s->rounds) {
		snprintf(row->why, sizeof(row->why), "%s",
			 s->why[0] ? s->why : "does not end");
		return;
	}
	s->value[0] = plan_median(s->value, s->rounds, &row->low, &row->high);
	row->low *= scale;
	row->high *= scale;
	if (s->ratios)
		row->ratio = plan_median(s->ratio, s->ratios, &row->ratio_low,
					 &row->ratio_high);
	if (s->pooled)
		qsort(s->pool, s->pooled, sizeof(*s->pool), compare_floats);
}
