/* SPDX-License-Identifier: MIT */
/*
 * Many messages: seeking in them, and opening the journal when the machine has
 * gone down.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "journal.h"

#define BATCH 16
#define SEEKS 1000
#define HISTORY 1000000

static int write_history(struct journal_ends *e, uint64_t n)
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
static int seek_often(struct journal_ends *e, uint64_t n, unsigned int seeks,
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
		ns[i] = journal_ns(bench_ticks() - begin_ticks);
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
		     struct journal_ends *e, uint64_t n)
{
	unsigned int seeks = plan->messages && plan->messages < SEEKS ?
				     (unsigned int)plan->messages :
				     SEEKS;
	struct journal_times t[2] = { { .n = 0 }, { .n = 0 } };
	double ns[SEEKS] = { 0 }, least, most;
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

static int mend_once(struct journal_ends *e, double *ns)
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

int journal_history_rows(struct plan *plan, struct result *result)
{
	uint64_t n = plan->history  ? plan->history :
		     plan->messages ? 1000 * plan->messages :
				      HISTORY;
	struct journal_times t = { .n = 0 };
	char what[RESULT_NAME];
	struct journal_ends e;
	int error = journal_begin(&e, journal_segment(plan));

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
	journal_close(&e);
	for (unsigned int r = 0; r < plan->repeat && !error && !job_stopped();
	     r++) {
		double ns;
		int mended = mend_once(&e, &ns);

		journal_time(&t, mended, ns, NAN);
	}
	(void)shmq_unlink(e.path);
	plan->meter.done++;
	snprintf(what, sizeof(what), "open %.4g, crashed: at most 1e9 ns",
		 (double)n);
	return journal_row(result, "journal", BENCH_OURS, what, 8, &t);
}
