/* SPDX-License-Identifier: MIT */
/*
 * The choices of an execution, and the states that have been met. See weave.h.
 */
#include <stdlib.h>
#include <string.h>

#include "weave.h"

#define DEPTH 4096

static struct {
	uint16_t n, taken;
} path[DEPTH];
static unsigned depth, length;

/* Hashes of states; 0 is a free place. */
static uint64_t *met;
static uint64_t met_mask, met_n;

void path_open(unsigned bits)
{
	met_mask = (UINT64_C(1) << bits) - 1;
	/* The real ones: world.c has others for what is explored. */
	met = __builtin_malloc((met_mask + 1) * sizeof(*met));
	if (!met)
		abort();
}

void path_close(void)
{
	__builtin_free(met);
}

void path_forget(void)
{
	length = 0;
	met_n = 0;
	memset(met, 0, (met_mask + 1) * sizeof(*met));
}

void path_begin(void)
{
	depth = 0;
}

void path_cut(void)
{
	length = depth;
}

bool path_repeating(void)
{
	return depth < length;
}

uint64_t path_states(void)
{
	return met_n;
}

unsigned weave_choose(unsigned n)
{
	if (n < 2)
		return 0;
	if (depth == DEPTH)
		weave_wrong("too many choices for the loom");
	if (depth == length) {
		path[depth].n = (uint16_t)n;
		path[depth].taken = 0;
		length++;
	} else if (path[depth].n != n) {
		weave_wrong("an execution does not repeat itself");
	}
	return path[depth++].taken;
}

bool path_next(void)
{
	while (length && path[length - 1].taken + 1u == path[length - 1].n)
		length--;
	if (!length)
		return false;
	path[length - 1].taken++;
	return true;
}

bool path_met(uint64_t state)
{
	uint64_t i;

	for (i = state & met_mask; met[i]; i = (i + 1) & met_mask)
		if (met[i] == state)
			return true;
	/* A full table only means that states are met more than once. */
	if (met_n < met_mask / 4 * 3) {
		met[i] = state;
		met_n++;
	}
	return false;
}
