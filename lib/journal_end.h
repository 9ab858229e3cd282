/* SPDX-License-Identifier: MIT */
/*
 * Where the stream of a journal ends that comes back from a disk: for who mends
 * it (journal_mend.c), alone. Two rules, on either side of what was synced:
 *
 *  - what is behind control.synced may be torn. The first record that is not
 *    whole, by its checksum, is the end, and what comes behind it was never
 *    said to be safe
 *  - what is before was whole once. Where it is not, that is damage: told by
 *    whoever reads there, and no end. The walk goes on at the next record that
 *    is whole. Checksums are not looked at, as that would be to read all of it
 *
 * control.synced itself may be older than the stream: then more is read than need
 * be. Of a copy that was made while the journal was in use it may be newer than
 * the segment files: what they lack is then damage, and at the end, where nothing
 * whole comes any more, the end.
 */
#ifndef SHMQI_JOURNAL_END_H
#define SHMQI_JOURNAL_END_H

#include "cursor.h"
#include "ring.h"
#include "segment.h"

struct mending {
	struct segment *seg;
	uint64_t lowest, highest; /* segment files, without a gap */
	uint64_t synced;          /* not below the first of them */
	struct cursor begin;      /* of the stream; set by journal_mend.c */
	struct cursor end;        /* by shmqi_end_find() */
};

/* A segment to look into, until the next call. 0 or a negative errno. */
int shmqi_end_ring(struct mending *m, uint64_t number, struct ring *ring);

/*
 * Is there a whole record at at->pos? By its checksum, so it may be believed
 * which number it says it has; that is put into *at.
 */
bool shmqi_end_speaks(const struct ring *ring, struct cursor *at);

/* Find m->end, from m->lowest, highest and synced. 0 or a negative errno. */
int shmqi_end_find(struct mending *m);

#endif
