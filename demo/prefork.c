/* SPDX-License-Identifier: MIT */
/*
 * prefork: a pool of forked workers. Jobs go out through one queue and results
 * come back through another, both opened before the fork. Two workers are
 * killed and replaced: one holds a job it has not done, one a job that it has
 * answered but not released. Nothing is lost; the second job is answered twice.
 */
#include "check.h"
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 4
#define JOBS 10000u
#define AHEAD 200 /* jobs under way: neither queue is ever full */

struct result {
	unsigned job, steps, redelivered;
};

static struct shmq *jobs, *results;

static void worker(void)
{
	struct result r;
	struct shmq_consumer *in;
	struct shmq_producer *out;
	struct shmq_msg lent;

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* it ends with its parent */
	/* Each process opens its own ends, after the fork. */
	check(shmq_consumer_open(&in, jobs, NULL, 0), "consumer of jobs");
	check(shmq_producer_open(&out, results, 0), "producer of results");
	do {
		check(shmq_receive(in, &lent, 1, SHMQ_FOREVER), "take a job");
		r.job = *(const unsigned *)lent.data;
		r.redelivered = lent.flags & SHMQ_REDELIVERED ? 1 : 0;
		if (r.job == JOBS / 3 && !r.redelivered)
			raise(SIGSTOP); /* the parent kills who stops */
		r.steps = 0;
		for (uint64_t n = r.job; n > 1; r.steps++)
			n = n % 2 ? 3 * n + 1 : n / 2; /* some work */
		check(shmq_send(out, &r, sizeof(r), SHMQ_FOREVER), "answer");
		if (r.job == JOBS / 2 && !r.redelivered)
			raise(SIGSTOP);
		check(shmq_release(in), "finish a job");
	} while (r.job); /* job 0 ends it */
	exit(EXIT_SUCCESS);
}

static void replace_stopped(void)
{
	int status;
	pid_t pid = waitpid(-1, &status, WNOHANG | WUNTRACED);

	if (pid > 0 && WIFEXITED(status))
		exit(EXIT_FAILURE); /* it has said why */
	if (pid > 0 && WIFSTOPPED(status) && !kill(pid, SIGKILL))
		if (!check_errno(fork(), "fork"))
			worker();
}

int main(void)
{
	static unsigned answers[JOBS + 1];
	unsigned sent = 0, done = 0, twice = 0, redelivered = 0, end = 0;
	static struct shmq_producer *out;
	static struct shmq_consumer *in;
	struct result r;
	ssize_t got;

	check(shmq_open_anonymous(&jobs, NULL), "create a queue");
	check(shmq_open_anonymous(&results, NULL), "create a queue");
	for (int i = 0; i < WORKERS; i++)
		if (!check_errno(fork(), "fork"))
			worker();
	check(shmq_producer_open(&out, jobs, 0), "producer of jobs");
	check(shmq_consumer_open(&in, results, NULL, 0), "consumer of results");
	while (done < JOBS || !twice) {
		for (; sent < JOBS && sent < done + AHEAD; sent++)
			check(shmq_send(out, &(unsigned){ sent + 1 },
					sizeof(sent), SHMQ_FOREVER),
			      "send");
		while ((got = shmq_recv(in, &r, sizeof(r), 1000000)) ==
		       -ETIMEDOUT)
			replace_stopped();
		check(got, "receive a result");
		redelivered += r.redelivered;
		answers[r.job]++ ? twice++ : done++;
	}
	for (int i = 0; i < WORKERS; i++)
		check(shmq_send(out, &end, sizeof(end), SHMQ_FOREVER), "end");
	while (wait(NULL) > 0)
		;
	printf("%u jobs answered; %u of them redelivered, %u answered twice\n",
	       done, redelivered, twice);
	return redelivered == 2 && twice == 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
