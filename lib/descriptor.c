/* SPDX-License-Identifier: MIT */
/* What other parts of a program use an endpoint by: descriptors, cancelling. */
#include "config.h"

#include <errno.h>

#include <shmq.h>

#include "chime.h"
#include "consumer.h"
#include "copies.h"
#include "error.h"
#include "producer.h"

static int check(const struct endpoint *ep, uint32_t magic)
{
	return ep->magic == magic ? 0 : -ESTALE;
}

/* Give it a chime, if it has none. 1: it has one now; 0: it had one. */
static int equip(struct endpoint *ep)
{
	int r;

	if (ep->chime)
		return 0;
	pthread_mutex_lock(&ep->seg->lock);
	r = shmqi_chime_open(ep);
	pthread_mutex_unlock(&ep->seg->lock);
	return r ? r : 1;
}

int shmqi_consumer_equip(struct shmq_consumer *c)
{
	return equip(&c->ep);
}

static int64_t peek(void *self)
{
	return shmqi_consumer_peek(self);
}

static int look_around(void *self)
{
	struct shmq_consumer *c = self;

	return shmqi_consumer_look_around(c, shmqi_rounds_due(&c->rounds));
}

static bool imminent(void *self)
{
	return shmqi_consumer_imminent(self);
}

int64_t shmqi_consumer_poll(struct shmq_consumer *c)
{
	struct alarm alarm = { &c->control->recv, 0 };
	struct endpoint *ep = &c->ep;
	struct waiter waiter = {
		.self = c,
		.n = 1,
		.alarms = &alarm,
		.eps = &ep,
		.attempt = peek,
		.look_around = look_around,
		.imminent = imminent,
	};

	return shmqi_chime_poll(&waiter);
}

int shmq_consumer_fd(struct shmq_consumer *c)
{
	KEEP_ERRNO;
	int r = c ? check(&c->ep, ENDPOINT_CONSUMER) : -EINVAL;

	if (!r && is_tap(c))
		return -EOPNOTSUPP;
	if (!r)
		r = equip(&c->ep);
	if (r < 0)
		return r;
	/* Whatever that finds, the chime says that there is something. */
	if (r > 0)
		shmqi_consumer_poll(c);
	return shmqi_chime_fd(c->ep.chime);
}

static int check_producer(const struct shmq_producer *p)
{
	if (!p)
		return -EINVAL;
	return p->ep.magic == ENDPOINT_JOURNAL ?
		       0 :
		       check(&p->ep, ENDPOINT_PRODUCER);
}

int shmq_producer_fd(struct shmq_producer *p)
{
	KEEP_ERRNO;
	int r = check_producer(p);

	if (!r)
		r = equip(&p->ep);
	if (r < 0)
		return r;
	/* Readable until a send finds no room. */
	return shmqi_chime_fd(p->ep.chime);
}

/*
 * Its thread may be anywhere. It arms before it looks for this word, and we
 * store this word before we look at the bell: one of us sees the other.
 */
static int cancel(struct endpoint *ep, struct sh_bell *bell)
{
	store_release(&ep->cancelled, 1);
	shmqi_bell_ring(ep->seg, bell);
	return 0;
}

int shmq_consumer_cancel(struct shmq_consumer *c)
{
	int r = c ? check(&c->ep, ENDPOINT_CONSUMER) : -EINVAL;

	if (!r && is_tap(c)) {
		/* It looks by itself, and may not ring. */
		store_release(&c->ep.cancelled, 1);
		return 0;
	}
	return r ? r : cancel(&c->ep, &c->control->recv);
}

int shmq_producer_cancel(struct shmq_producer *p)
{
	int r = check_producer(p);

	return r ? r : cancel(&p->ep, &p->control->send);
}
