/* SPDX-License-Identifier: MIT */
/* One death, and what comes after it. */
#ifndef STEP_DEATH_H
#define STEP_DEATH_H

#include "step_case.h"

/*
 * Bring an actor to a place of the trace and kill it there; if record, run it
 * to the end, writing the trace, and kill it then. False: a promise was
 * broken, and that has been printed; or the state is none for the row.
 */
bool death_run(struct worker *w, const struct state *s, unsigned at,
	       bool record);

/* Put the prepared state back. */
bool death_restore(struct worker *w);

/* Print the ledger's finding. */
void death_report(struct worker *w, const struct state *s, unsigned at,
		  uintptr_t pc);

/* Words that only grow, and of several workers. */
void tally_raise(_Atomic uint64_t *word, uint64_t value);
struct row_tally *tally_of(struct worker *w, const struct state *s);

#endif
