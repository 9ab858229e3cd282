/* SPDX-License-Identifier: MIT */
/*
 * weave [--full] [--seconds N] [--part K/N] [NAME]: search every scenario under
 * every model to its bounds, then see that each mutant is found out. A name, or
 * a part of one, picks scenarios and mutants; --part, or SHMQ_WEAVE_PART, does
 * the K-th of N parts, which take about the same time. The exit status is 1 if
 * a scenario is wrong or a mutant passes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenarios.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEAVE_SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define WEAVE_SANITIZED
#endif

static const char *const models[] = { "strong", "TSO", "weak" };
static bool full;
static double limit_s;
static const char *wanted = "";
static unsigned part = 1, parts = 1;
static unsigned jobs; /* that have been met */

static struct bounds bounds_of(const struct scenario *scenario)
{
	struct bounds b = full ? scenario->full : scenario->quick;

	if (limit_s > 0)
		b.seconds = limit_s;
	return b;
}

static bool search(const struct scenario *scenario, enum weave_model model)
{
	struct bounds b = bounds_of(scenario);
	struct outcome o = weave_explore(scenario, model, &b, true);

	printf("%s, %s: %s, %u switches, %" PRIu64 " executions, %" PRIu64
	       " states%s%s\n",
	       scenario->name, models[model], o.wrong ? "WRONG" : "right",
	       o.switches, o.executions, o.states, o.wrong ? ": " : "",
	       o.wrong  ? o.what :
	       !o.whole ? ", not to the end" :
			  "");
	return !o.wrong;
}

static const struct scenario *scenario_of(const struct mutant *mutant)
{
	for (unsigned i = 0; i < n_scenarios; i++)
		if (!strcmp(scenarios[i].name, mutant->scenario))
			return &scenarios[i];
	return NULL;
}

static bool find_out(const struct mutant *mutant)
{
	const struct scenario *scenario = scenario_of(mutant);
	struct bounds b;
	struct outcome o;

	if (!scenario) {
		printf("no scenario is called %s\n", mutant->scenario);
		return false;
	}
	b = bounds_of(scenario);
	/* Found long before, unless something is wrong. */
	b.seconds *= 10;
	if (b.switches < mutant->switches)
		b.switches = mutant->switches;
	weave_mutant = mutant;
	mutant_met = false;
	o = weave_explore(scenario, mutant->model, &b, false);
	weave_mutant = NULL;
	printf("mutant: %s: %s after %" PRIu64 " executions%s%s\n",
	       mutant->name, o.wrong ? "found" : "NOT FOUND", o.executions,
	       o.wrong ? ": " : "", o.wrong ? o.what : "");
	if (!mutant_met)
		printf("nothing is done in %s(): has it another name?\n",
		       mutant->where);
	return o.wrong;
}

/* Is it in this part, and called so? */
static bool is_wanted(const char *name)
{
	return jobs++ % parts == part - 1 && strstr(name, wanted);
}

static int usage(void)
{
	fprintf(stderr, "usage: weave [--full] [--seconds N] [--part K/N] "
			"[NAME]\n");
	return 2;
}

static bool parse_part(const char *text)
{
	char rest;

	return sscanf(text, "%u/%u%c", &part, &parts, &rest) == 2 &&
	       part >= 1 && part <= parts;
}

static bool options(int argc, char **argv)
{
	const char *given = getenv("SHMQ_WEAVE_PART");
	bool ok = !given || !*given || parse_part(given);

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--full"))
			full = true;
		else if (!strcmp(argv[i], "--seconds") && i + 1 < argc)
			limit_s = atof(argv[++i]);
		else if (!strcmp(argv[i], "--part") && i + 1 < argc)
			ok &= parse_part(argv[++i]);
		else if (argv[i][0] != '-')
			wanted = argv[i];
		else
			return false;
	}
	return ok;
}

int main(int argc, char **argv)
{
	bool right = true;

	setvbuf(stdout, NULL, _IOLBF, 0);
#ifdef WEAVE_SANITIZED
	puts("the address sanitizer does not follow from stack to stack");
	return 77;
#endif
	if (!options(argc, argv))
		return usage();
	for (unsigned i = 0; i < n_scenarios; i++)
		for (unsigned m = 0; m < 3; m++)
			if (is_wanted(scenarios[i].name))
				right &= search(&scenarios[i],
						(enum weave_model)m);
	for (unsigned i = 0; i < n_mutants; i++)
		if (is_wanted(mutants[i].name))
			right &= find_out(&mutants[i]);
	return !right;
}
