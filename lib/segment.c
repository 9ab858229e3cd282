/* SPDX-License-Identifier: MIT */
/*
 * Segments: create, validate, map. The storage is allocated before the queue
 * can be found, so a full file system is an error here and never a SIGBUS
 * later; the magic number is stored last and the name is given after that, so
 * nobody meets half a queue.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bsd/string.h>

#include "atomic.h"
#include "attributes.h"
#include "blank.h"
#include "chime.h"
#include "cursor.h"
#include "endpoint.h"
#include "error.h"
#include "fd.h"
#include "journal.h"
#include "map.h"
#include "segfile.h"
#include "segment.h"
#include "storage.h"
#include "strike.h"
#include "tsan.h"
#include "views.h"
#include "wake.h"

/* A file that changes while it is read, so often. */
#define READS 10

static struct segment *new_segment(const struct geometry *geo, int fd,
				   bool writable)
{
	struct segment *seg = calloc(1, sizeof(*seg));

	if (!seg)
		return NULL;
	seg->geo = *geo;
	seg->writable = writable;
	seg->share_fd = fd;
	seg->lease_fd = -1;
	pthread_mutex_init(&seg->lock, NULL);
	seg->endpoints = calloc(geo->member_entries, sizeof(*seg->endpoints));
	seg->chimes = calloc(geo->member_entries, sizeof(*seg->chimes));
	seg->sharers = calloc(geo->max_groups, sizeof(*seg->sharers));
	seg->strikers = shmqi_strikers_new(geo->member_entries);
	if (!seg->endpoints || !seg->chimes || !seg->sharers ||
	    !seg->strikers) {
		seg->share_fd = -1;
		shmqi_segment_destroy(seg);
		return NULL;
	}
	return seg;
}

/* Map what lies before the ring, and set up our own lease description. */
static int attach(struct segment *seg)
{
	struct stat st;
	int r;

	r = shmqi_map_plain(&seg->map, seg->share_fd, seg->geo.ring_off,
			    (seg->writable ? MAP_FOR_WRITING : 0) |
				    (seg->geo.flags & SHMQ_HUGEPAGES ?
					     0 :
					     MAP_TOUCHED));
	if (r)
		return r;
	seg->control = (void *)((char *)seg->map + SH_CONTROL_OFF);
	seg->groups = (void *)((char *)seg->map + SH_GROUPS_OFF);
	seg->members = (void *)((char *)seg->map + seg->geo.members_off);
	seg->bounds = (void *)((char *)seg->map + seg->geo.members_off +
			       (uint64_t)seg->geo.member_entries *
				       sizeof(struct sh_member));
	if (fstat(seg->share_fd, &st) < 0)
		return -errno;
	seg->dev = st.st_dev;
	seg->ino = st.st_ino;
	r = shmqi_reopen(seg->share_fd, seg->writable ? O_RDWR : O_RDONLY);
	if (r < 0 && seg->writable)
		return r;
	seg->lease_fd = r < 0 ? -1 : r;
	return 0;
}

/* The file is all zeros. Everything but the name; magic comes last. */
static void format(struct segment *seg)
{
	struct sh_header *h = seg->map;
	struct cursor start = { seg->geo.start_pos, seg->geo.start_seq,
				SH_NOBODY };
	struct sh_group *group = &seg->groups[0];

	shmqi_format_write(&seg->geo, h);
	cursor_init(&seg->control->tail, start);
	if (geometry_journal(&seg->geo))
		store_relaxed(&seg->control->ring,
			      journal_number(seg, seg->geo.start_pos));
	else
		shmqi_rings_format(&seg->geo, seg->control);
	shmqi_attributes_format(&seg->geo, seg->control);
	if (!(seg->geo.flags & SHMQ_TOPIC)) {
		cursor_init(&group->cursor, start);
		group->created_ns = h->created_ns;
		strlcpy((char *)group->name, "default", sizeof(group->name));
		store_release(&group->state, SH_GROUP_USED);
	}
	full_fence();
	h->magic = SH_MAGIC;
}

/* A new one: see that its first segment file is there. */
static int begin_journal(struct segment *seg, const char *dir)
{
	int r = shmqi_journal_attach(seg, dir);

	if (r)
		return r;
	store_relaxed(&seg->control->synced.lo, seg->geo.start_pos);
	store_relaxed(&seg->control->synced.hi, seg->geo.start_seq);
	store_relaxed(&seg->control->oldest,
		      journal_number(seg, seg->geo.start_pos));
	shmqi_journal_is_true(seg);
	return shmqi_segfile_make(seg, journal_number(seg, seg->geo.start_pos));
}

int shmqi_segment_create(struct segment **out, struct blank *blank,
			 const struct name *name, const struct geometry *geo)
{
	struct segment *seg = new_segment(geo, blank->fd, true);
	int r = -ENOMEM;

	if (!seg) {
		close(blank->fd);
		goto out;
	}
	r = attach(seg);
	if (r)
		goto out;
	format(seg);
	if (name)
		r = shmqi_blank_name(blank, name);
	if (!r && geometry_journal(geo))
		r = begin_journal(seg, name->dir);
out:
	if (blank->path[0])
		unlink(blank->path);
	if (r) {
		shmqi_segment_destroy(seg);
		return r;
	}
	*out = seg;
	return 0;
}

static int read_header(int fd, struct sh_header *h)
{
	ssize_t n;

	do
		n = pread(fd, h, sizeof(*h), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if ((size_t)n < sizeof(*h))
		return shmqi_error_say(-EBADMSG,
				       "not a queue: the file is shorter than "
				       "a header");
	return 0;
}

/*
 * The table of rings as it is in the file. It may change while we read it: then
 * once more.
 */
static int read_rings(int fd, const struct geometry *geo,
		      struct ring_table *table)
{
	struct sh_control control;
	struct stat st;
	int r = -EBADMSG;

	for (int i = 0; i < READS && r; i++) {
		ssize_t n = pread(fd, &control, sizeof(control),
				  SH_CONTROL_OFF);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == sizeof(control))
			r = shmqi_rings_parse(geo, &control, table);
	}
	if (r)
		return r;
	/* Now, as the table may be newer than what we know of the file. */
	if (fstat(fd, &st) < 0)
		return -errno;
	for (uint64_t n = table->oldest; n <= table->newest; n++)
		if (ring_place(table, n)->offset +
			    ring_place(table, n)->capacity >
		    (uint64_t)st.st_size)
			return shmqi_error_say(-EBADMSG,
					       "the file is truncated: a ring "
					       "is missing");
	return 0;
}

/* Holes of a queue that somebody copied. Between the rings there may be some. */
static int fill_holes(int fd, const struct geometry *geo, const struct stat *st,
		      const struct ring_table *table)
{
	uint64_t there = (uint64_t)st->st_blocks * 512, needed = geo->ring_off;
	int r;

	for (uint64_t n = table->oldest;
	     !geometry_journal(geo) && n <= table->newest; n++)
		needed += ring_place(table, n)->capacity;
	if (there >= needed)
		return 0;
	if (geometry_journal(geo))
		return shmqi_storage_fill(fd, 0, geo->ring_off, needed - there);
	r = shmqi_storage_fill(fd, 0, geo->ring_off, needed - there);
	for (uint64_t n = table->oldest; !r && n <= table->newest; n++)
		r = shmqi_storage_fill(fd, ring_place(table, n)->offset,
				       ring_place(table, n)->capacity, 0);
	return r;
}

int shmqi_segment_open(struct segment **out, int fd, const struct stat *st,
		       bool writable)
{
	struct ring_table table = { 0 };
	struct sh_header header;
	struct geometry geo;
	struct segment *seg;
	int r;

	r = read_header(fd, &header);
	if (!r)
		r = shmqi_format_check(&geo, &header, (uint64_t)st->st_size);
	if (!r && !geometry_journal(&geo))
		r = read_rings(fd, &geo, &table);
	if (!r && writable)
		r = fill_holes(fd, &geo, st, &table);
	if (r) {
		close(fd);
		return r;
	}
	seg = new_segment(&geo, fd, writable);
	if (!seg) {
		close(fd);
		return -ENOMEM;
	}
	r = attach(seg);
	if (!r && geometry_journal(&geo))
		r = shmqi_journal_attach(seg, NULL);
	if (!r && geometry_journal(&geo))
		r = shmqi_journal_settle(seg);
	if (r) {
		shmqi_segment_destroy(seg);
		return r;
	}
	*out = seg;
	return 0;
}

void shmqi_segment_destroy(struct segment *seg)
{
	if (!seg)
		return;
	shmqi_map_free(seg->map, seg->geo.ring_off);
	shmqi_views_free(seg);
	shmqi_journal_detach(seg);
	if (seg->share_fd >= 0)
		close(seg->share_fd);
	if (seg->lease_fd >= 0)
		close(seg->lease_fd);
	pthread_mutex_destroy(&seg->lock);
	shmqi_strikers_free(seg->strikers, seg->geo.member_entries);
	free(seg->endpoints);
	free(seg->chimes);
	free(seg->sharers);
	free(seg);
}

unsigned shmqi_segment_forked(struct segment *seg)
{
	unsigned n = seg->taps;
	int fd;

	/*
	 * Their pages are empty, if the kernel does that; then the first one
	 * ends the list. Only their references are left.
	 */
	for (struct endpoint *ep = seg->readers; ep; ep = ep->next_reader)
		ep->magic = 0;
	seg->taps = 0;
	seg->readers = NULL;
	if (seg->lease_fd < 0)
		return n;
	shmqi_views_forked(seg);
	if (seg->journal)
		shmqi_journal_forked(seg);
	fd = shmqi_reopen(seg->share_fd, seg->writable ? O_RDWR : O_RDONLY);
	if (fd >= 0) {
		dup3(fd, seg->lease_fd, O_CLOEXEC);
		close(fd);
	} else {
		close(seg->lease_fd);
		seg->lease_fd = -1;
	}
	if (!seg->writable)
		return n;
	for (uint32_t i = 0; i < seg->geo.member_entries; i++) {
		if (!seg->endpoints[i])
			continue;
		seg->endpoints[i]->magic = 0;
		seg->endpoints[i] = NULL;
		if (seg->chimes[i])
			shmqi_chime_forked(seg->chimes[i]);
		seg->chimes[i] = NULL;
		n++;
	}
	memset(seg->sharers, 0, seg->geo.max_groups * sizeof(*seg->sharers));
	shmqi_strikers_forked(seg->strikers);
	shmqi_bell_register(&seg->control->recv, &seg->control->send);
	return n;
}
