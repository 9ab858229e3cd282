/* SPDX-License-Identifier: MIT */
/*
 * Scans: looking into a journal from anywhere, without being a member. A scan
 * keeps the segment that it is in mapped. Without the segment's lock.
 */
#ifndef SHMQI_SCAN_H
#define SHMQI_SCAN_H

#include "cursor.h"
#include "endpoint.h"
#include "ring.h"

struct scan {
	struct endpoint ep; /* only what views.c needs of it */
	struct segment *seg;
	struct ring ring;
};

void shmqi_scan_begin(struct scan *scan, struct segment *seg);
void shmqi_scan_end(struct scan *scan);

/* Come to the segment of pos. 0, -EBADMSG, -ENOMEM. */
int shmqi_scan_to(struct scan *scan, uint64_t pos);

/*
 * Read the record at a place in the scan's segment. False: there is none, or
 * its lengths cannot be true.
 */
bool shmqi_scan_read(const struct scan *scan, struct cursor at,
		     struct found *found);

/*
 * Behind a place where no record can be read: the next that is whole, or the
 * tail.
 */
void shmqi_scan_behind(struct scan *scan, struct cursor tail,
		       struct cursor *at);

/*
 * What the first record of a segment file says of itself: its number, and when
 * it was sent. False: it says nothing, or the file is not there.
 */
bool shmqi_scan_first(const struct segment *seg, uint64_t number,
		      struct cursor *place, uint64_t *time_ns);

/* The segment files that there are. 0 or -EBADMSG. */
int shmqi_scan_range(const struct segment *seg, uint64_t *lowest,
		     uint64_t *highest);

#endif
