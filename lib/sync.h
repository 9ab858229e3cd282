/* SPDX-License-Identifier: MIT */
/*
 * Durability: what is before control.synced is on the disk, whole and without a
 * gap; so mending, which goes on from there, comes to all of it.
 */
#ifndef SHMQI_SYNC_H
#define SHMQI_SYNC_H

#include "journal.h"

/*
 * See that all before pos is on the disk, until deadline_ns (wait.h) if somebody
 * is in the way who is alive. Without the segment's lock. 0, -ETIMEDOUT,
 * -EINTR, -EBADMSG, -ENOMEM, or what the disk said, which it says from then on.
 */
int shmqi_sync_to(struct segment *seg, uint64_t pos, int64_t deadline_ns);

#endif
