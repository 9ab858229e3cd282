/* SPDX-License-Identifier: MIT */
/*
 * Rows: descriptors for event loops. Who strikes a chime is in the other rows,
 * with a rival that polls.
 */
#include "config.h"

#include <errno.h>

#include "step_calls.h"

static void run_consumer_fd(struct actor *a)
{
	a->result = shmq_consumer_fd(a->c);
}

static void run_producer_fd(struct actor *a)
{
	a->result = shmq_producer_fd(a->p);
}

static int ready_fd(struct actor *a)
{
	int fd = shmq_consumer_fd(a->c);

	return fd < 0 ? fd : 0;
}

static int ready_producer_fd(struct actor *a)
{
	int fd = shmq_producer_fd(a->p);

	return fd < 0 ? fd : 0;
}

/* Struck, with nothing there: the next attempt empties it, and arms. */
static int ready_struck(struct actor *a)
{
	int r = ready_fd(a);

	if (!r)
		r = shmq_consumer_cancel(a->c);
	if (!r)
		r = (int)shmq_recv(a->c, a->in, 0, SHMQ_NOWAIT);
	if (r == -EAGAIN || r == -EMSGSIZE)
		return -ECANCELED;
	return r == -ECANCELED ? 0 : r;
}

/* Armed, and then struck for a message. */
static int ready_rung(struct actor *a)
{
	int r = ready_fd(a);

	if (!r)
		r = shmq_send(a->p, a->out[0], a->parts[0].iov_len,
			      SHMQ_NOWAIT);
	a->sent = r == 0;
	return r;
}

static void run_recv(struct actor *a)
{
	call_recv(a, a->c, SHMQ_NOWAIT);
}

/* What a loop does that has been woken: until nothing is there. */
static void run_receive_all(struct actor *a)
{
	call_receive(a, a->c, 1, SHMQ_NOWAIT);
	call_release(a);
	call_receive(a, a->c, 1, SHMQ_NOWAIT);
	if (a->result == -EAGAIN)
		a->result = 0;
}

static void run_send(struct actor *a)
{
	call_send(a, SHMQ_NOWAIT);
}

static void run_cancel(struct actor *a)
{
	a->result = shmq_consumer_cancel(a->c);
}

static void run_consumer_close(struct actor *a)
{
	struct shmq_consumer *c = a->c;

	a->c = NULL;
	shmq_consumer_close(c);
	a->result = 0;
}

#define QUIET (ALONE | RIVALS_DEAD | RIVALS_STOPPED)

const struct row step_descriptors[] = {
	{ .name = "consumer_fd",
	  .needs = NEEDS_CONSUMER,
	  .fills = BIT(FILL_EMPTY) | BIT(FILL_HALF),
	  .rivals = QUIET,
	  .run = run_consumer_fd },
	{ .name = "producer_fd",
	  .needs = NEEDS_PRODUCER,
	  .fills = BIT(FILL_HALF) | BIT(FILL_FULL),
	  .rivals = QUIET,
	  .run = run_producer_fd },
	{ .name = "consumer_fd_close",
	  .needs = NEEDS_CONSUMER,
	  .fills = BIT(FILL_EMPTY) | BIT(FILL_HALF),
	  .rivals = QUIET,
	  .ready = ready_fd,
	  .run = run_consumer_close },
	{ .name = "fd_recv",
	  .needs = NEEDS_CONSUMER,
	  .takes = 1,
	  .rivals = QUIET,
	  .ready = ready_fd,
	  .run = run_recv },
	{ .name = "fd_recv_arms",
	  .needs = NEEDS_CONSUMER,
	  .takes = 1,
	  .fills = BIT(FILL_EMPTY),
	  .rivals = QUIET,
	  .ready = ready_struck,
	  .run = run_recv },
	{ .name = "fd_receive_all",
	  .needs = NEEDS_CONSUMER | NEEDS_PRODUCER,
	  .sends = 1,
	  .takes = 2,
	  .fills = BIT(FILL_EMPTY) | BIT(FILL_WRAP),
	  .rivals = QUIET,
	  .ready = ready_rung,
	  .run = run_receive_all },
	{ .name = "fd_send_arms",
	  .needs = NEEDS_PRODUCER,
	  .sends = 1,
	  .fills = BIT(FILL_FULL),
	  .rivals = QUIET,
	  .ready = ready_producer_fd,
	  .run = run_send },
	{ .name = "fd_cancel",
	  .needs = NEEDS_CONSUMER,
	  .fills = BIT(FILL_EMPTY),
	  .rivals = QUIET,
	  .ready = ready_fd,
	  .run = run_cancel },
};

const unsigned step_descriptors_count = sizeof(step_descriptors) /
					sizeof(step_descriptors[0]);
