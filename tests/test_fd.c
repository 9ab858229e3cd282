/* SPDX-License-Identifier: MIT */
/* Descriptors for event loops: what readable means, and for how long. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "atomic.h"
#include "chime.h"
#include "consumer.h"
#include "support.h"
#include "variants.h"

#define MS INT64_C(1000000)

static bool readable(int fd, int ms)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	int r;

	do
		r = poll(&pollfd, 1, ms);
	while (r < 0 && errno == EINTR);
	must(r >= 0);
	return r;
}

#define LONG (PATIENCE_S * 1000)

static int fd_of(struct shmq_consumer *c)
{
	int fd = shmq_consumer_fd(c);

	if (fd < 0)
		must_be(fd, 0);
	must_be(shmq_consumer_fd(c), fd);
	return fd;
}

/* What a loop does that has been woken. How many there were. */
static unsigned receive_all(struct shmq_consumer *c)
{
	unsigned n = 0;
	char buf[64];
	ssize_t r;

	while ((r = shmq_recv(c, buf, sizeof(buf), 0)) >= 0)
		n++;
	must_be(r, -EAGAIN);
	return n;
}

/* ------------------------------------------------------- what it says */

static void it_is_readable_while_a_message_waits(struct setting *s)
{
	int fd = fd_of(s->c);

	must(!readable(fd, 0));
	for (unsigned n = 1; n < 5; n++) {
		for (unsigned i = 0; i < n; i++)
			must_be(shmq_send(s->p, "x", 1, 0), 0);
		for (unsigned i = 0; i < n; i++) {
			must(readable(fd, 0));
			must_be(shmq_recv(s->c, s->buf, 1, 0), 1);
		}
		must_be(receive_all(s->c), 0);
		must(!readable(fd, 0));
		must_be(receive_all(s->c), 0);
		must(!readable(fd, 0));
	}
}

static void it_is_readable_if_a_message_was_there_before(struct setting *s)
{
	struct shmq_msg msg;

	must_be(shmq_send(s->p, "x", 1, 0), 0);
	must(readable(fd_of(s->c), 0));
	must_be(shmq_receive(s->c, &msg, 1, 0), 1);
	must_be(receive_all(s->c), 0);
	must(!readable(fd_of(s->c), 0));
	must_be(shmq_release(s->c), 0);
	must(!readable(fd_of(s->c), 0));
}

/* Neither a discarded message nor one that has been taken. */
static void skipped_records_are_no_messages(struct setting *s)
{
	int fd = fd_of(s->c);
	void *out;

	must_be(shmq_reserve(s->p, 8, &out, 0), 0);
	must_be(shmq_discard(s->p), 0);
	must_be(receive_all(s->c), 0);
	must(!readable(fd, 0));
	must_be(stat_of(s->q).depth_messages, 0);
}

/* A claim is watched by the timer, and what comes of it is seen. */
static void an_open_claim_is_watched(struct setting *s)
{
	int fd = fd_of(s->c);
	void *out;

	must_be(shmq_reserve(s->p, 8, &out, 0), 0);
	for (int i = 0; i < 3; i++) {
		must(readable(fd, LONG));
		must_be(receive_all(s->c), 0);
	}
	must_be(shmq_commit(s->p, 8), 0);
	must(readable(fd, LONG));
	must_be(receive_all(s->c), 1);
	must(!readable(fd, 0));
}

static void waiting_in_the_library_goes_on_working(struct setting *s)
{
	int fd = fd_of(s->c);

	must_be(shmq_recv(s->c, s->buf, 1, MS), -ETIMEDOUT);
	must(!readable(fd, 0));
	must_be(shmq_send(s->p, "x", 1, 0), 0);
	must_be(shmq_send(s->p, "x", 1, 0), 0);
	must_be(shmq_recv(s->c, s->buf, 1, SHMQ_FOREVER), 1);
	must(readable(fd, 0));
	must_be(shmq_recv(s->c, s->buf, 1, SHMQ_FOREVER), 1);
	must_be(shmq_recv(s->c, s->buf, 1, MS), -ETIMEDOUT);
	must_be(shmq_wait(&s->c, 1, MS), -ETIMEDOUT);
	must_be(receive_all(s->c), 0);
	must(!readable(fd, 0));
	must_be(shmq_send(s->p, "x", 1, 0), 0);
	must(readable(fd, 0));
}

static void select_and_both_kinds_of_epoll_agree(struct setting *s)
{
	struct epoll_event level = { .events = EPOLLIN };
	struct epoll_event edge = { .events = EPOLLIN | EPOLLET };
	int epoll[2] = { epoll_create1(0), epoll_create1(0) };
	int fd = fd_of(s->c);

	must_be(epoll_ctl(epoll[0], EPOLL_CTL_ADD, fd, &level), 0);
	must_be(epoll_ctl(epoll[1], EPOLL_CTL_ADD, fd, &edge), 0);
	for (int i = 0; i < 5; i++) {
		struct epoll_event got;
		struct timeval now = { 0 };
		fd_set set;

		FD_ZERO(&set);
		FD_SET(fd, &set);
		must_be(select(fd + 1, &set, NULL, NULL, &now), 0);
		must_be(epoll_wait(epoll[0], &got, 1, 0), 0);
		must_be(epoll_wait(epoll[1], &got, 1, 0), 0);
		must_be(shmq_send(s->p, "x", 1, 0), 0);
		FD_SET(fd, &set);
		must_be(select(fd + 1, &set, NULL, NULL, &now), 1);
		must_be(epoll_wait(epoll[0], &got, 1, 0), 1);
		must_be(epoll_wait(epoll[0], &got, 1, 0), 1);
		must_be(epoll_wait(epoll[1], &got, 1, 0), 1);
		must_be(epoll_wait(epoll[1], &got, 1, 0), 0);
		must_be(receive_all(s->c), 1);
	}
	close(epoll[0]);
	close(epoll[1]);
}

static void a_cancel_is_readable(struct setting *s)
{
	int fd = fd_of(s->c);

	must_be(shmq_consumer_cancel(s->c), 0);
	must(readable(fd, 0));
	must_be(shmq_recv(s->c, s->buf, 1, 0), -ECANCELED);
	must_be(receive_all(s->c), 0);
	must(!readable(fd, 0));
}

static void room_is_readable(struct setting *s)
{
	int fd = shmq_producer_fd(s->p);

	must(fd >= 0);
	must_be(shmq_producer_fd(s->p), fd);
	must(readable(fd, 0));
	for (int i = 0; i < 3; i++) {
		while (shmq_send(s->p, "x", 1, 0) == 0)
			must(readable(fd, 0));
		must_be(shmq_send(s->p, "x", 1, 0), -EAGAIN);
		must_be(shmq_recv(s->c, s->buf, 1, 0), 1);
		must(readable(fd, LONG));
		must_be(shmq_send(s->p, "x", 1, 0), 0);
		must(readable(fd, LONG));
	}
	must_be(shmq_send(s->p, "x", 1, 0), -EAGAIN);
	must_be(shmq_producer_cancel(s->p), 0);
	must(readable(fd, 0));
	must_be(shmq_send(s->p, "x", 1, 0), -ECANCELED);
	must_be(shmq_send(s->p, "x", 1, 0), -EAGAIN);
}

int main(void)
{
	const struct body bodies[] = {
		BODY(it_is_readable_while_a_message_waits),
		BODY(it_is_readable_if_a_message_was_there_before),
		BODY(skipped_records_are_no_messages),
		BODY(an_open_claim_is_watched),
		BODY(waiting_in_the_library_goes_on_working),
		BODY(select_and_both_kinds_of_epoll_agree),
		BODY(a_cancel_is_readable),
		BODY(room_is_readable),
	};

	return variants_run("fd", bodies, sizeof(bodies) / sizeof(bodies[0]));
}
