/* SPDX-License-Identifier: MIT */
/*
 * Weaving: the shipped code of two or three participants, run step by step in
 * one thread, in every order that the bounds allow.
 *
 * An execution is a sequence of choices: who takes the next step, who dies,
 * what a load sees. It is run from the beginning each time, with the choices
 * of a prefix repeated; the search goes through all of them depth first, and
 * does not go on from a state where it has been before. What a participant
 * has seen so far determines its own state, as its code is deterministic; that
 * and the shared memory are the state.
 *
 * The bounds are on what an execution may have at most: switches away from one
 * who could go on, deaths, and stores that are late or loads that are early.
 */
#ifndef TESTS_WEAVE_H
#define TESTS_WEAVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The one beside this file, before any of lib. */
#include "atomic.h"
#include "layout.h"

#define WEAVE_PARTICIPANTS 3

/* What memory does with stores. */
enum weave_model {
	/* One access after the other. */
	WEAVE_STRONG,
	/* A store may wait in its participant's buffer, first in, first out. */
	WEAVE_TSO,
	/*
	 * As C11 promises and no more: a load may find any store that nothing
	 * has ordered before a later one it has seen. Stores that are not
	 * release stores overtake each other, release stores are overtaken by
	 * later ones, loads come early. A store never depends on what its
	 * participant has yet to load.
	 */
	WEAVE_WEAK,
};

/* A change of the code that must be found out. */
enum weave_change {
	WEAVE_DROP,    /* the store is not done; the swap says it failed */
	WEAVE_RELAX,   /* the access has no order */
	WEAVE_DEFER,   /* the store changes places with the next one */
	WEAVE_LATE,    /* kernel.c: the bell is armed when sleep begins */
	WEAVE_NOTHING, /* kernel.c: membarrier does nothing */
	WEAVE_HALVES, /* kernel.c: clearing the bell and waking are two steps */
	WEAVE_FREE,   /* kernel.c: a lease is free as soon as it is asked for */
	WEAVE_SILENT, /* who comes from there rings at bells that look unarmed */
};

struct mutant {
	const char *name;
	const char *scenario;
	enum weave_model model;
	enum weave_change change;
	const char *where; /* the function */
	unsigned nth;      /* of how many accesses there ... */
	unsigned of;       /* ... this one is meant; 0: all */
	unsigned switches; /* that it takes at least; 0: as the scenario's */
};

struct bounds {
	unsigned switches;
	unsigned deaths;
	unsigned late;  /* stores, or early loads */
	double seconds; /* of processor time; 0: to the end */
};

struct scenario {
	const char *name;
	unsigned participants;
	/* Build the world; not explored. */
	void (*prepare)(void);
	/* The participants. */
	void (*body[WEAVE_PARTICIPANTS])(unsigned me);
	/* Nobody can go on but by a time-out, perhaps after deaths. Changes
	 * nothing; or NULL. */
	void (*idle)(void);
	/* All have ended, or sleep for good. Not explored. */
	void (*check)(void);
	struct bounds quick;
	struct bounds full;
};

struct outcome {
	bool wrong;
	bool whole;        /* the search went to its bounds */
	unsigned switches; /* that it came to */
	uint64_t executions;
	uint64_t states;
	char what[256]; /* if wrong */
};

extern const struct mutant *weave_mutant; /* or NULL */
extern bool mutant_met;                   /* its place, so far */

struct outcome weave_explore(const struct scenario *scenario,
			     enum weave_model model,
			     const struct bounds *bounds, bool verbose);

/* ------------------------------------------------------- for participants */

/* The execution shows a fault; does not return. */
void weave_wrong(const char *format, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

/* Who is running, or -1 outside of executions. */
int weave_self(void);
bool weave_dead(unsigned who);
bool weave_asleep(unsigned who);

/* ------------------------------------------- between the parts of the loom */

/* path.c: a choice among n; 0 is the ordinary course. */
unsigned weave_choose(unsigned n);
void path_open(unsigned bits); /* room for 2^bits states */
void path_close(void);
void path_forget(void);        /* all choices, all states */
void path_begin(void);         /* an execution */
void path_cut(void);           /* it ended here; for repeating it */
bool path_repeating(void);     /* choices that were made before */
bool path_next(void);          /* choices not yet made. False: there are none */
bool path_met(uint64_t state); /* not for the first time? */
uint64_t path_states(void);
/* explore.c: a step is about to be taken. */
void weave_step(const char *where);
/* explore.c: everybody else may go on without it counting as a switch. */
void weave_yield(void);
/* explore.c: sleep at an address, until woken (true) or timed out. */
bool weave_sleep(const void *address, int64_t deadline_ns);
void weave_wake(const void *address);
/* explore.c: the same, and all but 0 count as late. */
unsigned weave_late(unsigned n);
/* explore.c: what the participant has learned. */
void weave_learn(uint64_t value);
int64_t weave_now_ns(void);

/* memory.c */
void memory_begin(enum weave_model model, unsigned participants);
uint64_t memory_hash(void);
void memory_settle(unsigned who);  /* dead, or in the kernel: stores arrive */
bool memory_pending(unsigned who); /* stores are late */
void memory_arrive(unsigned who);  /* the oldest of them */
void memory_barrier(void);         /* for all participants */
void memory_meet(void);            /* this one, with those that met before */

/* kernel.c */
void kernel_begin(void);  /* leases as they were kept */
void kernel_forget(void); /* there are none */
void kernel_keep(void);
void kernel_death(unsigned who);
uint64_t kernel_hash(void);

/* mutants.c */
void mutant_begin(void);
bool mutant_hits(const char *where, enum weave_change change);
bool mutant_silences(const char *where); /* each access asks */

static inline uint64_t weave_mix(uint64_t a, uint64_t b)
{
	uint64_t z = a * UINT64_C(0x9e3779b97f4a7c15) + b +
		     UINT64_C(0x2545f4914f6cdd1d);

	z = (z ^ z >> 32) * UINT64_C(0xd6e8feb86659fd93);
	return z ^ z >> 29;
}

#endif
