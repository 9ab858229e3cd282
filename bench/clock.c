/* SPDX-License-Identifier: MIT */
/*
 * How long a tick is, and how long it takes to read it.
 */
#include "clock.h"

#define LEARN_NS 20000000
#define READS 20000

double bench_tick_ns(void)
{
	static double known;
	uint64_t ns, ticks;

	if (known > 0)
		return known;
	ns = bench_clock_ns();
	ticks = bench_ticks();
	while (bench_clock_ns() - ns < LEARN_NS)
		;
	ticks = bench_ticks() - ticks;
	ns = bench_clock_ns() - ns;
	known = ticks ? (double)ns / (double)ticks : 1;
	return known;
}

uint64_t bench_ticks_cost(void)
{
	static uint64_t known;
	uint64_t begin;

	if (known)
		return known;
	begin = bench_ticks();
	for (int i = 1; i < READS; i++)
		bench_ticks();
	known = (bench_ticks() - begin) / READS;
	return known;
}
