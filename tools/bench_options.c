/* SPDX-License-Identifier: MIT */
/*
 * The command line of shmq bench. Lists are separated by commas.
 */
#include "bench_options.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"
#include "option.h"

#define REPEAT 5
#define TIME_NS 15000000
#define ROOM (1024 * 1024)
#define SIZE_MOST (64UL << 20)
#define ROOM_MOST (1UL << 30)
#define MESSAGES_MOST 1000000000
#define HISTORY_MOST 10000000000

enum {
	OPT_BUSY = 256,
	OPT_CAPACITY,
	OPT_CONSUMERS,
	OPT_CORES,
	OPT_CSV,
	OPT_FLOOR,
	OPT_HISTORY,
	OPT_JSON,
	OPT_MESSAGES,
	OPT_PEERS,
	OPT_PLOT,
	OPT_PRODUCERS,
	OPT_REPEAT,
	OPT_SIZES,
	OPT_SLEEP,
	OPT_TIME,
	OPT_TRANSPORTS,
};

static const struct option table[] = {
	{ "busy", no_argument, NULL, OPT_BUSY },
	{ "capacity", required_argument, NULL, OPT_CAPACITY },
	{ "consumers", required_argument, NULL, OPT_CONSUMERS },
	{ "cores", required_argument, NULL, OPT_CORES },
	{ "csv", no_argument, NULL, OPT_CSV },
	{ "floor", required_argument, NULL, OPT_FLOOR },
	{ "history", required_argument, NULL, OPT_HISTORY },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "messages", required_argument, NULL, OPT_MESSAGES },
	{ "peers", no_argument, NULL, OPT_PEERS },
	{ "plot", required_argument, NULL, OPT_PLOT },
	{ "producers", required_argument, NULL, OPT_PRODUCERS },
	{ "repeat", required_argument, NULL, OPT_REPEAT },
	{ "sizes", required_argument, NULL, OPT_SIZES },
	{ "sleep", no_argument, NULL, OPT_SLEEP },
	{ "time", required_argument, NULL, OPT_TIME },
	{ "transports", required_argument, NULL, OPT_TRANSPORTS },
	OPTION_HELP,
	OPTION_END,
};

struct reading {
	const struct verb *verb;
	struct plan *plan;
	struct bench_options *options;
	unsigned int used; /* TAKES_... */
	bool peers;
	char *transports, *floor;
};

/* The next word of a list; the commas become ends. */
static char *next_word(char **list)
{
	char *word = strsep(list, ",");

	return word;
}

static void read_sizes(const struct reading *r, char *list)
{
	char *word;

	while ((word = next_word(&list))) {
		size_t size = option_size(r->verb, "--sizes", word);

		if (size % 8 || size > SIZE_MOST)
			exit(fault_usage(r->verb,
					 "--sizes '%s' is not a multiple of 8, "
					 "64M at most",
					 word));
		if (r->plan->n_sizes == PLAN_LIST)
			exit(fault_usage(r->verb, "--sizes: %d at most",
					 PLAN_LIST));
		r->plan->sizes[r->plan->n_sizes++] = size;
	}
}

static void read_counts(const struct reading *r, const char *option, char *list,
			unsigned int *counts, unsigned int *n)
{
	char *word;

	while ((word = next_word(&list))) {
		if (*n == PLAN_LIST)
			exit(fault_usage(r->verb, "%s: %d at most", option,
					 PLAN_LIST));
		counts[(*n)++] = (unsigned int)option_count(r->verb, option,
							    word, JOB_WORKERS);
	}
}

static void read_cores(const struct reading *r, char *list)
{
	struct plan *plan = r->plan;
	cpu_set_t allowed;
	char *word;

	CPU_ZERO(&allowed);
	sched_getaffinity(0, sizeof(allowed), &allowed);
	plan->n_cores = 0;
	while ((word = next_word(&list))) {
		char *end;
		long core = strtol(word, &end, 10);

		if (end == word || *end || core < 0 || core >= CPU_SETSIZE ||
		    !CPU_ISSET((size_t)core, &allowed))
			exit(fault_usage(r->verb,
					 "--cores '%s' is not a core that we "
					 "may use",
					 word));
		if (plan->n_cores == JOB_CORES)
			exit(fault_usage(r->verb, "--cores: %d at most",
					 JOB_CORES));
		plan->cores[plan->n_cores++] = (int)core;
	}
}

static const struct bench_transport *find(const struct reading *r,
					  const char *option, const char *name)
{
	const struct bench_transport *t = catalog_find(&r->plan->catalog, name);

	if (!t)
		exit(fault_usage(r->verb,
				 "%s '%s': there is no such transport; see "
				 "'shmq bench list%s'",
				 option, name, r->peers ? " --peers" : ""));
	return t;
}

static void choose_transports(const struct reading *r)
{
	struct plan *plan = r->plan;
	char *list = r->transports, *word;

	if (!list) {
		for (unsigned int i = 0; i < plan->catalog.n; i++)
			plan->chosen[plan->n_chosen++] = plan->catalog.list[i];
		return;
	}
	plan->named = true;
	while ((word = next_word(&list))) {
		if (plan->n_chosen == CATALOG_MAX)
			exit(fault_usage(r->verb, "too many transports"));
		plan->chosen[plan->n_chosen++] = find(r, "--transports", word);
	}
}

/* ---------------------------------------------------------------------- options */

static void read_plan_option(struct reading *r, int value)
{
	struct plan *plan = r->plan;

	switch (value) {
	case OPT_CAPACITY:
		plan->room = option_size(r->verb, "--capacity", optarg);
		if (plan->room > ROOM_MOST || plan->room < 4096 ||
		    plan->room & (plan->room - 1))
			exit(fault_usage(r->verb,
					 "--capacity '%s' is not a power of "
					 "two from 4K to 1G",
					 optarg));
		break;
	case OPT_CONSUMERS:
		r->used |= TAKES_CROWDS;
		read_counts(r, "--consumers", optarg, plan->consumers,
			    &plan->n_consumers);
		break;
	case OPT_PRODUCERS:
		r->used |= TAKES_CROWDS;
		read_counts(r, "--producers", optarg, plan->producers,
			    &plan->n_producers);
		break;
	case OPT_CORES:
		read_cores(r, optarg);
		break;
	case OPT_HISTORY:
		r->used |= TAKES_HISTORY;
		plan->history = option_count(r->verb, "--history", optarg,
					     HISTORY_MOST);
		break;
	case OPT_MESSAGES:
		plan->messages = option_count(r->verb, "--messages", optarg,
					      MESSAGES_MOST);
		break;
	case OPT_REPEAT:
		plan->repeat = (unsigned int)option_count(r->verb, "--repeat",
							  optarg, PLAN_ROUNDS);
		break;
	case OPT_SIZES:
		r->used |= TAKES_SIZES;
		read_sizes(r, optarg);
		break;
	case OPT_TIME:
		plan->time_ns = (uint64_t)option_seconds(r->verb, "--time",
							 optarg);
		break;
	default:
		break;
	}
}

static void read_option(struct reading *r, int value)
{
	switch (value) {
	case OPT_BUSY:
		r->used |= TAKES_MODES;
		r->plan->busy = true;
		break;
	case OPT_SLEEP:
		r->used |= TAKES_MODES;
		r->plan->sleep = true;
		break;
	case OPT_CSV:
		r->options->csv = true;
		break;
	case OPT_JSON:
		r->options->json = true;
		break;
	case OPT_PEERS:
		r->peers = true;
		break;
	case OPT_PLOT:
		r->used |= TAKES_PLOT;
		r->options->plot = optarg;
		break;
	case OPT_FLOOR:
		r->floor = optarg;
		break;
	case OPT_TRANSPORTS:
		r->transports = optarg;
		break;
	default:
		read_plan_option(r, value);
		break;
	}
}

static const struct bench_verb *find_verb(const struct verb *verb,
					  const char *name)
{
	if (!strcmp(name, "list"))
		return NULL;
	for (unsigned int i = 0; i < n_bench_verbs; i++)
		if (!strcmp(bench_verbs[i].name, name))
			return &bench_verbs[i];
	exit(fault_usage(verb,
			 "'%s' is not latency, throughput, wake, fan, "
			 "growth, pagefault, journal or list",
			 name));
}

static void check_plot(const struct verb *verb, const char *path)
{
	const char *dot = strrchr(path, '.');

	if (!dot || (strcmp(dot, ".svg") != 0 && strcmp(dot, ".png") != 0))
		exit(fault_usage(verb,
				 "--plot '%s' does not end in .svg or .png",
				 path));
}

static void check_use(const struct reading *r)
{
	static const char *const names[] = {
		"--sizes", "--busy and --sleep", "--producers and --consumers",
		"--plot",  "--history",
	};
	unsigned int takes = r->options->verb ? r->options->verb->takes : 0;

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (r->used & ~takes & 1U << i)
			exit(fault_usage(r->verb, "%s: not for %s", names[i],
					 r->options->verb ?
						 r->options->verb->name :
						 "list"));
	if (r->options->json && r->options->csv)
		exit(fault_usage(r->verb, "--json or --csv, not both"));
	if (r->options->plot)
		check_plot(r->verb, r->options->plot);
}

void bench_options_read(const struct verb *verb, int argc, char **argv,
			struct plan *plan, struct bench_options *options)
{
	struct reading r = { .verb = verb, .plan = plan, .options = options };
	char **words;
	int value;

	plan->repeat = REPEAT;
	plan->time_ns = TIME_NS;
	plan->room = ROOM;
	plan->n_cores = (unsigned int)machine_choose_cores(plan->cores);
	while ((value = option_next(verb, argc, argv, table)) != -1)
		read_option(&r, value);
	words = argv + optind;
	if (argc - optind < 1)
		exit(fault_usage(verb, "what to measure is missing"));
	if (argc - optind > 1)
		exit(fault_usage(verb, "'%s' is one word too many", words[1]));
	options->verb = find_verb(verb, words[0]);
	check_use(&r);
	if (!plan->busy && !plan->sleep)
		plan->busy = plan->sleep = true;
	catalog_init(&plan->catalog, r.peers);
	choose_transports(&r);
	if (r.floor)
		plan->floor = find(&r, "--floor", r.floor);
}
