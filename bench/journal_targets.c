/* SPDX-License-Identifier: MIT */
/*
 * What a journal is to keep to: reading at its tail beside a ring, the slowest
 * appends across rolls beside those without. journal_history.c has the rest.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "clock.h"
#include "journal.h"
#include "transports.h"

#define BATCH 16
#define TAIL_BATCHES 4000
#define LEN 100
#define FLOOR_MESSAGES 100000
#define LEN_SPAN 128 /* of a record of LEN in a journal */
#define LEN_TRIP 104 /* transports have whole words */

int journal_begin(struct journal_ends *e, uint64_t segment_bytes)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	int error;

	memset(e, 0, sizeof(*e));
	job_path(e->path, sizeof(e->path));
	attr.flags = SHMQ_PREFAULT;
	error = segment_bytes ?
			journal_make(&e->queue, e->path, segment_bytes) :
			shmq_open(&e->queue, e->path, SHMQ_CREATE | SHMQ_EXCL,
				  0600, &attr);
	if (!error)
		error = journal_producer(&e->producer, e->queue);
	if (!error)
		error = shmq_consumer_open(&e->consumer, e->queue, NULL,
					   SHMQ_EXCLUSIVE);
	return error;
}

void journal_close(struct journal_ends *e)
{
	shmq_consumer_close(e->consumer);
	shmq_producer_close(e->producer);
	shmq_close(e->queue);
	e->queue = NULL;
	e->producer = NULL;
	e->consumer = NULL;
}

void journal_end(struct journal_ends *e)
{
	journal_close(e);
	(void)shmq_unlink(e->path);
}

double journal_ns(uint64_t ticks)
{
	return (double)ticks * bench_tick_ns();
}

/* ------------------------------------------------------------------- the tail */

/* A batch is sent, and then received: ns a message of the latter. */
static int read_tail(struct journal_ends *e, unsigned int batches, double *ns)
{
	unsigned char message[LEN] = { 0 };
	uint64_t ticks = 0;
	int error = 0;

	for (unsigned int i = 0; i < batches && !error; i++) {
		uint64_t begin_ticks;

		for (int k = 0; k < BATCH && !error; k++)
			error = shmq_send(e->producer, message, LEN,
					  SHMQ_NOWAIT);
		begin_ticks = bench_ticks();
		for (int k = 0; k < BATCH && !error; k++) {
			ssize_t got = shmq_recv(e->consumer, message, LEN,
						SHMQ_NOWAIT);

			error = got == LEN ? 0 : got < 0 ? (int)got : -EBADMSG;
		}
		ticks += bench_ticks() - begin_ticks;
	}
	*ns = journal_ns(ticks) / batches / BATCH;
	return error;
}

static int tail_rows(struct plan *plan, struct result *result)
{
	unsigned int batches = plan->messages && plan->messages < TAIL_BATCHES ?
				       (unsigned int)plan->messages :
				       TAIL_BATCHES;
	struct journal_times t = { .n = 0 };

	for (unsigned int r = 0; r < plan->repeat && !job_stopped(); r++) {
		double ring = NAN, journal = NAN;
		struct journal_ends e;
		int error;

		meter_draw(&plan->meter, 0, "tail");
		error = journal_begin(&e, 0);
		if (!error)
			error = read_tail(&e, batches, &ring);
		journal_end(&e);
		if (!error)
			error = journal_begin(&e, JOURNAL_SEGMENT);
		if (!error)
			error = read_tail(&e, batches, &journal);
		journal_end(&e);
		journal_time(&t, error, journal, journal / ring);
	}
	plan->meter.done++;
	return journal_row(result, "journal", BENCH_OURS,
			   "receive at the tail beside a ring: at most 1.2",
			   LEN, &t);
}

/* Two processes, from one to the other and back. */
int journal_trip_rows(struct plan *plan, struct result *result)
{
	struct job job = plan_job(plan, JOB_ROUND_TRIP, LEN_TRIP, false);
	struct plan_group group;
	struct result_row *row;
	int error;

	plan->n_chosen = 1;
	plan->named = true;
	plan->chosen[0] = &bench_shmq_journal;
	error = plan_group_init(&group, plan, &job, plan_median_ns);
	if (error)
		return error;
	group.floor = &bench_shmq;
	error = plan_group_run(&group, plan);
	row = error ? NULL : result_add(result, "journal", BENCH_OURS);
	if (row) {
		result_label_text(row, 0,
				  "round trip beside a ring: at most 1.2");
		result_label_number(row, 1, LEN_TRIP);
		plan_subject_finish(&group.subjects[0], row, 1);
		if (!row->why[0])
			row->metrics[0] = group.subjects[0].value[0];
	}
	plan_group_fini(&group);
	return error ? error : row ? 0 : -ENOMEM;
}

/* -------------------------------------------------------------------- rolling */

static int compare_ticks(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double quantile(uint32_t *ticks, size_t n, double part)
{
	qsort(ticks, n, sizeof(*ticks), compare_ticks);
	return journal_ns(ticks[(size_t)((double)(n - 1) * part)]);
}

/* Of each append, from one look at the clock to the next. */
static int append_all(struct journal_ends *e, uint32_t *ticks, size_t n)
{
	unsigned char message[LEN] = { 0 };
	uint64_t before, now;
	int error = 0;

	before = bench_ticks();
	for (size_t i = 0; i < n && !error; i++) {
		error = shmq_send(e->producer, message, LEN, SHMQ_NOWAIT);
		now = bench_ticks();
		ticks[i] = now - before < UINT32_MAX ?
				   (uint32_t)(now - before) :
				   UINT32_MAX;
		before = now;
	}
	return error;
}

/* What the clock takes of that: the median too, which nobody disturbs. */
static double look_ns(uint32_t *ticks, size_t n)
{
	uint64_t before = bench_ticks(), now;

	for (size_t i = 0; i < n; i++) {
		now = bench_ticks();
		ticks[i] = (uint32_t)(now - before);
		before = now;
	}
	return quantile(ticks, n, 0.5);
}

/*
 * The first half of a segment: nothing is prepared. From the middle of it to the
 * middle of the next: that is made, and the roll.
 */
struct roll {
	double median, without, across; /* p99.9 the latter two */
};

static int roll_once(uint64_t segment_bytes, uint32_t *ticks, struct roll *roll)
{
	size_t half = segment_bytes / LEN_SPAN / 2;
	struct journal_ends e;
	int error = journal_begin(&e, segment_bytes);

	memset(ticks, 0, 3 * half * sizeof(*ticks));
	if (!error)
		error = append_all(&e, ticks, 3 * half);
	journal_end(&e);
	roll->median = quantile(ticks, half, 0.5);
	roll->without = quantile(ticks, half, 0.999);
	roll->across = quantile(ticks + half, 2 * half, 0.999);
	roll->median -= look_ns(ticks, half);
	return error;
}

uint64_t journal_segment(const struct plan *plan)
{
	uint64_t bytes = 512UL << 20;
	struct statvfs space;

	if (plan->messages && !plan->history)
		return 1UL << 20;
	if (statvfs(shmq_runtime_dir(), &space))
		return JOURNAL_SEGMENT;
	while (bytes > 1UL << 20 && space.f_bavail * space.f_frsize / 4 < bytes)
		bytes /= 2;
	return bytes;
}

static int roll_rows(struct plan *plan, struct result *result)
{
	uint64_t segment_bytes = journal_segment(plan);
	uint32_t *ticks = calloc(segment_bytes / LEN_SPAN / 2 * 3,
				 sizeof(*ticks));
	struct journal_times t[3] = { { .n = 0 } };
	int error = ticks ? 0 : -ENOMEM;

	for (unsigned int r = 0; r < plan->repeat && !error && !job_stopped();
	     r++) {
		struct roll roll = { 0 };
		double floor = NAN, got;
		int failed;

		meter_draw(&plan->meter, 0, "roll");
		failed = journal_way_run(WAY_CHECKED, LEN, FLOOR_MESSAGES,
					 &floor, &got);
		if (!failed)
			failed = roll_once(segment_bytes, ticks, &roll);
		journal_time(&t[0], failed, roll.without, NAN);
		journal_time(&t[1], failed, roll.across,
			     roll.across / roll.without);
		journal_time(&t[2], failed, roll.median, roll.median / floor);
	}
	free(ticks);
	plan->meter.done++;
	for (int i = 0; i < 2 && !error; i++)
		error = journal_row(result, i ? "across a roll" : "without",
				    BENCH_OURS,
				    "p99.9 of append across a roll: at most 3",
				    LEN, &t[i]);
	return error ? error :
		       journal_row(result, "journal", BENCH_OURS,
				   "the median append, likewise: at most 1.5",
				   LEN, &t[2]);
}

int journal_target_rows(struct plan *plan, struct result *result)
{
	int error = tail_rows(plan, result);

	if (!error)
		error = roll_rows(plan, result);
	if (!error)
		error = journal_history_rows(plan, result);
	return error ? error : job_stopped();
}
