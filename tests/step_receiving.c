/* SPDX-License-Identifier: MIT */
/* Rows: receiving, and receiving what others held and did not finish. */
#include "config.h"

#include <errno.h>

#include "step_calls.h"

static void receive(struct actor *a, unsigned max)
{
	call_receive(a, a->c, max, SHMQ_NOWAIT);
}

static void run_recv(struct actor *a)
{
	call_recv(a, a->c, SHMQ_NOWAIT);
}

static void run_recv_wait(struct actor *a)
{
	call_recv(a, a->c, CALL_PATIENCE_NS);
}

/* A spin that finds nothing halves the next one. */
static int ready_recv_wait(struct actor *a)
{
	ssize_t r = -ETIMEDOUT;

	for (int i = 0; i < 8 && r == -ETIMEDOUT; i++)
		r = shmq_recv(a->c, a->in, 0, CALL_HINT_NS);
	return r == -ETIMEDOUT ? 0 : r == -EMSGSIZE ? -ECANCELED : (int)r;
}

static void run_receive_one(struct actor *a)
{
	receive(a, 1);
}

static void run_receive_release(struct actor *a)
{
	receive(a, 2);
	call_release(a);
}

/* The second time, what the first one left in shared memory is there. */
static int ready_again(struct actor *a)
{
	run_receive_release(a);
	return 0;
}

static void run_receive_twice(struct actor *a)
{
	receive(a, 2);
	receive(a, 2);
	call_release(a);
}

/* A slot that held something before has its end still. */
static int ready_twice_again(struct actor *a)
{
	run_receive_twice(a);
	return 0;
}

/* What is borrowed is not adjacent: another consumer has been between. */
static void run_receive_apart(struct actor *a)
{
	receive(a, 1);
	call_recv(a, a->other, SHMQ_NOWAIT);
	receive(a, 1);
	call_release(a);
}

/* ------------------------------------------------------------ preparation */

static void prepare_returned(struct preparing *p)
{
	prepare_messages(p, 2);
	prepare_actor(p, &step_hold_two, false);
}

static void prepare_dead_holder(struct preparing *p)
{
	prepare_messages(p, 2);
	prepare_actor(p, &step_hold_two, true);
}

/* A span of which an adopter of two takes a part. */
static void prepare_long_span(struct preparing *p)
{
	prepare_messages(p, 4);
	prepare_actor(p, &step_hold_four, true);
}

/* Two spans, from different members, one of them still to be cleaned up. */
static void prepare_two_members(struct preparing *p)
{
	prepare_messages(p, 4);
	prepare_actor(p, &step_hold_two, true);
	prepare_actor(p, &step_hold_two, false);
}

/* A bell that is armed: somebody died waiting for room. */
static void prepare_dead_sleeper(struct preparing *p)
{
	prepare_actor(p, &step_wait_room, true);
}

/* -------------------------------------------------------------- the table */

#define EMPTY_OR_WRAP (BIT(FILL_EMPTY) | BIT(FILL_WRAP))
#define ADOPTERS                                                               \
	(ALONE | BIT(RIVAL_STOPPED_CONSUMER) | BIT(RIVAL_DEAD_CONSUMER))

const struct row step_receiving[] = {
	{ .name = "recv", .needs = NEEDS_CONSUMER, .takes = 1, .run = run_recv },
	{ .name = "receive_release",
	  .needs = NEEDS_CONSUMER,
	  .takes = 2,
	  .run = run_receive_release },
	{ .name = "receive_again",
	  .needs = NEEDS_CONSUMER,
	  .takes = 4,
	  .fills = BIT(FILL_HALF) | BIT(FILL_WRAP),
	  .ready = ready_again,
	  .run = run_receive_release },
	{ .name = "receive_twice",
	  .needs = NEEDS_CONSUMER,
	  .takes = 4,
	  .run = run_receive_twice },
	{ .name = "receive_twice_again",
	  .needs = NEEDS_CONSUMER,
	  .takes = 8,
	  .kinds = KINDS_COMPETING,
	  .fills = BIT(FILL_HALF),
	  .rivals = ALONE,
	  .ready = ready_twice_again,
	  .run = run_receive_twice },
	{ .name = "receive_apart",
	  .needs = NEEDS_CONSUMER,
	  .takes = 3,
	  .kinds = KINDS_COMPETING,
	  .ready = call_open_other,
	  .run = run_receive_apart },
	{ .name = "recv_wait",
	  .needs = NEEDS_CONSUMER,
	  .takes = 1,
	  .fills = BIT(FILL_EMPTY),
	  .error = -ETIMEDOUT,
	  .ready = ready_recv_wait,
	  .run = run_recv_wait },
	{ .name = "recv_ring",
	  .needs = NEEDS_CONSUMER,
	  .kinds = KINDS_KEEPING,
	  .takes = 1,
	  .fills = BIT(FILL_FULL),
	  .rivals = ALONE | RIVALS_DEAD,
	  .prepare = prepare_dead_sleeper,
	  .run = run_recv },

	{ .name = "recv_returned",
	  .needs = NEEDS_CONSUMER,
	  .takes = 1,
	  .fills = EMPTY_OR_WRAP,
	  .rivals = ADOPTERS,
	  .prepare = prepare_returned,
	  .run = run_recv },
	{ .name = "recv_from_dead",
	  .needs = NEEDS_CONSUMER,
	  .takes = 1,
	  .fills = EMPTY_OR_WRAP,
	  .rivals = ADOPTERS,
	  .prepare = prepare_dead_holder,
	  .run = run_recv },
	{ .name = "receive_from_two",
	  .needs = NEEDS_CONSUMER,
	  .takes = 4,
	  .kinds = KINDS_ADOPTING | BIT(KIND_OVER),
	  .fills = EMPTY_OR_WRAP,
	  .rivals = ADOPTERS,
	  .prepare = prepare_two_members,
	  .run = run_receive_twice },
	{ .name = "receive_from_woven",
	  .needs = NEEDS_CONSUMER,
	  .takes = 4,
	  .kinds = KINDS_COMPETING | BIT(KIND_OVER),
	  .fills = BIT(FILL_EMPTY),
	  .rivals = ADOPTERS,
	  .prepare = prepare_woven,
	  .run = run_receive_twice },
	{ .name = "receive_part",
	  .needs = NEEDS_CONSUMER,
	  .takes = 1,
	  .kinds = KINDS_ADOPTING | BIT(KIND_OVER),
	  .fills = EMPTY_OR_WRAP,
	  .rivals = ADOPTERS,
	  .prepare = prepare_long_span,
	  .run = run_receive_one },
};

const unsigned step_receiving_count = sizeof(step_receiving) /
				      sizeof(step_receiving[0]);
