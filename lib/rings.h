/* SPDX-License-Identifier: MIT */
/*
 * The table of rings: which one holds which positions. A queue has one, until
 * shmq_resize() puts another behind it: positions from `from` on live in the
 * new ring, those below in the one before. Whoever turns a position into an
 * address chooses the ring by the position.
 *
 * A reader that has the wrong ring takes nothing for published: the stamp of
 * a number is written once, at its position's place in its position's ring, and
 * no memory of a ring is used again while anybody may read it as that ring.
 * So nobody needs to look at the table before he has found nothing.
 *
 * The entry of the newest ring may be undecided: then it is there, and nothing
 * has been claimed in it yet. Where it begins is decided by whoever first asks
 * for room, or by who made it: no lower than any limit that a producer may
 * keep. So a death in between leaves nothing to be mended.
 */
#ifndef SHMQI_RINGS_H
#define SHMQI_RINGS_H

#include "ring.h"
#include "segment.h"

struct ring_place {
	uint64_t from; /* first position, or SH_UNDECIDED */
	uint64_t offset;
	uint64_t capacity;
};

/* A validated private copy, true at one moment. */
struct ring_table {
	uint64_t newest;
	uint64_t oldest;        /* that has not been given back */
	uint64_t segment_bytes; /* of a journal, or 0 */
	struct ring_place at[SH_RINGS];
};

static inline const struct ring_place *ring_place(const struct ring_table *t,
						  uint64_t number)
{
	return &t->at[number % SH_RINGS];
}

static inline bool ring_decided(const struct ring_table *t)
{
	return ring_place(t, t->newest)->from != SH_UNDECIDED;
}

/* The number of the ring where the newest positions are: the tail's, or the
 * one before that. */
static inline uint64_t ring_last(const struct ring_table *t)
{
	return ring_decided(t) ? t->newest : t->newest - 1;
}

/*
 * The number of the ring that holds pos, if the stream has not left that. Never
 * an older one: a producer's pos may be a tail of long ago, and its limit is
 * the ring's where the tail is now.
 */
static inline uint64_t ring_number(const struct ring_table *t, uint64_t pos)
{
	uint64_t last = ring_last(t);

	if (t->segment_bytes)
		return pos / t->segment_bytes;
	return last > t->oldest && pos < ring_place(t, last)->from ? last - 1 :
								     last;
}

/* The same for a tap, which may be in any ring that it has kept. */
static inline uint64_t ring_number_kept(const struct ring_table *t,
					uint64_t pos)
{
	uint64_t number = ring_last(t);

	if (t->segment_bytes)
		return pos / t->segment_bytes;
	while (number > t->oldest && pos < ring_place(t, number)->from)
		number--;
	return number;
}

/* 0 or -EBADMSG. */
int shmqi_rings_read(const struct segment *seg, struct ring_table *table);

/* The same of control words in private memory. */
int shmqi_rings_parse(const struct geometry *geo, struct sh_control *control,
		      struct ring_table *table);

/* The same, when it is decided where the newest begins: by us, if need be. */
int shmqi_rings_settled(const struct segment *seg, struct ring_table *table);

/*
 * Is it as it was read? If the caller has passed a full fence, whatever he read
 * before that was read before the next ring was there.
 */
bool shmqi_rings_same(const struct segment *seg,
		      const struct ring_table *table);

/* How far positions may lie apart. 0 or -EBADMSG. */
int shmqi_rings_reach(const struct segment *seg, struct reach *reach);
struct reach shmqi_rings_reach_of(const struct ring_table *table);

/* The first ring of a new queue. */
void shmqi_rings_format(const struct geometry *geo, struct sh_control *control);

/*
 * For who holds SH_LEASE_RINGS: announce another ring, whose storage is there;
 * where it begins is left to be decided.
 */
void shmqi_rings_publish(const struct segment *seg, uint64_t number,
			 uint64_t offset, uint64_t capacity);

#endif
