/* SPDX-License-Identifier: MIT */
/*
 * System calls that a sandbox denies, each in turn, in a child: before a queue
 * is opened, and when its members are there. Each function does without, or
 * says one of the errors of its list; what it returns is what is promised then,
 * and nothing is left behind.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deny.h"
#include "support.h"

#define ERRORS 28

/* ------------------------------------------ the closed lists of include/shmq.h */

/* clang-format off */
static const int of_open[ERRORS] = {
	ENOENT, EEXIST, EINVAL, ENAMETOOLONG, EISDIR, EBADMSG, EPROTONOSUPPORT,
	EOPNOTSUPP, E2BIG, EFBIG, EACCES, EPERM, EROFS, ENOTDIR, ELOOP, ENOSPC,
	EDQUOT, EMFILE, ENFILE, ENOMEM, EIO, ENOSYS };
static const int of_join[ERRORS] = {
	EINVAL, EBADF, EBUSY, EUSERS, ENOMEM, EMFILE, ENFILE, ENOLCK, ENOSYS,
	EBADMSG, ENAMETOOLONG, EOPNOTSUPP };
static const int of_send[ERRORS] = {
	EAGAIN, ETIMEDOUT, EMSGSIZE, EINTR, ECANCELED, EIDRM, EBUSY, EINVAL,
	ESTALE, EBADMSG, EOVERFLOW };
static const int of_recv[ERRORS] = {
	EAGAIN, ETIMEDOUT, EMSGSIZE, EINTR, ECANCELED, EIDRM, ENOBUFS, EINVAL,
	ESTALE, EBADMSG };
static const int of_fd[ERRORS] = {
	EINVAL, ESTALE, EMFILE, ENFILE, ENOMEM, ENOSPC, EDQUOT, EACCES, EPERM,
	EROFS, ENOENT, ENOTDIR, ELOOP, EIO, ENOSYS };
static const int of_recover[ERRORS] = {
	EINVAL, EBADF, EBADMSG, ENOMEM, ENOLCK };
static const int of_group[ERRORS] = {
	EEXIST, EUSERS, EINVAL, ENAMETOOLONG, EBADF, EBUSY, ENOMEM, ENOLCK,
	EBADMSG, ENOENT, EPERM };
/* clang-format on */

static const char *denied_call;

/* Whether it worked; if not, it says so as it is written. */
static bool worked(const char *what, int64_t r, const int *errors)
{
	for (int i = 0; r < 0 && i < ERRORS; i++)
		if (errors[i] && -r == errors[i])
			return false;
	if (r < 0)
		fprintf(stderr, "%s denied: %s: %s\n", denied_call, what,
			strerror((int)-r));
	must(r >= 0);
	return true;
}
#define WORKED(call, errors) worked(#call, call, errors)

/* ------------------------------------------------------------------- a life */

struct life {
	struct shmq *q;
	struct shmq_producer *p;
	struct shmq_consumer *c;
};

static bool life_open(struct life *life, const char *name)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;

	memset(life, 0, sizeof(*life));
	attr.capacity = 4096;
	return (name ? WORKED(shmq_open(&life->q, name, SHMQ_CREATE, 0600,
					&attr),
			      of_open) :
		       WORKED(shmq_open_anonymous(&life->q, &attr), of_open)) &&
	       WORKED(shmq_producer_open(&life->p, life->q, 0), of_join) &&
	       WORKED(shmq_consumer_open(&life->c, life->q, NULL, 0), of_join);
}

static void must_be_readable(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	must_be(poll(&pollfd, 1, 0), 1);
}

/* What goes in comes out, now and after short sleeps. */
static void life_lead(struct life *life)
{
	struct shmq_consumer *both[2] = { life->c, life->c };
	const int64_t moment = 2000000;
	char buf[8];
	int fd, k;

	must_be(shmq_send(life->p, "one", 3, SHMQ_NOWAIT), 0);
	must_be(shmq_recv(life->c, buf, 8, SHMQ_FOREVER), 3);
	must_be(shmq_recv(life->c, buf, 8, moment), -ETIMEDOUT);
	must_be(shmq_wait(both, 2, moment), -ETIMEDOUT);
	WORKED(shmq_group_add(life->q, "other", 0), of_group);
	WORKED(shmq_group_remove(life->q, "other"), of_group);
	fd = shmq_consumer_fd(life->c);
	if (WORKED(fd, of_fd)) {
		must_be(shmq_recv(life->c, buf, 8, SHMQ_NOWAIT), -EAGAIN);
		must_be(shmq_send(life->p, "two", 3, SHMQ_NOWAIT), 0);
		must_be_readable(fd);
		must_be(shmq_recv(life->c, buf, 8, SHMQ_NOWAIT), 3);
	}
	do
		k = shmq_send(life->p, buf, 8, SHMQ_NOWAIT);
	while (k == 0);
	must_be(k, -EAGAIN);
	must_be(shmq_send(life->p, buf, 8, moment), -ETIMEDOUT);
	must_be(shmq_wait(both, 2, moment), 0);
	must(worked("send", k, of_send) || worked("recv", k, of_recv) || 1);
	WORKED(shmq_recover(life->q), of_recover);
}

static void life_end(struct life *life, const char *name)
{
	shmq_producer_close(life->p);
	shmq_consumer_close(life->c);
	shmq_close(life->q);
	if (name && life->q)
		WORKED(shmq_unlink(name), of_open);
}

/* --------------------------------------------------------------- in a child */

struct denial {
	const char *name;
	unsigned call;
};

#define DENIAL(call)                                                           \
	{                                                                      \
#call, SYS_##call                                              \
	}

static const struct denial denials[] = {
	DENIAL(membarrier), DENIAL(futex_waitv),    DENIAL(fcntl),
	DENIAL(madvise),    DENIAL(memfd_create),   DENIAL(epoll_create1),
	DENIAL(epoll_ctl),  DENIAL(timerfd_create), DENIAL(timerfd_settime),
	DENIAL(mknodat),    DENIAL(socket),         DENIAL(setsockopt),
	DENIAL(bind),       DENIAL(sendto),         DENIAL(recvfrom),
	DENIAL(fallocate),  DENIAL(getrandom),      DENIAL(readlinkat),
	DENIAL(linkat),     DENIAL(sched_yield),    DENIAL(fstatfs),
	DENIAL(prlimit64),  DENIAL(sysinfo),        DENIAL(fchown),
	DENIAL(fchmod),     DENIAL(pread64),        DENIAL(faccessat),
	DENIAL(getpid),     DENIAL(gettid),
#ifdef SYS_mknod
	DENIAL(mknod),      DENIAL(readlink),       DENIAL(access),
#endif
};

struct trial {
	const struct denial *denial;
	unsigned error;
	const char *name; /* of the queue; NULL: none */
	bool late;        /* when the members are there */
};

static void live_without(void *arg)
{
	const struct trial *trial = arg;
	struct life life;

	denied_call = trial->denial->name;
	if (!trial->late)
		deny(trial->denial->call, trial->error);
	if (life_open(&life, trial->name)) {
		if (trial->late)
			deny(trial->denial->call, trial->error);
		life_lead(&life);
	}
	life_end(&life, trial->name);
}

static void whatever_is_denied_it_says_so_or_does_without(void **state)
{
	static const unsigned errors[] = { EPERM, ENOSYS, EACCES };

	(void)state;
	skip_unless_deniable();
	for (size_t i = 0; i < sizeof(denials) / sizeof(denials[0]); i++) {
		for (unsigned k = 0; k < 12; k++) {
			struct trial trial = { &denials[i], errors[k / 4],
					       k & 1 ? "q" : NULL, k & 2 };

			child_run(live_without, &trial);
			/* Without permission to lock, nothing of it stays. */
			shmq_unlink("q");
			must_be(directory_entries(), 0);
		}
	}
}

/*
 * Nobody would look for the death of who holds a claim: rather a loop that runs
 * hot than one that sleeps on a message.
 */
static void wait_without_a_timer(void *arg)
{
	struct life life;
	char buf[8];
	void *out;
	int fd;

	(void)arg;
	must(life_open(&life, NULL));
	fd = shmq_consumer_fd(life.c);
	must(fd >= 0);
	must_be(shmq_reserve(life.p, 8, &out, SHMQ_NOWAIT), 0);
	deny(SYS_timerfd_settime, EPERM);
	for (int i = 0; i < 3; i++) {
		must_be(shmq_recv(life.c, buf, 8, SHMQ_NOWAIT), -EAGAIN);
		must_be_readable(fd);
	}
	must_be(shmq_commit(life.p, 8), 0);
	must_be(shmq_recv(life.c, buf, 8, SHMQ_NOWAIT), 8);
	life_end(&life, NULL);
}

static void a_descriptor_without_its_timer_stays_readable(void **state)
{
	(void)state;
	skip_unless_deniable();
	child_run(wait_without_a_timer, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(
			whatever_is_denied_it_says_so_or_does_without),
		TEST_IN_DIRECTORY(
			a_descriptor_without_its_timer_stays_readable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
