/* SPDX-License-Identifier: MIT */
/*
 * A case: one row in one state. It is prepared once; for each place of its
 * trace that is wanted, an actor is brought there and killed, and survivors
 * meet.
 */
#ifndef STEP_CASE_H
#define STEP_CASE_H

#include <stdatomic.h>

#include "step_states.h"

#define TALLY_SEEN (1u << 21)
#define TALLY_ROWS 256

/* Shared by all workers. */
struct row_tally {
	_Atomic uint64_t cases, deaths, states, failures;
	_Atomic uint64_t instructions; /* of the longest call */
	_Atomic uint64_t slowest_us;   /* exchange after a death */
};

struct tally {
	_Atomic uint64_t next;    /* case to be taken */
	_Atomic uint64_t strayed; /* deaths not quite at the place wanted */
	struct row_tally rows[TALLY_ROWS];
	_Atomic uint64_t seen[TALLY_SEEN]; /* hashes of states; 0: free */
};

/* Which places: all, or some. */
struct choice {
	bool all;        /* else as follows */
	bool edges;      /* those around a store to the queue, or a call */
	unsigned more;   /* and about so many others, evenly */
	unsigned random; /* or so many, anywhere */
	unsigned at;     /* or this one, if not 0 */
	uint64_t seed;
};

struct worker {
	struct stage *stage;
	struct stage prepared; /* as it was when the state was ready */
	struct queue_file file;
	struct image image;
	struct trace trace;
	struct trace rival_trace;
	struct tally *tally;
	bool verbose;
};

/* The places of its rival's trace that make a difference; *n of them, to be
 * freed. NULL: it has no rival, or failed. */
unsigned *case_rival_places(struct worker *w, const struct state *s,
			    unsigned *n);

/* Run the case with the rival at s->rival_at. False: something failed, and
 * has been printed. */
bool case_run(struct worker *w, const struct state *s,
	      const struct choice *choice);

#endif
