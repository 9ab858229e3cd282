/* SPDX-License-Identifier: MIT */
/* Rows: sending. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "step_calls.h"

static void run_send(struct actor *a)
{
	call_send(a, SHMQ_NOWAIT);
}

/* The second time, what the first one left in shared memory is there. */
static int ready_again(struct actor *a)
{
	int r = shmq_send(a->p, a->out[0], a->parts[0].iov_len, SHMQ_NOWAIT);

	a->sent = r == 0;
	return r;
}

static void run_send_again(struct actor *a)
{
	int r = shmq_send(a->p, a->out[1], a->parts[1].iov_len, SHMQ_NOWAIT);

	call_note_sent(a, r, 2);
}

static void run_send_wait(struct actor *a)
{
	call_send(a, CALL_PATIENCE_NS);
}

/* A spin that finds nothing halves the next one. */
static int ready_send_wait(struct actor *a)
{
	int r = -ETIMEDOUT;
	void *out;

	for (int i = 0; i < 8 && r == -ETIMEDOUT; i++)
		r = shmq_reserve(a->p, a->parts[0].iov_len, &out, CALL_HINT_NS);
	return r == -ETIMEDOUT ? 0 : r ? r : -ECANCELED;
}

/* The message, in three parts. */
static int ready_sendv(struct actor *a)
{
	size_t len = a->parts[0].iov_len;

	a->parts[1] = (struct iovec){ a->out[0], 3 };
	a->parts[2] = (struct iovec){ a->out[0] + 3, 40 };
	a->parts[3] = (struct iovec){ a->out[0] + 43, len - 43 };
	return 0;
}

static void run_sendv(struct actor *a)
{
	call_note_sent(a, shmq_sendv(a->p, a->parts + 1, 3, SHMQ_NOWAIT), 1);
}

static bool reserve(struct actor *a, size_t len, void **out)
{
	int r = shmq_reserve(a->p, len, out, SHMQ_NOWAIT);

	if (r)
		call_note_sent(a, r, 0);
	return r == 0;
}

static void commit(struct actor *a, size_t more)
{
	size_t len = a->parts[0].iov_len;
	void *out;

	if (!reserve(a, len + more, &out))
		return;
	memcpy(out, a->out[0], len);
	call_note_sent(a, shmq_commit(a->p, len), 1);
}

static void run_commit(struct actor *a)
{
	commit(a, 0);
}

static void run_commit_short(struct actor *a)
{
	commit(a, MESSAGE_MAX);
}

static void run_discard(struct actor *a)
{
	void *out;

	if (!reserve(a, a->parts[0].iov_len, &out))
		return;
	memcpy(out, a->out[0], a->parts[0].iov_len);
	a->refused = true;
	actor_noted();
	a->result = shmq_discard(a->p);
	actor_noted();
}

/* A bell that is armed: a sleeper died. */
static void prepare_dead_sleeper(struct preparing *p)
{
	prepare_actor(p, &step_wait_message, true);
}

const struct row step_sending[] = {
	{ .name = "send", .needs = NEEDS_PRODUCER, .sends = 1, .run = run_send },
	{ .name = "send_again",
	  .needs = NEEDS_PRODUCER,
	  .sends = 2,
	  .fills = BIT(FILL_EMPTY) | BIT(FILL_HALF) | BIT(FILL_WRAP),
	  .rivals = ALONE | RIVALS_STOPPED | RIVALS_DEAD,
	  .ready = ready_again,
	  .run = run_send_again },
	{ .name = "sendv",
	  .needs = NEEDS_PRODUCER,
	  .sends = 1,
	  .ready = ready_sendv,
	  .run = run_sendv },
	{ .name = "send_batch",
	  .needs = NEEDS_PRODUCER,
	  .sends = 3,
	  .run = call_send_batch },
	{ .name = "reserve_commit",
	  .needs = NEEDS_PRODUCER,
	  .sends = 1,
	  .run = run_commit },
	{ .name = "reserve_commit_short",
	  .needs = NEEDS_PRODUCER,
	  .sends = 1,
	  .run = run_commit_short },
	{ .name = "reserve_discard",
	  .needs = NEEDS_PRODUCER,
	  .sends = 1,
	  .skips = 1,
	  .run = run_discard },
	{ .name = "send_wait",
	  .needs = NEEDS_PRODUCER,
	  .kinds = KINDS_KEEPING,
	  .sends = 1,
	  .fills = BIT(FILL_FULL),
	  .error = -ETIMEDOUT,
	  .ready = ready_send_wait,
	  .run = run_send_wait },
	{ .name = "send_ring",
	  .needs = NEEDS_PRODUCER,
	  .sends = 1,
	  .fills = BIT(FILL_EMPTY),
	  .prepare = prepare_dead_sleeper,
	  .run = run_send },
};

const unsigned step_sending_count = sizeof(step_sending) /
				    sizeof(step_sending[0]);
