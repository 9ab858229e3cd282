/* SPDX-License-Identifier: MIT */
/*
 * A bucket holds the times that agree in their highest four bits, so it is an
 * eighth to a sixteenth of its times wide. The longest one in a hundred share a
 * line.
 */
#include "histogram.h"

#include <stdio.h>
#include <stdlib.h>

#define BAR_COLUMNS 50

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

void histogram_sort(uint32_t *ns, unsigned n)
{
	qsort(ns, n, sizeof(*ns), compare);
}

uint32_t histogram_quantile(const uint32_t *ns, unsigned n, unsigned part)
{
	return ns[(uint64_t)(n - 1) * part / 1000];
}

/* The bucket that ns is in begins there. */
static uint64_t bucket_begin(uint64_t ns, uint64_t *end)
{
	int shift = 60 - __builtin_clzll(ns | 8);

	*end = ((ns >> shift) + 1) << shift;
	return ns >> shift << shift;
}

/* How many times from ns[0] on are before end. */
static unsigned count_before(const uint32_t *ns, unsigned n, uint64_t end)
{
	unsigned i = 0;

	while (i < n && ns[i] < end)
		i++;
	return i;
}

void histogram_print(const uint32_t *ns, unsigned n)
{
	uint64_t begin, end, last;
	unsigned count, i, most = 0;

	bucket_begin(histogram_quantile(ns, n, 990), &last);
	for (i = 0; i < n; i += count) {
		bucket_begin(ns[i], &end);
		count = count_before(ns + i, n - i, end);
		most = count > most ? count : most;
	}
	for (i = 0; i < n && ns[i] < last; i += count) {
		begin = bucket_begin(ns[i], &end);
		count = count_before(ns + i, n - i, end);
		printf("%9u ns %9u  %.*s\n", (unsigned)begin, count,
		       (int)((uint64_t)count * BAR_COLUMNS / most),
		       "##################################################");
	}
	if (i < n)
		printf("%9u ns %9u  and more, up to %u ns\n", (unsigned)last,
		       n - i, ns[n - 1]);
}
