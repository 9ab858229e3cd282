/* SPDX-License-Identifier: MIT */
/*
 * Where it was measured: what must stand beside every figure.
 */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <stdbool.h>

#define MACHINE_TEXT 160

struct machine {
	char processor[MACHINE_TEXT];
	int processors; /* online */
	bool virtual;
	char kernel[MACHINE_TEXT];
	char compiler[MACHINE_TEXT];
	const char *flags;  /* of the compiler */
	const char *commit; /* of the sources */
	const char *library;
	char cores[MACHINE_TEXT];    /* the pair, in words */
	char siblings[MACHINE_TEXT]; /* of the first core, as the kernel says */
	bool are_siblings;
	char clock[MACHINE_TEXT];
	double offset_ns; /* between the clocks of the pair */
	double load;      /* processes running when it began */
};

/* Two cores that are not one, if there are any: cores[0] and cores[1]. */
int machine_choose_cores(int *cores);

void machine_get(struct machine *machine, const int *cores, int n);

#endif /* BENCH_MACHINE_H */
