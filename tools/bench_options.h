/* SPDX-License-Identifier: MIT */
/*
 * The command line of shmq bench: what to measure and how to show it.
 */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include "../bench/plan.h"
#include "verb.h"

/* Which options a verb of the benchmark knows. */
enum {
	TAKES_SIZES = 0x1,
	TAKES_MODES = 0x2,  /* --busy, --sleep */
	TAKES_CROWDS = 0x4, /* --producers, --consumers */
	TAKES_PLOT = 0x8,
	TAKES_HISTORY = 0x10,
};

struct bench_verb {
	const char *name;
	const char *summary;
	unsigned int takes;
	int (*run)(struct plan *plan, struct result *result);
};

struct bench_options {
	const struct bench_verb *verb; /* NULL: list */
	bool json, csv;
	const char *plot; /* a file, or NULL */
};

extern const struct bench_verb bench_verbs[];
extern const unsigned int n_bench_verbs;

/* Mistakes end the program. */
void bench_options_read(const struct verb *verb, int argc, char **argv,
			struct plan *plan, struct bench_options *options);

#endif /* BENCH_OPTIONS_H */
