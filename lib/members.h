/* SPDX-License-Identifier: MIT */
/*
 * Members: joining, leaving, and who is alive. An entry belongs to whoever
 * holds its lease. All of this is under the segment's lock, which keeps the
 * threads of this process apart as the leases keep processes apart.
 */
#ifndef SHMQI_MEMBERS_H
#define SHMQI_MEMBERS_H

#include "endpoint.h"
#include "segment.h"

/* What a new member is to be. */
struct joining {
	uint32_t role;  /* SH_MEMBER_PRODUCER or SH_MEMBER_CONSUMER */
	uint32_t group; /* of a consumer */
	bool alone;     /* the only one of its kind */
};

/*
 * Take the place (if alone, the only one), an entry and its lease, and name
 * them in ep; shmqi_member_enter() comes next. Dead members are cleaned up
 * where they are in the way. 0, -EBUSY, -EUSERS, -EBADMSG, -ENOLCK, -ENOMEM,
 * ...
 */
int shmqi_member_join(struct endpoint *ep, const struct joining *joining);

/* Its claim slots are set up: show it to the others. */
void shmqi_member_enter(struct endpoint *ep, uint32_t role);

/*
 * Give entry, lease and place back. returned: spans stay in the entry for the
 * group's others.
 */
void shmqi_member_leave(struct endpoint *ep, bool returned);

/* Entries below this may be in use. */
uint32_t shmqi_member_top(const struct segment *seg);

/* Under lock: is the entry's owner alive? By its lease; our own are. */
bool shmqi_member_alive(const struct segment *seg, uint32_t index);

/* Has this process a consumer in the group? */
bool shmqi_member_consumes(const struct segment *seg, uint32_t group);

/* Claim slots of the entry that may be in use: 1 to SH_CLAIMS. */
uint32_t shmqi_member_slots(const struct sh_member *member);

/* The kernel's boot id, or zeros. */
void shmqi_member_boot(uint8_t id[16]);

/*
 * Take a byte that the whole process could take, for this thread alone; by
 * turns with others, a second at most. Not under lock. held: a field of the
 * segment. 0, -EBUSY, -ENOLCK.
 */
int shmqi_members_hold(struct segment *seg, bool *held, int64_t byte);
void shmqi_members_let(struct segment *seg, bool *held, int64_t byte);

/* Note, for stat, that somebody waits for this claim. */
void shmqi_member_watch(struct sh_member *member, uint64_t word);

#endif
