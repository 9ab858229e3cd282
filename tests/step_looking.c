/* SPDX-License-Identifier: MIT */
/*
 * Rows: who only looks. Taps, which others never see; waiting for one of
 * several; checks, attributes; and who is told to wait no longer.
 */
#include "config.h"

#include <errno.h>

#include "step_calls.h"

/* --------------------------------------------------------------------- taps */

static void run_tap_open(struct actor *a)
{
	a->result = shmq_consumer_open(&a->other, a->q, NULL,
				       SHMQ_TAP | SHMQ_OLDEST);
}

static int ready_tap(struct actor *a)
{
	run_tap_open(a);
	return (int)a->result;
}

/* At the next message; so it may find nothing, or what is being written. */
static int ready_newest_tap(struct actor *a)
{
	return shmq_consumer_open(&a->other, a->q, NULL,
				  SHMQ_TAP | SHMQ_NEWEST);
}

/* What it reads is in nobody's books: all of it comes to others as well. */
static void run_tap_recv(struct actor *a)
{
	a->result = shmq_recv(a->other, a->in, sizeof(a->in), SHMQ_NOWAIT);
}

static void run_tap_receive_release(struct actor *a)
{
	long r = shmq_receive(a->other, a->msgs, ACTOR_TAKES, SHMQ_NOWAIT);

	shmq_release(a->other);
	a->result = r;
}

static void run_tap_skip(struct actor *a)
{
	uint64_t position, numbers;

	a->result = shmq_tap_skip(a->other, &position, &numbers);
	if (a->result > 0)
		a->result = shmq_recv(a->other, a->in, sizeof(a->in),
				      SHMQ_NOWAIT);
}

static void run_tap_close(struct actor *a)
{
	struct shmq_consumer *tap = a->other;

	a->other = NULL;
	shmq_consumer_close(tap);
	a->result = 0;
}

/* ----------------------------------------------------------- other looking */

static void run_wait(struct actor *a)
{
	struct shmq_consumer *cs[] = { a->c, a->other };

	a->result = shmq_wait(cs, a->other ? 2 : 1, CALL_HINT_NS);
}

/* A spin that finds nothing halves the next one. */
static int ready_wait(struct actor *a)
{
	for (int i = 0; i < 8; i++) {
		run_wait(a);
		if (a->result != -ETIMEDOUT)
			return a->result < 0 ? (int)a->result : 0;
	}
	return 0;
}

static int ready_wait_two(struct actor *a)
{
	int r = shmq_consumer_open(&a->other, a->q, SECOND, a->consumer_flags);

	return r ? r : ready_wait(a);
}

static void run_check(struct actor *a)
{
	a->result = shmq_check(a->q, NULL, NULL);
	if (a->result > 0)
		ledger_break(a->ledger, "shmq_check() tells %ld damages",
			     a->result);
}

static void run_getattr(struct actor *a)
{
	char label[64];

	a->result = shmq_getattr(a->q, "label", label, sizeof(label));
}

static void run_producer_cancel(struct actor *a)
{
	a->result = shmq_producer_cancel(a->p);
}

/* --------------------------------------------------------------- the table */

#define QUIET (ALONE | RIVALS_DEAD | RIVALS_STOPPED)

const struct row step_looking[] = {
	{ .name = "tap_open",
	  .needs = NEEDS_QUEUE,
	  .rivals = QUIET,
	  .run = run_tap_open },
	{ .name = "tap_recv",
	  .needs = NEEDS_QUEUE,
	  .rivals = QUIET,
	  .ready = ready_tap,
	  .run = run_tap_recv },
	{ .name = "tap_recv_newest",
	  .needs = NEEDS_QUEUE,
	  .fills = BIT(FILL_HALF),
	  .rivals = QUIET,
	  .ready = ready_newest_tap,
	  .run = run_tap_recv },
	{ .name = "tap_receive_release",
	  .needs = NEEDS_QUEUE,
	  .rivals = QUIET,
	  .ready = ready_tap,
	  .run = run_tap_receive_release },
	{ .name = "tap_skip",
	  .needs = NEEDS_QUEUE,
	  .fills = BIT(FILL_EMPTY) | BIT(FILL_HALF),
	  .rivals = QUIET,
	  .ready = ready_newest_tap,
	  .run = run_tap_skip },
	{ .name = "tap_close",
	  .needs = NEEDS_QUEUE,
	  .fills = BIT(FILL_HALF),
	  .rivals = ALONE,
	  .ready = ready_tap,
	  .run = run_tap_close },

	{ .name = "wait",
	  .needs = NEEDS_CONSUMER,
	  .fills = BIT(FILL_EMPTY) | BIT(FILL_HALF),
	  .rivals = QUIET,
	  .error = -ETIMEDOUT,
	  .ready = ready_wait,
	  .run = run_wait },
	{ .name = "wait_two",
	  .needs = NEEDS_CONSUMER,
	  .max_groups = 2,
	  .fills = BIT(FILL_EMPTY) | BIT(FILL_HALF),
	  .rivals = ALONE | RIVALS_DEAD,
	  .error = -ETIMEDOUT,
	  .ready = ready_wait_two,
	  .run = run_wait },
	{ .name = "check",
	  .needs = NEEDS_QUEUE,
	  .fills = BIT(FILL_EMPTY) | BIT(FILL_FULL),
	  .rivals = ALONE | RIVALS_DEAD,
	  .run = run_check },
	{ .name = "getattr",
	  .needs = NEEDS_QUEUE,
	  .kinds = BIT(KIND_MPMC),
	  .fills = BIT(FILL_EMPTY),
	  .rivals = ALONE,
	  .run = run_getattr },
	{ .name = "producer_cancel",
	  .needs = NEEDS_PRODUCER,
	  .fills = BIT(FILL_FULL),
	  .rivals = ALONE,
	  .run = run_producer_cancel },
};

const unsigned step_looking_count = sizeof(step_looking) /
				    sizeof(step_looking[0]);
