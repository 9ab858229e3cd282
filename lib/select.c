/* SPDX-License-Identifier: MIT */
/*
 * Waiting for many consumers, of any queues. As one waits for one, with all
 * their bells; where the kernel cannot sleep at several futexes, with their
 * chimes.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>

#include <shmq.h>

#include "attributes.h"
#include "chime.h"
#include "consumer.h"
#include "copies.h"
#include "error.h"

/* What waits where neither futex_waitv nor descriptors are to be had. */
#define NAP_NS INT64_C(5000000)

struct many {
	struct shmq_consumer *const *cs;
	unsigned n;
};

/*
 * Begin behind whom we named last time, so that a busy queue does not hide the
 * others. Remembered in the first of them.
 */
static unsigned turn(const struct many *m, unsigned i)
{
	return (m->cs[0]->next + i) % m->n;
}

static int64_t find(void *self)
{
	struct many *m = self;

	for (unsigned i = 0; i < m->n; i++) {
		unsigned k = turn(m, i);
		int64_t r = shmqi_consumer_peek(m->cs[k]);

		if (r == -EAGAIN)
			continue;
		if (r < 0)
			return r;
		m->cs[0]->next = k + 1;
		return k;
	}
	return -EAGAIN;
}

/* The outlook that allows least. */
static int look_around(void *self)
{
	struct many *m = self;
	int worst = OUTLOOK_RING;

	for (unsigned i = 0; i < m->n; i++) {
		struct shmq_consumer *c = m->cs[i];
		int r = shmqi_consumer_look_around(c, shmqi_rounds_due(
							      &c->rounds));

		if (r < 0)
			return r;
		if (r > worst)
			worst = r;
	}
	return worst;
}

static unsigned collect(const struct many *m, struct alarm *alarms,
			struct endpoint **eps)
{
	for (unsigned i = 0; i < m->n; i++) {
		alarms[i].bell = &m->cs[i]->control->recv;
		eps[i] = &m->cs[i]->ep;
	}
	return m->n;
}

static int64_t sleep_at_bells(struct many *m, int64_t deadline)
{
	struct alarm alarms[BELLS_MAX];
	struct endpoint *eps[BELLS_MAX];
	struct waiter waiter = {
		.self = m,
		.n = collect(m, alarms, eps),
		.alarms = alarms,
		.eps = eps,
		.spin = &m->cs[0]->spin,
		.attempt = find,
		.look_around = look_around,
	};

	*waiter.spin = shmqi_attributes_spin(eps[0], *waiter.spin);
	return shmqi_wait(&waiter, deadline);
}

/* ----------------------------------------------------- without futex_waitv */

/* All chimes are armed, or something is there. */
static int64_t arm_chimes(struct many *m)
{
	for (unsigned i = 0; i < m->n; i++) {
		unsigned k = turn(m, i);
		int64_t r = shmqi_consumer_poll(m->cs[k]);

		if (r == -EAGAIN)
			continue;
		if (r < 0)
			return r;
		m->cs[0]->next = k + 1;
		return k;
	}
	return -EAGAIN;
}

static int64_t sleep_at_chimes(struct many *m, int64_t deadline, int64_t most)
{
	struct pollfd fds[BELLS_MAX];
	struct timespec time;
	int64_t left = most;

	if (deadline != INT64_MAX && deadline - shmqi_clock_ns() < left)
		left = deadline - shmqi_clock_ns();
	if (left <= 0)
		return -ETIMEDOUT;
	time = (struct timespec){ left / 1000000000, left % 1000000000 };
	for (unsigned i = 0; i < m->n; i++) {
		struct chime *chime = m->cs[i]->ep.chime;

		fds[i].fd = chime ? shmqi_chime_fd(chime) : -1;
		fds[i].events = POLLIN;
	}
	return ppoll(fds, m->n, left == INT64_MAX ? NULL : &time, NULL) < 0 &&
			       errno == EINTR ?
		       -EINTR :
		       -EAGAIN;
}

/* Without a chime for each: look every few milliseconds. */
static int64_t look_now_and_then(struct many *m)
{
	int64_t r = find(m);
	int outlook;

	if (r != -EAGAIN)
		return r;
	outlook = look_around(m);
	if (outlook < 0)
		return outlook;
	for (unsigned i = 0; i < m->n; i++) {
		if (load_acquire(&m->cs[i]->control->moved))
			return -EIDRM;
		if (endpoint_cancelled(&m->cs[i]->ep))
			return -ECANCELED;
	}
	return -EAGAIN;
}

static int64_t poll_many(struct many *m, int64_t deadline)
{
	KEEP_ERRNO;
	bool equipped = true;

	for (unsigned i = 0; i < m->n; i++)
		equipped &= shmqi_consumer_equip(m->cs[i]) >= 0;
	for (;;) {
		int64_t r = equipped ? arm_chimes(m) : look_now_and_then(m);

		if (r != -EAGAIN)
			return r;
		r = sleep_at_chimes(m, deadline, equipped ? INT64_MAX : NAP_NS);
		if (r != -EAGAIN)
			return r;
	}
}

int shmq_wait(struct shmq_consumer *const *cs, unsigned n, int64_t timeout_ns)
{
	struct many many = { cs, n };
	int64_t r, deadline;

	if (!cs || !n || n > BELLS_MAX || !timeout_valid(timeout_ns))
		return -EINVAL;
	for (unsigned i = 0; i < n; i++) {
		if (!cs[i])
			return -EINVAL;
		if (cs[i]->ep.magic != ENDPOINT_CONSUMER)
			return -ESTALE;
		if (is_tap(cs[i]))
			return -EOPNOTSUPP;
	}
	r = find(&many);
	if (r != -EAGAIN)
		return (int)r;
	if (timeout_ns == SHMQ_NOWAIT) {
		for (unsigned i = 0; i < n; i++)
			shmqi_consumer_rounds(cs[i]);
		return (int)find(&many);
	}
	deadline = shmqi_wait_deadline(timeout_ns);
	r = -ENOSYS;
	if (n == 1 || shmqi_bells_many())
		r = sleep_at_bells(&many, deadline);
	if (r == -ENOSYS)
		r = poll_many(&many, deadline);
	return (int)r;
}
