/* SPDX-License-Identifier: MIT */
/*
 * What others returned, for consumers that copy: spans are adopted whole, as
 * much of one as is still there is copied, and what was written over of it is
 * lost. See copies.h.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "bounds.h"
#include "copies.h"
#include "copy.h"
#include "members.h"
#include "policy.h"
#include "returned.h"
#include "views.h"
#include "wake.h"

/* Overtaken so often, it must all be gone. */
#define TRIES 16

static int note(struct copies *copies, const struct found *found,
		const struct cursor *at)
{
	struct pending *pending;
	void *to;

	if (copies->pending_n == copies->pending_size) {
		unsigned size = copies->pending_size ?
					2 * copies->pending_size :
					64;

		pending = reallocarray(copies->pending, size, sizeof(*pending));
		if (!pending)
			return -ENOMEM;
		copies->pending = pending;
		copies->pending_size = size;
	}
	to = shmqi_copies_room(copies, found->size);
	if (!to)
		return -ENOMEM;
	pending = &copies->pending[copies->pending_n];
	pending->pos = at->pos;
	msg_fill(&pending->msg, found, at->seq, true);
	pending->msg.data = to;
	copy_racing(to, record_payload(found->record), found->size);
	copies->pending_n++;
	return 0;
}

/*
 * Copy [at, end), moving at. 0, -ENOMEM, -EBADMSG; the latter perhaps for being
 * late.
 */
static int copy_span(struct shmq_consumer *c, const struct rings *rings,
		     struct cursor *at, uint64_t end)
{
	struct found found;
	int r;

	while (at->pos < end) {
		const struct ring *ring = ring_at(rings, at->pos);

		if (!record_published(ring, at->pos, at->seq) ||
		    !record_read(ring, at->pos, &found) ||
		    found.span > end - at->pos)
			return -EBADMSG;
		r = found.flags & SH_RECORD_SKIP ? 0 :
						   note(c->copies, &found, at);
		if (r)
			return r;
		at->pos += found.span;
		at->seq += found.count;
	}
	return 0;
}

/* After all from pos on has been read: was it written over meanwhile? */
static bool overtaken(const struct segment *seg, const struct rings *rings,
		      uint64_t pos)
{
	/* edge LAP: pairs with cursor_swap, claim_single */
	atomic_thread_fence(memory_order_acquire);
	return pos < rings->reach.first ||
	       rings_overtaken(rings, pos, cursor_pos(&seg->control->tail));
}

/* What was adopted becomes what waits to be given out, as far as it is there. */
static int fetch(struct shmq_consumer *c, const struct adoption *a)
{
	struct sh_claim *claim = &c->claims[a->slots - 1];
	struct copies *copies = c->copies;
	struct cursor at = { a->pos, load_relaxed(&claim->seq), SH_NOBODY }, to;
	uint64_t behind = at.seq + claim_numbers(claim);

	for (unsigned laps = 0; laps < TRIES; laps++) {
		struct cursor here = at;
		int r;

		copies->pending_n = copies->next = 0;
		r = copy_span(c, a->rings, &here, a->end);
		if (!overtaken(c->ep.seg, a->rings, at.pos)) {
			/* No memory: the rest goes down with its span. */
			if (r)
				count_lost(copies, behind - here.seq);
			return r;
		}
		if (!shmqi_bounds_oldest(c->ep.seg, a->rings, laps, &to))
			return -EBADMSG;
		if (to.pos >= a->end)
			break;
		if (to.pos <= at.pos || to.seq <= at.seq || to.seq >= behind)
			return -EBADMSG;
		count_lost(copies, to.seq - at.seq);
		at = to;
	}
	copies->pending_n = copies->next = 0;
	count_lost(copies, behind - at.seq);
	return 0;
}

/*
 * The slot's words cannot change together. So a slot above it names what waits
 * first, which is a copy as long as the old one is there (is_copy() of
 * span.c); then the old one begins anew, and the one above goes.
 */
void shmqi_copies_trim(struct shmq_consumer *c)
{
	const struct copies *copies = c->copies;
	const struct pending *first = &copies->pending[copies->next];
	struct sh_claim *slot = &c->claims[c->slots - 1];
	/* Relaxed: they are our own. */
	uint64_t end = load_relaxed(&slot->end);
	uint64_t behind = load_relaxed(&slot->seq) + claim_numbers(slot);

	/* With all slots in use the whole span stays named. */
	if (c->slots == SH_CLAIMS)
		return;
	if (shmqi_member_slots(c->ep.member) <= c->slots)
		/* edge ANNOUNCE */
		store_release(&c->ep.member->slots, c->slots + 1);
	for (int i = 1; i >= 0; i--) {
		store_relaxed(&slot[i].end, end);
		store_relaxed(&slot[i].seq, first->msg.seq);
		store_relaxed(&slot[i].count, behind - first->msg.seq);
		claim_own(&slot[i], first->pos);
		claim_done(&slot[1 - i]);
	}
}

/* Where the policy keeps again it has held room. */
static void drop_span(struct shmq_consumer *c)
{
	claim_done(&c->claims[--c->slots]);
	bell_look(&c->ep, &c->control->send);
}

/* All of the span that was adopted last has been given out. */
static void done_with_span(struct shmq_consumer *c)
{
	struct copies *copies = c->copies;

	copies->pending_n = copies->next = 0;
	if (copies->pending_lent)
		return;
	drop_span(c);
	if (!c->lent && c->slots == c->first_slot)
		shmqi_copies_empty(copies);
}

static int64_t give_out(struct shmq_consumer *c, const struct wanted *w)
{
	struct copies *copies = c->copies;
	struct shmq_msg *msg = &copies->pending[copies->next].msg;
	unsigned n = copies->pending_n - copies->next;

	if (w->peek)
		return 1;
	msg->lost = copies->lost_since;
	if (w->msgs) {
		if (n > w->max)
			n = w->max;
		for (unsigned i = 0; i < n; i++)
			w->msgs[i] = copies->pending[copies->next + i].msg;
		copies->pending_lent = true;
	} else {
		if (msg->len > w->size)
			return -EMSGSIZE;
		copy_bytes(w->buf, msg->data, msg->len);
	}
	copies->lost_since = 0;
	copies->next += w->msgs ? n : 1;
	if (copies->next == copies->pending_n)
		done_with_span(c);
	else if (!copies->pending_lent)
		shmqi_copies_trim(c);
	return w->msgs ? (int64_t)n : (int64_t)msg->len;
}

/* Under lock, as below. */
static int adopt_once(struct shmq_consumer *c, const struct rings *rings)
{
	struct segment *seg = c->ep.seg;
	/* edge RETURN */
	uint64_t returns = load_acquire(&c->group->returns);
	struct adoption a = {
		.rings = rings,
		.group = c->group_index,
		.to = c->ep.index,
		.first_slot = c->first_slot,
		.slots = c->slots,
		.whole = true,
	};
	int r = shmqi_returned_adopt(seg, &a);

	if (r == 0)
		c->returns_seen = returns;
	if (r <= 0)
		return r;
	c->kept_end = UINT64_MAX;
	c->slots = a.slots;
	r = fetch(c, &a);
	if (c->copies->pending_n)
		return r ? r : 1;
	drop_span(c);
	return r ? r : 1;
}

/* 1: there is something to give out; 0: there are no spans; or an error. */
static int adopt(struct shmq_consumer *c)
{
	struct segment *seg = c->ep.seg;
	struct rings rings;
	int r;

	pthread_mutex_lock(&seg->lock);
	r = shmqi_policy_number(seg, c->group_index);
	if (!r)
		r = views_error(shmqi_views_get(seg, false, &rings));
	if (!r) {
		r = adopt_once(c, &rings);
		shmqi_views_let(seg);
	}
	pthread_mutex_unlock(&seg->lock);
	return r;
}

int64_t shmqi_copies_adopt(struct shmq_consumer *c, const struct wanted *w)
{
	struct copies *copies = c->copies;

	for (;;) {
		int r;

		if (copies->next < copies->pending_n)
			return give_out(c, w);
		r = adopt(c);
		if (r <= 0)
			return r ? r : -EAGAIN;
	}
}
