/* SPDX-License-Identifier: MIT */
/*
 * Who sleeps, at how many bells, and until when: sleeps that are shorter than
 * they could be, or are none, delay nobody, so no other test would see them.
 * Each sleep is ended by a message.
 */
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "handle.h"
#include "support.h"
#include "wake.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

int __wrap_shmqi_bells_sleep(const struct alarm *alarms, unsigned n,
			     int64_t deadline_ns);

static struct shmq_producer *waker;
static unsigned sleeps, bells;
static int64_t until_ns; /* of the last one */

int __wrap_shmqi_bells_sleep(const struct alarm *alarms, unsigned n,
			     int64_t deadline_ns)
{
	(void)alarms;
	sleeps++;
	bells = n;
	until_ns = deadline_ns;
	must_be(shmq_send(waker, "x", 1, SHMQ_NOWAIT), 0);
	return 0;
}

/* Where nobody can be heard in the end, sleeps are short. */
static void skip_unless_bells_are_sure(void)
{
	struct shmq *q = queue_anonymous(4096, 0);
	struct alarm alarm = { &q->seg->control->recv, 0 };
	bool sure = shmqi_bells_arm(&alarm, 1);

	shmq_close(q);
	if (!sure)
		skip();
}

static void skip_without_waitv(void)
{
	if (syscall(SYS_futex_waitv, NULL, 0, 0, NULL, 0) == 0 ||
	    errno != EINVAL)
		skip();
}

static void receive_one(struct shmq_consumer *c)
{
	char got;

	sleeps = 0;
	must_be(shmq_recv(c, &got, 1, SHMQ_FOREVER), 1);
	must_be(sleeps, 1);
}

/* What those of other groups hold, and do not give back, is not for it. */
static void only_peers_of_its_group_are_looked_after(void **state)
{
	struct shmq_consumer *c, *other, *peer;
	struct shmq *q;

	(void)state;
	skip_unless_bells_are_sure();
	q = queue_anonymous(4096, 0);
	c = consumer_join(q, 0);
	waker = producer_join(q);
	receive_one(c);
	must(until_ns == INT64_MAX);
	must_be(shmq_consumer_open(&other, q, "other", SHMQ_NEWEST), 0);
	receive_one(c);
	must(until_ns == INT64_MAX);
	peer = consumer_join(q, 0);
	receive_one(c);
	must(until_ns < INT64_MAX);
	shmq_consumer_close(peer);
	receive_one(c);
	must(until_ns == INT64_MAX);
	shmq_consumer_close(other);
	shmq_consumer_close(c);
	shmq_producer_close(waker);
	shmq_close(q);
}

/* At all of them at once, if the kernel can. */
static void who_waits_for_many_sleeps_at_all_bells(void **state)
{
	struct shmq_consumer *c[2];
	struct shmq *q[2];

	(void)state;
	skip_unless_bells_are_sure();
	skip_without_waitv();
	for (int i = 0; i < 2; i++) {
		q[i] = queue_anonymous(4096, 0);
		c[i] = consumer_join(q[i], 0);
	}
	waker = producer_join(q[1]);
	sleeps = 0;
	must_be(shmq_wait(c, 2, PATIENCE_NS / 10), 1);
	must_be(sleeps, 1);
	must_be(bells, 2);
	shmq_producer_close(waker);
	for (int i = 0; i < 2; i++) {
		shmq_consumer_close(c[i]);
		shmq_close(q[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(only_peers_of_its_group_are_looked_after),
		TEST_IN_DIRECTORY(who_waits_for_many_sleeps_at_all_bells),
	};

	return cmocka_run_group_tests_name("sleeps", tests, NULL, NULL);
}
