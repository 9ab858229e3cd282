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
	shmqi_error_say(-EBADMSG, "damaged: %s is no file", name);
	return -EBADMSG;
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

/* Done with it, whether it has its name or not. */
static void drop(struct segment *seg, struct preparing *at)
{
	if (at->leased)
		shmqi_lease_drop(seg->lease_fd, SH_LEASE_PREPARE);
	at->leased = false;
	/* Its descriptor may not stand for another file. */
	at->over = at->busy;
	if (at->busy || at->fd < 0)
		return;
	close(at->fd);
	at->fd = -1;
	if (at->name[0])
		unlinkat(seg->journal->dir, at->name, 0);
}

void shmqi_segfile_drop(struct segment *seg)
{
	drop(seg, &seg->journal->ahead);
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

static int begin(struct segment *seg, struct preparing *at, uint64_t number)
{
	int dir = seg->journal->dir, fd, r;

	at->name[0] = '\0';
	fd = shmqi_own_fd(
		openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
	if (fd == -EOPNOTSUPP || fd == -EISDIR || fd == -ENOENT ||
	    fd == -EINVAL) {
		snprintf(at->name, sizeof(at->name), ".shmq-%08x%08x",
			 arc4random(), arc4random());
		fd = shmqi_own_fd(openat(dir, at->name,
					 O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC |
						 O_NOFOLLOW,
					 0600));
	}
	if (fd < 0)
		return fd;
	at->fd = fd;
	at->number = number;
	at->bytes = 0;
	r = take_after_control(seg, fd);
	if (r)
		drop(seg, at);
	return r;
}

/* Has the stream gone on so far that retention has removed it? */
static bool is_gone(const struct segment *seg, uint64_t number)
{
	return shmqi_journal_gone(seg, number * seg->geo.capacity);
}

static int give_name(struct segment *seg, struct preparing *at)
{
	uint64_t number = at->number;
	int dir = seg->journal->dir;
	char name[SEGFILE_NAME], path[32];
	int r;

	shmqi_segfile_name(name, number);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", at->fd);
	r = at->name[0] ? linkat(dir, at->name, dir, name, 0) :
			  linkat(AT_FDCWD, path, dir, name, AT_SYMLINK_FOLLOW);
	r = r < 0 ? -errno : 0;
	drop(seg, at);
	if (r == -EEXIST)
		r = 0;
	/* Who was stopped on the way must not leave a file behind the others. */
	if (!r && is_gone(seg, number)) {
		shmqi_segfile_remove(seg, number);
		r = -ESTALE;
	}
	return r;
}

/* So much more that it has so many bytes, or all. */
static int allocate(const struct segment *seg, const struct preparing *at,
		    uint64_t bytes)
{
	uint64_t from = at->bytes;

	bytes = bytes < seg->geo.capacity ? bytes : seg->geo.capacity;
	/* Where nobody sends yet it is the first, and nobody else has it. */
	return seg->journal->provider_users ?
		       shmqi_storage_allocate(at->fd, from, bytes - from) :
		       shmqi_storage_fresh(at->fd, from, bytes - from);
}

/* That was done, with result r: give it its name when it has them all. */
static int allocated(struct segment *seg, struct preparing *at, uint64_t bytes,
		     int r)
{
	if (r) {
		/* What it has may be what others lack. */
		drop(seg, at);
		return r;
	}
	if (at->bytes < bytes)
		at->bytes = bytes;
	return at->bytes >= seg->geo.capacity ? give_name(seg, at) : 0;
}

int shmqi_segfile_make(struct segment *seg, uint64_t number)
{
	struct preparing own = { .fd = -1 }, *at = &seg->journal->ahead;
	uint64_t bytes = seg->geo.capacity;
	int r = 0;

	if (is_gone(seg, number))
		return -ESTALE;
	if (shmqi_segfile_exists(seg, number))
		return 0;
	if (at->fd >= 0 && at->number != number)
		drop(seg, at);
	if (at->over)
		at = &own;
	if (at->fd < 0)
		r = begin(seg, at, number);
	return r ? r : allocated(seg, at, bytes, allocate(seg, at, bytes));
}

/* True: we have it at hand, and it is not complete. */
static bool at_hand(struct segment *seg, uint64_t number)
{
	struct journal *j = seg->journal;
	struct preparing *at = &j->ahead;

	if (number == j->ahead_done)
		return false;
	if (at->fd >= 0 && at->number != number)
		drop(seg, at);
	if (at->over || at->fd >= 0)
		return !at->over;
	if (is_gone(seg, number) || shmqi_segfile_exists(seg, number)) {
		j->ahead_done = number;
		return false;
	}
	if (shmqi_lease_take(seg->lease_fd, SH_LEASE_PREPARE))
		return false;
	at->leased = true;
	if (!begin(seg, at, number))
		return true;
	if (at->leased)
		shmqi_lease_drop(seg->lease_fd, SH_LEASE_PREPARE);
	at->leased = false;
	shmqi_error_clear();
	return false;
}

/* Meanwhile others may allocate the same, name it, and be done with it. */
static int allocate_unlocked(struct segment *seg, struct preparing *at,
			     uint64_t bytes)
{
	uint64_t from = at->bytes;
	int fd = at->fd, r;

	bytes = bytes < seg->geo.capacity ? bytes : seg->geo.capacity;
	at->busy = true;
	pthread_mutex_unlock(&seg->lock);
	r = shmqi_storage_allocate(fd, from, bytes - from);
	pthread_mutex_lock(&seg->lock);
	at->busy = false;
	return r;
}

bool shmqi_segfile_prepare(struct segment *seg, uint64_t number, uint64_t bytes,
			   uint64_t most, bool unlocked)
{
	struct journal *j = seg->journal;
	struct preparing *at = &j->ahead;
	int r;

	if (!bytes || !at_hand(seg, number) || at->bytes >= bytes)
		return false;
	if (bytes - at->bytes > most)
		bytes = at->bytes + most;
	r = unlocked ? allocate_unlocked(seg, at, bytes) :
		       allocate(seg, at, bytes);
	if (at->over && !at->busy)
		drop(seg, at);
	else
		r = allocated(seg, at, bytes, r);
	/* What failed is not tried again before it is needed. */
	if (r || at->over || at->fd < 0)
		j->ahead_done = number;
	shmqi_error_clear();
	return true;
}
