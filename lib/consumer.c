/* SPDX-License-Identifier: MIT */
/* Consumers: opening and closing. How they take is in consumer.h. */
#include "config.h"

#include <errno.h>

#include <shmq.h>

#include "chime.h"
#include "copies.h"
#include "error.h"
#include "group.h"
#include "groups.h"
#include "handle.h"
#include "journal.h"
#include "lease.h"
#include "members.h"
#include "policy.h"
#include "recovery.h"
#include "serial.h"
#include "views.h"
#include "wake.h"

uint64_t shmq_consumer_lost(const struct shmq_consumer *c)
{
	const struct copies *copies;

	if (!c)
		return 0;
	copies = c->copies ? c->copies : c->spare;
	return c->lost + (copies ? copies->lost : 0);
}

static int begin(struct shmq_consumer *c, uint32_t group)
{
	struct segment *seg = c->ep.seg;
	int r;

	c->group = &seg->groups[group];
	c->group_index = group;
	c->claims = c->ep.member->claims;
	c->spin = WAIT_SPIN_MAX;
	/* Look for returned spans once, whatever the count says. */
	c->returns_seen = load_acquire(&c->group->returns) - 1;
	c->first_slot = c->slots = 1;
	c->kept_end = UINT64_MAX;
	r = shmqi_views_enter(&c->ep, cursor_pos(&c->group->cursor), false,
			      &c->ring);
	if (r == -ESTALE) {
		/* It is gone: the first receive finds what is there. */
		shmqi_journal_nowhere(&c->ep, &c->ring);
		r = 0;
	}
	return r || !c->serial ? r : shmqi_serial_begin(c);
}

/* -EAGAIN: the group was removed meanwhile. */
static int join(struct shmq_consumer *c, uint32_t group, const char *name)
{
	struct joining joining = { SH_MEMBER_CONSUMER, group, c->alone };
	struct segment *seg = c->ep.seg;
	int r = shmqi_member_join(&c->ep, &joining);

	if (r)
		return r == -EBUSY && !shmqi_group_is(seg, group, name) ?
			       -EAGAIN :
			       r;
	/* Relaxed: shown with the entry's state. */
	store_relaxed(&c->ep.member->policy, c->copies ? SH_COPIES : 0);
	/* Now nobody removes the group any more. */
	r = shmqi_group_is(seg, group, name) ? begin(c, group) : -EAGAIN;
	shmqi_member_enter(&c->ep, SH_MEMBER_CONSUMER);
	full_fence();
	/* Who sees our entry from now on respects the group; before, perhaps
	 * not. */
	if (r != -EAGAIN && !c->copies && policy_now(seg))
		r = -EAGAIN;
	/* Whoever sleeps without a bound does so because we were not here. */
	bell_look(&c->ep, &c->control->send);
	bell_look(&c->ep, &c->control->recv);
	if (r)
		shmqi_member_leave(&c->ep, false);
	return r;
}

/* How it receives to begin with: policy.c has the rest. */
static int choose(struct shmq_consumer *c)
{
	bool copies = c->copies || policy_now(c->ep.seg);

	if (copies && !c->copies)
		c->copies = shmqi_copies_new(false);
	c->ep.copies = copies;
	c->serial = c->alone && !copies;
	return copies && !c->copies ? -ENOMEM : 0;
}

/* Under lock: join the group, and make it if there is none. */
static int join_group(struct shmq_consumer *c, const char *name, bool newest)
{
	for (int look = 0;; look++) {
		int r = choose(c);

		if (!r)
			r = shmqi_groups_make(c->ep.seg, name, newest);
		if (r >= 0)
			r = join(c, (uint32_t)r, name);
		if (r != -EAGAIN)
			return r;
		if (!shmqi_lease_let_pass(look))
			return -EBUSY;
	}
}

int shmq_consumer_open(struct shmq_consumer **out, struct shmq *q,
		       const char *group, unsigned flags)
{
	KEEP_ERRNO;
	const unsigned known = SHMQ_TAP | SHMQ_EXCLUSIVE | SHMQ_OLDEST |
			       SHMQ_NEWEST;
	struct shmq_consumer *c;
	struct segment *seg;
	int r;

	shmqi_error_clear();
	if (!out || !q || flags & ~known ||
	    (flags & SHMQ_OLDEST && flags & SHMQ_NEWEST))
		return -EINVAL;
	seg = q->seg;
	if (flags & SHMQ_TAP)
		return group || flags & SHMQ_EXCLUSIVE ?
			       -EINVAL :
			       shmqi_tap_open(out, seg, flags & SHMQ_NEWEST);
	if (!seg->writable)
		return -EBADF;
	if (!group)
		group = "default";
	r = shmqi_groups_check_name(group);
	if (r)
		return r;
	c = shmqi_endpoint_new(seg, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->alone = flags & SHMQ_EXCLUSIVE ||
		   seg->geo.flags & SHMQ_SINGLE_CONSUMER;
	c->control = seg->control;
	c->ep.magic = ENDPOINT_CONSUMER;
	pthread_mutex_lock(&seg->lock);
	r = join_group(c, group, flags & SHMQ_NEWEST);
	pthread_mutex_unlock(&seg->lock);
	if (r) {
		shmqi_copies_free(c->copies);
		shmqi_endpoint_free(&c->ep, sizeof(*c));
		return r;
	}
	*out = c;
	return 0;
}

/* Leave as a rescuer would leave us, but at once. */
static void leave(struct shmq_consumer *c)
{
	struct sh_group *group;
	bool held = false;

	shmqi_recover_settle_consumer(c->ep.seg, c->ep.index, &group, &held);
	shmqi_member_leave(&c->ep, held);
	shmqi_views_let(c->ep.seg);
	shmqi_views_give_back(c->ep.seg, false);
	/* edge RETURN: pairs with shmqi_consumer_adopt */
	if (held)
		add_release(&c->group->returns, 1);
	bell_look(&c->ep, &c->control->recv);
	bell_look(&c->ep, &c->control->send);
}

void shmq_consumer_close(struct shmq_consumer *c)
{
	KEEP_ERRNO;
	if (!c)
		return;
	if (c->ep.magic == ENDPOINT_CONSUMER && !is_tap(c)) {
		pthread_mutex_lock(&c->ep.seg->lock);
		shmqi_chime_close(&c->ep);
		leave(c);
		pthread_mutex_unlock(&c->ep.seg->lock);
	}
	if (c->ep.magic == ENDPOINT_CONSUMER && is_tap(c))
		shmqi_tap_close(c);
	/* In a forked child there is nothing to be found. */
	shmqi_copies_free(c->copies);
	shmqi_copies_free(c->spare);
	shmqi_endpoint_free(&c->ep, sizeof(*c));
}
