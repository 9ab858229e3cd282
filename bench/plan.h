/* SPDX-License-Identifier: MIT */
/*
 * What is to be measured, and the measuring of one group: several transports
 * that do the same, in turn, round after round, each beside the floor.
 */
#ifndef BENCH_PLAN_H
#define BENCH_PLAN_H

#include "catalog.h"
#include "job.h"
#include "result.h"

#define PLAN_LIST 32
#define PLAN_ROUNDS 101

struct meter {
	bool on;
	bool drawn;
	uint64_t begin_ns, drawn_ns;
	double groups, done; /* of all; finished */
};

struct plan {
	struct catalog catalog;
	const struct bench_transport *chosen[CATALOG_MAX];
	unsigned int n_chosen;
	bool named;                          /* the user has chosen them */
	const struct bench_transport *floor; /* NULL: the verb's own */
	size_t sizes[PLAN_LIST];
	unsigned int n_sizes; /* 0: the verb's own */
	unsigned int producers[PLAN_LIST], n_producers;
	unsigned int consumers[PLAN_LIST], n_consumers;
	uint64_t messages; /* of a run; 0: as many as fit into time_ns */
	uint64_t time_ns;  /* of a run, about */
	uint64_t history;  /* messages to seek in; 0: the verb's own */
	unsigned int repeat;
	bool busy, sleep; /* polling, sleeping: both unless one is asked for */
	size_t room;
	int cores[JOB_CORES];
	unsigned int n_cores;
	struct meter meter;
};

/* The value of a run that rounds are compared by. */
typedef double plan_value_fn(const struct job_outcome *outcome);

double plan_median_ns(const struct job_outcome *outcome);
double plan_message_ns(const struct job_outcome *outcome);

struct plan_subject {
	const struct bench_transport *transport;
	struct job job;
	double value[PLAN_ROUNDS]; /* median first, once it is finished */
	double ratio[PLAN_ROUNDS]; /* to the floor of the same round */
	unsigned int rounds, ratios;
	float *pool; /* the trips of all rounds */
	size_t pooled;
	char why[160]; /* it was given up */
};

struct plan_group {
	struct job job; /* what all do, but for the transport */
	const struct bench_transport *floor; /* or NULL */
	struct job floor_job;                /* what it does */
	plan_value_fn *value;
	bool rates; /* ratios are of rates: more is better */
	struct plan_subject *subjects;
	unsigned int n;
};

/* Jobs of a kind, with what the plan says. */
struct job plan_job(const struct plan *plan, enum job_kind kind, size_t len,
		    bool sleeps);
/* All chosen transports that can do the job; the floor's own is floor_job. */
int plan_group_init(struct plan_group *group, const struct plan *plan,
		    const struct job *job, plan_value_fn *value);
/* 0; -EINTR; -ENOMEM. A transport that fails is given up, and says why. */
int plan_group_run(struct plan_group *group, struct plan *plan);
void plan_group_fini(struct plan_group *group);

/* Spread and ratio of a row from what was measured; pooled trips sorted. */
void plan_subject_finish(struct plan_subject *subject, struct result_row *row,
			 double scale);
/* Sorts values; the median comes back, and the ends. */
double plan_median(double *values, unsigned int n, double *low, double *high);
double plan_quantile(const float *sorted, size_t n, double part);

void meter_init(struct meter *meter, bool on);
void meter_draw(struct meter *meter, double part, const char *what);
void meter_fini(struct meter *meter);

/* The verbs. */
int bench_latency(struct plan *plan, struct result *result);
int bench_throughput(struct plan *plan, struct result *result);
int bench_wake(struct plan *plan, struct result *result);
int bench_fan(struct plan *plan, struct result *result);
int bench_growth(struct plan *plan, struct result *result);
int bench_pagefault(struct plan *plan, struct result *result);
int bench_journal(struct plan *plan, struct result *result);

#endif /* BENCH_PLAN_H */
