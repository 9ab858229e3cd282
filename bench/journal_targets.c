/* SPDX-License-Identifier: MIT */
/*
 * What a journal is to keep to: reading at its tail beside a ring, the slowest
 * appends across rolls beside those without, seeking in many messages, and
 * opening it when the machine has gone down.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "clock.h"
#include "journal.h"
#include "transports.h"

#define BATCH 16
#define TAIL_BATCHES 4000
#define SEEKS 1000
#define HISTORY 1000000
#define LEN 100
#define FLOOR_MESSAGES 100000
#define LEN_SPAN 128 /* of a record of LEN in a journal */
#define LEN_TRIP 104 /* transports have whole words */

struct ends_of {
	struct shmq *queue;
	struct shmq_producer *producer;
	struct shmq_consumer *consumer;
	char path[256];
};

/* segment_bytes 0: a ring. */
static int begin(struct ends_of *e, uint64_t segment_bytes)
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
		error = shmq_producer_open(&e->producer, e->queue, 0);
	if (!error)
		error = shmq_consumer_open(&e->consumer, e->queue, NULL,
					   SHMQ_EXCLUSIVE);
	return error;
}

static void close_all(struct ends_of *e)
{
	shmq_consumer_close(e->consumer);
	shmq_producer_close(e->producer);
	shmq_close(e->queue);
	e->queue = NULL;
	e->producer = NULL;
	e->consumer = NULL;
}

static void end(struct ends_of *e)
{
	close_all(e);
	(void)shmq_unlink(e->path);
}

static double ns_of(uint64_t ticks)
{
	return (double)ticks * bench_tick_ns();
}

/* ------------------------------------------------------------------- the tail */

/* A batch is sent, and then received: ns a message of the latter. */
static int read_tail(struct ends_of *e, unsigned int batches, double *ns)
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
	*ns = ns_of(ticks) / batches / BATCH;
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
		struct ends_of e;
		int error;

		meter_draw(&plan->meter, 0, "tail");
		error = begin(&e, 0);
		if (!error)
			error = read_tail(&e, batches, &ring);
		end(&e);
		if (!error)
			error = begin(&e, JOURNAL_SEGMENT);
		if (!error)
			error = read_tail(&e, batches, &journal);
		end(&e);
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
	return ns_of(ticks[(size_t)((double)(n - 1) * part)]);
}

/* Of each append, from one look at the clock to the next. */
static int append_all(struct ends_of *e, uint32_t *ticks, size_t n)
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
	struct ends_of e;
	int error = begin(&e, segment_bytes);

	memset(ticks, 0, 3 * half * sizeof(*ticks));
	if (!error)
		error = append_all(&e, ticks, 3 * half);
	end(&e);
	roll->median = quantile(ticks, half, 0.5) - ns_of(bench_ticks_cost());
	roll->without = quantile(ticks, half, 0.999);
	roll->across = quantile(ticks + half, 2 * half, 0.999);
	return error;
}

/* As large as they are usually, if three files fit beside what is there. */
static uint64_t segment_for(const struct plan *plan)
{
	uint64_t bytes = 512UL << 20;
	struct statvfs space;

	if (plan->messages)
		return 1UL << 20;
	if (statvfs(shmq_runtime_dir(), &space))
		return JOURNAL_SEGMENT;
	while (bytes > 1UL << 20 && space.f_bavail * space.f_frsize / 4 < bytes)
		bytes /= 2;
	return bytes;
}

static int roll_rows(struct plan *plan, struct result *result)
{
	uint64_t segment_bytes = segment_for(plan);
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

/* -------------------------------------------------------------------- history */

static int write_history(struct ends_of *e, uint64_t n)
{
	uint64_t number[BATCH];
	struct iovec parts[BATCH];
	int sent;

	for (uint64_t i = 0; i < n; i += (uint64_t)sent) {
		unsigned int some = n - i < BATCH ? (unsigned int)(n - i) :
						    BATCH;

		for (unsigned int k = 0; k < some; k++) {
			number[k] = i + k;
			parts[k].iov_base = &number[k];
			parts[k].iov_len = sizeof(number[k]);
		}
		sent = shmq_send_batch(e->producer, parts, some, SHMQ_NOWAIT);
		if (sent < 0)
			return sent;
		if (i % (1 << 20) < BATCH && job_stopped())
			return -EINTR;
	}
	return 0;
}

/* To messages here and there; each must be what is looked for. */
static int seek_often(struct ends_of *e, uint64_t n, unsigned int seeks,
		      double *ns)
{
	uint64_t chance = 88172645463325252ULL;

	for (unsigned int i = 0; i < seeks; i++) {
		uint64_t begin_ticks, seq;
		struct shmq_msg msg;
		int error;

		chance ^= chance << 13;
		chance ^= chance >> 7;
		chance ^= chance << 17;
		seq = chance % n;
		begin_ticks = bench_ticks();
		error = shmq_seek(e->consumer, SHMQ_SEEK_SEQ, seq);
		ns[i] = ns_of(bench_ticks() - begin_ticks);
		if (error)
			return error;
		error = shmq_receive(e->consumer, &msg, 1, SHMQ_NOWAIT);
		if (error < 0)
			return error;
		/* A roll takes a number for itself. */
		if (msg.seq - seq > 1 || *(const uint64_t *)msg.data > seq)
			return -EBADMSG;
		error = shmq_release(e->consumer);
		if (error)
			return error;
	}
	return 0;
}

static int seek_rows(struct plan *plan, struct result *result,
		     struct ends_of *e, uint64_t n)
{
	unsigned int seeks = plan->messages && plan->messages < SEEKS ?
				     (unsigned int)plan->messages :
				     SEEKS;
	struct journal_times t[2] = { { .n = 0 }, { .n = 0 } };
	double ns[SEEKS], least, most;
	char what[RESULT_NAME];
	int error;

	/* The first time is to warm up. */
	for (unsigned int r = 0; r <= plan->repeat && !job_stopped(); r++) {
		error = seek_often(e, n, seeks, ns);
		if (!r && !error)
			continue;
		journal_time(&t[0], error,
			     error ? 0 : plan_median(ns, seeks, &least, &most),
			     NAN);
		journal_time(&t[1], error, ns[seeks * 99 / 100], NAN);
	}
	snprintf(what, sizeof(what), "seek in %.4g messages: at most 100000 ns",
		 (double)n);
	error = journal_row(result, "median", BENCH_OURS, what, 8, &t[0]);
	return error ? error :
		       journal_row(result, "p99", BENCH_OURS, what, 8, &t[1]);
}

/*
 * A journal is not believed where its control file is another file than it was:
 * one that has been copied, or comes from before the machine went down.
 */
static int copy_control(const char *path)
{
	char from[300], to[300], buf[65536];
	ssize_t got = -1;
	int in, out;

	snprintf(from, sizeof(from), "%s/control", path);
	snprintf(to, sizeof(to), "%s/control.copy", path);
	in = open(from, O_RDONLY | O_CLOEXEC);
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (in >= 0 && out >= 0)
		while ((got = read(in, buf, sizeof(buf))) > 0)
			if (write(out, buf, (size_t)got) != got)
				break;
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return got || rename(to, from) ? -EIO : 0;
}

static int mend_once(struct ends_of *e, double *ns)
{
	struct shmq_journal_info info = SHMQ_JOURNAL_INFO_INIT;
	uint64_t begin_ns;
	int error = copy_control(e->path);

	begin_ns = bench_clock_ns();
	if (!error)
		error = shmq_open(&e->queue, e->path, 0, 0, NULL);
	*ns = (double)(bench_clock_ns() - begin_ns);
	if (!error)
		error = shmq_journal_info(e->queue, &info);
	shmq_close(e->queue);
	e->queue = NULL;
	return error ? error : info.mended_ns ? 0 : -ENODATA;
}

static int history_rows(struct plan *plan, struct result *result)
{
	uint64_t n = plan->history  ? plan->history :
		     plan->messages ? 1000 * plan->messages :
				      HISTORY;
	struct journal_times t = { .n = 0 };
	char what[RESULT_NAME];
	struct ends_of e;
	int error = begin(&e, segment_for(plan));

	meter_draw(&plan->meter, 0, "history");
	if (!error)
		error = write_history(&e, n);
	if (!error)
		error = shmq_sync(e.queue, SHMQ_FOREVER);
	if (error)
		journal_time(&t, error, 0, 0);
	else
		error = seek_rows(plan, result, &e, n);
	plan->meter.done++;
	close_all(&e);
	for (unsigned int r = 0; r < plan->repeat && !error && !job_stopped();
	     r++) {
		double ns;
		int mended = mend_once(&e, &ns);

		journal_time(&t, mended, ns, NAN);
	}
	(void)shmq_unlink(e.path);
	plan->meter.done++;
	snprintf(what, sizeof(what), "open %.4g messages, crashed: at most 1e9",
		 (double)n);
	return journal_row(result, "journal", BENCH_OURS, what, 8, &t);
}

int journal_target_rows(struct plan *plan, struct result *result)
{
	int error = tail_rows(plan, result);

	if (!error)
		error = roll_rows(plan, result);
	if (!error)
		error = history_rows(plan, result);
	return error ? error : job_stopped();
}
