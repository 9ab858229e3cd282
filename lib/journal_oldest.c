/* SPDX-License-Identifier: MIT */
/* Where a journal begins, damaged or not. See journal.h. */
#include "config.h"

#include <errno.h>

#include <shmq.h>

#include "bounds.h"
#include "journal.h"
#include "scan.h"

#define LOOKS 1000

/*
 * The number of what a segment begins with: as it says, or, where it cannot be
 * true or is missing (ring is NULL), one less than that of the next that is
 * whole. There is damage, and who comes to it is told.
 */
static void number_oldest(struct segment *seg, const struct ring *ring,
			  struct cursor *place)
{
	struct scan scan = { .seg = seg, .ring.number = UINT64_MAX };
	struct cursor tail, next = *place;
	uint64_t first = seg->geo.start_seq;

	place->seq = UINT64_MAX;
	if (ring) {
		scan.ring = *ring;
		place->seq = record_seq(ring, place->pos);
	}
	if (!shmqi_bounds_tail(seg, &tail))
		return;
	if (place->pos >= tail.pos) {
		place->seq = tail.seq;
	} else if (place->seq < first || place->seq > tail.seq ||
		   place->seq - first >
			   (place->pos - seg->geo.start_pos) / SH_SEALED_LINE) {
		next.seq = first;
		shmqi_scan_behind(&scan, tail, &next);
		place->seq = next.seq > first ? next.seq - 1 : first;
	}
}

static int oldest_once(struct segment *seg, struct cursor *place)
{
	uint64_t lowest, highest;
	struct ring ring;
	int r = shmqi_scan_range(seg, &lowest, &highest);

	if (r)
		return r;
	/* A segment begins with a record, or the stream with nothing. */
	place->pos = lowest * seg->geo.capacity;
	place->owner = SH_NOBODY;
	if (place->pos <= seg->geo.start_pos) {
		place->pos = seg->geo.start_pos;
		place->seq = seg->geo.start_seq;
		return 0;
	}
	r = shmqi_journal_ring(seg, place->pos, false, &ring);
	if (r && r != -EBADMSG)
		return r;
	number_oldest(seg, r ? NULL : &ring, place);
	return 0;
}

int shmqi_journal_oldest(struct segment *seg, struct cursor *place)
{
	int r = -ESTALE;

	/* It may be removed while we look. */
	for (int i = 0; r == -ESTALE && i < LOOKS; i++)
		r = oldest_once(seg, place);
	return r == -ESTALE ? -EBADMSG : r;
}
