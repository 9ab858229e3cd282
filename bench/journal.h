/* SPDX-License-Identifier: MIT */
/*
 * What `shmq bench journal` measures: journal.c writes and reads the same bytes
 * in several ways, journal_ways.c is what these are, journal_targets.c the rest.
 */
#ifndef BENCH_JOURNAL_H
#define BENCH_JOURNAL_H

#include <shmq.h>

#include "plan.h"

#define JOURNAL_LEN_MOST 10240
#define JOURNAL_SEGMENT (64UL << 20)

enum {
	WAY_CHECKED, /* the floor */
	WAY_MAPPED,
	WAY_COLD,
	WAY_CALLS,
	WAY_JOURNAL,
	WAY_PLACED,
	N_WAYS
};

struct journal_way {
	const char *name;
	unsigned int flags; /* of a transport */
};
extern const struct journal_way journal_ways[N_WAYS];

/*
 * n messages of len bytes are written, then read: ns a message of both. 0 or a
 * negative errno.
 */
int journal_way_run(int way, size_t len, size_t n, double *wrote, double *got);

/* One at a path, with messages that nobody waits for; -errno. */
int journal_make(struct shmq **out, const char *path, uint64_t segment_bytes);

/* Rows that are not of a size; of two processes. */
#define JOURNAL_TARGETS 5 /* groups of the meter, both together */
int journal_target_rows(struct plan *plan, struct result *result);
int journal_trip_rows(struct plan *plan, struct result *result);

/* A row of one value in each round. -ENOMEM. */
struct journal_times {
	double value[PLAN_ROUNDS], ratio[PLAN_ROUNDS];
	unsigned int n, ratios;
	bool moves; /* bytes: they have a rate */
	char why[80];
};
int journal_row(struct result *result, const char *name, unsigned int flags,
		const char *pass, size_t len, struct journal_times *t);
void journal_time(struct journal_times *t, int error, double value,
		  double ratio);

#endif /* BENCH_JOURNAL_H */
