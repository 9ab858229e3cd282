/* SPDX-License-Identifier: MIT */
/*
 * How far it has come, on a terminal. Drawn between two runs, never during one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../tools/quantity.h"
#include "clock.h"
#include "plan.h"

#define INTERVAL_NS 200000000
#define COLUMNS 30

void meter_init(struct meter *meter, bool on)
{
	const char *term = getenv("TERM");

	*meter = (struct meter){
		.on = on && isatty(STDERR_FILENO) && term &&
		      strcmp(term, "dumb") != 0,
		.begin_ns = bench_clock_ns(),
		.groups = 1,
	};
}

void meter_draw(struct meter *meter, double part, const char *what)
{
	static const char bar[] = "##############################";
	uint64_t now;
	double all, left;

	if (!meter->on)
		return;
	now = bench_clock_ns();
	if (meter->drawn && now - meter->drawn_ns < INTERVAL_NS)
		return;
	all = (meter->done + part) / meter->groups;
	if (all > 1)
		all = 1;
	left = all > 0.01 ? (double)(now - meter->begin_ns) * (1 - all) / all :
			    0;
	fprintf(stderr, "\r[%-*.*s] %3.0f %%  %s left  %s\033[K", COLUMNS,
		(int)(all * COLUMNS), bar, all * 100,
		left > 0 ? quantity_duration((int64_t)left).text : "?", what);
	fflush(stderr);
	meter->drawn = true;
	meter->drawn_ns = now;
}

void meter_fini(struct meter *meter)
{
	if (meter->drawn)
		fputs("\r\033[K", stderr);
	meter->drawn = meter->on = false;
}
