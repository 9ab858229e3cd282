/* SPDX-License-Identifier: MIT */
/* Leases: the only taker of file locks. See lease.h. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "error.h"
#include "lease.h"

static struct flock one_byte(short type, int64_t byte)
{
	return (struct flock){ .l_type = type,
			       .l_whence = SEEK_SET,
			       .l_start = byte,
			       .l_len = 1 };
}

static int set(int fd, short type, int64_t byte)
{
	KEEP_ERRNO;
	struct flock lock = one_byte(type, byte);

	while (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
		if (errno == EAGAIN || errno == EACCES)
			return -EBUSY;
		/* A sandbox that denies them. */
		if (errno == EPERM || errno == ENOSYS)
			return -ENOLCK;
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

int shmqi_lease_take(int fd, int64_t byte)
{
	return set(fd, F_WRLCK, byte);
}

int shmqi_lease_share(int fd, int64_t byte)
{
	return set(fd, F_RDLCK, byte);
}

void shmqi_lease_drop(int fd, int64_t byte)
{
	set(fd, F_UNLCK, byte);
}

bool shmqi_lease_let_pass(int look)
{
	if (look < 100)
		sched_yield();
	else
		usleep(1000);
	return look < 1100;
}

bool shmqi_lease_held(int fd, int64_t byte)
{
	KEEP_ERRNO;
	struct flock lock = one_byte(F_WRLCK, byte);

	while (fcntl(fd, F_OFD_GETLK, &lock) < 0)
		if (errno != EINTR)
			return true;
	return lock.l_type != F_UNLCK;
}
