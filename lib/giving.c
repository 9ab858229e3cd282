/* SPDX-License-Identifier: MIT */
/*
 * Giving rings back: what the stream has left goes to the system when nobody
 * can be reading it. Under the segment's lock, by whoever passes by; what a
 * death leaves in between is done once more. See views.h.
 */
#include "config.h"

#include <errno.h>

#include <shmq.h>

#include "cursor.h"
#include "lease.h"
#include "policy.h"
#include "room.h"
#include "storage.h"
#include "views.h"

bool shmqi_views_changing(const struct segment *seg)
{
	return seg->resizing || shmqi_lease_held(seg->lease_fd, SH_LEASE_RINGS);
}

bool shmqi_views_turning(const struct segment *seg)
{
	return seg->turning || shmqi_lease_held(seg->lease_fd, SH_LEASE_TURN);
}

/*
 * All below the next ring has been received, released and written. Where it is
 * kept for nobody, it stays until it would have been written over.
 */
static bool left(const struct segment *seg, uint64_t from)
{
	uint64_t tail = cursor_pos(&seg->control->tail), lowest;
	struct reach reach;

	if (tail < from || !shmqi_room_lowest(seg, tail, &lowest) ||
	    lowest < from)
		return false;
	return !policy_overwrites(policy_now(seg)) ||
	       (!shmqi_rings_reach(seg, &reach) &&
		reach_floor(&reach, tail) >= from);
}

/* Holding SH_LEASE_RINGS. 1: it is gone; 0: not yet; or an error. */
static int give_back_one(struct segment *seg)
{
	const struct ring_place *place, *next;
	struct ring_table table;
	uint64_t number;
	int r = shmqi_rings_read(seg, &table);

	if (r)
		return r;
	number = table.oldest;
	place = ring_place(&table, number);
	next = ring_place(&table, number + 1);
	if (number >= ring_last(&table) || !left(seg, next->from) ||
	    shmqi_views_read_here(seg, number))
		return 0;
	r = shmqi_lease_take(seg->lease_fd, view_byte(number));
	if (r)
		return r == -EBUSY ? 0 : r;
	shmqi_storage_punch(seg->share_fd, place->offset, place->capacity);
	/* edge RING: pairs with read_once */
	store_release(&seg->control->given_back, number + 1);
	shmqi_lease_drop(seg->lease_fd, view_byte(number));
	return 1;
}

int shmqi_views_give_back(struct segment *seg, bool holding)
{
	struct sh_control *control = seg->control;
	int r = 1;

	if (seg->journal)
		return 0;
	/* Relaxed: a look ahead. */
	if (load_relaxed(&control->given_back) ==
		    load_relaxed(&control->ring) ||
	    !seg->writable)
		return 0;
	/* What another thread of ours holds the kernel would give us too. */
	if (!holding &&
	    (seg->resizing || shmqi_lease_take(seg->lease_fd, SH_LEASE_RINGS)))
		return 0;
	shmqi_views_let(seg);
	while (r == 1)
		r = give_back_one(seg);
	if (!holding)
		shmqi_lease_drop(seg->lease_fd, SH_LEASE_RINGS);
	return r;
}

void shmqi_views_pass_by(struct segment *seg)
{
	if (seg->journal)
		return;
	/* Relaxed: a look ahead. */
	if (likely(load_relaxed(&seg->control->given_back) ==
		   load_relaxed(&seg->control->ring)))
		return;
	pthread_mutex_lock(&seg->lock);
	shmqi_views_give_back(seg, false);
	pthread_mutex_unlock(&seg->lock);
}
