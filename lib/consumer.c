/* SPDX-License-Identifier: MIT */
/* Consumers: opening, closing, receiving. How they take is in consumer.h. */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include <shmq.h>

#include "attributes.h"
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
#include "wait.h"
#include "wake.h"

/* One call: who receives, and what. */
struct call {
	struct shmq_consumer *c;
	const struct wanted *wanted;
};

static inline int check(const struct shmq_consumer *c)
{
	if (unlikely(!c))
		return -EINVAL;
	return likely(c->ep.magic == ENDPOINT_CONSUMER) ? 0 : -ESTALE;
}

static inline bool returned_waits(const struct shmq_consumer *c)
{
	/* edge RETURN: pairs with finish_consumer, shmq_consumer_close */
	return unlikely(load_acquire(&c->group->returns) != c->returns_seen);
}

static __attribute__((always_inline)) inline int64_t
take_next(struct shmq_consumer *c, const struct wanted *w)
{
	if (!c->serial)
		return unlikely(c->copies) ? shmqi_copies_take(c, w) :
					     shmqi_competing_take(c, w);
	return w->msgs ? serial_borrow(c, w->msgs, w->max) :
			 serial_copy(c, w->buf, w->size);
}

/* What others returned comes first; and if messages were lost, say so. */
static __attribute__((noinline)) int64_t take_returned(struct shmq_consumer *c,
						       const struct wanted *w)
{
	int64_t r = shmqi_consumer_adopt(c, w);

	if (r == -EAGAIN)
		r = take_next(c, w);
	if (likely(!c->lost_since))
		return r;
	if (r < 0) {
		/* At the next one, then. */
		c->returns_seen--;
		return r;
	}
	if (w->msgs)
		w->msgs[0].lost = c->lost_since;
	c->lost_since = 0;
	return r;
}

static __attribute__((always_inline)) inline int64_t
take(struct shmq_consumer *c, const struct wanted *w)
{
	return returned_waits(c) ? take_returned(c, w) : take_next(c, w);
}

static int64_t peek(struct shmq_consumer *c)
{
	const struct wanted wanted = { .size = SIZE_MAX, .peek = true };

	if (returned_waits(c)) {
		int64_t r = shmqi_consumer_adopt(c, &wanted);

		/* Still to be told: see take_returned(). */
		if (unlikely(c->lost_since))
			c->returns_seen--;
		if (r != -EAGAIN)
			return r == -EMSGSIZE ? 1 : r;
	}
	if (c->serial)
		return serial_peek(c);
	return c->copies ? shmqi_copies_take(c, &wanted) :
			   shmqi_competing_take(c, &wanted);
}

int64_t shmqi_consumer_peek(struct shmq_consumer *c)
{
	int64_t r = peek(c);

	while (r == -EAGAIN && ring_is_old(c)) {
		int followed = shmqi_consumer_follow(c);

		if (followed <= 0)
			return followed ? followed : r;
		r = peek(c);
	}
	return r;
}

static int64_t attempt(void *self)
{
	struct call *call = self;
	int64_t r = take(call->c, call->wanted);

	while (r == -EAGAIN && ring_is_old(call->c)) {
		int followed = shmqi_consumer_follow(call->c);

		if (followed <= 0)
			return followed ? followed : r;
		r = take(call->c, call->wanted);
	}
	return r;
}

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

static int look_around(struct shmq_consumer *c, bool rounds)
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

static void watch(void *self, struct watch *watch)
{
	const struct shmq_consumer *c = ((struct call *)self)->c;
	struct cursor at = { c->pos, c->seq, SH_NOBODY };

	if (!c->serial)
		at = cursor_load(&c->group->cursor);
	watch->word = &record_at(&c->ring, at.pos)->stamp;
	watch->value = stamp_of(&c->ring, at.seq);
}

static bool imminent(void *self)
{
	return shmqi_consumer_imminent(((struct call *)self)->c);
}

int shmqi_consumer_look_around(struct shmq_consumer *c)
{
	return look_around(c, shmqi_rounds_due(&c->rounds));
}

static int look_around_waiting(void *self)
{
	return shmqi_consumer_look_around(((struct call *)self)->c);
}

void shmqi_consumer_rounds(struct shmq_consumer *c)
{
	if (!rounds_skip(&c->rounds) && shmqi_rounds_due(&c->rounds))
		look_around(c, true);
}

/*
 * Busy all the time: messages that a dead competitor held must not wait until
 * there is a pause.
 */
static __attribute__((noinline)) void busy_rounds(struct shmq_consumer *c)
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

/* Nothing there, and the caller will not wait: what the dead held comes back
 * to it all the same. */
static int64_t poll_again(struct call *call)
{
	int r;

	if (ring_is_old(call->c)) {
		int64_t n = attempt(call);

		if (n != -EAGAIN)
			return n;
	}
	if (!shmqi_rounds_due(&call->c->rounds))
		return -EAGAIN;
	r = look_around(call->c, true);
	if (r < 0)
		return r;
	return r == OUTLOOK_RETRY ? attempt(call) : -EAGAIN;
}

static __attribute__((noinline)) int64_t
take_slowly(struct shmq_consumer *c, const struct wanted *w, int64_t timeout_ns)
{
	struct call call = { c, w };
	struct alarm alarm = { &c->control->recv, 0 };
	struct endpoint *ep = &c->ep;
	struct waiter waiter = {
		.self = &call,
		.n = 1,
		.alarms = &alarm,
		.eps = &ep,
		.spin = &c->spin,
		.attempt = attempt,
		.watch = watch,
		.look_around = look_around_waiting,
		.imminent = imminent,
	};

	if (is_tap(c))
		return shmqi_tap_wait(c, w, timeout_ns);
	if (timeout_ns == SHMQ_NOWAIT)
		return ep->chime ? shmqi_chime_poll(&waiter) :
				   poll_again(&call);
	c->spin = shmqi_attributes_spin(&c->ep, c->spin);
	return shmqi_wait(&waiter, shmqi_wait_deadline(timeout_ns));
}

/* Not now, and it costs nothing to say so. */
static inline bool skip(struct shmq_consumer *c, int64_t timeout_ns)
{
	return timeout_ns == SHMQ_NOWAIT && !c->ep.chime && !ring_is_old(c) &&
	       rounds_skip(&c->rounds);
}

static __attribute__((always_inline)) inline int64_t
receive(struct shmq_consumer *c, const struct wanted *w, int64_t timeout_ns)
{
	int64_t r;

	if (unlikely(!timeout_valid(timeout_ns)))
		return -EINVAL;
	r = take(c, w);
	if (r != -EAGAIN) {
		if (!c->serial && !rounds_skip(&c->rounds))
			busy_rounds(c);
		return r;
	}
	if (skip(c, timeout_ns))
		return -EAGAIN;
	return take_slowly(c, w, timeout_ns);
}

static __attribute__((noinline)) ssize_t
recv_slowly(struct shmq_consumer *c, void *buf, size_t size, int64_t timeout_ns)
{
	struct wanted wanted = { .buf = buf, .size = size };
	int r = check(c);

	if (r)
		return r;
	if (!buf && size)
		return -EINVAL;
	return (ssize_t)receive(c, &wanted, timeout_ns);
}

ssize_t shmq_recv(struct shmq_consumer *c, void *buf, size_t size,
		  int64_t timeout_ns)
{
	/* The ordinary case with as few instructions as can be. */
	if (likely(c && buf && c->ep.magic == ENDPOINT_CONSUMER && !c->copies &&
		   timeout_ns >= SHMQ_FOREVER && !returned_waits(c))) {
		int64_t r = c->serial ? serial_copy(c, buf, size) :
					shmqi_competing_copy(c, buf, size);

		if (likely(r != -EAGAIN)) {
			if (!c->serial && !rounds_skip(&c->rounds))
				busy_rounds(c);
			return (ssize_t)r;
		}
		if (skip(c, timeout_ns))
			return -EAGAIN;
	}
	return recv_slowly(c, buf, size, timeout_ns);
}

int shmq_receive(struct shmq_consumer *c, struct shmq_msg *msgs, unsigned max,
		 int64_t timeout_ns)
{
	struct wanted wanted = { .msgs = msgs, .max = max };
	int r = check(c);

	if (unlikely(r))
		return r;
	if (unlikely(!msgs || !max || max > INT_MAX))
		return -EINVAL;
	return (int)receive(c, &wanted, timeout_ns);
}

int shmq_release(struct shmq_consumer *c)
{
	int r = check(c);

	if (unlikely(r))
		return r;
	if (c->serial)
		shmqi_serial_release(c);
	else
		shmqi_competing_release(c);
	return 0;
}

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
