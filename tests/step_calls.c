/* SPDX-License-Identifier: MIT */
/* Calls with their notes. See step_calls.h. */
#include "config.h"

#include <errno.h>
#include <poll.h>

#include "step_calls.h"

void call_note_sent(struct actor *a, int r, unsigned n)
{
	if (r == 0)
		a->sent = n;
	else
		a->refused = true;
	a->result = r;
	actor_noted();
}

void call_send(struct actor *a, int64_t timeout_ns)
{
	int r = shmq_send(a->p, a->out[0], a->parts[0].iov_len, timeout_ns);

	call_note_sent(a, r, 1);
}

void call_send_batch(struct actor *a)
{
	int r = shmq_send_batch(a->p, a->parts, a->row->sends, SHMQ_NOWAIT);

	a->sent = r > 0 ? (unsigned)r : 0;
	actor_noted();
	a->refused = true;
	a->result = r;
	actor_noted();
}

void call_receive(struct actor *a, struct shmq_consumer *c, unsigned max,
		  int64_t timeout_ns)
{
	a->taking = max;
	actor_noted();
	actor_note_taken(a, shmq_receive(c, a->msgs, max, timeout_ns));
}

void call_release(struct actor *a)
{
	a->releasing = true;
	actor_noted();
	shmq_release(a->c);
	actor_noted();
	a->n_done = a->n_taken;
	actor_noted();
	a->releasing = false;
}

void call_recv(struct actor *a, struct shmq_consumer *c, int64_t timeout_ns)
{
	a->taking = 1;
	a->copying = true;
	actor_noted();
	a->result = shmq_recv(c, a->in, sizeof(a->in), timeout_ns);
	actor_noted();
	if (a->result >= 0)
		a->copied = true;
	else
		a->copying = false;
	actor_noted();
	a->taking = 0;
}

int call_open_other(struct actor *a)
{
	return shmq_consumer_open(&a->other, a->q, NULL, 0);
}

/* ---------------------------------------------------- who sets the scene */

static void run_hold_two(struct actor *a)
{
	call_receive(a, a->c, 2, SHMQ_NOWAIT);
}

static void run_hold_four(struct actor *a)
{
	call_receive(a, a->c, 4, SHMQ_NOWAIT);
}

static void run_hold_woven(struct actor *a)
{
	call_receive(a, a->c, 1, SHMQ_NOWAIT);
	call_receive(a, a->other, 1, SHMQ_NOWAIT);
	call_receive(a, a->c, 1, SHMQ_NOWAIT);
}

static void run_wait_message(struct actor *a)
{
	call_recv(a, a->c, CALL_PATIENCE_NS);
}

static void run_wait_room(struct actor *a)
{
	call_send(a, CALL_PATIENCE_NS);
}

const struct row step_hold_two = { .name = "hold-two",
				   .needs = NEEDS_CONSUMER,
				   .run = run_hold_two };
const struct row step_hold_four = { .name = "hold-four",
				    .needs = NEEDS_CONSUMER,
				    .run = run_hold_four };
const struct row step_hold_woven = { .name = "hold-woven",
				     .needs = NEEDS_CONSUMER,
				     .ready = call_open_other,
				     .run = run_hold_woven };
const struct row step_wait_message = { .name = "wait-message",
				       .needs = NEEDS_CONSUMER,
				       .run = run_wait_message };
const struct row step_wait_room = { .name = "wait-room",
				    .needs = NEEDS_PRODUCER,
				    .sends = 1,
				    .run = run_wait_room };

void prepare_woven(struct preparing *p)
{
	prepare_messages(p, 3);
	prepare_actor(p, &step_hold_woven, true);
}

/* ------------------------------------------------------------------ rivals */

static void run_rival_consumer(struct actor *a)
{
	call_receive(a, a->c, 2, SHMQ_NOWAIT);
	call_release(a);
}

static void run_sleeping_producer(struct actor *a)
{
	call_send(a, SHMQ_FOREVER);
}

static void run_sleeping_consumer(struct actor *a)
{
	call_receive(a, a->c, 1, SHMQ_FOREVER);
	call_release(a);
}

static void await(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	ppoll(&pollfd, 1, NULL, NULL);
}

static void run_polling_producer(struct actor *a)
{
	int fd = shmq_producer_fd(a->p);

	for (;;) {
		call_send(a, SHMQ_NOWAIT);
		if (a->result != -EAGAIN)
			return;
		await(fd);
	}
}

static void run_polling_consumer(struct actor *a)
{
	int fd = shmq_consumer_fd(a->c);

	for (;;) {
		call_receive(a, a->c, 1, SHMQ_NOWAIT);
		if (a->result != -EAGAIN)
			break;
		await(fd);
	}
	call_release(a);
}

const struct row step_rival_producer = { .name = "rival-producer",
					 .needs = NEEDS_PRODUCER,
					 .sends = 2,
					 .run = call_send_batch };
const struct row step_rival_consumer = { .name = "rival-consumer",
					 .needs = NEEDS_CONSUMER,
					 .takes = 2,
					 .run = run_rival_consumer };
const struct row step_sleeping_producer = { .name = "sleeping-producer",
					    .needs = NEEDS_PRODUCER,
					    .sends = 1,
					    .error = -EIDRM,
					    .run = run_sleeping_producer };
const struct row step_sleeping_consumer = { .name = "sleeping-consumer",
					    .needs = NEEDS_CONSUMER,
					    .takes = 1,
					    .error = -EIDRM,
					    .run = run_sleeping_consumer };
const struct row step_polling_producer = { .name = "polling-producer",
					   .needs = NEEDS_PRODUCER,
					   .sends = 1,
					   .error = -EIDRM,
					   .run = run_polling_producer };
const struct row step_polling_consumer = { .name = "polling-consumer",
					   .needs = NEEDS_CONSUMER,
					   .takes = 1,
					   .error = -EIDRM,
					   .run = run_polling_consumer };
