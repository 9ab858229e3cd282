/* SPDX-License-Identifier: MIT */
/* errno is left alone, whatever a call returns. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "support.h"

#define MARK 12345

/* The call returns that, and errno is what it was. */
#define must_leave_errno(call, result)                                         \
	do {                                                                   \
		int64_t result_;                                               \
                                                                               \
		errno = MARK;                                                  \
		result_ = (call);                                              \
		must_be(errno, MARK);                                          \
		must_be(result_, result);                                      \
	} while (0)

static void opening_and_unlinking_leave_errno_alone(void **state)
{
	struct shmq *q = queue_create("q", 4096, 0), *other;

	(void)state;
	must_leave_errno(shmq_open(&other, "none", 0, 0, NULL), -ENOENT);
	must_leave_errno(shmq_open(&other, "/", 0, 0, NULL), -EINVAL);
	must_leave_errno(shmq_open(&other, "/proc/none/q", SHMQ_CREATE, 0600,
				   NULL),
			 -ENOENT);
	must_leave_errno(shmq_open(&other, "q", SHMQ_CREATE | SHMQ_EXCL, 0600,
				   NULL),
			 -EEXIST);
	must_leave_errno(shmq_open_fd(&other, -1, 0), -EBADF);
	must_leave_errno(shmq_unlink("none"), -ENOENT);
	must_leave_errno(shmq_unlink("/proc/self"), -EISDIR);
	must_leave_errno(shmq_open(&other, "q", 0, 0, NULL), 0);
	errno = MARK;
	shmq_close(other);
	must_be(errno, MARK);
	must_leave_errno(shmq_open_anonymous(&other, NULL), 0);
	shmq_close(other);
	shmq_close(q);
}

static void exclusive_consumer(void *arg)
{
	struct shmq *q = queue_open("q");
	struct shmq_consumer *c;

	(void)arg;
	must_leave_errno(shmq_consumer_open(&c, q, NULL, SHMQ_EXCLUSIVE),
			 -EBUSY);
	must_leave_errno(shmq_recover(q), 0);
	shmq_close(q);
}

static void endpoints_leave_errno_alone(void **state)
{
	struct shmq *q = queue_create("q", 4096, 0);
	struct shmq_member_info info = SHMQ_MEMBER_INFO_INIT;
	struct shmq_producer *p;
	struct shmq_consumer *c;
	char byte;

	(void)state;
	must_leave_errno(shmq_producer_open(&p, q, 0), 0);
	must_leave_errno(shmq_consumer_open(&c, q, NULL, 0), 0);
	child_run(exclusive_consumer, NULL);
	must_leave_errno(shmq_recv(c, &byte, 1, SHMQ_NOWAIT), -EAGAIN);
	must_leave_errno(shmq_recv(c, &byte, 1, 1000000), -ETIMEDOUT);
	must_leave_errno(shmq_wait(&c, 1, 1000000), -ETIMEDOUT);
	must_leave_errno(shmq_wait((struct shmq_consumer *[]){ c, c }, 2,
				   1000000),
			 -ETIMEDOUT);
	must_leave_errno(shmq_consumer_fd(c) < 0, 0);
	must_leave_errno(shmq_producer_fd(p) < 0, 0);
	must_leave_errno(shmq_recv(c, &byte, 1, SHMQ_NOWAIT), -EAGAIN);
	must_leave_errno(shmq_consumer_cancel(c), 0);
	must_leave_errno(shmq_recv(c, &byte, 1, SHMQ_NOWAIT), -ECANCELED);
	must_leave_errno(shmq_stat_member(q, 0, &info), 1);
	errno = MARK;
	shmq_consumer_close(c);
	shmq_producer_close(p);
	must_be(errno, MARK);
	shmq_close(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(opening_and_unlinking_leave_errno_alone),
		TEST_IN_DIRECTORY(endpoints_leave_errno_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
