/* SPDX-License-Identifier: MIT */
/* Taking what others returned: the same for both kinds of consumer. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "returned.h"
#include "consumer.h"
#include "wake.h"

void shmqi_consumer_release_slots(struct shmq_consumer *c, unsigned from)
{
	for (unsigned k = from; k < c->slots; k++)
		claim_done(&c->claims[k]);
	c->slots = from;
	bell_look(&c->control->send);
}

/* Hand out what slot k, just adopted, names. How many messages, or length. */
static int64_t hand_out_slot(struct shmq_consumer *c, const struct wanted *w,
			     unsigned k, unsigned n)
{
	uint64_t pos = claim_pos(load_relaxed(&c->claims[k].word));
	uint64_t end = load_relaxed(&c->claims[k].end);
	uint64_t seq = load_acquire(&record_at(&c->ring, pos)->stamp) ^
		       c->ring.cookie;
	struct found found;

	if (end - pos > c->ring.mask + 1)
		return -EBADMSG;
	for (; pos < end; pos += found.span, seq += found.count) {
		if (!record_read(&c->ring, pos, &found))
			return -EBADMSG;
		if (found.flags & SH_RECORD_SKIP)
			continue;
		if (w->msgs && n < w->max)
			msg_fill(&w->msgs[n++], &found, seq, true);
		if (!w->msgs) {
			if (found.size > w->size)
				return -EBADMSG;
			memcpy(w->buf, record_payload(found.record),
			       found.size);
			return found.size;
		}
	}
	return w->msgs ? (int64_t)n : -EAGAIN;
}

int64_t shmqi_consumer_adopt(struct shmq_consumer *c, const struct wanted *w)
{
	struct segment *seg = c->ep.seg;
	/* edge RETURN */
	uint64_t returns = load_acquire(&c->group->returns);
	unsigned before = c->slots;
	struct adoption adoption = {
		.ring = &c->ring,
		.group = c->group_index,
		.to = c->ep.index,
		.slots = before,
		.messages = w->msgs ? w->max : 1,
		.max_size = w->msgs ? UINT64_MAX : w->size,
	};
	int64_t n = 0;
	int r;

	pthread_mutex_lock(&seg->lock);
	r = shmqi_returned_adopt(seg, &adoption);
	pthread_mutex_unlock(&seg->lock);
	c->slots = adoption.slots;
	c->kept_end = 0;
	if (r == 0)
		c->returns_seen = returns;
	for (unsigned k = before; k < c->slots && n >= 0; k++) {
		int64_t m = hand_out_slot(c, w, k, (unsigned)n);

		/* A copy comes from one slot; the others are skipped records. */
		if (w->msgs || m != -EAGAIN)
			n = m;
	}
	if (n < 0)
		return n;
	if (c->slots == before)
		return r < 0 ? r : -EAGAIN;
	if (w->msgs && n)
		return n;
	shmqi_consumer_release_slots(c, before);
	return adoption.messages || w->msgs ? -EAGAIN : n;
}
