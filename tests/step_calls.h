/* SPDX-License-Identifier: MIT */
/*
 * Calls with their notes, for the rows; and the rows that are not in the table
 * but set the scene for others. What is stepped through is here and in the run
 * functions: the call, its notes and little else.
 */
#ifndef STEP_CALLS_H
#define STEP_CALLS_H

#include "step_rows.h"
#include "step_states.h"

/* A call that sends n messages has returned r. */
void call_note_sent(struct actor *a, int r, unsigned n);

void call_send(struct actor *a, int64_t timeout_ns);
void call_send_batch(struct actor *a);

/* Borrow up to max; all that is borrowed is released at once. */
void call_receive(struct actor *a, struct shmq_consumer *c, unsigned max,
		  int64_t timeout_ns);
void call_release(struct actor *a);

/* shmq_recv(); once an actor. */
void call_recv(struct actor *a, struct shmq_consumer *c, int64_t timeout_ns);

/* A second consumer, in the actor's other. */
int call_open_other(struct actor *a);

/* Short waits, and a wait that is over at once. */
#define CALL_PATIENCE_NS 1000000
#define CALL_HINT_NS 1

/* Consumers that borrow: two messages; four; three, of which another consumer
 * of the same process has the middle one. */
extern const struct row step_hold_two;
extern const struct row step_hold_four;
extern const struct row step_hold_woven;

/* Somebody who waits in vain, and arms the bell. */
extern const struct row step_wait_message;
extern const struct row step_wait_room;

/* What rivals do. */
extern const struct row step_rival_producer;
extern const struct row step_rival_consumer;
extern const struct row step_sleeping_producer;
extern const struct row step_sleeping_consumer;
extern const struct row step_polling_producer;
extern const struct row step_polling_consumer;

/* For prepare: three messages that two members hold, woven. */
void prepare_woven(struct preparing *p);

#endif
