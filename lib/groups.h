/* SPDX-License-Identifier: MIT */
/*
 * The table of groups: making and removing them. One process at a time changes
 * it, under a lease; everybody reads it at any time. All of this is under the
 * segment's lock.
 */
#ifndef SHMQI_GROUPS_H
#define SHMQI_GROUPS_H

#include "segment.h"

/*
 * Finish what a dead process began to change: for whoever might wait for it.
 * 1: something was left; 0: nothing; or an error.
 */
int shmqi_groups_mend(struct segment *seg);

/* 0, -EINVAL or -ENAMETOOLONG, with a sentence. */
int shmqi_groups_check_name(const char *name);

/*
 * The entry of the group; made, if there is none: at the oldest message that is
 * kept, or behind the newest. -EUSERS: the table is full; -EBUSY, -EBADMSG,
 * -ENOMEM, -ENOLCK.
 */
int shmqi_groups_make(struct segment *seg, const char *name, bool newest);

/*
 * Remove the group and let go what it kept. -ENOENT; -EBUSY: it has consumers;
 * -EPERM: the last one of a queue that is no topic; or as above.
 */
int shmqi_groups_remove(struct segment *seg, const char *name);

#endif
