/* SPDX-License-Identifier: MIT */
/*
 * Death at every instruction. Each operation of the table (step_rows.h) is run
 * in a child in many states of the queue, single-stepped, and killed after
 * each instruction in turn. After each death survivors finish an exchange in a
 * bounded time, and every promise is checked.
 *
 *   crash_step               a slice chosen by SHMQ_SEED, which is printed;
 *                            smaller with few SHMQ_SLICE_STATES
 *   crash_step --full        everything
 *   crash_step --list        the operations
 *       --row NAME           only this one, of the slice or of everything
 *       --state S [--at K]   of that row one state, every place or one
 *       --workers N          so many processes side by side
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "step_plan.h"

#define WORKERS 2
#define WORKERS_MAX 16

static struct tally *tally;

/* ----------------------------------------------------------------- workers */

/* Later forks find the library's own tables and random numbers set up. */
static void warm_up(void)
{
	struct shmq *q;

	if (!shmq_open_anonymous(&q, NULL))
		shmq_close(q);
}

static bool worker_init(struct worker *w, const char *dir)
{
	w->tally = tally;
	w->file.fd = -1;
	w->stage = mmap(NULL, sizeof(*w->stage), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	warm_up();
	return w->stage != MAP_FAILED && setenv("SHMQ_DIR", dir, 1) == 0 &&
	       (size_t)snprintf(w->file.path, sizeof(w->file.path), "%s/%s",
				dir, QUEUE_NAME) < sizeof(w->file.path);
}

static void worker_fini(struct worker *w)
{
	queue_file_forget(&w->file);
	unlink(w->file.path);
	image_free(&w->image);
	trace_free(&w->trace);
	trace_free(&w->rival_trace);
	munmap(w->stage, sizeof(*w->stage));
}

static int work(const struct plan *plan, const char *dir)
{
	struct worker *w = calloc(1, sizeof(*w));
	uint64_t part;

	if (!w || !worker_init(w, dir))
		return 1;
	while ((part = tally->next++) < plan_parts(plan))
		plan_run(plan, w, part);
	worker_fini(w);
	free(w);
	return 0;
}

/* A worker in a directory of its own. Returns the directory. */
static char *worker_start(const struct plan *plan)
{
	char *dir;
	pid_t pid;

	if (asprintf(&dir, "%s/step.XXXXXX", shmq_runtime_dir()) < 0)
		return NULL;
	if (!mkdtemp(dir)) {
		printf("%s: %s\n", dir, strerror(errno));
		free(dir);
		return NULL;
	}
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		exit(work(plan, dir));
	}
	return dir;
}

static bool work_all(const struct plan *plan, unsigned workers)
{
	char *dirs[WORKERS_MAX] = { NULL };
	bool ok = true;
	int status;

	fflush(stdout);
	for (unsigned i = 0; i < workers; i++)
		ok &= (dirs[i] = worker_start(plan)) != NULL;
	while (wait(&status) > 0) {
		if (!status)
			continue;
		printf("FAILED a worker ended with %#x\n", (unsigned)status);
		ok = false;
	}
	for (unsigned i = 0; i < workers; i++) {
		if (dirs[i] && rmdir(dirs[i]) < 0) {
			printf("FAILED %s: %s\n", dirs[i], strerror(errno));
			ok = false;
		}
		free(dirs[i]);
	}
	return ok;
}

/* ----------------------------------------------------------------- summary */

static void add(struct row_tally *sum, const struct row_tally *row)
{
	sum->cases += row->cases;
	sum->deaths += row->deaths;
	sum->states += row->states;
	sum->failures += row->failures;
}

static bool summarize(double seconds)
{
	struct row_tally sum = { 0 };

	printf("%-24s %7s %9s %8s %12s %10s %8s\n", "operation", "cases",
	       "deaths", "states", "instructions", "slowest", "failures");
	for (unsigned i = 0; step_row(i); i++) {
		struct row_tally *row = &tally->rows[i];

		if (!row->cases && !row->failures)
			continue;
		printf("%-24s %7ju %9ju %8ju %12ju %7ju ms %8ju\n",
		       step_row(i)->name, (uintmax_t)row->cases,
		       (uintmax_t)row->deaths, (uintmax_t)row->states,
		       (uintmax_t)row->instructions,
		       (uintmax_t)row->slowest_us / 1000,
		       (uintmax_t)row->failures);
		add(&sum, row);
	}
	printf("%ju deaths in %ju cases left %ju different states of shared "
	       "memory; %.0f s; %ju strayed from their place; %ju failures\n",
	       (uintmax_t)sum.deaths, (uintmax_t)sum.cases,
	       (uintmax_t)sum.states, seconds, (uintmax_t)tally->strayed,
	       (uintmax_t)sum.failures);
	return sum.failures == 0;
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void list(void)
{
	for (unsigned i = 0; step_row(i); i++)
		printf("%-24s %4u states\n", step_row(i)->name, plan_states(i));
}

/* --------------------------------------------------------------- beginning */

/*
 * The same addresses in every run, and no symbol that is looked up in the
 * middle of a call, so that a place means the same again.
 */
static void settle_down(char **argv)
{
	const char *mark = "SHMQ_STEP_SETTLED";
	int persona = personality(0xffffffff);

	if (getenv(mark))
		return;
	if (persona >= 0)
		personality((unsigned)persona | ADDR_NO_RANDOMIZE);
	setenv("LD_BIND_NOW", "1", 1);
	setenv(mark, "1", 1);
	execv("/proc/self/exe", argv);
}

/* False: the command line is wrong. */
static bool parse(struct plan *plan, unsigned *workers, int argc, char **argv)
{
	static const struct option known[] = {
		{ "full", no_argument, NULL, 'f' },
		{ "list", no_argument, NULL, 'l' },
		{ "row", required_argument, NULL, 'r' },
		{ "state", required_argument, NULL, 's' },
		{ "at", required_argument, NULL, 'a' },
		{ "workers", required_argument, NULL, 'w' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'f')
			plan->full = true;
		else if (c == 'l')
			*workers = 0;
		else if (c == 'r')
			plan->row = optarg;
		else if (c == 's')
			plan->state = optarg;
		else if (c == 'a')
			plan->at = (unsigned)strtoul(optarg, NULL, 0);
		else if (c == 'w')
			*workers = (unsigned)strtoul(optarg, NULL, 0);
		else
			return false;
	}
	return optind == argc && (plan->row || !plan->state) &&
	       (plan->state || !plan->at) && *workers <= WORKERS_MAX &&
	       plan_check(plan);
}

static uint64_t choose_seed(void)
{
	const char *given = getenv("SHMQ_SEED");

	return given && *given ? strtoull(given, NULL, 0) :
				 (uint64_t)time(NULL);
}

int main(int argc, char **argv)
{
	struct plan plan = { .seed = choose_seed(), .states = plan_slice() };
	unsigned workers = WORKERS;
	double began_s = now_s();
	const char *why;
	bool ok;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!parse(&plan, &workers, argc, argv))
		return 2;
	if (!workers) {
		list();
		return 0;
	}
	settle_down(argv);
	why = trace_impossible();
	if (why) {
		printf("skipped: %s\n", why);
		return 77;
	}
	if (!plan.full && !plan.state)
		printf("SHMQ_SEED=%ju\n", (uintmax_t)plan.seed);
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (tally == MAP_FAILED)
		return 1;
	ok = work_all(&plan, plan.state ? 1 : workers);
	return !(summarize(now_s() - began_s) && ok);
}
