/* SPDX-License-Identifier: MIT */
/* Rows: groups are made and removed, and somebody receives in a second one. */
#include "config.h"

#include <errno.h>

#include "step_calls.h"

static void run_add_oldest(struct actor *a)
{
	a->result = shmq_group_add(a->q, SECOND, SHMQ_OLDEST);
}

static void run_add_newest(struct actor *a)
{
	a->result = shmq_group_add(a->q, SECOND, SHMQ_NEWEST);
}

static void run_remove(struct actor *a)
{
	a->result = shmq_group_remove(a->q, SECOND);
}

static void run_open_second(struct actor *a)
{
	a->result = shmq_consumer_open(&a->c, a->q, SECOND, a->consumer_flags);
}

static void run_recv(struct actor *a)
{
	call_recv(a, a->c, SHMQ_NOWAIT);
}

static void run_receive_release(struct actor *a)
{
	call_receive(a, a->c, 2, SHMQ_NOWAIT);
	call_release(a);
}

/* ------------------------------------------------------------- preparation */

/* Not noted: it is not the survivors' own group. */
static void run_hold(struct actor *a)
{
	a->result = shmq_receive(a->c, a->msgs, 2, SHMQ_NOWAIT);
}

static const struct row add_second = { .name = "add-second",
				       .needs = NEEDS_QUEUE,
				       .run = run_add_oldest };
static const struct row hold_in_second = { .name = "hold-in-second",
					   .needs = NEEDS_CONSUMER,
					   .group = SECOND,
					   .run = run_hold };

static void prepare_second(struct preparing *p)
{
	prepare_actor(p, &add_second, false);
}

/* With what a dead consumer of it held, and what another one returned. */
static void prepare_held(struct preparing *p)
{
	prepare_second(p);
	prepare_messages(p, 4);
	prepare_actor(p, &hold_in_second, true);
	prepare_actor(p, &hold_in_second, false);
}

/* --------------------------------------------------------------- the table */

#define QUIET (ALONE | RIVALS_DEAD | RIVALS_STOPPED)
#define SOME_FILL (BIT(FILL_EMPTY) | BIT(FILL_HALF) | BIT(FILL_FULL))

const struct row step_groups[] = {
	{ .name = "group_add",
	  .needs = NEEDS_QUEUE,
	  .max_groups = 2,
	  .fills = SOME_FILL,
	  .rivals = QUIET,
	  .run = run_add_oldest },
	{ .name = "group_add_newest",
	  .needs = NEEDS_QUEUE,
	  .max_groups = 2,
	  .fills = SOME_FILL,
	  .rivals = QUIET,
	  .run = run_add_newest },
	{ .name = "group_remove",
	  .needs = NEEDS_QUEUE,
	  .max_groups = 2,
	  .fills = SOME_FILL,
	  .rivals = QUIET,
	  .prepare = prepare_second,
	  .run = run_remove },
	{ .name = "group_remove_held",
	  .needs = NEEDS_QUEUE,
	  .max_groups = 2,
	  .fills = BIT(FILL_EMPTY),
	  .rivals = QUIET,
	  .prepare = prepare_held,
	  .run = run_remove },
	{ .name = "consumer_open_second",
	  .needs = NEEDS_QUEUE | OPENS_CONSUMER,
	  .max_groups = 2,
	  .fills = SOME_FILL,
	  .rivals = QUIET,
	  .run = run_open_second },
	{ .name = "second_recv",
	  .needs = NEEDS_CONSUMER,
	  .kinds = KINDS_KEEPING,
	  .group = SECOND,
	  .max_groups = 2,
	  .takes = 1,
	  .fills = BIT(FILL_HALF) | BIT(FILL_FULL),
	  .rivals = ALONE | BIT(RIVAL_STOPPED_PRODUCER) |
		    BIT(RIVAL_DEAD_PRODUCER),
	  .prepare = prepare_second,
	  .run = run_recv },
	{ .name = "second_receive_release",
	  .needs = NEEDS_CONSUMER,
	  .kinds = KINDS_KEEPING,
	  .group = SECOND,
	  .max_groups = 2,
	  .takes = 2,
	  .fills = BIT(FILL_HALF) | BIT(FILL_FULL),
	  .rivals = ALONE | BIT(RIVAL_STOPPED_PRODUCER) |
		    BIT(RIVAL_DEAD_PRODUCER),
	  .prepare = prepare_second,
	  .run = run_receive_release },
};

const unsigned step_groups_count = sizeof(step_groups) / sizeof(step_groups[0]);
