/* SPDX-License-Identifier: MIT */
/*
 * Views: the rings that this process has mapped. All of this is under the
 * segment's lock.
 *
 * Who reads a ring shares the lease of its byte, a process once for all its
 * consumers. Whoever gives a ring back takes that byte for itself first: so no
 * page of a ring goes while anybody may read it, which on a full file system
 * would be a SIGBUS. Producers need no such lease: what they have claimed and
 * not finished holds the ring, and they write nothing else.
 */
#ifndef SHMQI_VIEWS_H
#define SHMQI_VIEWS_H

#include <errno.h>

#include "endpoint.h"
#include "rings.h"

struct view {
	struct view *next;
	uint64_t number;
	struct ring_place place; /* as it was when this was mapped */
	char *read;              /* for consumers, mapped twice; or NULL */
	char *write;             /* for producers and rescuers; or NULL */
	bool leased;
	/* Of a journal: */
	struct ring as; /* what was asked for last */
	uint64_t ready; /* from the tail to here it has pages for writing */
	unsigned held;  /* provider.c is at its pages: it stays */
};

/*
 * The rings that are in use, to look into until shmqi_views_let(). 0, -EBADMSG,
 * -ENOMEM, -EBUSY, ...
 */
int shmqi_views_get(struct segment *seg, bool writable, struct rings *rings);

/* The byte of a ring's lease. */
static inline int64_t view_byte(uint64_t number)
{
	return SH_LEASE_RING + (int64_t)(number % SH_RINGS);
}

/* Does one of our readers look into it? */
bool shmqi_views_read_here(const struct segment *seg, uint64_t number);

/* Keep what our endpoints use, and let the others go. */
void shmqi_views_let(struct segment *seg);

/*
 * An endpoint of ours comes to pos: give it the ring that holds it, to read or,
 * for a producer, to write. on_loan: it has messages from its last one.
 */
int shmqi_views_enter(struct endpoint *ep, uint64_t pos, bool on_loan,
		      struct ring *ring);

/* What a message may be refused with: everything else is want of memory. */
static inline int views_error(int r)
{
	return !r || r == -EBADMSG ? r : -ENOMEM;
}

/*
 * Readers without a member entry: taps, and who checks. They keep the ring that
 * they have entered, until they are removed.
 */
void shmqi_views_add_reader(struct endpoint *ep);
void shmqi_views_remove_reader(struct endpoint *ep);

/* It has adopted messages that begin at pos. */
void shmqi_views_keep(struct endpoint *ep, const struct rings *rings,
		      uint64_t pos);

/*
 * Give the memory of rings that the stream has left back to the system, if
 * nobody reads them any more. holding: we hold SH_LEASE_RINGS.
 */
int shmqi_views_give_back(struct segment *seg, bool holding);

/* The same by who is no reader, if there is something to give back. */
void shmqi_views_pass_by(struct segment *seg);

/* Is somebody putting another ring in place just now? */
bool shmqi_views_changing(const struct segment *seg);

/* Does whoever resizes have the place of the single producer, in passing? */
bool shmqi_views_turning(const struct segment *seg);

/* In a forked child: our leases were our parent's. */
void shmqi_views_forked(struct segment *seg);

void shmqi_views_free(struct segment *seg);

#endif
