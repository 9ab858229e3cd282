/* SPDX-License-Identifier: MIT */
/*
 * Death at every instruction. Each row of step_rows.c, an operation, is run in
 * a child in many states of the queue, single-stepped, and killed after each
 * instruction in turn. After each death survivors finish an exchange in a
 * bounded time, and every promise is checked.
 *
 *   crash_step                a slice chosen by SHMQ_SEED (printed)
 *   crash_step --full         everything
 *   crash_step --list         the rows
 *     --row NAME              only this one; may be repeated with --full
 *     --state STATE --at K    with --row: one state, perhaps one place
 *     --workers N             processes that work side by side
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "step_case.h"

#define WORKERS 2
#define WORKERS_MAX 16

/* The slice: so many states of each row, so many deaths in each. */
#define SLICE_STATES 8
#define SLICE_DEATHS 30

/*
 * The full run with a rival: the places around each store, and so many more.
 * Beside a sleeper it takes a second to see that it sleeps on.
 */
#define FULL_MORE 50
#define FULL_MORE_ASLEEP 12

#define STATES_A_ROW ((unsigned)KINDS * FILLS * RIVALS)

struct options {
	const struct row *row; /* NULL: all */
	const char *state;
	unsigned at;
	bool full;
	unsigned workers;
	uint64_t seed;
};

static struct tally *tally;

static uint64_t random_of(uint64_t seed, uint64_t n)
{
	uint64_t x = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15) + n;

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static struct state state_of(const struct row *row, unsigned index)
{
	return (struct state){ .row = row,
			       .kind = index % KINDS,
			       .fill = index / KINDS % FILLS,
			       .rival = index / KINDS / FILLS % RIVALS };
}

/* ------------------------------------------------------------------ a case */

static void run_full(struct worker *w, struct state *s)
{
	struct choice alone = { .all = true };
	struct choice choice = { .edges = true,
				 .more = rival_is_asleep(s) ? FULL_MORE_ASLEEP :
							      FULL_MORE };
	unsigned *places, n;

	if (!rival_has_places(s)) {
		case_run(w, s, s->rival ? &choice : &alone);
		return;
	}
	places = case_rival_places(w, s, &n);
	for (unsigned i = 0; i < n; i++) {
		s->rival_at = places[i];
		choice.seed = i;
		if (!case_run(w, s, &choice))
			break;
	}
	free(places);
}

static void run_slice(struct worker *w, struct state *s, uint64_t seed)
{
	struct choice choice = { .random = SLICE_DEATHS, .seed = seed };
	unsigned *places, n;

	if (rival_has_places(s)) {
		places = case_rival_places(w, s, &n);
		if (!n) {
			free(places);
			return;
		}
		s->rival_at = places[random_of(seed, 1) % n];
		free(places);
	}
	case_run(w, s, &choice);
}

/* Of a row's states, is this one in the slice? */
static bool in_slice(const struct options *o, const struct state *s,
		     unsigned index)
{
	unsigned exist = 0;
	uint64_t mine = random_of(o->seed, (uint64_t)(s->row - step_rows) *
							   STATES_A_ROW +
						   index);

	/* The SLICE_STATES with the lowest random numbers. */
	for (unsigned i = 0; i < STATES_A_ROW; i++) {
		struct state other = state_of(s->row, i);

		if (state_exists(&other) &&
		    random_of(o->seed,
			      (uint64_t)(s->row - step_rows) * STATES_A_ROW +
				      i) < mine)
			exist++;
	}
	return exist < SLICE_STATES;
}

static void run_index(struct worker *w, const struct options *o, uint64_t index)
{
	const struct row *row = &step_rows[index / STATES_A_ROW];
	struct state s = state_of(row, index % STATES_A_ROW);

	if ((o->row && o->row != row) || !state_exists(&s))
		return;
	if (o->full)
		run_full(w, &s);
	else if (in_slice(o, &s, index % STATES_A_ROW))
		run_slice(w, &s, random_of(o->seed, index));
}

static bool run_one(struct worker *w, const struct options *o)
{
	struct state s = { .row = o->row };
	struct choice choice = { .all = !o->at, .at = o->at };

	if (!state_parse(&s, o->state)) {
		printf("no such state: %s\n", o->state);
		return false;
	}
	return case_run(w, &s, &choice);
}

/* ----------------------------------------------------------------- workers */

/* Later forks find the library's own tables and random numbers set up. */
static void warm_up(void)
{
	struct shmq *q;

	if (!shmq_open_anonymous(&q, NULL))
		shmq_close(q);
}

static int work(const struct options *o, const char *dir)
{
	struct worker *w = calloc(1, sizeof(*w));
	uint64_t index;

	if (!w)
		return 1;
	if (setenv("SHMQ_DIR", dir, 1) < 0)
		return 1;
	w->tally = tally;
	w->file.fd = -1;
	if ((size_t)snprintf(w->file.path, sizeof(w->file.path), "%s/%s", dir,
			     QUEUE_NAME) >= sizeof(w->file.path))
		return 1;
	w->stage = mmap(NULL, sizeof(*w->stage), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (w->stage == MAP_FAILED)
		return 1;
	warm_up();
	if (o->state)
		run_one(w, o);
	else
		while ((index = tally->next++) <
		       (uint64_t)step_rows_count * STATES_A_ROW)
			run_index(w, o, index);
	queue_file_forget(&w->file);
	unlink(w->file.path);
	image_free(&w->image);
	trace_free(&w->trace);
	trace_free(&w->rival_trace);
	munmap(w->stage, sizeof(*w->stage));
	free(w);
	return 0;
}

/* Each works in a directory of its own. */
static bool work_all(const struct options *o)
{
	unsigned n = o->state ? 1 : o->workers;
	char dirs[WORKERS_MAX][256];
	bool ok = true;
	int status;

	fflush(stdout);
	for (unsigned i = 0; i < n; i++) {
		pid_t pid;

		snprintf(dirs[i], sizeof(dirs[i]), "%s/step.XXXXXX",
			 shmq_runtime_dir());
		if (!mkdtemp(dirs[i])) {
			printf("%s: %s\n", dirs[i], strerror(errno));
			return false;
		}
		pid = fork();
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			exit(work(o, dirs[i]));
		}
		ok = ok && pid > 0;
	}
	while (wait(&status) > 0)
		if (status) {
			printf("FAILED a worker ended with %#x\n", status);
			ok = false;
		}
	for (unsigned i = 0; i < n; i++)
		if (rmdir(dirs[i]) < 0) {
			printf("FAILED %s: %s\n", dirs[i], strerror(errno));
			ok = false;
		}
	return ok;
}

/* ----------------------------------------------------------------- summary */

static uint64_t summarize(double seconds)
{
	struct row_tally sum = { 0 };

	printf("%-24s %7s %9s %8s %12s %9s %8s\n", "operation", "cases",
	       "deaths", "states", "instructions", "slowest", "failures");
	for (unsigned i = 0; i < step_rows_count; i++) {
		struct row_tally *row = &tally->rows[i];

		if (!row->cases)
			continue;
		printf("%-24s %7ju %9ju %8ju %12ju %6ju ms %8ju\n",
		       step_rows[i].name, (uintmax_t)row->cases,
		       (uintmax_t)row->deaths, (uintmax_t)row->states,
		       (uintmax_t)row->instructions,
		       (uintmax_t)row->slowest_us / 1000,
		       (uintmax_t)row->failures);
		sum.cases += row->cases;
		sum.deaths += row->deaths;
		sum.states += row->states;
		sum.failures += row->failures;
	}
	printf("%-24s %7ju %9ju %8ju\n", "all", (uintmax_t)sum.cases,
	       (uintmax_t)sum.deaths, (uintmax_t)sum.states);
	printf("%ju deaths left %ju different states of shared memory, %.0f s; "
	       "%ju strayed from their place; %ju failures\n",
	       (uintmax_t)sum.deaths, (uintmax_t)sum.states, seconds,
	       (uintmax_t)tally->strayed, (uintmax_t)sum.failures);
	return sum.failures;
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec * 1e-9;
}

/*
 * The same addresses in every run, and no symbol that is looked up in the
 * middle of a call, so that a place means the same again.
 */
static void settle_down(char **argv)
{
	int now = personality(0xffffffff);

	if (getenv("LD_BIND_NOW") && (now < 0 || now & ADDR_NO_RANDOMIZE))
		return;
	if (now >= 0)
		personality((unsigned)now | ADDR_NO_RANDOMIZE);
	if (getenv("LD_BIND_NOW") &&
	    !(personality(0xffffffff) & ADDR_NO_RANDOMIZE))
		return;
	setenv("LD_BIND_NOW", "1", 1);
	execv("/proc/self/exe", argv);
}

static const struct row *row_named(const char *name)
{
	for (unsigned i = 0; i < step_rows_count; i++)
		if (!strcmp(step_rows[i].name, name))
			return &step_rows[i];
	printf("no such row: %s\n", name);
	exit(2);
}

static void list(void)
{
	for (unsigned i = 0; i < step_rows_count; i++) {
		unsigned n = 0;

		for (unsigned k = 0; k < STATES_A_ROW; k++) {
			struct state s = state_of(&step_rows[i], k);

			n += state_exists(&s);
		}
		printf("%-24s %4u states\n", step_rows[i].name, n);
	}
	exit(0);
}

static void parse(struct options *o, int argc, char **argv)
{
	static const struct option known[] = {
		{ "full", no_argument, NULL, 'f' },
		{ "list", no_argument, NULL, 'l' },
		{ "row", required_argument, NULL, 'r' },
		{ "state", required_argument, NULL, 's' },
		{ "at", required_argument, NULL, 'a' },
		{ "workers", required_argument, NULL, 'w' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'f')
			o->full = true;
		else if (c == 'l')
			list();
		else if (c == 'r')
			o->row = row_named(optarg);
		else if (c == 's')
			o->state = optarg;
		else if (c == 'a')
			o->at = (unsigned)atoi(optarg);
		else if (c == 'w')
			o->workers = (unsigned)atoi(optarg);
		else
			exit(2);
	}
	if (optind < argc || (o->state && !o->row) || (o->at && !o->state) ||
	    o->workers < 1 || o->workers > WORKERS_MAX) {
		printf("see the beginning of crash_step.c\n");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	const char *seed = getenv("SHMQ_SEED");
	struct options o = { .workers = WORKERS, .seed = (uint64_t)time(NULL) };
	double began_s = now_s();
	const char *why;
	bool ok;

	parse(&o, argc, argv);
	settle_down(argv);
	why = trace_impossible();
	if (why) {
		printf("skipped: %s\n", why);
		return 77;
	}
	if (seed && *seed)
		o.seed = strtoull(seed, NULL, 0);
	if (!o.full && !o.state)
		printf("SHMQ_SEED=%ju\n", (uintmax_t)o.seed);
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (tally == MAP_FAILED)
		return 1;
	ok = work_all(&o);
	return summarize(now_s() - began_s) || !ok;
}
