/* SPDX-License-Identifier: MIT */
/* The index of a segment. See index.h. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "fd.h"
#include "index.h"
#include "journal.h"
#include "seal.h"

void shmqi_index_name(char name[INDEX_NAME], uint64_t number)
{
	snprintf(name, INDEX_NAME, "%016" PRIx64 ".idx", number);
}

bool shmqi_index_number(const char *name, uint64_t *number)
{
	char again[INDEX_NAME], *end;

	*number = strtoull(name, &end, 16);
	if (end != name + 16)
		return false;
	shmqi_index_name(again, *number);
	return !strcmp(name, again);
}

static uint64_t window_number(const struct segment *seg, uint64_t pos)
{
	return pos % seg->geo.capacity / seg->journal->window;
}

static uint64_t check_of(const struct segment *seg, struct cursor place)
{
	uint64_t hash = (seg->geo.cookie ^ place.pos) * SH_STAMP_STEP;

	hash = ((hash ^ hash >> 32) ^ place.seq) * SH_STAMP_STEP;
	return hash ^ hash >> 32;
}

static struct sh_index entry_of(const struct segment *seg, struct cursor place)
{
	return (struct sh_index){ place.pos, place.seq, check_of(seg, place) };
}

/* Could it be of that window of that segment? */
static bool plausible(const struct segment *seg, const struct sh_index *entry,
		      uint64_t number, uint64_t window)
{
	struct cursor place = { entry->pos, entry->seq, SH_NOBODY };

	return journal_number(seg, place.pos) == number &&
	       window_number(seg, place.pos) == window &&
	       place.pos % SH_SEALED_LINE == 0 && place.seq < SH_SEQ_MAX &&
	       entry->check == check_of(seg, place);
}

/* ------------------------------------------------------------------ writing */

static int open_index(const struct segment *seg, const char *name, int flags)
{
	struct stat st;
	int fd = shmqi_own_fd(
		openat(seg->journal->dir, name,
		       flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW,
		       0600));

	/* Like the control file. It does no harm where it is not. */
	if (fd >= 0 && flags & O_CREAT && !fstat(seg->share_fd, &st))
		(void)!fchmod(fd, st.st_mode & 0777);
	return fd;
}

void shmqi_index_remove(const struct segment *seg, uint64_t number)
{
	char name[INDEX_NAME];

	shmqi_index_name(name, number);
	unlinkat(seg->journal->dir, name, 0);
}

/*
 * Who removes a segment has said so before: either he finds what has been
 * created just now, or it is seen here that he is through.
 */
static void remove_if_gone(const struct segment *seg, uint64_t number)
{
	if (shmqi_journal_gone(seg, number * seg->geo.capacity))
		shmqi_index_remove(seg, number);
}

/* On a full disk, say, they are missing. */
static void write_noted(struct journal *j)
{
	if (j->noted && j->index_fd >= 0)
		(void)!pwrite(j->index_fd, j->notes,
			      j->noted * sizeof(j->notes[0]),
			      (off_t)(j->noted_window * sizeof(j->notes[0])));
	j->noted = 0;
}

void shmqi_index_flush(struct segment *seg)
{
	KEEP_ERRNO;

	write_noted(seg->journal);
}

void shmqi_index_close(struct segment *seg)
{
	if (seg->journal->index_fd >= 0)
		close(seg->journal->index_fd);
	seg->journal->index_fd = -1;
	seg->journal->noted = 0;
}

void shmqi_index_note(struct segment *seg, struct cursor place)
{
	uint64_t number = journal_number(seg, place.pos);
	uint64_t window = window_number(seg, place.pos);
	struct journal *j = seg->journal;
	char name[INDEX_NAME];

	if (j->index_fd < 0 || j->index_number != number) {
		write_noted(j);
		shmqi_index_close(seg);
		shmqi_index_name(name, number);
		j->index_fd = open_index(seg, name, O_CREAT | O_WRONLY);
		j->index_number = number;
		remove_if_gone(seg, number);
	}
	if (j->noted == INDEX_NOTES || window != j->noted_window + j->noted)
		write_noted(j);
	if (!j->noted)
		j->noted_window = window;
	j->notes[j->noted++] = entry_of(seg, place);
}

/* ------------------------------------------------------------------ reading */

/* The entries of a segment, all INDEX_WINDOWS of them; zeros where none is. */
static struct sh_index *read_index(const struct segment *seg, uint64_t number)
{
	KEEP_ERRNO;
	struct sh_index *all = calloc(INDEX_WINDOWS, sizeof(*all));
	char name[INDEX_NAME];
	int fd;

	if (!all)
		return NULL;
	shmqi_index_name(name, number);
	fd = open_index(seg, name, O_RDONLY);
	if (fd < 0)
		return all;
	(void)!pread(fd, all, INDEX_WINDOWS * sizeof(*all), 0);
	close(fd);
	return all;
}

/* What is looked for in an index. */
struct look {
	const struct scan *scan;
	uint64_t value;
	bool by_time;
	bool believes; /* entries, without the record: its page stays where it is */
};

/* Is the entry true, and what it says before what is looked for? */
static bool is_before(const struct look *l, const struct sh_index *entry,
		      uint64_t window, bool *known)
{
	struct cursor at = { entry->pos, entry->seq, SH_NOBODY };
	struct found found;

	*known = plausible(l->scan->seg, entry, l->scan->ring.number, window) &&
		 (l->believes || shmqi_scan_read(l->scan, at, &found));
	if (!*known)
		return false;
	return l->by_time ? shmqi_seal_time(&found) < l->value :
			    at.seq <= l->value;
}

static void halve(const struct look *l, const struct sh_index *all,
		  struct cursor *place)
{
	uint64_t left = 0, right = INDEX_WINDOWS;

	while (left < right) {
		uint64_t middle = left + (right - left) / 2, i = middle;
		bool known = false, is = false;

		/* Some are missing: the next that is there. */
		for (; i < right && !known; i++)
			is = is_before(l, &all[i], i, &known);
		if (is) {
			*place = (struct cursor){ all[i - 1].pos,
						  all[i - 1].seq, SH_NOBODY };
			left = i;
		} else {
			right = middle;
		}
	}
}

void shmqi_index_look(const struct scan *scan, struct cursor *place,
		      bool by_time, uint64_t value)
{
	struct look l = { scan, value, by_time, !by_time };
	const struct cursor first = *place;
	struct sh_index *all;
	struct found found;

	pthread_mutex_lock(&scan->seg->lock);
	shmqi_index_flush(scan->seg);
	pthread_mutex_unlock(&scan->seg->lock);
	all = read_index(scan->seg, scan->ring.number);
	if (!all)
		return;
	halve(&l, all, place);
	if (l.believes && place->pos != first.pos &&
	    !shmqi_scan_read(scan, *place, &found)) {
		*place = first;
		l.believes = false;
		halve(&l, all, place);
	}
	free(all);
}

/* ------------------------------------------------------------------ building */

/* The first record of each window, as far as the records go. */
static void gather(const struct scan *scan, struct cursor at,
		   struct sh_index *all)
{
	uint64_t end = (journal_number(scan->seg, at.pos) + 1) *
		       scan->seg->geo.capacity;
	struct found found;

	while (at.pos < end && shmqi_scan_read(scan, at, &found)) {
		struct sh_index *entry = &all[window_number(scan->seg, at.pos)];

		if (!entry->check)
			*entry = entry_of(scan->seg, at);
		at.pos += found.span;
		at.seq += found.count;
	}
}

static int begin_index(const struct segment *seg, uint64_t number)
{
	int fd, flags = O_CREAT | O_WRONLY;
	char name[INDEX_NAME];

	shmqi_index_name(name, number);
	fd = open_index(seg, name, flags);
	if (fd != -ELOOP && fd != -ENXIO)
		return fd;
	/* A symbolic link, or a pipe that nobody reads. */
	shmqi_index_remove(seg, number);
	return open_index(seg, name, flags);
}

/*
 * In place: each entry speaks for itself, so who reads half of it is not
 * deceived, and what is known of what lies behind stays.
 */
static int put_index(const struct segment *seg, uint64_t number,
		     const struct sh_index *all)
{
	int fd = begin_index(seg, number), r = 0;
	size_t n = INDEX_WINDOWS;
	ssize_t written;

	if (fd < 0)
		return fd;
	while (n && !all[n - 1].check)
		n--;
	written = pwrite(fd, all, n * sizeof(*all), 0);
	if (written < (ssize_t)(n * sizeof(*all)))
		r = written < 0 ? -errno : -ENOSPC;
	close(fd);
	remove_if_gone(seg, number);
	return r;
}

int shmqi_index_build(struct segment *seg, uint64_t number)
{
	KEEP_ERRNO;
	struct sh_index *all = calloc(INDEX_WINDOWS, sizeof(*all));
	struct cursor first;
	struct scan scan;
	uint64_t time;
	int r;

	if (!all)
		return -ENOMEM;
	shmqi_scan_begin(&scan, seg);
	r = shmqi_scan_to(&scan, number * seg->geo.capacity);
	if (!r && shmqi_scan_first(seg, number, &first, &time)) {
		gather(&scan, first, all);
		r = put_index(seg, number, all);
	}
	shmqi_scan_end(&scan);
	free(all);
	return r;
}
