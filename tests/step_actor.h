/* SPDX-License-Identifier: MIT */
/*
 * An actor: a process that performs one row of the table, and its notes for
 * those who look after its death. The notes lie in shared memory; what a call
 * has returned is noted at once behind it, so a death in between counts as a
 * death in the call, which allows more and never less.
 */
#ifndef STEP_ACTOR_H
#define STEP_ACTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include <shmq.h>

#include "step_ledger.h"

#define ACTOR_PARTS 4
#define ACTOR_TAKES 20

/* A process that runs longer is stuck. */
#define RIVAL_ALARM_S 40

struct row;

struct actor_taken {
	uint32_t id;
	uint32_t flags;
	uint64_t seq;
};

struct actor {
	/* given */
	const struct row *row;
	struct ledger *ledger;
	uint32_t first_id;       /* of what it sends */
	unsigned consumer_flags; /* shmq_consumer_open */
	bool traced;

	/* noted */
	bool finished; /* its operation has returned */
	bool not_here; /* the state is not one for this row after all */

	/* noted: sending */
	long result;   /* of its last call, LONG_MIN before the first */
	unsigned sent; /* its first messages that were acknowledged */
	bool refused;  /* no other was */

	/* noted: receiving */
	unsigned taking; /* how many the present call may have taken */
	bool copying;    /* shmq_recv has been called, into in */
	bool copied;     /* and has returned */
	bool releasing;  /* shmq_release has been called */
	unsigned n_taken;
	unsigned n_done; /* so many of them were released */
	struct actor_taken taken[ACTOR_TAKES];

	/* its own */
	char out[ACTOR_PARTS][MESSAGE_MAX];
	struct iovec parts[ACTOR_PARTS]; /* the messages */
	char in[4 * MESSAGE_MAX];
	struct shmq_msg msgs[ACTOR_TAKES];
	int fd;
	struct shmq *q;
	struct shmq_producer *p;
	struct shmq_consumer *c, *other;
};

/* Keeps the compiler from moving the notes; only a death can come between. */
#define actor_noted() __asm__ volatile("" ::: "memory")

/* Forget all notes. */
void actor_reset(struct actor *a, const struct row *row, uint32_t first_id,
		 unsigned consumer_flags);

/*
 * Open what the row needs, compose its messages; in the actor's own process.
 * A failure is noted in the ledger.
 */
bool actor_ready(struct actor *a);

/* The body of a process that gets ready, and performs the row. */
void actor_main(void *actor);

/* The same for one that is not traced, and may sleep in its operation. */
void actor_sleep(struct actor *a);

/* Close what is open, as a process that goes in an orderly way does. */
void actor_close(struct actor *a);

/* shmq_receive() returned r. */
void actor_note_taken(struct actor *a, long r);

/*
 * It is dead, or has finished: enter into the ledger what its notes say. May
 * be done once.
 */
void actor_settle(struct actor *a);

#endif
