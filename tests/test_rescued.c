/* SPDX-License-Identifier: MIT */
/* What somebody finds who comes while another is cleaning up a dead member. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "handle.h"
#include "layout.h"
#include "lease.h"
#include "segment.h"
#include "support.h"

/* The rescuer: another description that has the dead member's lease. */
static int rescuer = -1;

/* The library yields between two looks: that is when the rescuer is done. */
int sched_yield(void)
{
	if (rescuer >= 0)
		shmqi_lease_drop(rescuer, SH_LEASE_MEMBER);
	return 0;
}

static void join_and_die(void *arg)
{
	producer_join(arg);
	_exit(0);
}

static void a_table_is_not_full_of_one_who_is_being_rescued(void **state)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq_producer *p;
	struct shmq *q;
	char path[32];

	(void)state;
	attr.max_members = 1;
	must_be(shmq_open_anonymous(&q, &attr), 0);
	child_run(join_and_die, q);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", shmq_fd(q));
	rescuer = open(path, O_RDWR | O_CLOEXEC);
	must(rescuer >= 0);
	must_be(shmqi_lease_take(rescuer, SH_LEASE_MEMBER), 0);
	must_be(shmq_producer_open(&p, q, 0), 0);
	shmq_producer_close(p);
	close(rescuer);
	rescuer = -1;
	shmq_close(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(
			a_table_is_not_full_of_one_who_is_being_rescued),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
