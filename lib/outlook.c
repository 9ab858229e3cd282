/* SPDX-License-Identifier: MIT */
/*
 * The outlook of a consumer that found nothing: is there more to come, is
 * somebody dead who stands in the way, has the stream gone on to another ring?
 */
#include "config.h"

#include <errno.h>

#include "consumer.h"
#include "copies.h"
#include "error.h"
#include "group.h"
#include "members.h"
#include "policy.h"
#include "recovery.h"
#include "views.h"
#include "wait.h"

/* Where the consumer waits. False: no pair that fits, which is damage. */
static bool waiting_at(const struct shmq_consumer *c, struct cursor *at)
{
	if (!c->serial)
		return shmqi_group_place(c->ep.seg, c->group_index, at);
	*at = (struct cursor){ c->pos, c->seq, SH_NOBODY };
	return true;
}

static bool moved_on(const struct shmq_consumer *c, const struct cursor *at)
{
	return !c->serial && cursor_pos(&c->group->cursor) != at->pos;
}

/* Other consumers of the group, or spans that one of them left. */
static bool has_peers(struct shmq_consumer *c, bool *returned)
{
	bool peers = false;

	*returned = false;
	for (uint32_t i = 0; i < shmqi_member_top(c->ep.seg); i++) {
		struct sh_member *member = member_at(c->ep.seg, i);
		/* edge STATE */
		uint32_t state = load_acquire(&member->state);

		if (i == c->ep.index ||
		    load_relaxed(&member->group) != c->group_index)
			continue;
		peers |= state == SH_MEMBER_CONSUMER;
		*returned |= state == SH_MEMBER_RETURNED;
	}
	return peers;
}

/* Where it waits is nowhere near the tail: it was overtaken, or moved on. */
static bool is_elsewhere(const struct shmq_consumer *c, const struct cursor *at)
{
	return moved_on(c, at) || (c->copies && copies_overtaken(c, at->pos));
}

/* Under lock. An outlook, or an error. */
static int look_around_locked(struct shmq_consumer *c, bool rounds)
{
	struct segment *seg = c->ep.seg;
	bool returned, peers;
	struct reach reach;
	struct cursor at;
	uint64_t tail;
	int r = rounds ? shmqi_recover_consumers(seg) : 0;

	if (r > 0 || r == -EBADMSG)
		return r < 0 ? r : OUTLOOK_RETRY;
	peers = has_peers(c, &returned);
	if (returned && load_acquire(&c->group->returns) == c->returns_seen) {
		/* Its rescuer died before it could say so. */
		c->returns_seen--;
		return OUTLOOK_RETRY;
	}
	if (!waiting_at(c, &at))
		return -EBADMSG;
	tail = cursor_pos(&c->control->tail);
	r = shmqi_rings_reach(seg, &reach);
	if (!r)
		r = shmqi_consumer_follow_locked(c, at.pos);
	if (r)
		return r > 0 ? OUTLOOK_RETRY : r;
	if (rounds)
		shmqi_views_give_back(seg, false);
	/* A competitor may have gone on since we read where we are. Who copies
	 * may be in a ring that the others have left. */
	if (!reach_holds(&reach, at.pos, tail)) {
		if (is_elsewhere(c, &at))
			return OUTLOOK_RETRY;
		if (!c->copies)
			return -EBADMSG;
	}
	if (tail == at.pos)
		return peers || returned ? OUTLOOK_PEERS : OUTLOOK_RING;
	if (record_published(&c->ring, at.pos, at.seq))
		return OUTLOOK_RETRY;
	r = shmqi_recover_claim_at(seg, &c->ring, at.pos, at.seq);
	if (r == -EBADMSG && is_elsewhere(c, &at))
		return OUTLOOK_RETRY;
	/* Out of memory or locks just now: wait, and try again. */
	return r == -EBADMSG ? r : r > 0 ? OUTLOOK_RETRY : OUTLOOK_CLAIM;
}

int shmqi_consumer_look_around(struct shmq_consumer *c, bool rounds)
{
	KEEP_ERRNO;
	int r;

	pthread_mutex_lock(&c->ep.seg->lock);
	r = look_around_locked(c, rounds);
	pthread_mutex_unlock(&c->ep.seg->lock);
	return r;
}

bool shmqi_consumer_imminent(const struct shmq_consumer *c)
{
	return cursor_pos(&c->control->tail) !=
	       (c->serial ? c->pos : cursor_pos(&c->group->cursor));
}

void shmqi_consumer_rounds(struct shmq_consumer *c)
{
	if (!rounds_skip(&c->rounds) && shmqi_rounds_due(&c->rounds))
		shmqi_consumer_look_around(c, true);
}

/*
 * Busy all the time: messages that a dead competitor held must not wait until
 * there is a pause.
 */
void shmqi_consumer_busy_rounds(struct shmq_consumer *c)
{
	KEEP_ERRNO;
	if (is_tap(c) || !shmqi_rounds_due(&c->rounds))
		return;
	/* Perhaps it may receive in place again: at the next call. */
	if (c->copies && !policy_overwrites(policy_now(c->ep.seg)))
		c->returns_seen--;
	pthread_mutex_lock(&c->ep.seg->lock);
	shmqi_recover_consumers(c->ep.seg);
	pthread_mutex_unlock(&c->ep.seg->lock);
}
