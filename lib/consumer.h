/* SPDX-License-Identifier: MIT */
/*
 * Taking messages: what a consumer is, and the two ways it takes from its
 * group's cursor. A serial consumer is the only one of its group and moves the
 * cursor by plain stores; competing consumers claim. Both may also hold spans
 * that others returned.
 */
#ifndef SHMQI_CONSUMER_H
#define SHMQI_CONSUMER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <shmq.h>

#include "cursor.h"
#include "endpoint.h"
#include "ring.h"
#include "wait.h"

struct copies;

struct shmq_consumer {
	struct endpoint ep;
	struct ring ring;
	struct sh_control *control;
	struct sh_group *group;
	struct sh_claim *claims;
	uint32_t group_index;
	bool serial;
	bool alone; /* the only one of its group */
	uint32_t spin;
	struct copies *copies; /* NULL: it receives in place */
	struct copies *spare;  /* then, if it has copied before: policy.h */
	uint32_t next; /* where shmq_wait() begins, if this is its first */
	struct rounds rounds;
	uint64_t returns_seen; /* group.returns when nothing was left */

	/* In place; who copies counts in copies. */
	uint64_t lost;
	uint64_t lost_since; /* not told yet */

	/* Slots from first_slot below slots name spans that are held. */
	unsigned first_slot;
	unsigned slots;

	/* serial: the next record, and what the cursor says */
	uint64_t pos;
	uint64_t seq;
	uint64_t released_pos;
	uint64_t redelivered_pos;
	unsigned turn;

	/* competing: what slot 0 holds on loan, if anything */
	bool lent;
	uint64_t lent_pos;
	uint64_t lent_end;
	uint64_t lent_count; /* numbers; of one that copies */
	uint64_t kept_end;   /* of the last slot kept; UINT64_MAX: adopted */
};

/* Where to put what is received: borrowed, or copied. */
struct wanted {
	struct shmq_msg *msgs; /* NULL: copy one message */
	unsigned max;
	void *buf;
	size_t size;
	bool peek; /* neither: only say 1 if there is a message */
};

/*
 * Take what is at the group's cursor. Borrowed: how many. Copied: the length.
 * -EAGAIN, if there is nothing; -EMSGSIZE, -ENOBUFS, -EBADMSG.
 */
int64_t shmqi_competing_take(struct shmq_consumer *c, const struct wanted *w);

/* Copy one message. */
int64_t shmqi_competing_copy(struct shmq_consumer *c, void *buf, size_t size);

/* The same from spans that others returned. */
int64_t shmqi_consumer_adopt(struct shmq_consumer *c, const struct wanted *w);

/* Its steps, for consumers that copy: name what slot 0 holds in another slot.
 * 0 or -ENOBUFS. */
int shmqi_competing_keep(struct shmq_consumer *c);
/* Claim [at, end), count numbers of it, seq behind it. True: won. */
bool shmqi_competing_claim(struct shmq_consumer *c, struct cursor at,
			   uint64_t end, uint64_t seq, uint64_t count);
/* What slot 0 holds is on loan; or is done with. */
void shmqi_competing_lend(struct shmq_consumer *c, struct cursor at,
			  uint64_t end, uint64_t count);
void shmqi_competing_let_go(struct shmq_consumer *c);

/* Done with everything on loan. */
void shmqi_competing_release(struct shmq_consumer *c);
void shmqi_consumer_release_slots(struct shmq_consumer *c, unsigned from);

/*
 * Is there a message? 1, -EAGAIN or another error. Skipped records before it
 * are done with.
 */
int64_t shmqi_consumer_peek(struct shmq_consumer *c);

/* After arming: an outlook, or a negative errno. With rounds: see what the dead
 * have left. */
int shmqi_consumer_look_around(struct shmq_consumer *c, bool rounds);

/*
 * It found nothing: is there another ring, and has its group come to that? Then
 * go there. 1: look again; 0: no; or an error. Under lock, or not.
 */
int shmqi_consumer_follow_locked(struct shmq_consumer *c, uint64_t pos);
int shmqi_consumer_follow(struct shmq_consumer *c);

/*
 * Under lock: its next message is in a segment of a journal that is gone. Go on
 * at the oldest one, and count what is lost. 0 or an error.
 */
int shmqi_consumer_pass_gone(struct shmq_consumer *c);

/* Is there a ring newer than its own? Costs nothing. */
static inline bool ring_is_old(const struct shmq_consumer *c)
{
	/* edge RING: pairs with shmqi_rings_publish */
	return unlikely(load_acquire(&c->control->ring) != c->ring.number);
}

/* Is there a claim, or a record, at its position? Cheap. */
bool shmqi_consumer_imminent(const struct shmq_consumer *c);

/* For shmq_wait(): a chime if it has none, >= 0; poll it, see chime.h. */
int shmqi_consumer_equip(struct shmq_consumer *c);
int64_t shmqi_consumer_poll(struct shmq_consumer *c);

/* Look around if it is time, as a receive does that finds nothing. */
void shmqi_consumer_rounds(struct shmq_consumer *c);
/* The same of a competing one that finds something at every call. */
void shmqi_consumer_busy_rounds(struct shmq_consumer *c);

static inline void msg_fill(struct shmq_msg *msg, const struct found *found,
			    uint64_t seq, bool redelivered)
{
	msg->data = record_payload(found->record);
	msg->len = found->size;
	msg->seq = seq;
	msg->lost = 0;
	msg->producer = found->producer;
	msg->flags = redelivered ? SHMQ_REDELIVERED : 0;
}

#endif
