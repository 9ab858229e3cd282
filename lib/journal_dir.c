/* SPDX-License-Identifier: MIT */
/*
 * The directory of a journal. It is made under a name that nobody looks for,
 * with its control file and its first segment, and then renamed; it is removed
 * in the other order. A death on the way leaves a directory whose name begins
 * with ".shmq-".
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bsd/stdlib.h>
#include <bsd/string.h>

#include "crc32c.h"
#include "error.h"
#include "fd.h"
#include "index.h"
#include "journal.h"
#include "registry.h"
#include "segfile.h"
#include "storage.h"

#define CONTROL "control"

int shmqi_journal_control(struct name *control, const struct name *name)
{
	int n = snprintf(control->dir, sizeof(control->dir), "%s/", name->path);
	int m = snprintf(control->path, sizeof(control->path), "%s/" CONTROL,
			 name->path);

	if (n < 0 || m < 0 || (size_t)n >= sizeof(control->dir) ||
	    (size_t)m >= sizeof(control->path))
		return -ENAMETOOLONG;
	return 0;
}

/* --------------------------------------------------------------- attaching */

/* Is the file that fd is open on this directory's control file? */
static bool is_control(int dir, int fd)
{
	struct stat named, st;

	return !fstatat(dir, CONTROL, &named, AT_SYMLINK_NOFOLLOW) &&
	       !fstat(fd, &st) && named.st_dev == st.st_dev &&
	       named.st_ino == st.st_ino;
}

/* The directory where the kernel says that the file is. */
static int find_dir(int fd)
{
	char link[32], path[PATH_MAX], *slash;
	ssize_t n;
	int dir;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return shmqi_error_say(-ENOSYS,
				       "/proc is needed, and not mounted");
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (slash)
		slash[slash == path] = '\0';
	dir = shmqi_own_fd(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (dir >= 0 && is_control(dir, fd))
		return dir;
	if (dir >= 0)
		close(dir);
	return shmqi_error_say(-EOPNOTSUPP,
			       "the journal's directory cannot be reached: "
			       "removed, or in another mount namespace");
}

/* A part of a segment, and whole pages. */
static uint64_t window_of(const struct geometry *geo)
{
	uint64_t window = geo->capacity / INDEX_WINDOWS;

	return window < 4 * (uint64_t)geo->page_bytes ?
		       4 * (uint64_t)geo->page_bytes :
		       window;
}

int shmqi_journal_attach(struct segment *seg, const char *dir)
{
	struct journal *j = calloc(1, sizeof(*j));
	int r;

	if (!j)
		return -ENOMEM;
	r = dir ? shmqi_own_fd(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) :
		  find_dir(seg->share_fd);
	if (r < 0) {
		free(j);
		return r;
	}
	j->dir = r;
	j->ahead.fd = j->index_fd = -1;
	j->ahead_done = UINT64_MAX;
	pthread_mutex_init(&j->sync_lock, NULL);
	j->window = window_of(&seg->geo);
	j->in_memory = shmqi_storage_in_memory(j->dir);
	seg->journal = j;
	shmqi_crc32c_init();
	return 0;
}

void shmqi_journal_detach(struct segment *seg)
{
	struct journal *j = seg->journal;

	if (!j)
		return;
	shmqi_segfile_drop(seg);
	shmqi_index_close(seg);
	close(j->dir);
	pthread_mutex_destroy(&j->sync_lock);
	free(j);
	seg->journal = NULL;
}

void shmqi_journal_forked(struct segment *seg)
{
	struct journal *j = seg->journal;

	if (j->ahead.fd >= 0)
		close(j->ahead.fd);
	j->ahead.fd = -1;
	j->ahead.leased = j->ahead.busy = j->ahead.over = false;
	j->provider = NULL;
	j->provider_users = 0;
	j->syncer = NULL;
	j->syncer_users = 0;
	/* It may have been taken by a thread that is not here. */
	pthread_mutex_init(&j->sync_lock, NULL);
	shmqi_index_close(seg);
}

/* ---------------------------------------------------------------- contents */

static bool is_ours(const char *name)
{
	uint64_t number;

	return !strcmp(name, CONTROL) || !strncmp(name, ".shmq-", 6) ||
	       shmqi_segfile_number(name, &number) ||
	       shmqi_index_number(name, &number);
}

/*
 * Call for each file but . and .., until that is not 0. What it returned, or
 * a negative errno.
 */
static int each(int dir, int (*call)(int dir, const char *name, void *arg),
		void *arg)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!list) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	while (!r && (entry = readdir(list)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			r = call(dir, entry->d_name, arg);
	closedir(list);
	return r;
}

/* Segment files around a number. */
struct around {
	uint64_t number;
	uint64_t at_least; /* the next one that is there; or UINT64_MAX */
	uint64_t below;    /* likewise; or UINT64_MAX */
};

static int note_around(int dir, const char *name, void *arg)
{
	struct around *around = arg;
	uint64_t number;

	(void)dir;
	if (!shmqi_segfile_number(name, &number))
		return 0;
	if (number >= around->number && number < around->at_least)
		around->at_least = number;
	if (number < around->number &&
	    (around->below == UINT64_MAX || number > around->below))
		around->below = number;
	return 0;
}

int shmqi_journal_files(const struct segment *seg, uint64_t near,
			uint64_t *lowest, uint64_t *highest)
{
	struct around around = { near, UINT64_MAX, UINT64_MAX };
	int r = each(seg->journal->dir, note_around, &around);

	if (r)
		return r;
	*lowest = around.at_least != UINT64_MAX ? around.at_least :
						  around.below;
	if (*lowest > journal_number(seg, SH_POS_MAX - 1))
		return shmqi_error_say(-EBADMSG,
				       "damaged: there is no segment file");
	*highest = *lowest;
	while (shmqi_segfile_exists(seg, *highest + 1))
		++*highest;
	while (*lowest && shmqi_segfile_exists(seg, *lowest - 1))
		--*lowest;
	return 0;
}

static int cut_one(int dir, const char *name, void *arg)
{
	const uint64_t *last = arg;
	uint64_t number;

	if ((!shmqi_segfile_number(name, &number) &&
	     !shmqi_index_number(name, &number)) ||
	    number <= *last)
		return 0;
	return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int shmqi_journal_cut(const struct segment *seg, uint64_t last)
{
	return each(seg->journal->dir, cut_one, &last);
}

static int sweep_one(int dir, const char *name, void *arg)
{
	(void)arg;
	if (!strncmp(name, ".shmq-", 6))
		unlinkat(dir, name, 0);
	return 0;
}

void shmqi_journal_sweep(const struct segment *seg)
{
	each(seg->journal->dir, sweep_one, NULL);
	shmqi_journal_tidy(seg);
}

static int tidy_one(int dir, const char *name, void *arg)
{
	const uint64_t *oldest = arg;
	uint64_t number;

	if (shmqi_index_number(name, &number) && number < *oldest)
		unlinkat(dir, name, 0);
	return 0;
}

void shmqi_journal_tidy(const struct segment *seg)
{
	/* edge OLDEST: pairs with raise_oldest */
	uint64_t oldest = load_acquire(&seg->control->oldest);

	each(seg->journal->dir, tidy_one, &oldest);
}

/* ------------------------------------------------------- creating, removing */

static int foreign(int dir, const char *name, void *arg)
{
	(void)dir;
	(void)arg;
	return is_ours(name) ? 0 : 1;
}

static int unlink_one(int dir, const char *name, void *arg)
{
	(void)arg;
	return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_dir(const char *path)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	if (dir < 0)
		return -errno;
	r = each(dir, unlink_one, NULL);
	close(dir);
	return !r && rmdir(path) < 0 ? -errno : r;
}

static int temporary_path(char *path, size_t size, const struct name *name)
{
	return (size_t)snprintf(path, size, "%s.shmq-%08x%08x", name->dir,
				arc4random(), arc4random()) >= size ?
		       -ENAMETOOLONG :
		       0;
}

/* So that its name is on the disk. */
static int sync_dir(const char *path)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

	if (dir < 0)
		return -errno;
	/* Not every file system knows how. */
	if (fsync(dir) < 0 && errno != EINVAL)
		r = -errno;
	close(dir);
	return r;
}

int shmqi_journal_create(struct segment **out, const struct name *name,
			 mode_t mode, const struct geometry *geo)
{
	struct name temporary, control;
	int r;

	r = temporary_path(temporary.path, sizeof(temporary.path), name);
	if (!r)
		r = shmqi_journal_control(&control, &temporary);
	if (r)
		return r;
	/* Who may read its files may look for them; who may write, add some. */
	if (mkdir(temporary.path, mode | 0700 | (mode & 0444) >> 2) < 0)
		return -errno;
	r = shmqi_registry_create(out, &control, mode, geo);
	if (r) {
		remove_dir(temporary.path);
		return r;
	}
	if (fsync((*out)->share_fd) < 0 || fsync((*out)->journal->dir) < 0)
		r = -errno;
	if (!r && renameat2(AT_FDCWD, temporary.path, AT_FDCWD, name->path,
			    RENAME_NOREPLACE) < 0)
		r = -errno;
	if (!r)
		r = sync_dir(name->dir);
	if (r) {
		shmqi_registry_put(*out);
		remove_dir(temporary.path);
	}
	return r;
}

bool shmqi_journal_unlinked(const struct segment *seg)
{
	struct stat st;

	return load_acquire(&seg->control->moved) == 1 ||
	       (!fstat(seg->journal->dir, &st) && !st.st_nlink);
}

int shmqi_journal_remove(const struct name *name)
{
	int dir = open(name->path,
		       O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	char path[PATH_MAX];
	int r;

	/* A symbolic link: only that goes. */
	if (dir < 0 && (errno == ELOOP || errno == ENOTDIR))
		return unlink(name->path) < 0 ? -errno : 0;
	if (dir < 0)
		return -errno;
	r = each(dir, foreign, NULL);
	close(dir);
	if (r > 0)
		return shmqi_error_say(-ENOTEMPTY,
				       "there are files in it that are not the "
				       "journal's: left alone");
	if (!r)
		r = temporary_path(path, sizeof(path), name);
	if (!r && rename(name->path, path) < 0)
		r = -errno;
	return r ? r : remove_dir(path);
}
