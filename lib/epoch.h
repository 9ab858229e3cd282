/* SPDX-License-Identifier: MIT */
/*
 * Epochs: reading shared metadata without locks, between processes.
 *
 * Whoever changes something makes a copy, changes that, and puts it in force
 * with one store. Before memory of an older version is written again, nobody
 * may be reading it: so a member says in its entry since which epoch it reads,
 * and whoever wants the memory begins a new epoch and waits until no member
 * reads since an older one. The reader pays two plain stores; the fence that
 * belongs between its store and its loads is the waiter's membarrier, as for
 * bells (wake.h).
 *
 *	reader: entry = epoch | 1           waiter: the new version is in force
 *	        (no fence)                          epoch += 2
 *	        reads the version in force          membarrier
 *	        entry = 0                           waits for entries that are odd
 *	                                            and lower than its epoch
 *
 * A reader that died inside is told by its lease. One that is stopped inside
 * holds up who wants the memory, and nobody else; stat names it.
 */
#ifndef SHMQI_EPOCH_H
#define SHMQI_EPOCH_H

#include "endpoint.h"
#include "layout.h"

static inline void epoch_enter(const struct endpoint *ep)
{
	struct sh_control *control = ep->seg->control;

	/* Relaxed: one epoch late makes somebody wait for us in vain. */
	store_relaxed(&ep->member->epoch, load_relaxed(&control->epoch) | 1);
	compiler_fence();
	/* Where membarrier does not reach every member, each has its own. */
	if (unlikely(load_relaxed(&control->recv.at.lo) & SH_BELL_FENCED))
		full_fence();
}

static inline void epoch_leave(const struct endpoint *ep)
{
	/* edge EPOCH: pairs with shmqi_epoch_wait; carries done reading */
	store_release(&ep->member->epoch, 0);
}

/*
 * Wait until no member reads what was in force before this call; not under the
 * segment's lock. 0; -EBUSY: one of them is stopped there, and the sentence
 * names it.
 */
int shmqi_epoch_wait(struct segment *seg);

#endif
