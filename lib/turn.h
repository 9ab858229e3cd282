/* SPDX-License-Identifier: MIT */
/*
 * The turn: how producers come from one ring to the next. Only where they ask
 * for room do they learn that there is one. Whoever's claim would cross its
 * beginning claims what is left of the old ring, as one record that is skipped,
 * and goes on in the new one: so no record straddles the two. It is a claim
 * like any other, and so is what a death leaves of it.
 */
#ifndef SHMQI_TURN_H
#define SHMQI_TURN_H

#include "producer.h"

/* The tail is at pos: take the ring that holds it. 0 or an error. */
int shmqi_turn_follow(struct shmq_producer *p, uint64_t pos);

/*
 * Claim and skip what is between c, the tail, and p->turn. -EAGAIN: done, or
 * the tail has moved: look again; -EOVERFLOW.
 */
int shmqi_turn_take(struct shmq_producer *p, struct cursor c);

/*
 * A message of len bytes is too large for the ring: is there a newer one where
 * it is not? Then go there. 0, -EMSGSIZE, or an error.
 */
int shmqi_turn_outgrown(struct shmq_producer *p, uint64_t len);

/* Go to the newest ring now. 0, -EAGAIN: not possible just now; or an error. */
int shmqi_turn_now(struct shmq_producer *p);

#endif
