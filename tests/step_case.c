/* SPDX-License-Identifier: MIT */
/* Cases. See step_case.h. */
#include "config.h"

#include <stdlib.h>

#include "step_case.h"
#include "step_death.h"
#include "step_rival.h"

#define FAILURES_A_CASE 2

/* Of a longer call all places around stores and system calls, and some of the
 * others: between them nothing can be seen from outside. */
#define LONG_CALL 50000u
#define LONG_STRIDE 8u

/* The state without its rival, as an image. */
static bool prepare(struct worker *w, const struct state *s)
{
	const char *wrong = state_prepare(s, w->stage, &w->file);

	if (!wrong && !image_take(&w->image, &w->file))
		wrong = "no image";
	if (wrong) {
		ledger_break(&w->stage->ledger, "preparing: %s", wrong);
		death_report(w, s, 0, 0);
		return false;
	}
	w->prepared = *w->stage;
	return true;
}

static bool record_rival(struct worker *w, const struct state *s)
{
	pid_t pid;
	bool ok;

	if (!death_restore(w))
		return false;
	pid = rival_start(w, s);
	ok = pid > 0 &&
	     trace_record(&w->rival_trace, pid, w->file.map, w->file.bytes);
	if (pid > 0)
		trace_kill(pid);
	if (!ok) {
		ledger_break(&w->stage->ledger, "the rival does not work");
		death_report(w, s, 0, 0);
	}
	return ok;
}

/* A dead rival is part of the image. */
static bool kill_rival(struct worker *w, const struct state *s)
{
	pid_t pid;

	if (!death_restore(w))
		return false;
	pid = rival_stop(w, s);
	if (pid < 0)
		return false;
	trace_kill(pid);
	actor_settle(&w->stage->rival);
	w->prepared = *w->stage;
	return image_take(&w->image, &w->file);
}

static bool ready(struct worker *w, const struct state *s)
{
	if (!prepare(w, s))
		return false;
	if (!rival_has_places(s))
		return true;
	return record_rival(w, s) && (!rival_is_dead(s) || kill_rival(w, s));
}

unsigned *case_rival_places(struct worker *w, const struct state *s,
			    unsigned *n)
{
	unsigned *places;

	*n = 0;
	if (!rival_has_places(s) || !prepare(w, s) || !record_rival(w, s))
		return NULL;
	places = malloc((w->rival_trace.n + 1) * sizeof(*places));
	for (unsigned i = 1; places && i < w->rival_trace.n; i++) {
		const struct trace_place *at = &w->rival_trace.at[i];

		/* A stopped one goes on with what it has read. */
		if (at->edge || (rival_is_stopped(s) && at[1].edge))
			places[(*n)++] = i;
	}
	return places;
}

static bool is_wanted(const struct worker *w, const struct choice *c,
		      unsigned at)
{
	const struct trace_place *place = &w->trace.at[at];

	if (c->at)
		return at == c->at;
	if (c->all && w->trace.n <= LONG_CALL)
		return true;
	if (c->all && at % LONG_STRIDE == 0)
		return true;
	if ((c->all || c->edges) &&
	    (place->edge || (at < w->trace.n && place[1].edge)))
		return true;
	return c->more && (at + c->seed) % (w->trace.n / c->more + 1) == 0;
}

static uint64_t next_random(uint64_t *seed)
{
	uint64_t x = *seed += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* Every second time around a store to the queue or a system call. */
static unsigned random_place(const struct worker *w, uint64_t *seed)
{
	const struct choice edges = { .edges = true };
	unsigned at = (unsigned)(next_random(seed) % w->trace.n);

	if (next_random(seed) % 2)
		for (unsigned i = 0; i < w->trace.n; i++)
			if (is_wanted(w, &edges, (at + i) % w->trace.n))
				return (at + i) % w->trace.n;
	return at;
}

bool case_run(struct worker *w, const struct state *s,
	      const struct choice *choice)
{
	unsigned failures = 0;
	uint64_t seed = choice->seed;

	if (!ready(w, s))
		return false;
	if (!death_run(w, s, 0, true))
		return w->stage->actor.not_here;
	tally_of(w, s)->cases++;
	tally_raise(&tally_of(w, s)->instructions, w->trace.n);
	for (unsigned i = 0; i < choice->random && !failures; i++)
		failures += !death_run(w, s, random_place(w, &seed), false);
	if (choice->random)
		return !failures;
	for (unsigned at = 0; at <= w->trace.n; at++)
		if (is_wanted(w, choice, at) && !death_run(w, s, at, false) &&
		    ++failures == FAILURES_A_CASE)
			break;
	return !failures;
}
