/* SPDX-License-Identifier: MIT */
/*
 * Segments as rings: mapping them. A view of a segment (views.h) stays as long
 * as an endpoint of ours uses it, whatever becomes of the file: who reads there
 * goes on, and what is on loan stays whole. An endpoint says what it uses
 * (endpoint.ring and keeps) under the lock, so no grace period is needed for
 * unmapping. Segments are mapped twice, back to back, as rings are: then a
 * record whose length is damaged is no danger.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "error.h"
#include "journal.h"
#include "map.h"
#include "segfile.h"
#include "views.h"

/* No segment: nothing is published here. */
#define NOTHING_BYTES 4096
static const _Alignas(64) char nothing[2 * NOTHING_BYTES];

static struct ring no_ring(const struct segment *seg, uint64_t number)
{
	return (struct ring){
		/* For readers; nobody writes by it. */
		.base = (char *)(uintptr_t)nothing, .mask = NOTHING_BYTES - 1,
		.cookie = seg->geo.cookie,          .number = number,
		.from = number * seg->geo.capacity, .sealed = true,
	};
}

static struct view *find(const struct segment *seg, uint64_t number)
{
	struct view *view = seg->views;

	while (view && view->number != number)
		view = view->next;
	return view;
}

static int map(const struct segment *seg, struct view *view, bool writable)
{
	int fd, r;
	void *to;

#ifdef SHMQI_TSAN
	/* It knows memory by its address: a stamp must have one. */
	if (seg->writable)
		writable = true;
#endif
	if (writable ? view->write : view->read)
		return 0;
	fd = shmqi_segfile_open(seg, view->number, writable);
	if (fd < 0)
		return fd;
	r = shmqi_map_twice(&to, fd, 0, view->place.capacity,
			    writable ? MAP_FOR_WRITING : 0);
	close(fd);
	if (r)
		return r;
	if (writable)
		view->write = to;
	else
		view->read = to;
#ifdef SHMQI_TSAN
	if (seg->writable)
		view->read = view->write;
#endif
	return 0;
}

/* Find the view, or make it. */
static int open_view(struct segment *seg, uint64_t number, bool writable,
		     struct view **out)
{
	struct view *view = find(seg, number);
	int r;

	if (view) {
		*out = view;
		return map(seg, view, writable);
	}
	view = calloc(1, sizeof(*view));
	if (!view)
		return -ENOMEM;
	view->number = number;
	view->place = (struct ring_place){ number * seg->geo.capacity, 0,
					   seg->geo.capacity };
	r = map(seg, view, writable);
	if (r) {
		free(view);
		return r;
	}
	view->next = seg->views;
	seg->views = *out = view;
	return 0;
}

struct view *shmqi_journal_written(const struct segment *seg, uint64_t number)
{
	struct view *view = find(seg, number);

	return view && view->write ? view : NULL;
}

struct view *shmqi_journal_write_next(struct segment *seg, uint64_t number)
{
	struct view *view;

	if (!open_view(seg, number, true, &view))
		return view;
	shmqi_error_clear();
	return NULL;
}

static struct ring ring_of(const struct segment *seg, const struct view *view,
			   bool writable)
{
	return (struct ring){
		.base = writable ? view->write : view->read,
		.mask = seg->geo.capacity - 1,
		.cookie = seg->geo.cookie,
		.max_message = shmqi_format_max_message(seg->geo.capacity),
		.number = view->number,
		.from = view->place.from,
		.sealed = true,
	};
}

void shmqi_journal_nowhere(struct endpoint *ep, struct ring *ring)
{
	*ring = no_ring(ep->seg, 0);
	ring->number = UINT64_MAX;
	/* It uses no segment: see used() of views.c. */
	ep->keeps = UINT64_MAX;
	ep->ring = 0;
}

bool shmqi_journal_gone(const struct segment *seg, uint64_t pos)
{
	/* edge OLDEST: pairs with raise_oldest */
	return journal_number(seg, pos) < load_acquire(&seg->control->oldest);
}

int shmqi_journal_ring(struct segment *seg, uint64_t pos, bool writable,
		       struct ring *ring)
{
	uint64_t number = journal_number(seg, pos);
	bool beginning = pos % seg->geo.capacity == 0;
	struct view *view;
	int r = 0;

	if (writable && beginning)
		r = shmqi_segfile_make(seg, number);
	/* Here -ENOENT is of the directory. */
	if (r)
		return r;
	r = open_view(seg, number, writable, &view);
	/* A writer is never given a place where nothing is. */
	if (r == -ENOENT && !writable && beginning && number) {
		/* edge RING: pairs with raise_ring; it was made before */
		if (load_acquire(&seg->control->ring) < number) {
			/* The one before it: so its reader looks again. */
			*ring = no_ring(seg, number - 1);
			return 0;
		}
		r = open_view(seg, number, writable, &view);
	}
	if (r == -ENOENT && shmqi_journal_gone(seg, pos))
		return -ESTALE;
	if (r == -ENOENT)
		return shmqi_error_say(-EBADMSG,
				       "damaged: a segment file is missing");
	if (!r)
		*ring = ring_of(seg, view, writable);
	return r;
}

void shmqi_journal_rings(struct segment *seg, bool writable,
			 struct rings *rings)
{
	const struct ring_table table = { .segment_bytes = seg->geo.capacity };

	*rings = (struct rings){
		.reach = shmqi_rings_reach_of(&table),
		.low = no_ring(seg, 0),
		.high = no_ring(seg, 0),
		.journal = seg,
		.writable = writable,
	};
}

const struct ring *shmqi_journal_ring_at(const struct rings *rings,
					 uint64_t pos)
{
	struct segment *seg = rings->journal;
	struct view *view;

	if (open_view(seg, journal_number(seg, pos), rings->writable, &view))
		return &rings->high;
	view->as = ring_of(seg, view, rings->writable);
	return &view->as;
}
