/* SPDX-License-Identifier: MIT */
/*
 * shmq bench: how fast this is here, beside bare memory and beside others.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bench_options.h"
#include "fault.h"
#include "stop.h"
#include "table.h"

#define OFFSET_TRIPS 2000
#define OFFSET_TRIPS_FEW 50

const struct bench_verb bench_verbs[] = {
	{ "latency", "how long a message takes",
	  TAKES_SIZES | TAKES_MODES | TAKES_PLOT, bench_latency },
	{ "throughput", "how many messages go through in a second",
	  TAKES_SIZES | TAKES_MODES | TAKES_PLOT, bench_throughput },
	{ "wake", "how long a sleeper takes, and what it costs", 0,
	  bench_wake },
	{ "fan", "several producers and consumers at once",
	  TAKES_SIZES | TAKES_MODES | TAKES_CROWDS, bench_fan },
	{ "growth", "what a message costs when there is more of everything",
	  TAKES_PLOT, bench_growth },
	{ "pagefault", "the first pass over memory, beside read and write", 0,
	  bench_pagefault },
	{ "journal", "a journal beside a mapping and write and read",
	  TAKES_PLOT | TAKES_HISTORY, bench_journal },
};
const unsigned int n_bench_verbs = sizeof(bench_verbs) / sizeof(bench_verbs[0]);

static int list(const struct plan *plan)
{
	static const char *const heads[] = {
		"<TRANSPORT", "<POLLS",     "<SLEEPS", "<STREAMS",
		"<PRODUCERS", "<CONSUMERS", "<ABOUT",
	};
	struct table table;

	table_init(&table, heads, sizeof(heads) / sizeof(heads[0]));
	for (unsigned int i = 0; i < plan->n_chosen; i++) {
		const struct bench_transport *t = plan->chosen[i];

		table_add(&table, "%s", t->name);
		table_add(&table, t->flags & BENCH_POLLS ? "yes" : "no");
		table_add(&table, t->flags & BENCH_SLEEPS ? "yes" : "no");
		table_add(&table, t->flags & BENCH_STREAMS ? "yes" : "no");
		table_add(&table, t->flags & BENCH_MANY_PUT ? "many" : "one");
		table_add(&table, t->flags & BENCH_MANY_TAKE ? "many" : "one");
		table_add(&table, "%s", t->about);
	}
	table_print(&table, 0);
	table_fini(&table);
	fputs(plan->catalog.problems, stderr);
	return STATUS_DONE;
}

static void note_command(struct result *result, int argc, char **argv)
{
	size_t used = 0;

	used = (size_t)snprintf(result->command, sizeof(result->command),
				"shmq");
	for (int i = 0; i < argc && used < sizeof(result->command); i++)
		used += (size_t)snprintf(result->command + used,
					 sizeof(result->command) - used, " %s",
					 argv[i]);
}

/*
 * The clocks of the two cores may differ: see outcome.c. On a machine that has
 * too much else to do, few trips must do, or none.
 */
static int measure_offset(struct plan *plan)
{
	static const uint64_t trips[] = { OFFSET_TRIPS, OFFSET_TRIPS_FEW };
	struct job job = plan_job(plan, JOB_ONE_WAY, 8, false);
	int error = -ETIMEDOUT;

	job.transport = catalog_find(&plan->catalog, "line");
	for (int i = 0; i < 2 && error == -ETIMEDOUT; i++) {
		job.n = job.warmup = trips[i];
		error = job_offset_measure(&job);
	}
	return error == -ETIMEDOUT ? 0 : error;
}

static int show(const struct verb *verb, const struct bench_options *options,
		const struct result *result)
{
	int error = 0;

	if (options->plot)
		error = result_plot(result, options->plot);
	if (error == -ENOPKG)
		return fault_refused(verb, options->plot,
				     "gnuplot is missing: Debian package "
				     "gnuplot-nox");
	if (error)
		return fault_refused(verb, options->plot,
				     "gnuplot could not draw it");
	if (options->json)
		error = result_print_json(result);
	else if (options->csv)
		result_print_csv(result);
	else
		result_print_table(result);
	if (error)
		return fault(verb, "result", error);
	return STATUS_DONE;
}

static int measure(const struct verb *verb, struct plan *plan,
		   const struct bench_options *options, struct result *result)
{
	int error = job_init();

	if (error)
		return fault_refused(verb, "working directory", "%s",
				     strerror(-error));
	meter_init(&plan->meter, true);
	error = measure_offset(plan);
	machine_get(&result->machine, plan->cores, (int)plan->n_cores);
	if (!error)
		error = options->verb->run(plan, result);
	meter_fini(&plan->meter);
	job_fini();
	if (stop_signal())
		return STATUS_SIGNAL + stop_signal();
	if (error)
		return fault_refused(verb, options->verb->name, "%s",
				     strerror(-error));
	return show(verb, options, result);
}

static int run(const struct verb *verb, int argc, char **argv)
{
	static struct plan plan;
	struct bench_options options = { 0 };
	struct result result = { 0 };
	int status;

	note_command(&result, argc, argv);
	bench_options_read(verb, argc, argv, &plan, &options);
	if (!options.verb)
		return list(&plan);
	if (!plan.n_cores)
		return fault_refused(verb, "cores", "none may be used");
	if (stop_init())
		return fault_refused(verb, "signals", "%s", strerror(errno));
	result.repeat = plan.repeat;
	result.problems = plan.catalog.problems;
	status = measure(verb, &plan, &options, &result);
	result_fini(&result);
	return status;
}

const struct verb verb_bench = {
	.name = "bench",
	.summary = "measure latency and throughput, beside others",
	.run = run,
	.help = "usage: shmq bench latency|throughput|wake|fan|growth|pagefault|"
		"journal\n"
		"                  [OPTION]...\n"
		"       shmq bench list [--peers]\n"
		"\n"
		"Measures how fast messages go from process to process over "
		"libshmq, bare memory\n"
		"and what else the system has, in turn, and compares them.\n"
		"\n"
		"  latency     how long a message takes, one way and there "
		"and back\n"
		"  throughput  how many messages go through in a second\n"
		"  wake        from sending until a sleeper runs; idle "
		"processor time; system\n"
		"              calls a message\n"
		"  fan         several producers and consumers at once\n"
		"  growth      what a message costs with more processes, "
		"queues and bytes\n"
		"  pagefault   the first pass over memory, beside read and "
		"write\n"
		"  journal     a journal beside a mapped file, write and "
		"read\n"
		"  list        the transports\n"
		"\n"
		"  --transports LIST  only these, of 'shmq bench list'\n"
		"  --peers            also those of other projects that were "
		"found when this was\n"
		"                     built\n"
		"  --sizes LIST       bytes of a message, multiples of 8: "
		"8,64,4K\n"
		"  --busy, --sleep    only polling, only sleeping\n"
		"  --messages N       in each run; default: as many as fit "
		"into --time\n"
		"  --time SEC         for each run, about; default 0.015\n"
		"  --repeat N         rounds; default 5\n"
		"  --capacity SIZE    bytes that may be on the way; default "
		"1M\n"
		"  --cores A,B        instead of the first two that are not "
		"hyper-threads\n"
		"  --floor NAME       what ratios compare with\n"
		"  --producers LIST   how many, for fan; default 1,4,8\n"
		"  --consumers LIST   likewise\n"
		"  --json, --csv      for programs\n"
		"  --plot FILE        draw a picture, .svg or .png: latency, "
		"throughput, growth,\n"
		"                     journal\n"
		"  --history N        messages in the journal that is sought "
		"in; default 1000000\n"
		"  -h, --help         this text\n"
		"\n"
		"Exit status: 0 measured, 1 the system said no, 2 wrong "
		"usage.\n"
		"\n"
		"Examples:\n"
		"  shmq bench latency --busy --sizes 8\n"
		"  shmq bench throughput --transports lines,shmq-1,pipe "
		"--json\n"
		"  shmq bench list --peers\n",
};
