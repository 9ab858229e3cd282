/* SPDX-License-Identifier: MIT */
/*
 * Retention: what a journal is not asked to keep any longer goes, a segment
 * file at a time, the oldest first. A segment has outlived its time when one of
 * the limits that are set does not ask for it, and goes when nobody needs it:
 *
 *  - no producer may still be writing in it, or before it;
 *  - no consumer, alive or dead, holds anything of it;
 *  - no group has it to receive, unless the journal was made to drop that.
 *
 * So control.oldest is raised, which decides; then the files are removed. It is
 * raised under the lease of the groups, so that none is made there meanwhile.
 * What a death leaves: files below control.oldest, which the next one removes.
 *
 * Readers go on in what they have mapped. Who needs a file that is not there
 * looks at control.oldest, and goes on at the oldest message (follow.c).
 */
#ifndef SHMQI_RETAIN_H
#define SHMQI_RETAIN_H

#include "journal.h"

/* Can there be anything to do? */
static inline bool retains_less(const struct geometry *geo)
{
	return geo->retain_bytes || geo->retain_seconds || geo->retain_messages;
}

/*
 * Remove what can go. Under the segment's lock. How many segments; 0 if somebody
 * else is at it, too; or a negative errno.
 */
int shmqi_retain(struct segment *seg);

#endif
