/* SPDX-License-Identifier: MIT */
/*
 * Stepping a process through one call, instruction by instruction, and back to
 * the same instruction in another process: the only caller of ptrace.
 *
 * A tracee is forked from the tracer and gets ready at full speed. The marked
 * region is the call of its run function; place k of a trace is where k of the
 * region's instructions have been executed. As all tracees are forks of one
 * process, an address means the same instruction in each.
 */
#ifndef STEP_TRACE_H
#define STEP_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* More instructions than any call may take. */
#define TRACE_MAX 400000u

struct trace_place {
	uintptr_t pc; /* of the instruction that comes next */
	uint32_t nth; /* time that the region comes to pc */
	bool edge;    /* the instruction before changed the watched memory, or
			 was a system call */
};

struct trace {
	unsigned n; /* the last place: the call has returned */
	unsigned room;
	struct trace_place *at;
};

/* NULL, or why this machine cannot do it. */
const char *trace_impossible(void);

/* Called by a tracee: run(arg) is the region. *traced: stop at its end too. */
void trace_region(void (*run)(void *), void *arg, const bool *traced);

/*
 * Fork a tracee that calls body(arg), which calls trace_region(); return when
 * it is at place 0. A negative value: it ended or stopped before.
 */
pid_t trace_start(void (*body)(void *), void *arg);

/*
 * Step a tracee from place 0 to the end of its region. watched may be NULL.
 * False: it died, got a signal, or took more than TRACE_MAX instructions.
 */
bool trace_record(struct trace *t, pid_t pid, const void *watched,
		  size_t bytes);

/*
 * Bring a tracee from place 0 to place k, or to its end if that comes first:
 * *ended. False: it died or got a signal.
 */
bool trace_go(const struct trace *t, pid_t pid, unsigned k, bool *ended);

/* Kill a tracee where it is. False: it was not there to be killed. */
bool trace_kill(pid_t pid);

/* Let it run on untraced. */
void trace_release(pid_t pid);

uintptr_t trace_pc(pid_t pid);

void trace_free(struct trace *t);

/* Instructions that were executed one by one so far, here. */
extern uint64_t trace_steps;

#endif
