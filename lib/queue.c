/* SPDX-License-Identifier: MIT */
/* Queues: opening, closing, unlinking. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <shmq.h>

#include "atomic.h"
#include "error.h"
#include "fd.h"
#include "format.h"
#include "handle.h"
#include "journal.h"
#include "map.h"
#include "name.h"
#include "registry.h"
#include "wake.h"

/* How often a name may change hands while we look at it. */
#define TRIES 100

static int new_handle(struct shmq **out, struct segment *seg)
{
	struct shmq *q = malloc(sizeof(*q));

	if (!q) {
		shmqi_registry_put(seg);
		return -ENOMEM;
	}
	q->seg = seg;
	*out = q;
	return 0;
}

static int create(struct segment **out, const struct name *name, mode_t mode,
		  const struct shmq_attr *attr)
{
	struct geometry geo;
	int r = shmqi_format_plan(&geo, attr);

	if (!r && geometry_journal(&geo) && !name)
		return shmqi_error_say(-EINVAL,
				       "a journal is a directory, and so needs "
				       "a name");
	if (!r)
		r = geometry_journal(&geo) ?
			    shmqi_journal_create(out, name, mode, &geo) :
			    shmqi_registry_create(out, name, mode, &geo);
	if (r == -ENOENT && name)
		return shmqi_error_say(r, "there is no directory %s",
				       name->dir);
	return r;
}

/* Only regular files: opening a FIFO or a device may do anything. */
static int check_file(int fd, struct stat *st)
{
	if (fstat(fd, st) < 0)
		return -errno;
	if (S_ISDIR(st->st_mode))
		return -EISDIR;
	if (!S_ISREG(st->st_mode))
		return shmqi_error_say(-EBADMSG,
				       "not a queue: not a regular file");
	return 0;
}

static int open_file(const char *path, bool writable)
{
	int fd = shmqi_own_fd(open(path, (writable ? O_RDWR : O_RDONLY) |
						 O_CLOEXEC | O_NOCTTY |
						 O_NONBLOCK));

	if (fd == -ENXIO || fd == -ETXTBSY || fd == -ENODEV)
		return shmqi_error_say(-EBADMSG,
				       "not a queue: a socket, a device or a "
				       "running program");
	return fd;
}

/*
 * The file of a queue, or the control file of the journal that a directory is:
 * its descriptor, or an error.
 */
static int open_queue(const struct name *name, bool writable, struct stat *st)
{
	int fd = open_file(name->path, writable), r = fd;
	struct name control;

	if (fd >= 0) {
		r = check_file(fd, st);
		if (!r)
			return fd;
		close(fd);
	}
	if (r != -EISDIR || shmqi_journal_control(&control, name))
		return r;
	fd = open_file(control.path, writable);
	if (fd < 0)
		return fd == -ENOENT ? -EISDIR : fd;
	r = check_file(fd, st);
	if (!r)
		return fd;
	close(fd);
	return r;
}

static int open_existing(struct segment **out, const struct name *name,
			 bool writable)
{
	struct stat st;
	int fd = open_queue(name, writable, &st), r;

	if (fd < 0)
		return fd;
	r = shmqi_registry_open(out, fd, &st, writable);
	/* Any other number is damage, and no reason to remove a file. */
	if (r || !writable || load_acquire(&(*out)->control->moved) != 1)
		return r;
	/* Somebody died, or is just now, removing this name: finish it. */
	shmqi_registry_put(*out);
	r = shmq_unlink(name->path);
	return r && r != -ENOENT ? r : -ENOENT;
}

int shmq_open(struct shmq **out, const char *name, int flags, mode_t mode,
	      const struct shmq_attr *attr)
{
	KEEP_ERRNO;
	const int known = SHMQ_CREATE | SHMQ_EXCL | SHMQ_RDONLY;
	struct segment *seg = NULL;
	struct name where;
	int r;

	shmqi_error_clear();
	if (!out || flags & ~known ||
	    (flags & SHMQ_EXCL && !(flags & SHMQ_CREATE)))
		return -EINVAL;
	if (flags & SHMQ_CREATE && flags & SHMQ_RDONLY)
		return shmqi_error_say(-EINVAL,
				       "a queue cannot be created read only");
	r = shmqi_name_resolve(&where, name);
	if (r)
		return r;
	/* Others may create or remove the name between the two steps. */
	for (int i = 0; i < TRIES; i++) {
		r = -ENOENT;
		if (!(flags & SHMQ_EXCL))
			r = open_existing(&seg, &where, !(flags & SHMQ_RDONLY));
		if (r != -ENOENT || !(flags & SHMQ_CREATE))
			break;
		r = create(&seg, &where, mode, attr);
		if (r != -EEXIST || flags & SHMQ_EXCL)
			break;
	}
	return r ? r : new_handle(out, seg);
}

int shmq_open_anonymous(struct shmq **out, const struct shmq_attr *attr)
{
	KEEP_ERRNO;
	struct segment *seg = NULL;
	int r;

	shmqi_error_clear();
	if (!out)
		return -EINVAL;
	r = create(&seg, NULL, 0, attr);
	return r ? r : new_handle(out, seg);
}

int shmq_open_fd(struct shmq **out, int fd, int flags)
{
	KEEP_ERRNO;
	bool writable = !(flags & SHMQ_RDONLY);
	struct segment *seg;
	struct stat st;
	int r, copy;

	shmqi_error_clear();
	if (!out || flags & ~SHMQ_RDONLY)
		return -EINVAL;
	r = check_file(fd, &st);
	if (r)
		return r;
	r = fcntl(fd, F_GETFL);
	if (r < 0)
		return -errno;
	if ((r & O_ACCMODE) == O_WRONLY ||
	    (writable && (r & O_ACCMODE) != O_RDWR))
		return -EACCES;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0)
		return -errno;
	r = shmqi_registry_open(&seg, copy, &st, writable);
	return r ? r : new_handle(out, seg);
}

int shmq_fd(const struct shmq *q)
{
	return q ? q->seg->share_fd : -EINVAL;
}

void shmq_close(struct shmq *q)
{
	KEEP_ERRNO;
	if (!q)
		return;
	shmqi_registry_put(q->seg);
	free(q);
}

/* Enough of a header to know that this is ours to remove. */
static int check_magic(int fd)
{
	uint64_t magic;

	if (pread(fd, &magic, sizeof(magic), 0) != sizeof(magic) ||
	    magic != SH_MAGIC)
		return shmqi_error_say(-EBADMSG, "not a queue: left alone");
	return 0;
}

static bool is_only_name(const struct name *name, const struct stat *st)
{
	struct stat here;

	return st->st_nlink == 1 && lstat(name->path, &here) == 0 &&
	       (S_ISREG(here.st_mode) || S_ISDIR(here.st_mode));
}

static bool is_directory(const struct name *name)
{
	struct stat here;

	return stat(name->path, &here) == 0 && S_ISDIR(here.st_mode);
}

/* Say, in the file that the name leads to, that the name is going. */
static void say_moved(struct segment *seg, uint32_t moved)
{
	store_release(&seg->control->moved, moved);
	if (!moved)
		return;
	full_fence();
	shmqi_bell_ring(seg, &seg->control->recv);
	shmqi_bell_ring(seg, &seg->control->send);
}

/*
 * Said and rung before, so that a death between leaves nobody asleep and
 * something that the next open finishes; rung again after, for whoever opened
 * the name again too soon.
 */
static int remove_name(const struct name *name, struct segment *seg,
		       bool directory)
{
	int r;

	if (seg)
		say_moved(seg, 1);
	if (directory)
		r = shmqi_journal_remove(name);
	else
		r = unlink(name->path) < 0 ? -errno : 0;
	if (seg)
		say_moved(seg, !r || r == -ENOENT);
	return r;
}

int shmq_unlink(const char *name)
{
	KEEP_ERRNO;
	struct segment *seg = NULL;
	struct name where;
	struct stat st;
	int fd, r;

	shmqi_error_clear();
	r = shmqi_name_resolve(&where, name);
	if (r)
		return r;
	fd = open_queue(&where, true, &st);
	if (fd == -EACCES || fd == -EPERM || fd == -EROFS)
		fd = open_queue(&where, false, &st);
	if (fd < 0)
		return fd;
	r = check_magic(fd);
	if (r) {
		close(fd);
		return r;
	}
	/*
	 * A symbolic link, one of several names, a queue that is damaged or not
	 * ours to write: only the name goes.
	 */
	if (!is_only_name(&where, &st) ||
	    (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDWR)
		close(fd);
	else if (shmqi_registry_open(&seg, fd, &st, true))
		seg = NULL;
	shmqi_error_clear();
	r = remove_name(&where, seg, is_directory(&where));
	if (seg)
		shmqi_registry_put(seg);
	return r;
}
