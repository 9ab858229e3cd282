/* SPDX-License-Identifier: MIT */
/* The search, and the participants as coroutines. See weave.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>

#include "world.h"

#define STACK_BYTES 65536
/* A sleeper with a bound that found nothing so often will find nothing. */
#define NAPS 7

enum status {
	STATUS_READY,
	STATUS_ASLEEP,
	STATUS_ENDED,
	STATUS_DEAD,
};

struct thread {
	enum status status;
	bool started;
	jmp_buf at;
	ucontext_t begin;
	const void *address; /* slept at */
	int64_t deadline_ns; /* INT64_MAX: none */
	bool woken;
	unsigned naps;
	uint64_t learned;
};

enum end {
	END_DONE = 1,
	END_SEEN_BEFORE,
	END_WRONG,
};

static char stacks[WEAVE_PARTICIPANTS][STACK_BYTES]
	__attribute__((aligned(64)));
static struct thread threads[WEAVE_PARTICIPANTS];
static const struct scenario *scenario;
static const struct bounds *bounds;
static bool verbose;
static jmp_buf loom;
static int self = -1;
static int64_t now_ns;
static unsigned switches, deaths, late;
static char wrong[256];

int weave_self(void)
{
	return self;
}

bool weave_dead(unsigned who)
{
	return threads[who].status == STATUS_DEAD;
}

bool weave_asleep(unsigned who)
{
	return threads[who].status == STATUS_ASLEEP;
}

int64_t weave_now_ns(void)
{
	return now_ns;
}

static void end_execution(enum end how) __attribute__((noreturn));
static void end_execution(enum end how)
{
	self = -1;
	_longjmp(loom, how);
}

void weave_wrong(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(wrong, sizeof(wrong), format, args);
	va_end(args);
	if (verbose)
		printf("  %s\n", wrong);
	end_execution(END_WRONG);
}

unsigned weave_late(unsigned n)
{
	unsigned taken = late < bounds->late ? weave_choose(n) : 0;

	late += taken > 0;
	return taken;
}

void weave_learn(uint64_t value)
{
	threads[self].learned = weave_mix(threads[self].learned, value);
}

static uint64_t state_hash(void)
{
	uint64_t hash = weave_mix(memory_hash(), kernel_hash());

	hash = weave_mix(hash, (uint64_t)now_ns);
	hash = weave_mix(hash, switches | deaths << 8 | late << 16 |
				       (unsigned)self << 24);
	for (unsigned i = 0; i < scenario->participants; i++) {
		struct thread *t = &threads[i];

		hash = weave_mix(hash, t->learned);
		hash = weave_mix(hash,
				 t->status | t->naps << 4 | t->woken << 12);
	}
	return hash ? hash : 1;
}

static void end_if_met(void)
{
	if (!path_repeating() && !verbose && path_met(state_hash()))
		end_execution(END_SEEN_BEFORE);
}

/* ---------------------------------------------------------------- switching */

static void resume(unsigned who)
{
	self = (int)who;
	if (threads[who].started)
		_longjmp(threads[who].at, 1);
	threads[who].started = true;
	setcontext(&threads[who].begin);
}

static void switch_to(unsigned who)
{
	if (_setjmp(threads[self].at) == 0)
		resume(who);
}

/* The nth of the others that can go on, or who can at all, or -1. */
static int ready(unsigned nth, bool others)
{
	for (unsigned i = 0; i < scenario->participants; i++)
		if (threads[i].status == STATUS_READY &&
		    !(others && (int)i == self) && nth-- == 0)
			return (int)i;
	return -1;
}

static unsigned count_ready(bool others)
{
	unsigned n = 0;

	while (ready(n, others) >= 0)
		n++;
	return n;
}

/* Nobody can go on: the first whose time is up. */
static int time_out(void)
{
	struct thread *first = NULL;
	int who = -1;

	for (unsigned i = 0; i < scenario->participants; i++) {
		struct thread *t = &threads[i];

		if (t->status != STATUS_ASLEEP || t->naps == NAPS ||
		    t->deadline_ns == INT64_MAX ||
		    (first && t->deadline_ns >= first->deadline_ns))
			continue;
		first = t;
		who = (int)i;
	}
	if (!first)
		return -1;
	first->status = STATUS_READY;
	first->naps++;
	if (now_ns < first->deadline_ns)
		now_ns = first->deadline_ns;
	return who;
}

/* Nobody can go on: does somebody sleep for nothing? */
static void idle(void)
{
	int was = self;

	self = -1;
	scenario->idle();
	self = was;
}

/* This one cannot go on; somebody else does. */
static void next(void)
{
	unsigned n = count_ready(false);
	int who;

	if (n) {
		who = ready(weave_choose(n), false);
	} else {
		for (unsigned i = 0; i < scenario->participants; i++)
			memory_settle(i);
		if (scenario->idle)
			idle();
		who = time_out();
	}
	if (who < 0)
		end_execution(END_DONE);
	if (who != self)
		switch_to((unsigned)who);
}

static void die(void)
{
	if (verbose)
		printf("  %d dies\n", self);
	deaths++;
	memory_settle((unsigned)self);
	memory_meet();
	kernel_death((unsigned)self);
	threads[self].status = STATUS_DEAD;
	next();
	abort();
}

/* The nth participant with late stores. */
static int pending(unsigned nth)
{
	for (unsigned i = 0; i < scenario->participants; i++)
		if (memory_pending(i) && nth-- == 0)
			return (int)i;
	return -1;
}

void weave_step(const char *where)
{
	for (;;) {
		unsigned others = switches < bounds->switches ?
					  count_ready(true) :
					  0;
		unsigned dying = deaths < bounds->deaths;
		unsigned arriving = 0, taken;

		end_if_met();
		while (pending(arriving) >= 0)
			arriving++;
		taken = weave_choose(1 + others + dying + arriving);
		if (taken && taken <= others) {
			switches++;
			switch_to((unsigned)ready(taken - 1, true));
			break;
		}
		if (taken > others + dying) {
			memory_arrive(
				(unsigned)pending(taken - others - dying - 1));
			continue;
		}
		if (taken)
			die();
		break;
	}
	if (verbose)
		printf("  %d %s\n", self, where);
}

void weave_yield(void)
{
	unsigned taken;

	end_if_met();
	taken = weave_choose(1 + count_ready(true));
	if (taken)
		switch_to((unsigned)ready(taken - 1, true));
	weave_learn(2);
}

bool weave_sleep(const void *address, int64_t deadline_ns)
{
	struct thread *t = &threads[self];

	if (verbose)
		printf("  %d sleeps%s\n", self,
		       deadline_ns == INT64_MAX ? "" : ", not for ever");
	t->address = address;
	t->deadline_ns = deadline_ns;
	t->woken = false;
	t->status = STATUS_ASLEEP;
	next();
	weave_learn(t->woken);
	return t->woken;
}

void weave_wake(const void *address)
{
	for (unsigned i = 0; i < scenario->participants; i++) {
		struct thread *t = &threads[i];

		if (t->status != STATUS_ASLEEP || t->address != address)
			continue;
		t->status = STATUS_READY;
		t->woken = true;
		t->naps = 0;
	}
}

/* --------------------------------------------------------------- executions */

static void run_body(unsigned who)
{
	scenario->body[who](who);
	threads[self].status = STATUS_ENDED;
	next();
	abort();
}

static void threads_begin(void)
{
	for (unsigned i = 0; i < WEAVE_PARTICIPANTS; i++) {
		struct thread *t = &threads[i];

		t->status = i < scenario->participants ? STATUS_READY :
							 STATUS_ENDED;
		t->started = false;
		t->naps = 0;
		t->woken = false;
		t->learned = 0;
		/* Threads would take turns as they like. */
		/* cppcheck-suppress getcontextCalled */
		getcontext(&t->begin);
		t->begin.uc_stack.ss_sp = stacks[i];
		t->begin.uc_stack.ss_size = STACK_BYTES;
		t->begin.uc_link = NULL;
		makecontext(&t->begin, (void (*)(void))run_body, 1, i);
	}
}

static enum end execute(enum weave_model model)
{
	volatile bool checked = false;
	enum end how;

	world_restore();
	path_begin();
	memory_begin(model, scenario->participants);
	kernel_begin();
	mutant_begin();
	threads_begin();
	switches = deaths = late = 0;
	now_ns = INT64_C(1000000000);
	how = _setjmp(loom);
	if (!how)
		resume((unsigned)ready(weave_choose(count_ready(false)),
				       false));
	if (how == END_DONE && !checked) {
		checked = true;
		scenario->check();
	}
	return how;
}

/* Of the processor: how far a search comes does not depend on who else runs. */
static double seconds(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

static void show(enum weave_model model)
{
	verbose = true;
	path_cut();
	printf("%s: how it comes to that:\n", scenario->name);
	execute(model);
	verbose = false;
}

/* All executions within the bounds, or until the time is up. */
static void search(enum weave_model model, double until,
		   struct outcome *outcome)
{
	enum end how;

	path_forget();
	do {
		how = execute(model);
		outcome->executions++;
		if (outcome->executions % 64 == 0 && until > 0 &&
		    seconds() > until)
			outcome->whole = false;
	} while (how != END_WRONG && outcome->whole && path_next());
	outcome->wrong = how == END_WRONG;
	outcome->states = path_states();
}

struct outcome weave_explore(const struct scenario *what,
			     enum weave_model model, const struct bounds *b,
			     bool tell)
{
	struct outcome outcome = { .whole = true };
	struct bounds now = *b;
	double until = b->seconds > 0 ? seconds() + b->seconds : 0;

	scenario = what;
	bounds = &now;
	path_open(until > 0 && b->seconds < 10 ? 20 : 24);
	world_begin();
	scenario->prepare();
	world_keep();
	/* The fewer switches, the likelier is a fault, and the shorter. */
	for (now.switches = 0; outcome.whole && !outcome.wrong;
	     now.switches++) {
		search(model, until, &outcome);
		outcome.switches = now.switches;
		if (now.switches == b->switches)
			break;
	}
	memcpy(outcome.what, wrong, sizeof(wrong));
	if (outcome.wrong) {
		now.switches = outcome.switches;
		if (tell)
			show(model);
	}
	path_close();
	return outcome;
}
