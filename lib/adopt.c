/* SPDX-License-Identifier: MIT */
/* Taking what others returned: the same for both kinds of consumer. */
#include "config.h"

#include <errno.h>

#include "consumer.h"
#include "copies.h"
#include "copy.h"
#include "policy.h"
#include "returned.h"
#include "views.h"
#include "wake.h"

void shmqi_consumer_release_slots(struct shmq_consumer *c, unsigned from)
{
	for (unsigned k = from; k < c->slots; k++)
		claim_done(&c->claims[k]);
	c->slots = from;
	bell_look(&c->ep, &c->control->send);
}

/*
 * Hand out what was just adopted, after n messages. How many there are now, or
 * the length of the one that was copied; -EAGAIN: only skipped records.
 */
static int64_t hand_out(const struct wanted *w, const struct adoption *a,
			unsigned n)
{
	uint64_t pos = a->pos;
	uint64_t seq = record_seq(ring_at(a->rings, pos), pos);
	struct found found;

	for (; pos < a->end; pos += found.span, seq += found.count) {
		if (!record_read(ring_at(a->rings, pos), pos, &found))
			return -EBADMSG;
		if (found.flags & SH_RECORD_SKIP)
			continue;
		if (w->msgs) {
			if (n < w->max)
				msg_fill(&w->msgs[n++], &found, seq, true);
			continue;
		}
		if (found.size > w->size)
			return -EBADMSG;
		copy_bytes(w->buf, record_payload(found.record), found.size);
		return found.size;
	}
	return n ? (int64_t)n : -EAGAIN;
}

/* One span after another, until there is enough. Under lock. */
static int64_t adopt_spans(struct shmq_consumer *c, const struct wanted *w,
			   struct adoption *a)
{
	/* edge RETURN */
	uint64_t returns = load_acquire(&c->group->returns);
	int64_t n = 0, m;

	for (;;) {
		int r;

		a->messages = w->msgs ? w->max - (unsigned)n : !w->peek;
		r = shmqi_returned_adopt(c->ep.seg, a);
		if (r == 0)
			c->returns_seen = returns;
		if (r <= 0)
			return n ? n : r ? r : -EAGAIN;
		c->kept_end = UINT64_MAX;
		if (w->msgs) {
			shmqi_views_keep(&c->ep, a->rings, a->pos);
			c->slots = a->slots;
		}
		m = hand_out(w, a, (unsigned)n);
		if (m == -EAGAIN && !w->msgs)
			claim_done(&c->claims[--a->slots]);
		if (m == -EAGAIN)
			continue;
		if (m < 0 || !w->msgs || (unsigned)m == w->max)
			return m;
		n = m;
	}
}

int64_t shmqi_consumer_adopt(struct shmq_consumer *c, const struct wanted *w)
{
	struct segment *seg = c->ep.seg;
	struct rings rings;
	struct adoption adoption = {
		.rings = &rings,
		.group = c->group_index,
		.to = c->ep.index,
		.join = w->msgs,
		.max_size = w->msgs ? UINT64_MAX : w->size,
	};
	int64_t n;

	if (unlikely(policy_now(seg) && !shmqi_policy_follow(c))) {
		/* Until it can: at each call. What others have returned is for
		 * those who copy. */
		c->returns_seen = load_acquire(&c->group->returns) - 1;
		return -EAGAIN;
	}
	if (c->copies)
		return shmqi_copies_adopt(c, w);
	/* As it is now. */
	adoption.first_slot = c->first_slot;
	adoption.slots = c->slots;
	pthread_mutex_lock(&seg->lock);
	n = views_error(shmqi_views_get(seg, false, &rings));
	if (!n) {
		n = adopt_spans(c, w, &adoption);
		shmqi_views_let(seg);
	}
	pthread_mutex_unlock(&seg->lock);
	/* A copy is done with at once. */
	if (adoption.slots > c->slots)
		claim_done(&c->claims[adoption.slots - 1]);
	bell_look(&c->ep, &c->control->send);
	return n;
}
