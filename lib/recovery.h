/* SPDX-License-Identifier: MIT */
/*
 * Recovery: finishing what dead members began. Done by whoever is held up, and
 * by shmq_recover(). All of it under the segment's lock and, for each member,
 * under its lease: the kernel lets one rescuer at a time near it, and if that
 * one dies, the next begins again. Every step may therefore be done twice.
 */
#ifndef SHMQI_RECOVERY_H
#define SHMQI_RECOVERY_H

#include "cursor.h"
#include "ring.h"
#include "segment.h"

/*
 * Clean up one member if it is dead. 1: done; 0: alive, or nobody, or somebody
 * else is at it; -EBADMSG (damage), -ENOMEM, ...
 */
int shmqi_recover_member(struct segment *seg, uint32_t index);

/* All of them. How many were dead, or an error. */
int shmqi_recover_all(struct segment *seg);

/*
 * For a single producer that begins: is the tail where the records end? Nobody
 * else would ever notice. 0 or -EBADMSG.
 */
int shmqi_recover_check_tail(struct segment *seg, const struct cursor *tail);

/*
 * Only consumers: for one of them that waits, and need not map the ring for
 * writing.
 */
int shmqi_recover_consumers(struct segment *seg);

/*
 * For the holder of a consumer's lease: leave the cursor and the claims as a
 * member leaves them that only has spans to return, or none. 0 or -EBADMSG.
 */
int shmqi_recover_settle_consumer(struct segment *seg, uint32_t index,
				  struct sh_group **group, bool *held);

/*
 * The record at pos, number seq, has been claimed and is not there. 1: look
 * again (somebody was cleaned up); 0: its producer is alive, wait; -EBADMSG:
 * nobody will ever write it.
 */
int shmqi_recover_claim_at(struct segment *seg, const struct ring *ring,
			   uint64_t pos, uint64_t seq);

#endif
