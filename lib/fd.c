/* SPDX-License-Identifier: MIT */
/* Descriptors. See fd.h. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "error.h"
#include "fd.h"

int shmqi_own_fd(int fd)
{
	int copy;

	if (fd < 0)
		return -errno;
	if (fd > STDERR_FILENO)
		return fd;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	copy = copy < 0 ? -errno : copy;
	close(fd);
	return copy;
}

int shmqi_reopen(int fd, int flags)
{
	char path[32];
	int copy;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	copy = shmqi_own_fd(
		open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
	if (copy == -ENOENT)
		return shmqi_error_say(-ENOSYS,
				       "/proc is needed, and not mounted");
	return copy;
}
