/* SPDX-License-Identifier: MIT */
/* A consumer that waits in an event loop, for one descriptor. */
#ifndef BENCH_EPOLL_H
#define BENCH_EPOLL_H

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

/* An epoll descriptor that watches fd, or a negative errno. */
static inline int bench_epoll_create(int fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC), error;

	if (epoll < 0)
		return -errno;
	if (!epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		return epoll;
	error = -errno;
	close(epoll);
	return error;
}

/* Until it is readable. */
static inline int bench_epoll_sleep(int epoll)
{
	struct epoll_event event;

	return epoll_wait(epoll, &event, 1, -1) < 0 && errno != EINTR ? -errno :
									0;
}

#endif /* BENCH_EPOLL_H */
