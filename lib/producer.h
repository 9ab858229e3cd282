/* SPDX-License-Identifier: MIT */
/*
 * Producers: claim a span at the tail, write records, stamp them.
 *
 * What a death leaves, in the order of the steps of a claimed send:
 *   before the swap            nothing: an announcement that has not won
 *   after it                   a claim without records: skipped by a rescuer
 *   after a stamp              a message, delivered though not acknowledged
 *   before claim_done          the same; the rescuer finds all stamped
 * The receivers' bell is looked at twice: after the claim, so that nobody who
 * slept before it goes on sleeping without a bound, and after the stamp.
 *
 * A single producer has no claim slot: the tail itself says how far it may
 * have written, and the stamps say what of it is there.
 */
#ifndef SHMQI_PRODUCER_H
#define SHMQI_PRODUCER_H

#include <errno.h>
#include <stdbool.h>

#include <shmq.h>

#include "cursor.h"
#include "endpoint.h"
#include "ring.h"
#include "seal.h"
#include "wait.h"
#include "wake.h"

struct span {
	uint64_t pos;
	uint64_t end;
	uint64_t seq;
};

struct shmq_producer {
	struct endpoint ep;
	struct ring ring;
	struct sh_control *control;
	struct sh_claim *claim;
	uint64_t limit;    /* positions below it may be written */
	uint64_t turn;     /* CLAIM_TURN: the next ring begins here */
	struct cursor at;  /* a single producer's own tail */
	uint64_t room;     /* overwriting: the limit that others set */
	uint64_t promised; /* overwriting: its entry says up to here */
	uint64_t policy;   /* under which it found these: policy.h */
	bool overwrites;
	bool single;   /* claims by moving the tail */
	bool durable;  /* each send waits for the disk */
	bool reserved; /* open is a reservation */
	uint32_t spin;
	struct span open; /* if reserved */
	struct rounds rounds;
	size_t reserved_size; /* bytes, if reserved */
};

/*
 * Claim span bytes and count numbers, without waiting. -EAGAIN: no room;
 * -EOVERFLOW, -EBADMSG.
 */
int shmqi_claim_among_many(struct shmq_producer *p, uint64_t span,
			   uint64_t count, struct span *open);

/*
 * The limit is used up: ask the groups. 0, or as above; -EMSGSIZE: too large
 * for the ring that the tail has come to; CLAIM_TURN: there is room only in the
 * next ring, and the rest of this one has to be claimed first (turn.h).
 */
#define CLAIM_TURN 1
/* Of many: the tail is elsewhere by now, and what was there is gone. */
#define CLAIM_MOVED 3
int shmqi_claim_find_room(struct shmq_producer *p, struct cursor tail,
			  uint64_t end);

/* Raise the limit, and follow the tail to its ring. 0 or an error. */
struct room;
int shmqi_claim_look_for_room(struct shmq_producer *p, uint64_t tail,
			      struct room *room);

/* One try to move the tail from c to to, as the algorithm of cursor.h is. */
bool shmqi_claim_win(struct shmq_producer *p, struct cursor c,
		     struct cursor to);

/* Room for the single producer, which may move it to another ring. CLAIM_MANY:
 * from now on it claims as many do. */
#define CLAIM_MANY 2
int shmqi_claim_find_room_single(struct shmq_producer *p, uint64_t span);

/* The same as claim(), when there was no room. */
int shmqi_claim_wait(struct shmq_producer *p, uint64_t span, uint64_t count,
		     int64_t timeout_ns, struct span *open);

/*
 * As shmq_producer_open(). patient: if somebody who resizes the queue has the
 * place of the single producer, wait until that is over.
 */
int shmqi_producer_open(struct shmq_producer **out, struct segment *seg,
			bool patient);

/*
 * 0, -EINVAL, -ESTALE; -EBUSY if a reservation is open; PRODUCER_SEALS if all
 * is well and its records have seals, so that who has none need not ask.
 */
#define PRODUCER_SEALS 1
static inline int producer_check(const struct shmq_producer *p)
{
	if (unlikely(!p))
		return -EINVAL;
	if (unlikely(p->ep.magic != ENDPOINT_PRODUCER)) {
		if (p->ep.magic != ENDPOINT_JOURNAL)
			return -ESTALE;
		return p->reserved ? -EBUSY : PRODUCER_SEALS;
	}
	return unlikely(p->reserved) ? -EBUSY : 0;
}

static inline bool producer_seals(const struct shmq_producer *p)
{
	return unlikely(p->ep.magic == ENDPOINT_JOURNAL);
}

/* Bytes that a message of len bytes takes. */
static inline uint64_t message_span(const struct shmq_producer *p, uint64_t len)
{
	return producer_seals(p) ? sealed_span(len) : record_span(len);
}

static inline int claim_single(struct shmq_producer *p, uint64_t span,
			       uint64_t count, struct span *open)
{
	uint64_t pos = p->at.pos, end = pos + span, seq = p->at.seq;

	/* Also where it wraps: who has been nowhere yet has limit 0. */
	if (unlikely(end - 1 >= p->limit)) {
		int r = shmqi_claim_find_room_single(p, span);

		if (r == CLAIM_MANY)
			return shmqi_claim_among_many(p, span, count, open);
		if (r)
			return r;
		pos = p->at.pos;
		end = pos + span;
		seq = p->at.seq;
	}
	cursor_move(&p->control->tail, end);
	/* edge LAP: the claim is seen before what is written into it */
	store_fence();
	p->at.pos = end;
	p->at.seq = seq + count;
	*open = (struct span){ pos, end, seq };
	return 0;
}

/* Claim without waiting, and ring for it. */
static inline int claim_now(struct shmq_producer *p, uint64_t span,
			    uint64_t count, struct span *open)
{
	int r = p->single ? claim_single(p, span, count, open) :
			    shmqi_claim_among_many(p, span, count, open);

	if (likely(!r))
		bell_look(&p->ep, &p->control->recv);
	return r;
}

/* Claim, waiting for room up to timeout_ns. */
static inline int claim(struct shmq_producer *p, uint64_t span, uint64_t count,
			int64_t timeout_ns, struct span *open)
{
	int r;

	if (unlikely(!timeout_valid(timeout_ns)))
		return -EINVAL;
	r = claim_now(p, span, count, open);
	if (likely(r != -EAGAIN))
		return r;
	return shmqi_claim_wait(p, span, count, timeout_ns, open);
}

/* One record of the open claim is whole. */
static inline void publish(struct shmq_producer *p, struct sh_record *record,
			   size_t len, uint64_t seq)
{
	record_describe(record, (uint32_t)len, 0, p->ep.index);
	record_stamp(&p->ring, record, seq);
}

/* The same where records may have seals. */
static inline void publish_any(struct shmq_producer *p,
			       struct sh_record *record, size_t len,
			       uint64_t seq)
{
	if (!producer_seals(p)) {
		publish(p, record, len, seq);
		return;
	}
	shmqi_seal(record, &(struct sealing){ .size = (uint32_t)len,
					      .producer = p->ep.index,
					      .seq = seq });
	record_stamp(&p->ring, record, seq);
}

/*
 * Where senders are to wait for the disk: until it has all before pos. 0 or
 * -EINPROGRESS.
 */
int shmqi_producer_sync(struct shmq_producer *p, uint64_t pos,
			int64_t timeout_ns);

static inline int made_durable(struct shmq_producer *p, uint64_t pos,
			       int64_t timeout_ns)
{
	return unlikely(p->durable) ? shmqi_producer_sync(p, pos, timeout_ns) :
				      0;
}

/* All of the open claim is stamped; seq is the number behind it. */
static inline void claim_finish(struct shmq_producer *p, uint64_t seq)
{
	if (p->single)
		cursor_number(&p->control->tail, seq);
	else
		claim_done(p->claim);
	bell_look(&p->ep, &p->control->recv);
}

#endif
