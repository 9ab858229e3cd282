/* SPDX-License-Identifier: MIT */
/*
 * The table of operations. Whoever adds one adds a row to step_sending.c,
 * step_receiving.c, step_descriptors.c, step_groups.c, step_looking.c or
 * step_members.c: what it needs to be open, how its queue is prepared beyond
 * the state, and the call itself.
 */
#ifndef STEP_ROWS_H
#define STEP_ROWS_H

#include "step_actor.h"

#define QUEUE_NAME "q"
#define SECOND "second" /* a group beside the default */

#define NEEDS_QUEUE 0x1u    /* the handle */
#define NEEDS_PRODUCER 0x2u /* handle and producer */
#define NEEDS_CONSUMER 0x4u /* handle and consumer */
#define OPENS_PRODUCER 0x8u /* in the call itself */
#define OPENS_CONSUMER 0x10u
#define MAKES_QUEUE 0x20u /* there is none before */
#define REMOVES_QUEUE 0x40u
#define RESIZES_QUEUE 0x80u     /* to twice what it has */
#define OVERWRITES_QUEUE 0x100u /* from then on */

/* Kinds of queue, by index; see step_states.c. */
enum {
	KIND_MPMC,
	KIND_SPMC,
	KIND_MPSC,
	KIND_SPSC,
	KIND_MPXC, /* like mpmc, with consumers that are SHMQ_EXCLUSIVE */
	KIND_OVER, /* like mpmc, overwriting: what was sent while preparing may
		      be lost */
	KINDS
};

/* What is in the queue. */
enum {
	FILL_EMPTY, /* fresh */
	FILL_HALF,
	FILL_FULL,
	FILL_WRAP, /* the next message to send or receive crosses the end */
	FILLS
};

/*
 * Another member. Stopped ones live, dead ones were killed just before, both at
 * some place of their operation. Sleeping ones wait for a message, or for room;
 * polling ones too, for their descriptor.
 */
enum {
	RIVAL_NONE,
	RIVAL_STOPPED_PRODUCER,
	RIVAL_STOPPED_CONSUMER,
	RIVAL_DEAD_PRODUCER,
	RIVAL_DEAD_CONSUMER,
	RIVAL_SLEEPING_PRODUCER,
	RIVAL_SLEEPING_CONSUMER,
	RIVAL_POLLING_PRODUCER,
	RIVAL_POLLING_CONSUMER,
	RIVALS
};

#define BIT(x) (1u << (x))

/* Consumers compete; what one returns goes to another that lives. */
#define KINDS_COMPETING (BIT(KIND_MPMC) | BIT(KIND_SPMC))
#define KINDS_ADOPTING (KINDS_COMPETING | BIT(KIND_MPXC))

/* What somebody sends stays until it is received. */
#define KINDS_KEEPING (BIT(KINDS) - 1 - BIT(KIND_OVER))

#define RIVALS_DEAD (BIT(RIVAL_DEAD_PRODUCER) | BIT(RIVAL_DEAD_CONSUMER))
#define RIVALS_STOPPED                                                         \
	(BIT(RIVAL_STOPPED_PRODUCER) | BIT(RIVAL_STOPPED_CONSUMER))
#define RIVALS_ASLEEP                                                          \
	(BIT(RIVAL_SLEEPING_PRODUCER) | BIT(RIVAL_SLEEPING_CONSUMER) |         \
	 BIT(RIVAL_POLLING_PRODUCER) | BIT(RIVAL_POLLING_CONSUMER))
#define ALONE BIT(RIVAL_NONE)

struct preparing;

struct row {
	const char *name;
	unsigned needs;       /* NEEDS_ and so on */
	unsigned kinds;       /* bits; 0: all */
	unsigned fills;       /* bits; 0: all */
	unsigned rivals;      /* bits; 0: all */
	unsigned sends;       /* messages it tries to send */
	unsigned takes;       /* messages it may receive */
	unsigned skips;       /* numbers it may use up besides */
	int error;            /* an error it may return, besides -EAGAIN */
	unsigned max_members; /* of its queue; 0: MEMBERS */
	unsigned max_groups;  /* likewise; 0: 1. With 2 there may be SECOND */
	const char *group;    /* of its consumer; NULL: the default */

	void (*prepare)(struct preparing *);
	int (*ready)(struct actor *); /* -ECANCELED: not in this state */
	void (*run)(struct actor *);
};

/* Row number index of the table, or NULL behind its end. */
const struct row *step_row(unsigned index);

/* NULL: there is none. */
const struct row *step_row_named(const char *name, unsigned *index);

/* Its parts. */
extern const struct row step_sending[];
extern const unsigned step_sending_count;
extern const struct row step_receiving[];
extern const unsigned step_receiving_count;
extern const struct row step_descriptors[];
extern const unsigned step_descriptors_count;
extern const struct row step_groups[];
extern const unsigned step_groups_count;
extern const struct row step_looking[];
extern const unsigned step_looking_count;
extern const struct row step_members[];
extern const unsigned step_members_count;

#endif
