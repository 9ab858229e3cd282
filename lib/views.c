/* SPDX-License-Identifier: MIT */
/* Views: mapping rings, and giving them back. See views.h. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include <shmq.h>

#include "error.h"
#include "journal.h"
#include "lease.h"
#include "map.h"
#include "views.h"

/* ----------------------------------------------------------------- mapping */

static struct view *find_view(const struct segment *seg, uint64_t number,
			      const struct ring_place *place)
{
	struct view *view = seg->views;

	while (view &&
	       (view->number != number || view->place.offset != place->offset ||
		view->place.capacity != place->capacity))
		view = view->next;
	return view;
}

static int map_one(const struct segment *seg, const struct view *view,
		   char **to, unsigned how)
{
	void *map;
	int r;

	if (*to)
		return 0;
	if (seg->geo.flags & SHMQ_PREFAULT)
		how |= MAP_TOUCHED;
	if (seg->geo.flags & SHMQ_HUGEPAGES)
		how |= MAP_HUGE;
	r = shmqi_map_twice(&map, seg->share_fd, view->place.offset,
			    view->place.capacity, how);
	if (!r)
		*to = map;
	return r;
}

static int map_view(const struct segment *seg, struct view *view, bool writable)
{
	int r;

#ifdef SHMQI_TSAN
	/* It knows memory by its address: a stamp must have one. */
	if (seg->writable)
		writable = true;
#endif
	if (writable)
		r = map_one(seg, view, &view->write, MAP_FOR_WRITING);
	else
		r = map_one(seg, view, &view->read, 0);
#ifdef SHMQI_TSAN
	if (!r && seg->writable)
		view->read = view->write;
#endif
	return r;
}

static void unmap_view(struct view *view)
{
	if (view->read != view->write)
		shmqi_map_free(view->read, 2 * view->place.capacity);
	shmqi_map_free(view->write, 2 * view->place.capacity);
	free(view);
}

/* Find it, or make it. */
static int prepare_view(struct segment *seg, const struct ring_table *table,
			uint64_t number, struct view **out)
{
	const struct ring_place *place = ring_place(table, number);
	struct view *view = find_view(seg, number, place);

	if (!view) {
		view = calloc(1, sizeof(*view));
		if (!view)
			return -ENOMEM;
		view->number = number;
		view->place = *place;
		view->next = seg->views;
		seg->views = view;
	}
	*out = view;
	return 0;
}

/* Whoever maps behind the file's end gets SIGBUS. */
static int open_view(struct segment *seg, struct view *view, bool writable)
{
	struct stat st;

	if (writable ? view->write : view->read)
		return 0;
	if (fstat(seg->share_fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size < view->place.offset + view->place.capacity)
		return shmqi_error_say(-EBADMSG, "the file is truncated");
	return map_view(seg, view, writable);
}

static struct ring ring_of_view(const struct segment *seg,
				const struct view *view, bool writable)
{
	return (struct ring){
		.base = writable ? view->write : view->read,
		.mask = view->place.capacity - 1,
		.cookie = seg->geo.cookie,
		.max_message = shmqi_format_max_message(view->place.capacity),
		.number = view->number,
		.from = view->place.from,
	};
}

/* ----------------------------------------------------------------- reading */

/* Share the ring's lease, if we do not yet. -EBUSY: it is being given back. */
static int lease_view(struct segment *seg, struct view *view)
{
	int r;

	/* Where /proc is missing there is no description of our own. */
	if (view->leased || seg->lease_fd < 0)
		return 0;
	r = shmqi_lease_share(seg->lease_fd, view_byte(view->number));
	view->leased = !r;
	return r;
}

static int get_ring(struct segment *seg, const struct ring_table *table,
		    uint64_t number, bool writable, struct ring *ring)
{
	struct view *view;
	int r = prepare_view(seg, table, number, &view);

	/* Before its pages are touched, which would fill them again. */
	if (!r)
		r = lease_view(seg, view);
	if (!r)
		r = open_view(seg, view, writable);
	if (!r)
		*ring = ring_of_view(seg, view, writable);
	return r;
}

static int get_once(struct segment *seg, bool writable,
		    const struct ring_table *table, struct rings *rings)
{
	uint64_t last = ring_last(table);
	int r = get_ring(seg, table, last, writable, &rings->high);

	rings->reach = shmqi_rings_reach_of(table);
	rings->low = rings->high;
	if (r || last == table->oldest)
		return r;
	r = get_ring(seg, table, last - 1, writable, &rings->low);
	/* Somebody gives it back, or was stopped at it: nothing is there. */
	if (r == -EBUSY) {
		rings->low = rings->high;
		rings->reach.first = rings->reach.from;
	}
	return r == -EBUSY ? 0 : r;
}

/* What we share now was in place when we had it. */
static bool unchanged(const struct segment *seg, const struct ring_table *old)
{
	struct ring_table now;

	return !shmqi_rings_read(seg, &now) && now.oldest == old->oldest &&
	       now.newest == old->newest &&
	       ring_decided(&now) == ring_decided(old);
}

int shmqi_views_get(struct segment *seg, bool writable, struct rings *rings)
{
	struct ring_table table;

	if (seg->journal) {
		shmqi_journal_rings(seg, writable, rings);
		return 0;
	}
	rings->journal = NULL;
	for (int look = 0;; look++) {
		int r = shmqi_rings_read(seg, &table);

		if (!r)
			r = get_once(seg, writable, &table, rings);
		if (!r && unchanged(seg, &table))
			return 0;
		shmqi_views_let(seg);
		if (r && r != -EBUSY)
			return r;
		if (!shmqi_lease_let_pass(look))
			return -EBADMSG;
	}
}

/* Does one of our endpoints look into it, or have something on loan there? */
static bool used(const struct segment *seg, uint64_t number)
{
	for (const struct endpoint *ep = seg->readers; ep; ep = ep->next_reader)
		if (ep->ring == number)
			return true;
	for (uint32_t i = 0; i < seg->geo.member_entries; i++) {
		const struct endpoint *ep = seg->endpoints[i];

		if (ep && ep->keeps <= number &&
		    (number <= ep->ring || number <= ep->keeps_to))
			return true;
	}
	return false;
}

bool shmqi_views_read_here(const struct segment *seg, uint64_t number)
{
	for (const struct endpoint *ep = seg->readers; ep; ep = ep->next_reader)
		if (ep->ring == number)
			return true;
	for (uint32_t i = 0; i < seg->geo.member_entries; i++) {
		const struct endpoint *ep = seg->endpoints[i];

		if (ep && ep->role == SH_MEMBER_CONSUMER && ep->ring == number)
			return true;
	}
	return false;
}

void shmqi_views_let(struct segment *seg)
{
	/* Relaxed: another value only means that it stays a little longer. */
	uint64_t newest = load_relaxed(&seg->control->ring);
	struct view **at = &seg->views, *view;

	while ((view = *at)) {
		if (view->leased && !shmqi_views_read_here(seg, view->number)) {
			shmqi_lease_drop(seg->lease_fd,
					 view_byte(view->number));
			view->leased = false;
		}
		/* Not by what others say is gone: by what we do not use. */
		if (!view->leased && !view->held && view->number + 1 < newest &&
		    !used(seg, view->number)) {
			*at = view->next;
			unmap_view(view);
		} else {
			at = &view->next;
		}
	}
}

/* --------------------------------------------------------------- endpoints */

static int enter_once(struct endpoint *ep, uint64_t pos, struct ring *ring)
{
	bool writable = ep->role == SH_MEMBER_PRODUCER;
	struct segment *seg = ep->seg;
	struct ring_table table;
	struct view *view;
	uint64_t number;
	int r;

	if (seg->journal)
		return shmqi_journal_ring(seg, pos, writable, ring);
	r = shmqi_rings_read(seg, &table);
	if (r)
		return r;
	number = ep->member && !ep->copies ? ring_number(&table, pos) :
					     ring_number_kept(&table, pos);
	/* Who prefaults must not fill a ring again that is being given back:
	 * it has the lease while it maps. */
	if (!writable || seg->geo.flags & SHMQ_PREFAULT) {
		r = get_ring(seg, &table, number, writable, ring);
		return r || unchanged(seg, &table) ? r : -EBUSY;
	}
	r = prepare_view(seg, &table, number, &view);
	if (!r)
		r = open_view(seg, view, true);
	if (!r)
		*ring = ring_of_view(seg, view, true);
	return r;
}

int shmqi_views_enter(struct endpoint *ep, uint64_t pos, bool on_loan,
		      struct ring *ring)
{
	for (int look = 0;; look++) {
		int r = enter_once(ep, pos, ring);

		if (!r)
			break;
		if (r != -EBUSY || !shmqi_lease_let_pass(look)) {
			shmqi_views_let(ep->seg);
			return r == -EBUSY ? -EBADMSG : r;
		}
	}
	ep->ring = ring->number;
	if (!on_loan)
		ep->keeps_to = ep->ring;
	if (!on_loan || ep->keeps > ep->ring)
		ep->keeps = ep->ring;
	shmqi_views_let(ep->seg);
	shmqi_views_give_back(ep->seg, false);
	return 0;
}

void shmqi_views_keep(struct endpoint *ep, const struct rings *rings,
		      uint64_t pos)
{
	uint64_t number = ring_at(rings, pos)->number;

	if (number < ep->keeps)
		ep->keeps = number;
	if (number > ep->keeps_to)
		ep->keeps_to = number;
}

void shmqi_views_add_reader(struct endpoint *ep)
{
	/* In none yet. */
	ep->ring = ep->keeps = UINT64_MAX;
	ep->next_reader = ep->seg->readers;
	ep->seg->readers = ep;
}

void shmqi_views_remove_reader(struct endpoint *ep)
{
	struct endpoint **at = &ep->seg->readers;

	/* A child that was forked meanwhile has an empty list. */
	while (*at && *at != ep)
		at = &(*at)->next_reader;
	if (*at)
		*at = ep->next_reader;
	shmqi_views_let(ep->seg);
}

/* -------------------------------------------------------------- beginnings */

void shmqi_views_forked(struct segment *seg)
{
	seg->turning = 0;
	seg->resizing = seg->setting = false;
	/* No endpoint of ours reads anything; messages on loan to our parent
	 * stay where they are. */
	for (struct view *view = seg->views; view; view = view->next) {
		view->leased = false;
		view->held = 0;
	}
}

void shmqi_views_free(struct segment *seg)
{
	struct view *view;

	while ((view = seg->views)) {
		seg->views = view->next;
		unmap_view(view);
	}
}
