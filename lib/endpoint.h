/* SPDX-License-Identifier: MIT */
/*
 * An endpoint: what a producer and a consumer have in common. It lives on
 * pages of its own that a forked child finds zeroed, so that a child which
 * uses its parent's endpoint is told so and does not act as its parent.
 */
#ifndef SHMQI_ENDPOINT_H
#define SHMQI_ENDPOINT_H

#include <stdint.h>

#include "atomic.h"
#include "pace.h"
#include "segment.h"

#define ENDPOINT_PRODUCER 0x50524f44u
#define ENDPOINT_CONSUMER 0x434f4e53u
#define ENDPOINT_JOURNAL 0x4a4f5552u /* a producer whose records are sealed */

struct chime;

struct endpoint {
	uint32_t magic; /* ENDPOINT_; 0 after fork */
	uint32_t index; /* member entry */
	/* As it joined; what the entry says, anybody may have scribbled. */
	uint32_t role;
	uint32_t group;
	bool alone;
	bool copies; /* reads in any ring that it has kept */
	/* In the table of rings: the one it uses, and the lowest and, if it
	 * has adopted ahead of that, the highest where it may have messages on
	 * loan. views.c */
	uint64_t ring;
	uint64_t keeps;
	uint64_t keeps_to;
	struct endpoint *next_reader; /* of segment.readers */
	struct segment *seg;
	struct sh_member *member;
	struct chime *chime;        /* NULL: waits in the library only */
	struct pace pace;           /* of the queue's stream */
	_Atomic uint32_t cancelled; /* 1: its next wait ends at once */
};

/*
 * Has somebody cancelled its next wait? Said once. The fence orders what the
 * sleeper has armed before this, as whoever cancels looks at the bell last.
 */
static inline bool endpoint_cancelled(struct endpoint *ep)
{
	full_fence();
	return load_relaxed(&ep->cancelled) &&
	       atomic_exchange_explicit(&ep->cancelled, 0,
					memory_order_acq_rel);
}

/*
 * Make an endpoint of at least bytes, the first member of a larger structure,
 * holding a reference to seg. NULL: no memory.
 */
void *shmqi_endpoint_new(struct segment *seg, size_t bytes);

/* Free it. In a forked child only its pages go. */
void shmqi_endpoint_free(struct endpoint *ep, size_t bytes);

#endif
