/* SPDX-License-Identifier: MIT */
/* Segment files. See segfile.h. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bsd/stdlib.h>

#include "error.h"
#include "fd.h"
#include "lease.h"
#include "segfile.h"
#include "storage.h"

void shmqi_segfile_name(char name[SEGFILE_NAME], uint64_t number)
{
	snprintf(name, SEGFILE_NAME, "%016" PRIx64 ".seg", number);
}

bool shmqi_segfile_number(const char *name, uint64_t *number)
{
	char again[SEGFILE_NAME], *end;

	*number = strtoull(name, &end, 16);
	if (end != name + 16)
		return false;
	shmqi_segfile_name(again, *number);
	return !strcmp(name, again);
}

static int no_file(const char *name)
{
	return shmqi_error_say(-EBADMSG, "damaged: %s is no file", name);
}

/* Whatever has that name, without harm. */
static int open_any(const struct segment *seg, const char *name, bool writable,
		    struct stat *st)
{
	int fd = shmqi_own_fd(openat(seg->journal->dir, name,
				     (writable ? O_RDWR : O_RDONLY) |
					     O_CLOEXEC | O_NOCTTY | O_NONBLOCK |
					     O_NOFOLLOW));

	if (fd == -ELOOP || fd == -EISDIR || fd == -ENXIO || fd == -ENODEV)
		return no_file(name);
	if (fd < 0)
		return fd;
	if (!fstat(fd, st) && S_ISREG(st->st_mode))
		return fd;
	close(fd);
	return no_file(name);
}

int shmqi_segfile_open(const struct segment *seg, uint64_t number,
		       bool writable)
{
	char name[SEGFILE_NAME];
	struct stat st;
	int fd;

	shmqi_segfile_name(name, number);
	fd = open_any(seg, name, writable, &st);
	if (fd < 0 || (uint64_t)st.st_size == seg->geo.capacity)
		return fd;
	close(fd);
	return shmqi_error_say(-EBADMSG,
			       "damaged: %s has %ju bytes and should have %ju",
			       name, (uintmax_t)st.st_size,
			       (uintmax_t)seg->geo.capacity);
}

bool shmqi_segfile_exists(const struct segment *seg, uint64_t number)
{
	char name[SEGFILE_NAME];
	struct stat st;

	shmqi_segfile_name(name, number);
	return !fstatat(seg->journal->dir, name, &st, AT_SYMLINK_NOFOLLOW);
}

int shmqi_segfile_complete(const struct segment *seg, uint64_t number)
{
	uint64_t bytes = seg->geo.capacity;
	char name[SEGFILE_NAME];
	struct stat st;
	int fd, r = 0;

	shmqi_segfile_name(name, number);
	fd = open_any(seg, name, true, &st);
	if (fd < 0)
		return fd;
	if ((uint64_t)st.st_size < bytes ||
	    (uint64_t)st.st_blocks * 512 < bytes)
		r = shmqi_storage_allocate(fd, 0, bytes);
	close(fd);
	return r;
}

int shmqi_segfile_remove(const struct segment *seg, uint64_t number)
{
	char name[SEGFILE_NAME];

	shmqi_segfile_name(name, number);
	return unlinkat(seg->journal->dir, name, 0) < 0 && errno != ENOENT ?
		       -errno :
		       0;
}

/* ---------------------------------------------------------------- preparing */

void shmqi_segfile_drop(struct segment *seg)
{
	struct journal *j = seg->journal;

	if (j->ahead_fd < 0)
		return;
	close(j->ahead_fd);
	j->ahead_fd = -1;
	if (j->ahead_name[0])
		unlinkat(j->dir, j->ahead_name, 0);
	shmqi_lease_drop(seg->lease_fd, SH_LEASE_PREPARE);
}

/* As the control file: whoever may use the journal may use them all. */
static int take_after_control(const struct segment *seg, int fd)
{
	struct stat st;

	if (fstat(seg->share_fd, &st) < 0 || fchmod(fd, st.st_mode & 0777) < 0)
		return -errno;
	/* If we may; if not, it may be of no use to others, as is our umask. */
	if (fchown(fd, st.st_uid, st.st_gid) < 0 && errno != EPERM)
		return -errno;
	return 0;
}

static int begin(struct segment *seg, uint64_t number)
{
	struct journal *j = seg->journal;
	int fd, r;

	j->ahead_name[0] = '\0';
	fd = shmqi_own_fd(
		openat(j->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
	if (fd == -EOPNOTSUPP || fd == -EISDIR || fd == -ENOENT ||
	    fd == -EINVAL) {
		snprintf(j->ahead_name, sizeof(j->ahead_name), ".shmq-%08x%08x",
			 arc4random(), arc4random());
		fd = shmqi_own_fd(openat(j->dir, j->ahead_name,
					 O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC |
						 O_NOFOLLOW,
					 0600));
	}
	if (fd < 0)
		return fd;
	j->ahead_fd = fd;
	j->ahead_number = number;
	j->ahead_bytes = 0;
	r = take_after_control(seg, fd);
	if (r)
		shmqi_segfile_drop(seg);
	return r;
}

/* Has the stream gone on so far that retention has removed it? */
static bool is_gone(const struct segment *seg, uint64_t number)
{
	return shmqi_journal_gone(seg, number * seg->geo.capacity);
}

static int give_name(struct segment *seg)
{
	struct journal *j = seg->journal;
	uint64_t number = j->ahead_number;
	char name[SEGFILE_NAME], path[32];
	int r;

	shmqi_segfile_name(name, j->ahead_number);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", j->ahead_fd);
	r = j->ahead_name[0] ?
		    linkat(j->dir, j->ahead_name, j->dir, name, 0) :
		    linkat(AT_FDCWD, path, j->dir, name, AT_SYMLINK_FOLLOW);
	r = r < 0 ? -errno : 0;
	shmqi_segfile_drop(seg);
	if (r == -EEXIST)
		r = 0;
	/* Who was stopped on the way must not leave a file behind the others. */
	if (!r && is_gone(seg, number)) {
		shmqi_segfile_remove(seg, number);
		r = -ESTALE;
	}
	return r;
}

/* Allocate so many bytes more, and give it its name when it has them all. */
static int go_on(struct segment *seg, uint64_t bytes)
{
	struct journal *j = seg->journal;
	uint64_t left = seg->geo.capacity - j->ahead_bytes;
	int r;

	if (bytes > left)
		bytes = left;
	r = shmqi_storage_allocate(j->ahead_fd, j->ahead_bytes, bytes);
	if (r) {
		/* What it has may be what others lack. */
		shmqi_segfile_drop(seg);
		return r;
	}
	j->ahead_bytes += bytes;
	return bytes == left ? give_name(seg) : 0;
}

int shmqi_segfile_make(struct segment *seg, uint64_t number)
{
	struct journal *j = seg->journal;
	int r = 0;

	if (is_gone(seg, number))
		return -ESTALE;
	if (shmqi_segfile_exists(seg, number))
		return 0;
	if (j->ahead_fd >= 0 && j->ahead_number != number)
		shmqi_segfile_drop(seg);
	if (j->ahead_fd < 0)
		r = begin(seg, number);
	return r ? r : go_on(seg, seg->geo.capacity);
}

void shmqi_segfile_prepare(struct segment *seg, uint64_t number, uint64_t bytes)
{
	struct journal *j = seg->journal;

	if (j->ahead_fd >= 0 && j->ahead_number != number)
		shmqi_segfile_drop(seg);
	if (is_gone(seg, number) || shmqi_segfile_exists(seg, number)) {
		shmqi_segfile_drop(seg);
		return;
	}
	if (j->ahead_fd < 0 &&
	    (shmqi_lease_take(seg->lease_fd, SH_LEASE_PREPARE) ||
	     begin(seg, number))) {
		shmqi_lease_drop(seg->lease_fd, SH_LEASE_PREPARE);
		shmqi_error_clear();
		return;
	}
	go_on(seg, bytes);
	shmqi_error_clear();
}
