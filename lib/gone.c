/* SPDX-License-Identifier: MIT */
/*
 * A consumer of a journal whose next message is in a segment that retention has
 * removed (retain.h): it goes on at the oldest message, and its group with it.
 * The numbers between are lost, which it learns with the next message.
 *
 * A group that competes is moved by a claim like any other, which is done with
 * at once; so what a death leaves in between is a span of nothing, and who
 * adopts that drops it (returned.c).
 */
#include "config.h"

#include "copies.h"
#include "journal.h"
#include "serial.h"
#include "views.h"

static void count(struct shmq_consumer *c, uint64_t lost)
{
	c->lost += lost;
	c->lost_since += lost;
	/* So that the next receive comes to tell it: see take(). */
	c->returns_seen--;
}

static void pass_serial(struct shmq_consumer *c, struct cursor to)
{
	bool on_loan = c->pos != c->released_pos;

	if (to.pos <= c->pos || to.seq < c->seq)
		return;
	count(c, to.seq - c->seq);
	serial_go_on(c, to.pos, to.seq);
	/* edge DONE: pairs with settle_serial */
	store_release(&c->claims[0].end, to.pos);
	if (!on_loan)
		serial_release(c, to.pos, to.seq);
}

static int pass_competing(struct shmq_consumer *c, struct cursor to)
{
	struct cursor at = cursor_load(&c->group->cursor);
	int r;

	/* Another one of the group may have done it. */
	if (to.pos <= at.pos || to.seq < at.seq)
		return 0;
	r = shmqi_competing_keep(c);
	if (r)
		return r;
	if (shmqi_competing_claim(c, at, to.pos, to.seq, 0)) {
		count(c, to.seq - at.seq);
		shmqi_competing_let_go(c);
	} else {
		claim_done(&c->claims[0]);
	}
	return 0;
}

static void pass_tap(struct shmq_consumer *c, struct cursor to)
{
	struct copies *copies = c->copies;

	if (to.pos <= copies->at.pos || to.seq < copies->at.seq)
		return;
	count_lost(copies, to.seq - copies->at.seq);
	copies->at = to;
}

int shmqi_consumer_pass_gone(struct shmq_consumer *c)
{
	struct cursor to;
	int r = views_error(shmqi_journal_oldest(c->ep.seg, &to));

	if (r)
		return r;
	if (is_tap(c))
		pass_tap(c, to);
	else if (c->serial)
		pass_serial(c, to);
	else
		r = pass_competing(c, to);
	return r;
}
