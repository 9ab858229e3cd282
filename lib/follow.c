/* SPDX-License-Identifier: MIT */
/*
 * Following the stream to another ring. Where that begins, the old ring never
 * shows the number that a consumer looks for; so it finds nothing, and looks at
 * the table of rings before it says so.
 */
#include "config.h"

#include <errno.h>

#include "copies.h"
#include "journal.h"
#include "views.h"

#define LOOKS 1000

static bool on_loan(const struct shmq_consumer *c)
{
	/* Private copies keep no ring. */
	if (c->copies)
		return false;
	return c->slots > c->first_slot ||
	       (c->serial ? c->pos != c->released_pos : c->lent);
}

static uint64_t where(const struct shmq_consumer *c)
{
	if (is_tap(c))
		return c->copies->at.pos;
	return c->serial ? c->pos : cursor_pos(&c->group->cursor);
}

static bool is_there(const struct shmq_consumer *c,
		     const struct ring_table *table, uint64_t pos)
{
	return c->ring.number == (c->copies ? ring_number_kept(table, pos) :
					      ring_number(table, pos));
}

int shmqi_consumer_follow_locked(struct shmq_consumer *c, uint64_t pos)
{
	struct ring_table table;
	int r = shmqi_rings_read(c->ep.seg, &table);

	if (r || is_there(c, &table, pos))
		return r;
	for (int i = 0; i < LOOKS; i++) {
		r = shmqi_views_enter(&c->ep, pos, on_loan(c), &c->ring);
		if (r == -EBADMSG && c->ep.seg->journal &&
		    shmqi_journal_unlinked(c->ep.seg))
			return -EIDRM;
		if (r != -ESTALE)
			return r ? views_error(r) : 1;
		r = shmqi_consumer_pass_gone(c);
		if (r)
			return r;
		pos = where(c);
	}
	return -EBADMSG;
}

int shmqi_consumer_follow(struct shmq_consumer *c)
{
	uint64_t pos = where(c);
	struct ring_table table;
	int r = shmqi_rings_read(c->ep.seg, &table);

	/* Without the lock, as long as there is more to come in the old one. */
	if (r || is_there(c, &table, pos))
		return r;
	pthread_mutex_lock(&c->ep.seg->lock);
	r = shmqi_consumer_follow_locked(c, pos);
	pthread_mutex_unlock(&c->ep.seg->lock);
	return r;
}
