/* SPDX-License-Identifier: MIT */
/* Stepping. See step_trace.h. */
#include "config.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "step_trace.h"

/*
 * What differs between processors: the trap instruction, how far behind it the
 * program counter stops, and what a system call looks like.
 */
#if defined(__x86_64__)
#define TRAP() __asm__ volatile("int3" ::: "memory")
#define TRAP_CODE 0xccL
#define TRAP_MASK 0xffL
#define TRAP_SKIPS 1
#define TRAP_STAYS 0
#define PC_OF(regs) ((regs).rip)

static bool is_system_call(uintptr_t pc)
{
	const unsigned char *code = (const unsigned char *)pc;

	return code[0] == 0x0f && code[1] == 0x05;
}
#elif defined(__aarch64__)
#define TRAP() __asm__ volatile("brk #0" ::: "memory")
#define TRAP_CODE 0xd4200000L
#define TRAP_MASK 0xffffffffL
#define TRAP_SKIPS 0
#define TRAP_STAYS 4
#define PC_OF(regs) ((regs).pc)

static bool is_system_call(uintptr_t pc)
{
	return *(const uint32_t *)pc == 0xd4000001;
}
#else
#error "not ported to this processor"
#endif

/* How far behind a place a breakpoint may leave us, in single steps. */
#define NEAR 400u

/* A breakpoint that is passed costs about as much as so many steps. */
#define PASSING 4u

uint64_t trace_steps;

static void body_of_probe(void *arg)
{
	(void)arg;
	TRAP();
}

const char *trace_impossible(void)
{
	pid_t pid;

#ifdef __aarch64__
	/* A step between load-exclusive and store-exclusive fails the store. */
	if (!(getauxval(AT_HWCAP) & HWCAP_ATOMICS))
		return "this processor swaps by exclusive pairs, which cannot "
		       "be stepped through";
#endif
	pid = trace_start(body_of_probe, NULL);
	if (pid < 0)
		return "ptrace is not there";
	return trace_kill(pid) ? NULL : "a traced process cannot be killed";
}

/* Where a region ends; detached, it just goes on. */
static __attribute__((noinline)) void end(const bool *traced)
{
	if (*traced)
		TRAP();
}

void trace_region(void (*run)(void *), void *arg, const bool *traced)
{
	TRAP();
	run(arg);
	end(traced);
}

static bool registers(pid_t pid, struct user_regs_struct *regs)
{
	struct iovec io = { regs, sizeof(*regs) };

	return ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &io) == 0;
}

uintptr_t trace_pc(pid_t pid)
{
	struct user_regs_struct regs;

	return registers(pid, &regs) ? (uintptr_t)PC_OF(regs) : 0;
}

static bool move_pc(pid_t pid, uintptr_t pc)
{
	struct user_regs_struct regs;
	struct iovec io = { &regs, sizeof(regs) };

	if (!registers(pid, &regs))
		return false;
	PC_OF(regs) = pc;
	return ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &io) == 0;
}

/* Let it go on until the next trap. */
static bool resume(pid_t pid, int request)
{
	int status;

	if (ptrace(request, pid, NULL, NULL) < 0)
		return false;
	while (waitpid(pid, &status, __WALL) < 0)
		if (errno != EINTR)
			return false;
	return WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP;
}

static bool step(pid_t pid)
{
	trace_steps++;
	return resume(pid, PTRACE_SINGLESTEP);
}

pid_t trace_start(void (*body)(void *), void *arg)
{
	pid_t parent = getpid(), pid = fork();
	int status;

	if (pid < 0)
		return -1;
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent ||
		    ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(99);
		body(arg);
		_exit(0);
	}
	if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status))
		return -1;
	if (WSTOPSIG(status) != SIGTRAP ||
	    ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)PTRACE_O_EXITKILL) <
		    0 ||
	    (TRAP_STAYS && !move_pc(pid, trace_pc(pid) + TRAP_STAYS))) {
		trace_kill(pid);
		return -1;
	}
	return pid;
}

static bool add(struct trace *t, uintptr_t pc, bool edge)
{
	if (t->n + 1 >= t->room) {
		unsigned room = t->room ? 2 * t->room : 1024;
		void *at = realloc(t->at, room * sizeof(*t->at));

		if (!at)
			return false;
		t->at = at;
		t->room = room;
	}
	t->at[t->n++] = (struct trace_place){ pc, 0, edge };
	return true;
}

static int by_pc(const void *a, const void *b)
{
	const struct trace_place *x = *(struct trace_place *const *)a;
	const struct trace_place *y = *(struct trace_place *const *)b;

	if (x->pc != y->pc)
		return x->pc < y->pc ? -1 : 1;
	return x < y ? -1 : x > y;
}

/*
 * Count how often the region has come to each address. A repeated string
 * instruction is one arrival and several places: nth stays 0 for the others.
 */
static bool number_arrivals(struct trace *t)
{
	struct trace_place **order = malloc(t->n *
					    sizeof(struct trace_place *));
	uint32_t nth = 0;

	if (!order)
		return false;
	for (unsigned i = 0; i < t->n; i++)
		order[i] = &t->at[i];
	qsort(order, t->n, sizeof(struct trace_place *), by_pc);
	for (unsigned i = 0; i < t->n; i++) {
		if (i && order[i]->pc != order[i - 1]->pc)
			nth = 0;
		if (order[i] != t->at && order[i][-1].pc != order[i]->pc)
			order[i]->nth = ++nth;
	}
	free(order);
	return true;
}

bool trace_record(struct trace *t, pid_t pid, const void *watched, size_t bytes)
{
	uintptr_t pc = trace_pc(pid);
	bool ok = false;
	char *before = malloc(bytes ? bytes : 1);

	t->n = 0;
	if (!before)
		return false;
	if (watched)
		memcpy(before, watched, bytes);
	ok = add(t, pc, false);
	while (ok && pc != (uintptr_t)end && t->n < TRACE_MAX) {
		bool edge = is_system_call(pc);

		ok = step(pid);
		if (watched && memcmp(before, watched, bytes) != 0) {
			edge = true;
			memcpy(before, watched, bytes);
		}
		pc = trace_pc(pid);
		ok = ok && add(t, pc, edge);
	}
	free(before);
	ok = ok && pc == (uintptr_t)end && number_arrivals(t);
	t->n--;
	return ok;
}

/* The place at or before k from which k is cheapest to reach. */
static unsigned checkpoint(const struct trace *t, unsigned k)
{
	unsigned best = 0, best_cost = k;

	for (unsigned i = k; i > 0 && k - i < NEAR; i--) {
		unsigned cost = PASSING * t->at[i].nth + (k - i);

		if (t->at[i].nth && cost < best_cost) {
			best = i;
			best_cost = cost;
		}
	}
	return best;
}

static bool poke(pid_t pid, uintptr_t pc, long code)
{
	return ptrace(PTRACE_POKETEXT, pid, (void *)pc, (void *)code) == 0;
}

/* Run to a place where the region comes for the nth time. */
static bool run_to(pid_t pid, const struct trace_place *place, bool *ended)
{
	long code = ptrace(PTRACE_PEEKTEXT, pid, (void *)place->pc, NULL);
	long trap = (code & ~TRAP_MASK) | TRAP_CODE;

	for (uint32_t nth = 1;; nth++) {
		if (!poke(pid, place->pc, trap) || !resume(pid, PTRACE_CONT) ||
		    !poke(pid, place->pc, code))
			return false;
		if (trace_pc(pid) != place->pc + TRAP_SKIPS) {
			*ended = true;
			return true;
		}
		if (TRAP_SKIPS && !move_pc(pid, place->pc))
			return false;
		if (nth == place->nth)
			return true;
		do
			if (!step(pid))
				return false;
		while (trace_pc(pid) == place->pc);
	}
}

bool trace_go(const struct trace *t, pid_t pid, unsigned k, bool *ended)
{
	unsigned at = checkpoint(t, k);

	*ended = false;
	if (at && !run_to(pid, &t->at[at], ended))
		return false;
	while (!*ended && at < k) {
		if (!step(pid))
			return false;
		at++;
		if (trace_pc(pid) == (uintptr_t)end)
			*ended = true;
	}
	if (trace_pc(pid) == (uintptr_t)end)
		*ended = true;
	return true;
}

bool trace_kill(pid_t pid)
{
	int status = 0;

	kill(pid, SIGKILL);
	while (waitpid(pid, &status, __WALL) < 0)
		if (errno != EINTR)
			return false;
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

void trace_release(pid_t pid)
{
	ptrace(PTRACE_DETACH, pid, NULL, NULL);
}

void trace_free(struct trace *t)
{
	free(t->at);
	*t = (struct trace){ 0 };
}
