/* SPDX-License-Identifier: MIT */
/*
 * Returned spans: what a consumer held when it closed or died. They stay in
 * its member entry, whose state says RETURNED, until consumers of the group
 * adopt them. All of this is under the segment's lock.
 */
#ifndef SHMQI_RETURNED_H
#define SHMQI_RETURNED_H

#include "ring.h"
#include "segment.h"

/* What an adopter wants, and what it got. */
struct adoption {
	const struct rings *rings;
	uint32_t group;
	uint32_t to;         /* its member entry */
	unsigned first_slot; /* below this its slots are for something else */
	unsigned slots;      /* its claim slots in use; grows */
	bool whole;          /* all of a slot, whatever is in it */
	bool join;           /* a span that follows the last slot extends it */
	unsigned messages;   /* at most; 0: skipped records only */
	uint64_t max_size;   /* of a message, or it is left there */
	uint64_t pos, end;   /* what it got */
};

/*
 * Move the returned messages of the group that come first, as many as are
 * wanted and adjacent, to a claim slot of the adopter. 1: done; 0: there are
 * none; -EAGAIN: there are, and somebody else is at them; -EMSGSIZE: the first
 * message is larger than max_size, or none is wanted; -ENOBUFS: no slot is
 * left; -EBADMSG.
 */
int shmqi_returned_adopt(struct segment *seg, struct adoption *adoption);

/* Put the returned spans of several entries into one, to free entries. */
void shmqi_returned_compact(struct segment *seg);

#endif
