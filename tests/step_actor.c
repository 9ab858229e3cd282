/* SPDX-License-Identifier: MIT */
/* Actors. See step_actor.h. */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "step_actor.h"
#include "step_rows.h"
#include "step_trace.h"

void actor_reset(struct actor *a, const struct row *row, uint32_t first_id,
		 unsigned consumer_flags)
{
	struct ledger *ledger = a->ledger;

	memset(a, 0, sizeof(*a));
	a->ledger = ledger;
	a->row = row;
	a->first_id = first_id;
	a->consumer_flags = consumer_flags;
	a->result = LONG_MIN;
}

static int open_needed(struct actor *a)
{
	unsigned needs = a->row->needs;
	int r = 0;

	if (needs & (NEEDS_QUEUE | NEEDS_PRODUCER | NEEDS_CONSUMER))
		r = shmq_open(&a->q, QUEUE_NAME, 0, 0, NULL);
	if (!r && needs & NEEDS_PRODUCER)
		r = shmq_producer_open(&a->p, a->q, 0);
	if (!r && needs & NEEDS_CONSUMER)
		r = shmq_consumer_open(&a->c, a->q, a->row->group,
				       a->consumer_flags);
	return r;
}

bool actor_ready(struct actor *a)
{
	int r = open_needed(a);

	for (unsigned i = 0; i < a->row->sends && i < ACTOR_PARTS; i++) {
		uint32_t id = a->first_id + i;

		message_write(id, a->out[i]);
		a->parts[i].iov_base = a->out[i];
		a->parts[i].iov_len = message_size(id);
		a->ledger->entries[id].sent = ENTRY_TRIED;
	}
	if (!r && a->row->ready)
		r = a->row->ready(a);
	a->not_here = r == -ECANCELED;
	if (r && !a->not_here)
		ledger_break(a->ledger, "%s: getting ready: %s", a->row->name,
			     shmq_strerror(r));
	return r == 0;
}

void actor_close(struct actor *a)
{
	shmq_producer_close(a->p);
	shmq_consumer_close(a->c);
	shmq_consumer_close(a->other);
	shmq_close(a->q);
}

static void perform(void *arg)
{
	struct actor *a = arg;

	a->row->run(a);
}

void actor_main(void *actor)
{
	struct actor *a = actor;

	alarm(RIVAL_ALARM_S);
	if (!actor_ready(a)) {
		actor_close(a);
		return;
	}
	trace_region(perform, a, &a->traced);
	/* A rival goes on from here. */
	actor_close(a);
}

void actor_note_taken(struct actor *a, long r)
{
	for (long i = 0; i < r && a->n_taken < ACTOR_TAKES; i++) {
		const struct shmq_msg *m = &a->msgs[i];
		struct actor_taken *taken = &a->taken[a->n_taken];

		taken->id = m->len >= sizeof(taken->id) ?
				    *(const uint32_t *)m->data :
				    UINT32_MAX;
		taken->flags = m->flags;
		taken->seq = m->seq;
		actor_noted();
		a->n_taken++;
	}
	a->result = r;
	actor_noted();
	a->taking = 0;
}

void actor_sleep(struct actor *a)
{
	if (!actor_ready(a))
		return;
	a->row->run(a);
	a->finished = true;
	actor_close(a);
}

/* What shmq_recv() put into the buffer, if it was through with that. */
static void settle_copy(struct actor *a)
{
	int id = -1;

	for (uint32_t i = 0; i < LEDGER_IDS && id < 0; i++)
		if (!memcmp(a->in, &i, sizeof(i)))
			id = message_read(a->in, message_size(i));
	if (!a->copied) {
		/* Taken with its receiver; whole, or it may not be gone. */
		if (id >= 0)
			a->ledger->entries[id].loose = 1;
		return;
	}
	if (id < 0)
		ledger_break(a->ledger, "shmq_recv returned no whole message");
	else
		ledger_deliver(a->ledger, a->in, message_size((uint32_t)id), 0,
			       0, true);
}

void actor_settle(struct actor *a)
{
	struct ledger *l = a->ledger;

	for (unsigned i = 0; i < a->row->sends; i++) {
		struct entry *e = &l->entries[a->first_id + i];

		if (i < a->sent)
			e->sent = ENTRY_SENT;
		else if (a->refused)
			e->sent = ENTRY_UNSENT;
	}
	if (!a->refused)
		l->skips += a->row->sends - a->sent;
	l->skips += a->row->skips;
	l->takes += a->taking;
	for (unsigned i = 0; i < a->n_taken; i++) {
		const struct actor_taken *taken = &a->taken[i];
		struct entry *e = &l->entries[taken->id % LEDGER_IDS];

		ledger_note(l, taken->id, taken->seq, taken->flags, false);
		e->held = i >= a->n_done;
		e->done = i < a->n_done;
		e->loose = i >= a->n_done && a->releasing;
	}
	if (a->copying)
		settle_copy(a);
}
