/* SPDX-License-Identifier: MIT */
/*
 * The table of transports.
 */
#ifndef BENCH_CATALOG_H
#define BENCH_CATALOG_H

#include <stdbool.h>
#include <stddef.h>

#include "bench.h"

#define CATALOG_MAX 96

struct catalog {
	const struct bench_transport *list[CATALOG_MAX];
	unsigned int n;
	char problems[512]; /* modules that would not load, a line each */
};

/* With peers: also those in modules, from wherever they are installed. */
void catalog_init(struct catalog *catalog, bool peers);
const struct bench_transport *catalog_find(const struct catalog *catalog,
					   const char *name);

#endif /* BENCH_CATALOG_H */
