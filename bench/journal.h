/* SPDX-License-Identifier: MIT */
/*
 * What `shmq bench journal` measures: journal.c writes and reads the same bytes
 * in several ways, journal_ways.c is what these are, journal_targets.c
 * and journal_history.c the rest.
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

/*
 * The rest of the journal's process is on the first core; the thread that makes
 * pages for a producer that is opened so may run on the second, too.
 */
void journal_cores(const int cores[2]);
int journal_producer(struct shmq_producer **out, struct shmq *q);

/* One at a path, with messages that nobody waits for; -errno. */
int journal_make(struct shmq **out, const char *path, uint64_t segment_bytes);

/* A queue and its two ends in one process. */
struct journal_ends {
	struct shmq *queue;
	struct shmq_producer *producer;
	struct shmq_consumer *consumer;
	char path[256];
};
/* segment_bytes 0: a ring. journal_end() in any case. */
int journal_begin(struct journal_ends *e, uint64_t segment_bytes);
void journal_close(struct journal_ends *e);
void journal_end(struct journal_ends *e);

double journal_ns(uint64_t ticks);

/* As large as segments are usually, if four fit beside what is there. */
uint64_t journal_segment(const struct plan *plan);

/* Rows that are not of a size; of two processes; of many messages. */
#define JOURNAL_TARGETS 5 /* groups of the meter, both together */
int journal_target_rows(struct plan *plan, struct result *result);
int journal_trip_rows(struct plan *plan, struct result *result);
int journal_history_rows(struct plan *plan, struct result *result);

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
