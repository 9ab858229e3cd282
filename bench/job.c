/* SPDX-License-Identifier: MIT */
/*
 * One run, as the process sees it that starts the others: it makes the
 * channels, forks, and sleeps until all have ended.
 * One that fails or hangs takes the run with it, and nothing else.
 */
#include "job.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <shmq.h>

#include "../tools/stop.h"
#include "clock.h"
#include "outcome.h"
#include "trace.h"
#include "work.h"

#define DEADLINE_NS UINT64_C(5000000000)
#define PATH_SIZE 256

static char dir[PATH_SIZE - 32];
static unsigned int n_paths;

struct run {
	const struct job *job;
	struct job_outcome *outcome;
	struct control *control;
	struct bench_channel *channels;
	unsigned int n_created;
	pid_t *pids;
	unsigned int n_pids, n_ended;
};

/* -------------------------------------------------------------------- directory */

int job_init(void)
{
	sigset_t set;

	snprintf(dir, sizeof(dir), "%s/shmq-bench.XXXXXX", shmq_runtime_dir());
	if (!mkdtemp(dir)) {
		dir[0] = '\0';
		return -errno;
	}
	/* Waited for, not delivered. */
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	bench_tick_ns();
	bench_ticks_cost();
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

void job_fini(void)
{
	if (dir[0])
		nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	dir[0] = '\0';
}

void job_path(char *path, size_t size)
{
	snprintf(path, size, "%s/%u", dir, n_paths++);
}

int job_stopped(void)
{
	return stop_signal() ? -EINTR : 0;
}

/* --------------------------------------------------------------------- channels */

static int channels_create(struct run *run)
{
	const struct job *job = run->job;
	unsigned int processes = job->producers + job->consumers;

	for (unsigned int i = 0; i < job->queues; i++) {
		struct bench_channel *ch = &run->channels[i];
		char *path = malloc(PATH_SIZE);
		int error;

		if (!path)
			return -ENOMEM;
		job_path(path, PATH_SIZE);
		*ch = (struct bench_channel){
			.transport = job->transport,
			.path = path,
			.len = job->len,
			.room = job->room,
			.producers = job->producers,
			.consumers = job->consumers,
			.sleeps = job->sleeps,
			.crowded = processes > job->n_cores,
		};
		error = job->transport->create(ch);
		run->n_created++;
		if (error && ch->why)
			snprintf(run->outcome->why, sizeof(run->outcome->why),
				 "%s", ch->why);
		if (error)
			return error;
	}
	return 0;
}

static void channels_destroy(struct run *run)
{
	for (unsigned int i = 0; i < run->n_created; i++) {
		struct bench_channel *ch = &run->channels[i];

		if (ch->transport->destroy)
			ch->transport->destroy(ch);
		free((void *)(uintptr_t)ch->path);
	}
	free(run->channels);
}

/* -------------------------------------------------------------------- processes */

static void child_begins(pid_t parent)
{
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_FAILURE);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	signal(SIGALRM, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int start(struct run *run, enum bench_side side, unsigned int index)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid) {
		child_begins(parent);
		if (trace_wanted(run->job))
			trace_me();
		work(run->job, run->control, run->channels, side, index);
	}
	run->pids[run->n_pids++] = pid;
	return 0;
}

static int start_all(struct run *run)
{
	const struct job *job = run->job;
	int error = 0;

	for (unsigned int i = 0; i < job->consumers && !error; i++)
		error = start(run, BENCH_CONSUMER, i);
	for (unsigned int i = 0; i < job->producers && !error; i++)
		error = start(run, BENCH_PRODUCER, i);
	return error;
}

static void kill_all(struct run *run)
{
	for (unsigned int i = 0; i < run->n_pids; i++)
		if (run->pids[i] > 0)
			kill(run->pids[i], SIGKILL);
	for (unsigned int i = 0; i < run->n_pids; i++)
		if (run->pids[i] > 0)
			waitpid(run->pids[i], NULL, __WALL);
	run->n_pids = 0;
}

/* Take note of those that have ended; -EPROTO if one did not end well. */
static int reap(struct run *run)
{
	for (unsigned int i = 0; i < run->n_pids; i++) {
		int status;

		if (run->pids[i] <= 0 ||
		    waitpid(run->pids[i], &status, WNOHANG) <= 0)
			continue;
		run->pids[i] = 0;
		run->n_ended++;
		if (!WIFEXITED(status) || WEXITSTATUS(status)) {
			snprintf(run->outcome->why, sizeof(run->outcome->why),
				 "a process ended with status 0x%x", status);
			return -EPROTO;
		}
	}
	return 0;
}

/* Asleep: whoever looks every now and then would be in the way. */
static int wait_for_all(struct run *run)
{
	uint64_t begin = bench_clock_ns();
	int error = 0;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	while (!error && run->n_ended < run->n_pids) {
		const struct timespec bound = { 1, 0 };

		sigtimedwait(&set, NULL, &bound);
		if (stop_signal())
			return -EINTR;
		error = reap(run);
		if (!error && bench_clock_ns() - begin > DEADLINE_NS) {
			snprintf(run->outcome->why, sizeof(run->outcome->why),
				 "does not end");
			error = -ETIMEDOUT;
		}
	}
	return error;
}

/* ------------------------------------------------------------------------- main */

static void explain(struct run *run, int error)
{
	struct job_outcome *outcome = run->outcome;
	const struct control *control = run->control;

	if (control != MAP_FAILED && control->error)
		snprintf(outcome->why, sizeof(outcome->why), "%s: %s",
			 control->where,
			 control->error == -EBADMSG ?
				 "wrong content" :
				 strerror(-control->error));
	else if (!outcome->why[0])
		snprintf(outcome->why, sizeof(outcome->why), "%s",
			 strerror(-error));
}

static int run_job(const struct job *job, struct job_outcome *outcome,
		   bool offset)
{
	struct run run = { .job = job, .outcome = outcome };
	int error = -ENOMEM;

	memset(outcome, 0, sizeof(*outcome));
	run.control = mmap(NULL, control_bytes(job), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	run.channels = calloc(job->queues, sizeof(*run.channels));
	run.pids = calloc(job->producers + job->consumers, sizeof(*run.pids));
	if (run.control != MAP_FAILED && run.channels && run.pids) {
		run.control->producing = job->producers;
		error = channels_create(&run);
	}
	if (!error)
		error = start_all(&run);
	if (!error)
		error = trace_wanted(job) ? trace_all(run.pids, job, outcome) :
					    wait_for_all(&run);
	kill_all(&run);
	if (!error && offset)
		outcome_learn_offset(job, run.control);
	if (!error)
		error = outcome_compute(job, run.control, outcome);
	if (error)
		explain(&run, error);
	channels_destroy(&run);
	free(run.pids);
	if (run.control != MAP_FAILED)
		munmap(run.control, control_bytes(job));
	return error;
}

int job_run(const struct job *job, struct job_outcome *outcome)
{
	memset(outcome, 0, sizeof(*outcome));
	return stop_signal() ? -EINTR : run_job(job, outcome, false);
}

int job_offset_measure(const struct job *job)
{
	struct job_outcome outcome;
	int error = run_job(job, &outcome, true);

	free(outcome.ns);
	return error;
}

const char *job_refusal(const struct job *job)
{
	const struct bench_transport *t = job->transport;

	if (job->sleeps && !(t->flags & BENCH_SLEEPS))
		return "cannot sleep";
	if (!job->sleeps && !(t->flags & BENCH_POLLS))
		return "cannot be polled";
	if (t->max_bytes && job->len > t->max_bytes)
		return "message too large";
	if (t->many_max_bytes && job->len > t->many_max_bytes &&
	    job->producers + job->consumers > 2)
		return "message too large for several at once";
	if (job->producers > 1 && !(t->flags & BENCH_MANY_PUT))
		return "one producer only";
	if (job->consumers > 1 && !(t->flags & BENCH_MANY_TAKE))
		return "one consumer only";
	switch (job->kind) {
	case JOB_STREAM:
		return t->loops.produce && t->flags & BENCH_STREAMS ?
			       NULL :
			       "one message at a time";
	case JOB_FAN:
	case JOB_QUEUES_TURN:
	case JOB_CALLS_AWAKE:
		return t->put && t->flags & BENCH_STREAMS ?
			       NULL :
			       "one message at a time, or in batches only";
	default:
		return t->put && t->flags & BENCH_TRIPS ? NULL : "streams only";
	}
}
