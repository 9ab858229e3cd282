/* SPDX-License-Identifier: MIT */
/*
 * The experiment of doc/MAPPING.md: loads that are larger than the memory that
 * their processes may have. mapping.c has the table of cases, mapping_case.c
 * runs one, mapping_load.c is what its processes do.
 */
#ifndef BENCH_MAPPING_H
#define BENCH_MAPPING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAPPING_PROCESSES 20
#define MAPPING_PATH 512

struct mapping_setup {
	const char *cgroup;     /* the parent of ours, or NULL */
	char dir[MAPPING_PATH]; /* for files; ours alone */
	uint64_t limit_bytes;   /* of memory, in each case */
	uint64_t bytes;         /* that go through a queue */
	uint64_t segment_bytes;
	uint64_t machine_bytes; /* memory and swap */
	size_t len;             /* of a message */
	unsigned int readers;
};

enum mapping_kind {
	MAPPING_PRIVATE, /* anonymous */
	MAPPING_SHARED,  /* anonymous */
	MAPPING_FILE,
	MAPPING_RING,      /* an anonymous queue */
	MAPPING_FILE_RING, /* a queue in a file */
	MAPPING_JOURNAL,
};

struct mapping_case {
	const char *name;
	enum mapping_kind kind;
	bool noreserve;
	unsigned int writers; /* one, where it is a queue */
	unsigned int readers; /* while it is written */
	unsigned int late;    /* readers that begin when all is written */
	uint64_t map_bytes;   /* by each of them */
	uint64_t use_bytes;   /* that each writes, and reads again */
};

/* What the processes of a case tell: shared, and not in their memory. */
struct board {
	_Atomic uint64_t written, got; /* bytes, of all of them */
	_Atomic uint32_t wrote;        /* writers that have written all */
	_Atomic uint32_t ended;        /* processes that have ended somehow */
	_Atomic uint32_t killed;
	_Atomic int32_t refused;         /* errno of making it, or 0 */
	_Atomic int32_t error;           /* errno of another failure, or 0 */
	_Atomic uint64_t resident_bytes; /* of a process, at most */
	_Atomic uint64_t major_faults;
};

struct mapping_outcome {
	struct board board;
	bool whole; /* all was written and read */
	bool leader_killed;
	uint64_t peak_bytes; /* charged to all of them; 0: not known */
	double seconds;
	char why[200]; /* it could not be tried; else empty */
};

static inline bool mapping_is_queue(const struct mapping_case *c)
{
	return c->kind >= MAPPING_RING;
}

/* 0; -EINTR; or it could not be tried, and outcome->why. */
int mapping_case_run(const struct mapping_setup *setup,
		     const struct mapping_case *c,
		     struct mapping_outcome *outcome);

/*
 * What is made before the processes are; NULL for a mapping, which each makes
 * for itself. 0 or a negative errno.
 */
struct shmq;
int mapping_load_open(const struct mapping_setup *setup,
		      const struct mapping_case *c, struct shmq **out);

/* The life of process `index`: writers first, then readers, then late ones. */
_Noreturn void mapping_load(const struct mapping_setup *setup,
			    const struct mapping_case *c, struct shmq *queue,
			    struct board *board, unsigned int index);

/* A signal asked us to end. */
bool mapping_stopped(void);

#endif /* BENCH_MAPPING_H */
