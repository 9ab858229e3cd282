/* SPDX-License-Identifier: MIT */
/* See moment.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "handle.h"
#include "moment.h"
#include "wake.h"

int __real_fcntl(int fd, int cmd, ...);
int __wrap_fcntl(int fd, int cmd, ...);

/* ------------------------------------------------------------------- moments */

struct moment {
	struct shmq *q;
	step now;
	int64_t byte; /* the lease; -1: the moment is over */
	pid_t pid;
	void (*act)(struct shmq *q);
};
static struct moment *moment;

static struct shmq *resized;

static void act_and_die(void *arg)
{
	struct moment *m = arg;

	step_wait(&m->now, 1);
	m->act(m->q);
	raise(SIGKILL);
}

void moment_begin(struct shmq *q, int64_t byte, void (*act)(struct shmq *q))
{
	moment = shared_memory(sizeof(*moment));
	moment->q = q;
	moment->byte = byte;
	moment->act = act;
	moment->pid = child_start(act_and_die, moment);
}

void moment_end(void)
{
	must_be(moment->byte, -1);
	shared_free(moment, sizeof(*moment));
	moment = NULL;
}

/* The library asks for its leases by this. */
int __wrap_fcntl(int fd, int cmd, ...)
{
	va_list args;
	void *arg;

	va_start(args, cmd);
	arg = va_arg(args, void *);
	va_end(args);
	if (moment && cmd == F_OFD_SETLK) {
		const struct flock *lock = arg;

		if (lock->l_type == F_WRLCK && lock->l_start == moment->byte) {
			moment->byte = -1;
			step_to(&moment->now, 1);
			child_must_be_killed(moment->pid);
		}
	}
	if (resized && cmd == F_OFD_SETLK) {
		const struct flock *lock = arg;
		struct alarm alarm = { &resized->seg->control->send, 0 };

		if (lock->l_type == F_UNLCK &&
		    lock->l_start == SH_LEASE_RINGS) {
			shmqi_bells_arm(&alarm, 1);
			resized = NULL;
		}
	}
	return __real_fcntl(fd, cmd, arg);
}

void moment_arm_at_resize(struct shmq *q)
{
	resized = q;
}

bool moment_was_armed(void)
{
	return !resized;
}

/* -------------------------------------------------------------------- actors */

struct doing {
	void (*act)(struct shmq *q);
	struct shmq *q;
};

static void do_and_die(void *arg)
{
	struct doing *doing = arg;

	doing->act(doing->q);
	raise(SIGKILL);
}

void dies_after(void (*act)(struct shmq *q), struct shmq *q)
{
	struct doing doing = { act, q };

	child_must_be_killed(child_start(do_and_die, &doing));
}

void send_numbers(struct shmq *q, int from, int to)
{
	struct shmq_producer *p = producer_join(q);

	for (int i = from; i < to; i++)
		must_be(shmq_send(p, &i, sizeof(i), SHMQ_NOWAIT), 0);
	shmq_producer_close(p);
}

struct shmq_consumer *borrower(struct shmq *q, unsigned n)
{
	struct shmq_consumer *c = consumer_join(q, 0);
	struct shmq_msg msg;

	while (n--)
		must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
	return c;
}

void borrow_one(struct shmq *q)
{
	borrower(q, 1);
}

void must_come(struct shmq *q, unsigned numbers, unsigned flagged)
{
	struct shmq_consumer *c = consumer_join(q, 0);
	struct shmq_msg msg;
	unsigned seen = 0;
	int r;

	while ((r = shmq_receive(c, &msg, 1, SHMQ_NOWAIT)) == 1) {
		int number;

		memcpy(&number, msg.data, sizeof(number));
		must(!(seen >> number & 1));
		seen |= 1u << number;
		must_be(!!(msg.flags & SHMQ_REDELIVERED),
			flagged >> number & 1);
		must_be(shmq_release(c), 0);
	}
	must_be(r, -EAGAIN);
	must_be(seen, numbers);
	shmq_consumer_close(c);
	must_be(stat_of(q).depth_bytes, 0);
}

void reserve(struct shmq *q)
{
	void *room;

	must_be(shmq_reserve(producer_join(q), 1, &room, SHMQ_NOWAIT), 0);
}

void take_one_and_leave(struct shmq *q)
{
	struct shmq_consumer *c = borrower(q, 1);

	must_be(shmq_release(c), 0);
	shmq_consumer_close(c);
}

int other_description(struct shmq *q)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", shmq_fd(q));
	fd = open(path, O_RDWR | O_CLOEXEC);
	must(fd >= 0);
	return fd;
}
