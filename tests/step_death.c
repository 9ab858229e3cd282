/* SPDX-License-Identifier: MIT */
/* One death. See step_death.h. */
#include "config.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "step_death.h"
#include "step_rival.h"
#include "step_survivors.h"

#define ACTOR_ID (LEDGER_OTHERS + 1) /* a message of several lines */

/* What the linker puts at the beginning of the program. */
extern const char __executable_start[];

struct death {
	unsigned at;
	bool ended;
	uintptr_t pc;
	pid_t rival; /* 0: none lives */
};

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void tally_raise(_Atomic uint64_t *word, uint64_t value)
{
	uint64_t old = atomic_load(word);

	while (old < value && !atomic_compare_exchange_weak(word, &old, value))
		;
}

struct row_tally *tally_of(struct worker *w, const struct state *s)
{
	return &w->tally->rows[s->row_index];
}

/* Whether nobody has seen this state before. */
static bool is_new(struct tally *tally, uint64_t hash)
{
	hash += !hash;
	for (uint64_t i = hash;; i++) {
		_Atomic uint64_t *slot = &tally->seen[i % TALLY_SEEN];
		uint64_t old = 0;

		if (atomic_compare_exchange_strong(slot, &old, hash))
			return true;
		if (old == hash)
			return false;
	}
}

bool death_restore(struct worker *w)
{
	*w->stage = w->prepared;
	if (image_restore(&w->image, &w->file))
		return true;
	ledger_break(&w->stage->ledger, "the queue cannot be put back");
	return false;
}

void death_report(struct worker *w, const struct state *s, unsigned at,
		  uintptr_t pc)
{
	char name[96];

	state_name(s, name, sizeof(name));
	printf("FAILED %s %s, killed at %u of %u (program+%#jx)\n"
	       "  %s\n"
	       "  again: crash_step --row %s --state %s --at %u\n",
	       s->row->name, name, at, w->trace.n,
	       pc ? (uintmax_t)(pc - (uintptr_t)__executable_start) : 0,
	       w->stage->ledger.broken, s->row->name, name, at);
	fflush(stdout);
	tally_of(w, s)->failures++;
}

/* With nobody in its way it must have done what it was there for. */
static void check_success(struct actor *a, const struct state *s)
{
	bool sends = s->row->sends && s->fill != FILL_FULL;
	bool takes = s->row->takes &&
		     (s->fill != FILL_EMPTY || s->row->prepare);

	if (s->rival == RIVAL_NONE && (sends || takes) && a->result < 0)
		ledger_break(a->ledger, "%s returned %s", s->row->name,
			     shmq_strerror((int)a->result));
}

static void check_directory(struct worker *w)
{
	DIR *dir = opendir(shmq_runtime_dir());
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (strcmp(entry->d_name, QUEUE_NAME) &&
		    strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			ledger_break(&w->stage->ledger, "left behind: %s",
				     entry->d_name);
	if (dir)
		closedir(dir);
}

static void count_death(struct worker *w, const struct state *s,
			const struct death *d)
{
	struct row_tally *row = tally_of(w, s);

	row->deaths++;
	if (is_new(w->tally, queue_file_hash(&w->file)))
		row->states++;
	if (!d->ended && d->pc != w->trace.at[d->at].pc)
		w->tally->strayed++;
}

/* The rival goes on, with company. */
static void meet_rival(struct worker *w, const struct state *s, pid_t rival,
		       unsigned variant)
{
	if (rival_is_asleep(s))
		rival_watch(w, s);
	survivors_meet(s, w->stage, &w->file, true, variant);
	rival_finish(w, s, rival);
}

/* Kill the actor, let the survivors meet. False: a promise is broken. */
static bool after_death(struct worker *w, const struct state *s, pid_t pid,
			struct death *d)
{
	struct stage *stage = w->stage;
	uint64_t began_us;

	d->pc = trace_pc(pid);
	if (!trace_kill(pid))
		actor_failed(&stage->actor);
	if (d->ended) {
		actor_check_result(&stage->actor, s->row);
		check_success(&stage->actor, s);
	}
	actor_settle(&stage->actor);
	/* A queue that has lost its name is looked at until the next death. */
	if (s->row->needs & MAKES_QUEUE)
		queue_file_look(&w->file);
	count_death(w, s, d);
	if (d->rival > 0)
		meet_rival(w, s, d->rival, d->at);
	began_us = now_us();
	if (!stage->ledger.broken[0])
		survivors_meet(s, stage, &w->file, false, d->at);
	tally_raise(&tally_of(w, s)->slowest_us, now_us() - began_us);
	check_directory(w);
	return !stage->ledger.broken[0];
}

/* Actor and rival where they begin; a sleeper comes last. */
static pid_t begin(struct worker *w, const struct state *s, pid_t *rival)
{
	struct actor *actor = &w->stage->actor;
	pid_t pid;

	if (!death_restore(w))
		return -1;
	if (rival_is_stopped(s)) {
		*rival = rival_stop(w, s);
		if (w->stage->ledger.broken[0])
			return -1;
	}
	pid = actor_start(actor, s->row, ACTOR_ID, state_consumer_flags(s));
	if (pid > 0 && rival_is_asleep(s))
		*rival = rival_sleep(w, s);
	return pid;
}

bool death_run(struct worker *w, const struct state *s, unsigned at,
	       bool record)
{
	struct death d = { .at = at };
	pid_t pid = begin(w, s, &d.rival);
	bool ok = pid > 0 && !w->stage->ledger.broken[0];

	if (ok && record) {
		ok = trace_record(&w->trace, pid, w->file.map, w->file.bytes);
		d.at = w->trace.n;
		d.ended = true;
	} else if (ok) {
		ok = trace_go(&w->trace, pid, at, &d.ended);
	}
	if (ok) {
		ok = after_death(w, s, pid, &d);
	} else {
		if (pid > 0) {
			actor_failed(&w->stage->actor);
			d.pc = trace_pc(pid);
			trace_kill(pid);
		}
		if (d.rival > 0)
			trace_kill(d.rival);
	}
	if (!ok && !w->stage->actor.not_here)
		death_report(w, s, d.at, d.pc);
	return ok;
}
