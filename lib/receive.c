/* SPDX-License-Identifier: MIT */
/* Receiving: the calls, and what they wait for. How is in consumer.h. */
#include "config.h"

#include <errno.h>
#include <limits.h>

#include <shmq.h>

#include "attributes.h"
#include "chime.h"
#include "consumer.h"
#include "copies.h"
#include "serial.h"
#include "wait.h"

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

static int look_around_waiting(void *self)
{
	struct shmq_consumer *c = ((struct call *)self)->c;

	return shmqi_consumer_look_around(c, shmqi_rounds_due(&c->rounds));
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
	r = shmqi_consumer_look_around(call->c, true);
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
			shmqi_consumer_busy_rounds(c);
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
				shmqi_consumer_busy_rounds(c);
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
