/* SPDX-License-Identifier: MIT */
/*
 * journal: the same bytes written to, and read from, a journal, a mapping of a
 * file, and a file by write(2) and read(2); and what a journal is to keep to.
 * One process, but for the round trip.
 */
#include "journal.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_MOST (16UL << 20)
#define MESSAGES_MOST 100000

static const struct result_form form = {
	.verb = "journal",
	.labels = { { "pass", "", true, false },
		    { "size_bytes", "message", false, true } },
	.metrics = { { "message_ns", ">NS EACH", RESULT_NS },
		     { "bytes_per_s", ">BYTES/S", RESULT_BYTES_S } },
	.main = 0,
	.ratio = "of times",
};

static const size_t sizes[] = { 1, 100, 512, 1024, 2048, 4096, 8192, 10240 };
#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

/* Of one size: each way, written and read; each way's floor. */
struct measured {
	struct journal_times times[N_WAYS][2];
};

void journal_time(struct journal_times *t, int error, double value,
		  double ratio)
{
	if (error) {
		snprintf(t->why, sizeof(t->why), "%s", shmq_strerror(error));
		return;
	}
	t->value[t->n++] = value;
	if (!isnan(ratio))
		t->ratio[t->ratios++] = ratio;
}

int journal_row(struct result *result, const char *name, unsigned int flags,
		const char *pass, size_t len, struct journal_times *t)
{
	struct result_row *row = result_add(result, name, flags);

	if (!row)
		return -ENOMEM;
	result_label_text(row, 0, pass);
	result_label_number(row, 1, len);
	if (t->why[0] || !t->n) {
		snprintf(row->why, sizeof(row->why), "%s",
			 t->why[0] ? t->why : "not tried");
		return 0;
	}
	row->metrics[0] = plan_median(t->value, t->n, &row->low, &row->high);
	if (t->moves)
		row->metrics[1] = (double)len * 1e9 / row->metrics[0];
	if (t->ratios)
		row->ratio = plan_median(t->ratio, t->ratios, &row->ratio_low,
					 &row->ratio_high);
	return 0;
}

/* ----------------------------------------------------------------------- sizes */

/* The floor before each. */
static void one_round(struct plan *plan, size_t len, struct measured *m)
{
	size_t n = plan->messages ? plan->messages : BYTES_MOST / len;

	if (n > MESSAGES_MOST)
		n = MESSAGES_MOST;
	for (int w = 0; w < N_WAYS; w++) {
		double floor[2] = { 1, 1 }, values[2] = { 0 };
		int error;

		meter_draw(&plan->meter, (double)w / N_WAYS / plan->repeat,
			   journal_ways[w].name);
		error = journal_way_run(WAY_CHECKED, len, n, &floor[0],
					&floor[1]);
		if (!error)
			error = journal_way_run(w, len, n, &values[0],
						&values[1]);
		for (int pass = 0; pass < 2; pass++)
			journal_time(&m->times[w][pass], error, values[pass],
				     values[pass] / floor[pass]);
	}
}

/* Each value beside the better of two others of the same round. */
static int beside(struct result *result, const struct measured *m, int way,
		  const int others[2], bool times_as_fast, const char *what,
		  size_t len)
{
	const struct journal_times *ours = &m->times[way][0];
	struct journal_times t = { .moves = true };

	memcpy(t.why, ours->why, sizeof(t.why));
	for (unsigned int r = 0; r < ours->n; r++) {
		double other = INFINITY;

		for (unsigned int i = 0; i < 2; i++) {
			const struct journal_times *o = &m->times[others[i]][0];

			if (r < o->n && o->value[r] < other)
				other = o->value[r];
		}
		journal_time(&t, 0, ours->value[r],
			     times_as_fast ? other / ours->value[r] :
					     ours->value[r] / other);
	}
	return journal_row(result, journal_ways[way].name, BENCH_OURS, what,
			   len, &t);
}

/* The targets that are of one size; before the values are sorted. */
static int size_targets(struct result *targets, const struct measured *m,
			size_t len)
{
	static const struct {
		size_t len;
		const char *what;
		int others[2];
		bool times_as_fast;
	} list[] = {
		{ 100,
		  "append beside mapping, checksum: at most 1.5",
		  { WAY_CHECKED, WAY_CHECKED },
		  false },
		{ 100,
		  "append, times as fast as write: at least 10",
		  { WAY_CALLS, WAY_CALLS },
		  true },
		{ 4096,
		  "append beside mmap or write: at most 1",
		  { WAY_COLD, WAY_CALLS },
		  false },
	};
	int error = 0;

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		for (int way = WAY_JOURNAL; way <= WAY_PLACED && !error; way++)
			if (list[i].len == len)
				error = beside(targets, m, way, list[i].others,
					       list[i].times_as_fast,
					       list[i].what, len);
	return error;
}

static int one_size(struct plan *plan, struct result *result,
		    struct result *targets, size_t len)
{
	struct measured *m = calloc(1, sizeof(*m));
	int error = m ? 0 : -ENOMEM;

	for (int w = 0; w < N_WAYS && !error; w++)
		m->times[w][0].moves = m->times[w][1].moves = true;
	for (unsigned int r = 0; r < plan->repeat && !error; r++) {
		one_round(plan, len, m);
		plan->meter.done += 1.0 / plan->repeat;
		error = job_stopped();
	}
	if (!error)
		error = size_targets(targets, m, len);
	for (int pass = 0; pass < 2; pass++)
		for (int w = 0; w < N_WAYS && !error; w++)
			error = journal_row(result, journal_ways[w].name,
					    journal_ways[w].flags,
					    pass ? "read" : "append", len,
					    &m->times[w][pass]);
	free(m);
	return error;
}

/* ------------------------------------------------------------------------ main */

static int append_rows(struct result *result, const struct result *rows)
{
	for (size_t i = 0; i < rows->n; i++) {
		struct result_row *row = result_add(result, "", 0);

		if (!row)
			return -ENOMEM;
		*row = rows->rows[i];
	}
	return 0;
}

static int on_one_core(struct plan *plan, struct result *result,
		       struct result *targets)
{
	cpu_set_t before;
	int error = 0;

	sched_getaffinity(0, sizeof(before), &before);
	journal_cores(plan->cores);
	for (size_t i = 0; i < N_SIZES && !error; i++)
		error = one_size(plan, result, targets, sizes[i]);
	if (!error)
		error = journal_target_rows(plan, targets);
	sched_setaffinity(0, sizeof(before), &before);
	return error;
}

int bench_journal(struct plan *plan, struct result *result)
{
	const size_t all = N_SIZES;
	struct result targets = { .form = &form };
	int error;

	result->form = &form;
	result->floor = journal_ways[WAY_CHECKED].name;
	plan->meter.groups = (double)(all + JOURNAL_TARGETS);
	error = on_one_core(plan, result, &targets);
	if (!error)
		error = journal_trip_rows(plan, &targets);
	if (!error)
		error = append_rows(result, &targets);
	result_fini(&targets);
	return error;
}
