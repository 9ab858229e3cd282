/* SPDX-License-Identifier: MIT */
/*
 * One case: a control group of its own, in it a leader who makes the queue,
 * starts the others and takes note of how they end. Who runs the experiment
 * stays outside, and sees that everything comes to an end: that nothing moves
 * for a minute is one too.
 *
 * The kernel kills whom it likes of those in the group, the leader as well; its
 * children go with it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <shmq.h>

#include "cgroup.h"
#include "clock.h"
#include "mapping.h"

#define LOOK_NS 20000000
#define STUCK_NS UINT64_C(90000000000)

/* --------------------------------------------------------------------- leader */

static void dies_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_FAILURE);
}

/* In the leader: one has ended. False: nothing comes of the others. */
static bool take_note(const struct mapping_case *c, struct board *board,
		      int status, const struct rusage *usage)
{
	uint64_t resident = (uint64_t)usage->ru_maxrss * 1024;

	if (resident >
	    atomic_load_explicit(&board->resident_bytes, memory_order_relaxed))
		atomic_store_explicit(&board->resident_bytes, resident,
				      memory_order_relaxed);
	atomic_fetch_add_explicit(&board->major_faults,
				  (uint64_t)usage->ru_majflt,
				  memory_order_relaxed);
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return true;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		atomic_fetch_add_explicit(&board->killed, 1,
					  memory_order_relaxed);
	/* One that has written all has said so itself. */
	atomic_fetch_add_explicit(&board->ended, 1, memory_order_relaxed);
	return !mapping_is_queue(c);
}

static _Noreturn void lead(const struct mapping_setup *setup,
			   const struct mapping_case *c,
			   const struct cgroup *group, struct board *board)
{
	unsigned int all = c->writers + c->readers + c->late;
	pid_t self = getpid();
	struct rusage usage;
	struct shmq *queue;
	int status, error;

	error = cgroup_enter(group);
	if (!error) {
		error = mapping_load_open(setup, c, &queue);
		if (error)
			atomic_store_explicit(&board->refused, -error,
					      memory_order_relaxed);
	}
	for (unsigned int i = 0; i < all && !error; i++) {
		pid_t pid = fork();

		if (!pid) {
			dies_with(self);
			mapping_load(setup, c, queue, board, i);
		}
		error = pid < 0 ? -errno : 0;
	}
	while (!error && wait4(-1, &status, 0, &usage) > 0)
		if (!take_note(c, board, status, &usage))
			error = -EPIPE;
	if (error && !atomic_load_explicit(&board->error, memory_order_relaxed))
		atomic_store_explicit(&board->error, -error,
				      memory_order_relaxed);
	_exit(EXIT_SUCCESS);
}

/* -------------------------------------------------------------------- outside */

static uint64_t progress(const struct board *board)
{
	return atomic_load_explicit(&board->written, memory_order_relaxed) +
	       atomic_load_explicit(&board->got, memory_order_relaxed);
}

/* Until the leader has ended, whatever it takes. */
static int watch(pid_t leader, struct board *board,
		 struct mapping_outcome *outcome)
{
	const struct timespec moment = { 0, LOOK_NS };
	uint64_t moved_ns = bench_clock_ns(), before = 0;
	int status;

	while (!waitpid(leader, &status, WNOHANG)) {
		uint64_t now = progress(board);

		nanosleep(&moment, NULL);
		if (now != before)
			moved_ns = bench_clock_ns();
		before = now;
		if (!mapping_stopped() &&
		    bench_clock_ns() - moved_ns < STUCK_NS)
			continue;
		kill(leader, SIGKILL);
		waitpid(leader, NULL, 0);
		if (mapping_stopped())
			return -EINTR;
		snprintf(outcome->why, sizeof(outcome->why),
			 "nothing has moved for a minute and a half");
		return -ETIMEDOUT;
	}
	outcome->leader_killed = WIFSIGNALED(status);
	return 0;
}

static void judge(const struct mapping_case *c, struct mapping_outcome *outcome,
		  const struct board *board)
{
	uint64_t readers = mapping_is_queue(c) ? c->readers + c->late : 1;

	memcpy(&outcome->board, board, sizeof(*board));
	outcome->whole = !outcome->leader_killed && !board->killed &&
			 !board->error && !board->refused &&
			 board->written >= c->writers * c->use_bytes &&
			 board->got >= readers * c->writers * c->use_bytes;
}

int mapping_case_run(const struct mapping_setup *setup,
		     const struct mapping_case *c,
		     struct mapping_outcome *outcome)
{
	uint64_t begin = bench_clock_ns();
	struct cgroup group;
	struct board *board;
	pid_t self = getpid(), leader;
	int error;

	memset(outcome, 0, sizeof(*outcome));
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (board == MAP_FAILED)
		return -errno;
	error = cgroup_make(&group, setup->cgroup, setup->limit_bytes,
			    outcome->why, sizeof(outcome->why));
	if (error)
		goto unmap;
	leader = fork();
	if (!leader) {
		dies_with(self);
		lead(setup, c, &group, board);
	}
	error = leader < 0 ? -errno : watch(leader, board, outcome);
	outcome->peak_bytes = cgroup_peak(&group);
	outcome->seconds = (double)(bench_clock_ns() - begin) / 1e9;
	judge(c, outcome, board);
	if (cgroup_remove(&group))
		fprintf(stderr, "mapping: %s: left behind: %m\n", group.path);
unmap:
	munmap(board, sizeof(*board));
	return error;
}
