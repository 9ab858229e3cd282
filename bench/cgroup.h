/* SPDX-License-Identifier: MIT */
/*
 * A group of processes with a limit on their memory, page cache included: a
 * control group of version 1 or 2, whichever the system has.
 */
#ifndef BENCH_CGROUP_H
#define BENCH_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

#define CGROUP_PATH 512

struct cgroup {
	char path[CGROUP_PATH];
	bool unified; /* version 2 */
};

/*
 * Below parent, the directory of a control group that memory can be limited in;
 * NULL: the topmost. 0 or a negative errno, and the reason in why.
 */
int cgroup_make(struct cgroup *group, const char *parent, uint64_t limit_bytes,
		char *why, unsigned int why_size);

/* The calling process enters; its children are in it too. 0, -errno. */
int cgroup_enter(const struct cgroup *group);

/* Most bytes that were charged to it at a time; 0: the system does not say. */
uint64_t cgroup_peak(const struct cgroup *group);

/* Processes that were killed because there was no more memory. */
uint64_t cgroup_kills(const struct cgroup *group);

/* All its processes have ended. 0, -errno. */
int cgroup_remove(const struct cgroup *group);

#endif /* BENCH_CGROUP_H */
