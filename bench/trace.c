/* SPDX-License-Identifier: MIT */
/*
 * Counting system calls. A traced process says by getppid(2), which nobody
 * else calls, where counting begins and where it ends; threads that a
 * transport starts count for their process.
 */
#include "trace.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../tools/stop.h"
#include "clock.h"

#define THREADS 64
#define DEADLINE_NS UINT64_C(5000000000)
#define SYSCALL_STOP (SIGTRAP | 0x80)

struct tracer {
	struct {
		pid_t tid;
		int side;
	} threads[THREADS];
	unsigned int n_threads;
	unsigned int alive; /* processes */
	bool counting[2];
	uint64_t calls[2];
};

bool trace_wanted(const struct job *job)
{
	return job->kind == JOB_CALLS_AWAKE || job->kind == JOB_CALLS_ASLEEP;
}

void trace_me(void)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(EXIT_FAILURE);
	raise(SIGSTOP);
}

static int *side_of(struct tracer *tracer, pid_t tid)
{
	for (unsigned int i = 0; i < tracer->n_threads; i++)
		if (tracer->threads[i].tid == tid)
			return &tracer->threads[i].side;
	return NULL;
}

static void add(struct tracer *tracer, pid_t tid, int side)
{
	int *known = side_of(tracer, tid);

	if (known) {
		*known = side;
		return;
	}
	if (tracer->n_threads == THREADS)
		return;
	tracer->threads[tracer->n_threads].tid = tid;
	tracer->threads[tracer->n_threads++].side = side;
}

static void count(struct tracer *tracer, pid_t tid)
{
	struct __ptrace_syscall_info info;
	const int *side = side_of(tracer, tid);

	if (!side ||
	    ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(info), &info) <= 0 ||
	    info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return;
	if (info.entry.nr == SYS_getppid)
		tracer->counting[*side] = !tracer->counting[*side];
	else if (tracer->counting[*side])
		tracer->calls[*side]++;
}

/* A new thread belongs to the process of the one that made it. */
static void adopt(struct tracer *tracer, pid_t tid)
{
	const int *side = side_of(tracer, tid);
	unsigned long made;

	if (side && !ptrace(PTRACE_GETEVENTMSG, tid, NULL, &made))
		add(tracer, (pid_t)made, *side);
}

/* Returns the signal that the thread gets when it goes on. */
static int stopped(struct tracer *tracer, pid_t tid, int status)
{
	int number = WSTOPSIG(status);

	if (number == SYSCALL_STOP) {
		count(tracer, tid);
		return 0;
	}
	if (number == SIGTRAP) {
		if (status >> 16 == PTRACE_EVENT_CLONE)
			adopt(tracer, tid);
		return 0;
	}
	return number == SIGSTOP ? 0 : number;
}

static int first_stop(pid_t pid)
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE |
			     PTRACE_O_EXITKILL;
	int status;

	if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status))
		return -EPERM;
	if (ptrace(PTRACE_SETOPTIONS, pid, NULL, options) ||
	    ptrace(PTRACE_SYSCALL, pid, NULL, NULL))
		return -errno;
	return 0;
}

/* One change of one thread; 0, 1 if there was none, or -errno. */
static int step(struct tracer *tracer, pid_t *pids, unsigned int n)
{
	int status;
	pid_t tid = waitpid(-1, &status, __WALL | WNOHANG);

	if (tid <= 0)
		return tid < 0 && errno != EINTR ? -errno : 1;
	if (WIFSTOPPED(status)) {
		int number = stopped(tracer, tid, status);

		ptrace(PTRACE_SYSCALL, tid, NULL, (long)number);
		return 0;
	}
	for (unsigned int i = 0; i < n; i++) {
		if (pids[i] != tid)
			continue;
		pids[i] = 0;
		tracer->alive--;
		if (!WIFEXITED(status) || WEXITSTATUS(status))
			return -EPROTO;
	}
	return 0;
}

int trace_all(pid_t *pids, const struct job *job, struct job_outcome *outcome)
{
	struct tracer tracer = { .alive = job->producers + job->consumers };
	const struct timespec moment = { 0, 20000 };
	uint64_t begin = bench_clock_ns();
	unsigned int n = tracer.alive;
	int result = 0;

	for (unsigned int i = 0; i < n; i++) {
		/* job.c starts the consumers first. */
		add(&tracer, pids[i], i < job->consumers);
		result = first_stop(pids[i]);
		if (result) {
			snprintf(outcome->why, sizeof(outcome->why),
				 "cannot be traced here");
			return result;
		}
	}
	while (result >= 0 && tracer.alive) {
		result = step(&tracer, pids, n);
		if (result == 1)
			nanosleep(&moment, NULL);
		if (stop_signal())
			return -EINTR;
		if (bench_clock_ns() - begin > DEADLINE_NS) {
			snprintf(outcome->why, sizeof(outcome->why),
				 "does not end");
			return -ETIMEDOUT;
		}
	}
	outcome->calls_put = (double)tracer.calls[0] / (double)job->n;
	outcome->calls_take = (double)tracer.calls[1] / (double)job->n;
	return result < 0 ? result : 0;
}
