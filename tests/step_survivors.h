/* SPDX-License-Identifier: MIT */
/*
 * The survivors: a process that comes after a death and finishes a scripted
 * exchange, without knowing that anybody died.
 */
#ifndef STEP_SURVIVORS_H
#define STEP_SURVIVORS_H

#include "step_states.h"

/* So long may the whole exchange take; who takes longer is wedged. */
#define SURVIVORS_ALARM_S 20

/*
 * first: a rival is stopped and holds what it holds; send and receive what can
 * be without waiting. Otherwise: send, receive all that is owed, find the
 * queue clean. The result is in the ledger; variant chooses among ways to
 * receive. Runs in a child. False: it was wedged, or did not end well.
 */
bool survivors_meet(const struct state *s, struct stage *stage,
		    const struct queue_file *file, bool first,
		    unsigned variant);

#endif
