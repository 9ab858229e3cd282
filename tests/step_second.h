/* SPDX-License-Identifier: MIT */
/*
 * The other group, of rows whose queue may have two: survivors join it if it
 * is there, receive beside the first, see that nothing comes twice and that
 * what was sent since comes, and remove it.
 */
#ifndef STEP_SECOND_H
#define STEP_SECOND_H

#include "step_states.h"

struct second {
	const struct state *state;
	struct ledger *l;
	struct shmq *q;
	struct shmq_consumer *c; /* NULL: there is no such group */
	uint64_t last_seq1;      /* of what came unflagged */
};

/* Nothing, if the row has no such group. */
void second_join(struct second *g);

/* All there is just now. */
void second_drain(struct second *g);

/* A survivor has sent message id. */
void second_note_sent(struct second *g, uint32_t id);

/* Leave; the last one sees whether all came, and removes the group. */
void second_leave(struct second *g, bool last);

#endif
