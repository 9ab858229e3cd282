/* SPDX-License-Identifier: MIT */
/* Room: how far producers may write without overtaking any group. */
#ifndef SHMQI_ROOM_H
#define SHMQI_ROOM_H

#include "segment.h"

/*
 * The lowest position that some group has not received or some member still
 * holds; if there is none, the given tail. It never falls, so lowest + capacity
 * may be kept as a limit. What producers may write over, by the policy in
 * force, does not count, nor what they have written over. False: damage.
 */
bool shmqi_room_lowest(const struct segment *seg, uint64_t tail,
		       uint64_t *lowest);

/*
 * The lowest position that producers may rely on for ever: without groups that
 * are being made, whose cursors may still rise.
 */
bool shmqi_room_promised(const struct segment *seg, uint64_t tail,
			 uint64_t *lowest);

/* How far a producer may write, and in which ring. */
struct room {
	uint64_t limit;  /* positions below it may be written */
	uint64_t ring;   /* the number of the tail's ring */
	uint64_t turn;   /* a newer ring begins here, not below the tail;
			   UINT64_MAX: there is none */
	uint64_t newest; /* the number of the newest ring that was known */
};

/* For a producer at the tail that follows this policy. 0 or -EBADMSG. */
int shmqi_room_look(const struct segment *seg, uint64_t policy, uint64_t tail,
		    struct room *room);

/* Of what consumers hold, alive or dead, whatever groups have not received. */
bool shmqi_room_held(const struct segment *seg, uint64_t tail,
		     uint64_t *lowest);

/* The same for consumers only, and without one group. */
bool shmqi_room_kept(const struct segment *seg, uint64_t tail, uint32_t except,
		     uint64_t *lowest);

/* The lowest open claim of a producer, or the tail. False: damage. */
bool shmqi_room_open(const struct segment *seg, uint64_t tail,
		     uint64_t *lowest);

/* How far producers have said that they may go; at least to the tail. */
uint64_t shmqi_room_granted(const struct segment *seg, uint64_t tail);

/* Does a consumer receive in place that the policy in force overwrites? */
bool shmqi_room_pending(const struct segment *seg);

/* Is there any consumer, alive or dead? */
bool shmqi_room_consumers(const struct segment *seg);

#endif
