/* SPDX-License-Identifier: MIT */
/* The plan. See step_plan.h. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "step_plan.h"

/* With a sanitizer a fork takes ten times as long. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

/* The slice: so many states of each row, so many deaths in each. The first can
 * be changed: SHMQ_SLICE_STATES. */
#ifdef SANITIZED
#define SLICE_STATES 3
#define SLICE_DEATHS 6
#else
#define SLICE_STATES 5
#define SLICE_DEATHS 24
#endif

/* The full run with a rival: the places around each store, and so many more. */
#define FULL_MORE 20

/* Beside a sleeper it takes a second to see that it sleeps on. */
#define SLICE_DEATHS_ASLEEP 4
#define FULL_MORE_ASLEEP 12

#define STATES_A_ROW ((unsigned)KINDS * FILLS * RIVALS)

unsigned plan_slice(void)
{
	const char *given = getenv("SHMQ_SLICE_STATES");

	return given && *given ? (unsigned)strtoul(given, NULL, 0) :
				 SLICE_STATES;
}

static uint64_t random_of(uint64_t seed, uint64_t n)
{
	uint64_t x = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15) + n;

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static struct state state_of(uint64_t part)
{
	unsigned row = (unsigned)(part / STATES_A_ROW);
	unsigned index = part % STATES_A_ROW;

	return (struct state){ .row = step_row(row),
			       .row_index = row,
			       .kind = index % KINDS,
			       .fill = index / KINDS % FILLS,
			       .rival = index / KINDS / FILLS };
}

unsigned plan_states(unsigned row)
{
	unsigned n = 0;

	for (unsigned i = 0; i < STATES_A_ROW; i++) {
		struct state s = state_of(row * STATES_A_ROW + i);

		n += state_exists(&s);
	}
	return n;
}

static void run_full(struct worker *w, struct state *s)
{
	struct choice alone = { .all = true };
	struct choice choice = { .edges = true,
				 .more = rival_is_asleep(s) ? FULL_MORE_ASLEEP :
							      FULL_MORE };
	unsigned *places, n;

	if (!rival_has_places(s)) {
		case_run(w, s, s->rival == RIVAL_NONE ? &alone : &choice);
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
	struct choice choice = { .seed = seed,
				 .random = rival_is_asleep(s) ?
						   SLICE_DEATHS_ASLEEP :
						   SLICE_DEATHS };
	unsigned *places, n;

	if (rival_has_places(s)) {
		places = case_rival_places(w, s, &n);
		if (n)
			s->rival_at = places[random_of(seed, 1) % n];
		free(places);
		if (!n)
			return;
	}
	case_run(w, s, &choice);
}

/* The plan's so many states of a row with the lowest random numbers. */
static bool in_slice(const struct plan *plan, uint64_t part)
{
	uint64_t first = part / STATES_A_ROW * STATES_A_ROW;
	uint64_t mine = random_of(plan->seed, part);
	unsigned before = 0;

	for (uint64_t i = first; i < first + STATES_A_ROW; i++) {
		struct state other = state_of(i);

		before += state_exists(&other) &&
			  random_of(plan->seed, i) < mine;
	}
	return before < plan->states;
}

/* The one state that has a name. */
static bool state_named(const struct plan *plan, struct state *s)
{
	unsigned row = 0;

	*s = (struct state){ .row = step_row_named(plan->row, &row) };
	s->row_index = row;
	return s->row && state_parse(s, plan->state) && state_exists(s);
}

bool plan_check(const struct plan *plan)
{
	struct state s;
	unsigned index;

	if (plan->row && !step_row_named(plan->row, &index)) {
		printf("no such row: %s\n", plan->row);
		return false;
	}
	if (plan->state && !state_named(plan, &s)) {
		printf("no such state: %s\n", plan->state);
		return false;
	}
	return true;
}

uint64_t plan_parts(const struct plan *plan)
{
	unsigned rows = 0;

	while (step_row(rows))
		rows++;
	return plan->state ? 1 : (uint64_t)rows * STATES_A_ROW;
}

void plan_run(const struct plan *plan, struct worker *w, uint64_t part)
{
	struct choice choice = { .all = !plan->at, .at = plan->at };
	struct state s = state_of(part);
	unsigned row;

	if (plan->state) {
		if (state_named(plan, &s))
			case_run(w, &s, &choice);
		return;
	}
	if (!state_exists(&s) ||
	    (plan->row && s.row != step_row_named(plan->row, &row)))
		return;
	if (plan->full)
		run_full(w, &s);
	else if (in_slice(plan, part))
		run_slice(w, &s, random_of(plan->seed, part));
}
