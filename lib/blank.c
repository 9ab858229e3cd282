/* SPDX-License-Identifier: MIT */
/* Files that are to become queues. See blank.h. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <bsd/stdlib.h>

#include "blank.h"
#include "fd.h"
#include "storage.h"

/* An unnamed file in the directory, or one under a name nobody looks for. */
static int temporary(const struct name *name, mode_t mode, char *path,
		     size_t path_size)
{
	int fd;

	path[0] = '\0';
	if (access("/proc/self/fd", F_OK) == 0) {
		fd = shmqi_own_fd(
			open(name->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, mode));
		if (fd != -EOPNOTSUPP && fd != -EISDIR && fd != -ENOENT &&
		    fd != -EINVAL)
			return fd;
	}
	if ((size_t)snprintf(path, path_size, "%s.shmq-%08x%08x", name->dir,
			     arc4random(), arc4random()) >= path_size)
		return -ENAMETOOLONG;
	return shmqi_own_fd(
		open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW,
		     mode));
}

int shmqi_blank_name(const struct blank *blank, const struct name *name)
{
	char path[32];

	if (blank->path[0])
		return link(blank->path, name->path) < 0 ? -errno : 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", blank->fd);
	return linkat(AT_FDCWD, path, AT_FDCWD, name->path, AT_SYMLINK_FOLLOW) <
			       0 ?
		       -errno :
		       0;
}

int shmqi_blank_make(struct blank *blank, const struct name *name, mode_t mode,
		     const struct geometry *geo)
{
	int r = 0;

	blank->path[0] = '\0';
	blank->fd = name ? temporary(name, mode, blank->path,
				     sizeof(blank->path)) :
			   shmqi_storage_memory(geo->file_bytes);
	if (blank->fd < 0)
		return blank->fd;
	if (name)
		r = shmqi_storage_allocate(blank->fd, 0, geo->file_bytes);
	if (!r)
		return 0;
	close(blank->fd);
	if (blank->path[0])
		unlink(blank->path);
	return r;
}
