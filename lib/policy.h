/* SPDX-License-Identifier: MIT */
/*
 * The policy: whether producers keep what a group has not received, or write
 * over it. It can be switched while the queue is in use. Each switch has a
 * number; an odd policy overwrites, an even one keeps. One that was never
 * anything but keeping is 0, and costs nobody anything.
 *
 * Two sorts of readers go with it. Who receives *in place* needs that producers
 * respect his group; who *copies* (copies.h) does not, and is right under
 * either policy. Which of them a consumer is, its entry says.
 *
 *  - A producer looks at the policy where it asks for room. It drops the limit
 *    that it had, says in its entry which policy it follows, passes a fence,
 *    and looks at the consumers: a group of which some consumer receives in
 *    place is respected as ever, the others are written over.
 *  - A consumer that receives in place becomes one that copies as soon as it
 *    calls the library with nothing on loan. So what is on loan, and who is
 *    stopped, is respected as long as it takes.
 *  - A consumer that copies receives in place again when the policy keeps and
 *    every producer that lives follows it: it says so in its entry, passes a
 *    fence, and looks at the policy and the producers once more. So of a
 *    producer that goes on to the next policy and of a consumer that relies on
 *    this one, one sees the other.
 *  - A serial producer becomes one that claims, and stays one: copying needs a
 *    tail that is always a pair.
 *
 * What a death leaves: the new policy in force, and perhaps consumers that were
 * not told: who waits for them tells them. Whoever dies between two of his
 * own steps is what his entry says, with nothing on loan.
 *
 * Where the policy is not 0 a group may be more than a lap behind: it has lost
 * what was written over, and holds the ring from the oldest whole record on.
 */
#ifndef SHMQI_POLICY_H
#define SHMQI_POLICY_H

#include "rings.h"
#include "segment.h"

struct shmq_consumer;
struct shmq_producer;

static inline uint64_t policy_now(const struct segment *seg)
{
	/* edge POLICY: pairs with shmqi_policy_switch */
	return load_acquire(&seg->control->switches) +
	       !!(seg->geo.flags & SHMQ_OVERWRITE);
}

static inline bool policy_overwrites(uint64_t policy)
{
	return policy & 1;
}

/* Is the tail moved by plain stores, by a producer that has no claim slot? */
static inline bool policy_serial(const struct segment *seg)
{
	/* edge POLICY: pairs with become_claimant, shmqi_policy_join */
	return geometry_serial(&seg->geo) &&
	       !load_acquire(&seg->control->claimed);
}

/* May some group have been overtaken? */
static inline bool policy_laps(const struct segment *seg)
{
	return policy_now(seg) && !policy_serial(seg);
}

/* Does this consumer, or what it returned, hold no room? */
static inline bool policy_copies(struct sh_member *member)
{
	/* edge POLICY: pairs with receive_by_copy, receive_in_place */
	return load_acquire(&member->policy) == SH_COPIES;
}

/*
 * Holding SH_LEASE_ATTRIBUTES: switch it on or off, and tell everybody. 0 or
 * -EOVERFLOW.
 */
int shmqi_policy_switch(struct segment *seg, bool overwrite);

/* Under lock: a producer joins; its entry is not shown yet. */
void shmqi_policy_join(struct shmq_producer *p);

/*
 * A producer that has nothing claimed: follow the policy in force. It may stop
 * being serial.
 */
void shmqi_policy_follow_producing(struct shmq_producer *p);

/*
 * A consumer at a call: follow, as far as can be now. True: it receives as is
 * right at the moment; false: what it has on loan, or want of memory, is in the
 * way of copying. For whom it is, its own entry is looked at by producers.
 */
bool shmqi_policy_follow(struct shmq_consumer *c);

/*
 * Under lock: give the spans that consumers returned which received in place
 * their numbers, as those of copying ones have; from then on they hold nothing.
 * group: or NO_GROUP for all. 0, -EBADMSG, ...
 */
int shmqi_policy_number(struct segment *seg, uint32_t group);

/* Waiting for those that still receive in place: let them look. */
void shmqi_policy_remind(struct segment *seg);

#endif
