/* SPDX-License-Identifier: MIT */
/*
 * Consumers that copy: those of overwriting queues, and taps. Nobody keeps
 * the ring for them, so what they give out are private copies that were
 * verified: copied first, and then the tail was not yet where the record's
 * place would be claimed anew. (doc/ORDERING.md, the lap.)
 *
 *    position of the reader                     what happens
 *    tail - capacity <= pos, stamped            copied, and looked again
 *    tail - capacity <= pos, not stamped        nothing there yet
 *    pos < tail - capacity                      overtaken: go on at the oldest
 *                                               whole record; what is between
 *                                               is counted as lost
 *
 * A group's consumers claim what they have copied, as competing consumers do,
 * and who was overtaken swaps the cursor to the new place; the jump is the loss
 * of who made it. A claim only says who has the copies: it holds no room.
 *
 * What a death leaves. While copying: nothing. Claimed and not released: the
 * claim goes to another consumer, as in other queues; but whole, span by span,
 * with the number of its first record and how many there are (sh_claim.seq and
 * count), so that he who adopts it can tell how much of it was written over:
 * that he counts as lost, the rest he delivers, flagged. What does not fit into
 * the call in which he adopted it waits in his copies; what is done with is taken
 * off the claim. While jumping: the swap
 * was done, and what it passed over is not counted by anybody alive; or not.
 */
#ifndef SHMQI_COPIES_H
#define SHMQI_COPIES_H

#include "consumer.h"
#include "copy.h"
#include "tsan.h"

struct block;

/* A message of an adopted span, and where it was. */
struct pending {
	struct shmq_msg msg;
	uint64_t pos;
};

struct copies {
	struct block *block; /* newest first; what was given out lives there */
	uint64_t lost;       /* in all */
	uint64_t lost_since; /* since the last message */
	unsigned laps;       /* overtaken in a row */

	/* Of an adopted span: what has not been given out yet. */
	struct pending *pending;
	unsigned pending_n, pending_size;
	unsigned next;     /* of them */
	bool pending_lent; /* some of them are on loan */

	/* A tap: its place, and what stands for its group. */
	bool tap;
	struct cursor at;
	struct sh_group group;
};

static inline bool is_tap(const struct shmq_consumer *c)
{
	return c->copies && c->copies->tap;
}

/* NULL: no memory. */
struct copies *shmqi_copies_new(bool tap);
void shmqi_copies_free(struct copies *copies);

/*
 * As shmqi_competing_take, shmqi_consumer_adopt and shmqi_competing_release.
 * Also -ENOMEM.
 */
int64_t shmqi_copies_take(struct shmq_consumer *c, const struct wanted *w);
int64_t shmqi_copies_adopt(struct shmq_consumer *c, const struct wanted *w);
void shmqi_copies_release(struct shmq_consumer *c);

/*
 * Some of the span that was adopted last waits to go out, and nothing of it is
 * on loan: let its slot name only what waits, so that nothing else comes again.
 */
void shmqi_copies_trim(struct shmq_consumer *c);

/*
 * Room for size private bytes, 16-byte aligned, until the release. NULL: no
 * memory.
 */
void *shmqi_copies_room(struct copies *copies, size_t size);

/* Nothing is lent any more. The newest block, the largest, stays for later. */
void shmqi_copies_empty(struct copies *copies);

static inline void count_lost(struct copies *copies, uint64_t n)
{
	copies->lost += n;
	copies->lost_since += n;
}

/* A producer may be at it: nothing is believed before the tail is checked. */
TSAN_BLIND static inline void copy_racing(void *to, const void *from, size_t n)
{
#ifdef SHMQI_TSAN
	const volatile char *s = from;
	char *d = to;

	while (n--) {
		*d++ = *s++;
		compiler_fence();
	}
#else
	copy_bytes(to, from, n);
#endif
}

/*
 * The same where there is a newer ring: what is claimed there is not claimed
 * anew in the reader's.
 */
bool shmqi_copies_overtaken(const struct shmq_consumer *c, uint64_t pos,
			    uint64_t tail);

/*
 * After all that was read from pos on has been read: has a producer claimed
 * its place meanwhile? Then what was read may be anything.
 */
static inline bool copies_overtaken(const struct shmq_consumer *c, uint64_t pos)
{
	uint64_t tail;

	/* edge LAP: pairs with cursor_swap, claim_single */
	atomic_thread_fence(memory_order_acquire);
	/* Relaxed: the fence orders it behind what was read. */
	tail = load_relaxed(&c->control->tail.at.lo) & ~UINT64_C(63);
	/* What is not in this ring was in one that is gone. */
	if (unlikely(pos < c->ring.from))
		return true;
	return tail > pos + c->ring.mask + 1 &&
	       (!ring_is_old(c) || shmqi_copies_overtaken(c, pos, tail));
}

/*
 * Where a reader that was overtaken at pos, laps times in a row, goes on: the
 * oldest record that is whole, in whatever ring. False: damage.
 */
bool shmqi_copies_oldest(const struct shmq_consumer *c, uint64_t pos,
			 unsigned laps, struct cursor *place);

/*
 * A tap's place: where it goes on after it was overtaken laps times, or
 * begins. False: damage.
 */
bool shmqi_tap_oldest(const struct shmq_consumer *c, uint64_t pos,
		      unsigned laps, struct cursor *place);

/*
 * At its place is nothing. 1: look again, a dead producer's claim was passed;
 * 0: wait; -EBADMSG.
 */
int shmqi_tap_pass_dead(struct shmq_consumer *c);

/*
 * Has somebody, alive or dead, claimed a place and not stamped it? Where his
 * claim ends; of a single producer, where it may.
 */
bool shmqi_obstacle_open(const struct segment *seg, struct cursor at,
			 struct cursor *behind);

/* To the ring that holds its place. 1: it has gone there; 0; or an error. */
int shmqi_tap_follow(struct shmq_consumer *c);

/* Open a tap. 0 or a negative errno. */
int shmqi_tap_open(struct shmq_consumer **out, struct segment *seg,
		   bool at_newest);
void shmqi_tap_close(struct shmq_consumer *c);

/* Wait as a receive that found nothing does. */
int64_t shmqi_tap_wait(struct shmq_consumer *c, const struct wanted *w,
		       int64_t timeout_ns);

#endif
