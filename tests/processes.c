/* SPDX-License-Identifier: MIT */
/* Child processes, and waiting for them. See support.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "atomic.h"
#include "handle.h"
#include "support.h"

int64_t clock_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

void nap(void)
{
	const struct timespec moment = { 0, 200000 };

	nanosleep(&moment, NULL);
}

/* Of a coverage build: otherwise only exit() writes the counts. */
void __gcov_dump(void) __attribute__((weak));

pid_t child_start(void (*body)(void *arg), void *arg)
{
	pid_t parent = getpid(), pid = fork();

	must(pid >= 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	body(arg);
	if (__gcov_dump)
		__gcov_dump();
	_exit(0);
}

int child_wait(pid_t pid)
{
	int64_t deadline = clock_now_ns() + 2 * PATIENCE_NS;
	int status;
	pid_t r;

	while ((r = waitpid(pid, &status, WNOHANG)) == 0) {
		if (clock_now_ns() > deadline) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			must(!"a child does not end");
		}
		nap();
	}
	must(r == pid);
	return status;
}

void child_join(pid_t pid)
{
	int status = child_wait(pid);

	must(!WIFSIGNALED(status));
	must_be(WEXITSTATUS(status), 0);
}

void child_must_be_killed(pid_t pid)
{
	int status = child_wait(pid);

	must(WIFSIGNALED(status));
	must_be(WTERMSIG(status), SIGKILL);
}

void child_kill(pid_t pid)
{
	must(kill(pid, SIGKILL) == 0);
	child_must_be_killed(pid);
}

void child_run(void (*body)(void *arg), void *arg)
{
	child_join(child_start(body, arg));
}

/* ---------------------------------------------------------------- meeting */

void *shared_memory(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	must(memory != MAP_FAILED);
	return memory;
}

void shared_free(void *memory, size_t bytes)
{
	munmap(memory, bytes);
}

void step_to(step *s, int value)
{
	store_release(s, value);
}

void step_wait(step *s, int value)
{
	int64_t deadline = clock_now_ns() + PATIENCE_NS;

	while (load_acquire(s) < value) {
		must(clock_now_ns() < deadline);
		nap();
	}
}

/* The letter behind the command's name in stat: S is an interruptible sleep. */
static char state_of(pid_t tid)
{
	char path[64], text[512], *p;
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return '?';
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return '?';
	text[n] = '\0';
	p = strrchr(text, ')');
	return p && p[1] ? p[2] : '?';
}

static unsigned sleepers(struct shmq *q, uint32_t role)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < shmq_member_entries(q); i++) {
		struct shmq_member_info info = SHMQ_MEMBER_INFO_INIT;

		if (shmq_stat_member(q, i, &info) == 1 && info.role == role &&
		    load_acquire(&member_at(q->seg, i)->sleeps) &&
		    state_of(info.tid) == 'S')
			n++;
	}
	return n;
}

void wait_for_sleepers(struct shmq *q, uint32_t role, unsigned n)
{
	int64_t deadline = clock_now_ns() + PATIENCE_NS;

	while (sleepers(q, role) < n) {
		must(clock_now_ns() < deadline);
		nap();
	}
}

static int64_t cpu_time_ns(pthread_t thread)
{
	struct timespec used;
	clockid_t clock;

	must_be(pthread_getcpuclockid(thread, &clock), 0);
	clock_gettime(clock, &used);
	return used.tv_sec * INT64_C(1000000000) + used.tv_nsec;
}

void must_stay_asleep(pthread_t thread, int64_t ns)
{
	const struct timespec while_ns = { 0, ns };
	int64_t deadline = clock_now_ns() + PATIENCE_NS, used;

	/* Its state says so a moment before it has left the processor. */
	do {
		must(clock_now_ns() < deadline);
		used = cpu_time_ns(thread);
		nap();
	} while (cpu_time_ns(thread) != used);
	nanosleep(&while_ns, NULL);
	must_be(cpu_time_ns(thread), used);
}
