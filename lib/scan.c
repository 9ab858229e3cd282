/* SPDX-License-Identifier: MIT */
/* Scans. See scan.h. */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "journal.h"
#include "scan.h"
#include "seal.h"
#include "segfile.h"
#include "views.h"

void shmqi_scan_begin(struct scan *scan, struct segment *seg)
{
	memset(scan, 0, sizeof(*scan));
	scan->seg = scan->ep.seg = seg;
	scan->ring.number = UINT64_MAX;
	pthread_mutex_lock(&seg->lock);
	shmqi_views_add_reader(&scan->ep);
	pthread_mutex_unlock(&seg->lock);
}

void shmqi_scan_end(struct scan *scan)
{
	pthread_mutex_lock(&scan->seg->lock);
	shmqi_views_remove_reader(&scan->ep);
	pthread_mutex_unlock(&scan->seg->lock);
}

int shmqi_scan_to(struct scan *scan, uint64_t pos)
{
	int r;

	if (journal_number(scan->seg, pos) == scan->ring.number)
		return 0;
	pthread_mutex_lock(&scan->seg->lock);
	r = shmqi_views_enter(&scan->ep, pos, false, &scan->ring);
	pthread_mutex_unlock(&scan->seg->lock);
	return r == -ESTALE ? r : views_error(r);
}

bool shmqi_scan_read(const struct scan *scan, struct cursor at,
		     struct found *found)
{
	const struct ring *ring = &scan->ring;

	return ring->number == journal_number(scan->seg, at.pos) &&
	       record_published(ring, at.pos, at.seq) &&
	       record_read(ring, at.pos, found) &&
	       found->span <= ring->mask + 1 - (at.pos & ring->mask);
}

/*
 * Numbers are dense: behind a place there cannot be more of them than lines. So
 * a file of another place does not lead away. Where the number of the place is
 * not known it is the first of all, which the stream begins with.
 */
static bool follows(const struct segment *seg, struct cursor at,
		    struct cursor c, struct cursor tail)
{
	uint64_t from = at.seq == seg->geo.start_seq ? seg->geo.start_pos :
						       at.pos;

	return c.seq > at.seq && c.seq <= tail.seq && c.pos > from &&
	       c.seq - at.seq <= (c.pos - from) / SH_SEALED_LINE;
}

/* A record may begin at each line; one that is whole says its number itself. */
static bool next_in_segment(const struct scan *scan, struct cursor tail,
			    struct cursor *at)
{
	uint64_t end = (journal_number(scan->seg, at->pos) + 1) *
		       scan->seg->geo.capacity;
	struct found found;

	if (scan->ring.number != journal_number(scan->seg, at->pos))
		return false;
	for (uint64_t pos = at->pos + SH_SEALED_LINE;
	     pos < end && pos < tail.pos; pos += SH_SEALED_LINE) {
		struct cursor c = { pos, record_seq(&scan->ring, pos),
				    SH_NOBODY };

		if (!follows(scan->seg, *at, c, tail) ||
		    !shmqi_scan_read(scan, c, &found) ||
		    !shmqi_seal_holds(&found, c.seq))
			continue;
		*at = c;
		return true;
	}
	return false;
}

/* The next segment file there is, from a number on. */
static bool next_file(const struct segment *seg, uint64_t *number)
{
	uint64_t lowest, highest;

	if (shmqi_segfile_exists(seg, *number))
		return true;
	/* However far away, whatever the tail says. */
	if (shmqi_journal_files(seg, *number, &lowest, &highest) ||
	    lowest < *number)
		return false;
	*number = lowest;
	return true;
}

void shmqi_scan_behind(struct scan *scan, struct cursor tail, struct cursor *at)
{
	const struct segment *seg = scan->seg;
	uint64_t number = journal_number(seg, at->pos) + 1, time;
	struct cursor first;

	if (next_in_segment(scan, tail, at))
		return;
	for (;
	     number <= journal_number(seg, tail.pos) && next_file(seg, &number);
	     number++) {
		if (shmqi_scan_first(seg, number, &first, &time) &&
		    follows(seg, *at, first, tail)) {
			*at = first;
			return;
		}
	}
	*at = tail;
}

/* As in the mapping, without mapping it: there may be many to be looked at. */
bool shmqi_scan_first(const struct segment *seg, uint64_t number,
		      struct cursor *place, uint64_t *time_ns)
{
	KEEP_ERRNO;
	uint64_t words[2];
	struct sh_seal seal;
	int fd = shmqi_segfile_open(seg, number, false);
	bool whole;

	if (fd < 0)
		return false;
	whole = pread(fd, words, sizeof(words), 0) == sizeof(words) &&
		words[1] >> 32 & SH_RECORD_SEAL &&
		(uint32_t)words[1] <= seg->geo.capacity / 4 &&
		pread(fd, &seal, sizeof(seal),
		      (off_t)seal_off((uint32_t)words[1])) == sizeof(seal);
	close(fd);
	if (!whole)
		return false;
	place->pos = number * seg->geo.capacity;
	place->seq = record_number(words[0], seg->geo.cookie);
	place->owner = SH_NOBODY;
	*time_ns = seal.time_lo | (uint64_t)seal.time_hi << 32;
	return place->seq < SH_SEQ_MAX;
}

int shmqi_scan_range(const struct segment *seg, uint64_t *lowest,
		     uint64_t *highest)
{
	/* edge RING: pairs with raise_ring */
	*highest = load_acquire(&seg->control->ring);
	*lowest = load_acquire(&seg->control->oldest);
	if (*lowest > *highest || *highest > journal_number(seg, SH_POS_MAX))
		return shmqi_error_say(-EBADMSG, "damaged: the range of the "
						 "segments");
	return 0;
}
