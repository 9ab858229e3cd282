/* SPDX-License-Identifier: MIT */
/*
 * Records on the ring. A writer who owns a span fills records in order and
 * stamps each when it is whole; a reader who knows a position and its sequence
 * number sees by the stamp whether the record is there. Whatever a reader
 * takes from the ring it checks before it moves by it.
 */
#ifndef SHMQI_RING_H
#define SHMQI_RING_H

#include <stdbool.h>

#include "atomic.h"
#include "layout.h"

/* What an endpoint keeps of the ring. */
struct ring {
	char *base; /* mapped twice */
	uint64_t mask;
	uint64_t cookie;
	uint64_t max_message;
	uint64_t number; /* in the table of rings; of a journal, the segment */
	uint64_t from;   /* its first position */
	bool sealed;     /* records carry a seal: a journal */
};

/*
 * How far apart positions that are in use may lie: those from `from` on are in
 * a ring of high bytes, those below in one of low bytes.
 */
struct reach {
	uint64_t from;
	uint64_t low;
	uint64_t high;
	uint64_t first; /* below this nothing is in either */
};

/* May all from lowest to tail be in the rings at once? */
static inline bool reach_holds(const struct reach *reach, uint64_t lowest,
			       uint64_t tail)
{
	uint64_t below = tail < reach->from ? tail : reach->from;

	if (lowest > tail)
		return false;
	if (lowest >= reach->from)
		return tail - lowest <= reach->high;
	return below - lowest <= reach->low && tail - below <= reach->high;
}

/* The lowest position that may still be there when the tail is here. */
static inline uint64_t reach_floor(const struct reach *reach, uint64_t tail)
{
	uint64_t end = tail, bytes = reach->low;

	if (tail > reach->from && tail - reach->from > reach->high)
		bytes = reach->high;
	else if (tail > reach->from)
		end = reach->from;
	end = end > bytes ? end - bytes : 0;
	return end > reach->first ? end : reach->first;
}

struct segment;

/*
 * For those who may meet several: the ring of each position. Of a journal,
 * whose segments are mapped as they are asked for, only under the lock.
 */
struct rings {
	struct reach reach;
	struct ring low;
	struct ring high;
	struct segment *journal; /* or NULL */
	bool writable;
};

/* One in which nothing is published, if the segment cannot be had. */
const struct ring *shmqi_journal_ring_at(const struct rings *rings,
					 uint64_t pos);

static inline const struct ring *ring_at(const struct rings *rings,
					 uint64_t pos)
{
	if (unlikely(rings->journal))
		return shmqi_journal_ring_at(rings, pos);
	return pos < rings->reach.from ? &rings->low : &rings->high;
}

/* A ring as if there were no other. */
static inline struct rings rings_of_one(const struct ring *ring)
{
	uint64_t bytes = ring->mask + 1;

	return (struct rings){
		{ 0, bytes, bytes, ring->from }, *ring, *ring, NULL, false
	};
}

/* With the tail here, has somebody claimed the place of pos anew? */
static inline bool rings_overtaken(const struct rings *rings, uint64_t pos,
				   uint64_t tail)
{
	if (rings->journal)
		return false;
	if (pos < rings->reach.from && tail > rings->reach.from)
		tail = rings->reach.from;
	return tail > pos + ring_at(rings, pos)->mask + 1;
}

/* One record as a reader found it, in private memory. */
struct found {
	struct sh_record *record;
	uint64_t span;  /* bytes to the next record */
	uint64_t count; /* sequence numbers it uses up */
	uint32_t size;  /* payload bytes */
	uint16_t flags; /* SH_RECORD_ */
	uint16_t producer;
};

static inline struct sh_record *record_at(const struct ring *ring, uint64_t pos)
{
	return (void *)(ring->base + (pos & ring->mask));
}

static inline void *record_payload(struct sh_record *record)
{
	return record + 1;
}

/* Bytes of ring that a message of size bytes takes. */
static inline uint64_t record_span(uint64_t size)
{
	return (sizeof(struct sh_record) + size + SH_LINE - 1) &
	       ~(uint64_t)(SH_LINE - 1);
}

static inline struct sh_record_tail *record_tail(struct sh_record *record,
						 uint32_t size)
{
	return (void *)((char *)record_payload(record) +
			(((uint64_t)size + 7) & ~UINT64_C(7)));
}

/* All of a record but the stamp. */
static inline void record_describe(struct sh_record *record, uint32_t size,
				   uint32_t flags, uint32_t producer)
{
	/* Relaxed: the stamp publishes it. */
	store_relaxed(&record->about,
		      (uint64_t)producer << 48 | (uint64_t)flags << 32 | size);
}

static inline uint64_t stamp_of(const struct ring *ring, uint64_t seq)
{
	return ring->cookie + seq * SH_STAMP_STEP;
}

static inline void record_stamp(const struct ring *ring,
				struct sh_record *record, uint64_t seq)
{
	/* edge STAMP: pairs with record_published */
	store_release(&record->stamp, stamp_of(ring, seq));
}

static inline bool record_published(const struct ring *ring, uint64_t pos,
				    uint64_t seq)
{
	/* edge STAMP: pairs with record_stamp */
	return load_acquire(&record_at(ring, pos)->stamp) ==
	       stamp_of(ring, seq);
}

/* The number that a stamp stands for. */
static inline uint64_t record_number(uint64_t stamp, uint64_t cookie)
{
	/* SH_STAMP_STEP times this is 1 in 64 bits. */
	static const uint64_t inverse = UINT64_C(0xf1de83e19937733d);

	return (stamp - cookie) * inverse;
}

/* The number of a record that is held, or else anything. */
static inline uint64_t record_seq(const struct ring *ring, uint64_t pos)
{
	/* edge STAMP */
	return record_number(load_acquire(&record_at(ring, pos)->stamp),
			     ring->cookie);
}

/*
 * A record with a tail: it takes span bytes and count numbers. Room for the
 * tail is there: span is at least a line more than size needs, or size is 0.
 */
void shmqi_record_extend(struct sh_record *record, uint32_t size, uint64_t span,
			 uint64_t count);

/* The rest of record_read: more than a line, or out of the ordinary. */
bool shmqi_record_read_rest(const struct ring *ring, struct found *found);

/*
 * Read the published record at pos. False: its lengths cannot be true, which
 * is damage, or, where the position is not held, an overtaken reader.
 */
static inline bool record_read(const struct ring *ring, uint64_t pos,
			       struct found *found)
{
	struct sh_record *record = record_at(ring, pos);
	/* Relaxed and once: what is checked below is what will be used. */
	uint64_t about = load_relaxed(&record->about);

	found->record = record;
	found->size = (uint32_t)about;
	found->flags = (uint16_t)(about >> 32);
	found->producer = (uint16_t)(about >> 48);
	found->count = 1;
	/*
	 * A branch, so that the way to the next record does not have to wait
	 * for what was read here.
	 */
	if (likely(about << 16 >> 16 <= SH_LINE - sizeof(*record))) {
		found->span = SH_LINE;
		return true;
	}
	if (likely(!found->flags && found->size <= ring->max_message)) {
		found->span = record_span(found->size);
		return true;
	}
	return shmqi_record_read_rest(ring, found);
}

/* Of larger records these lines are fetched at once; the processor sees to the
 * rest by itself. */
#define RECORD_FETCH (8 * SH_LINE)

/* Its payload is about to be copied: do not wait for one line after another. */
static inline void record_fetch(const struct found *found)
{
	size_t bytes = sizeof(*found->record) + found->size;

	if (likely(bytes <= SH_LINE))
		return;
	if (bytes > RECORD_FETCH)
		bytes = RECORD_FETCH;
	for (size_t k = SH_LINE; k < bytes; k += SH_LINE)
		__builtin_prefetch((const char *)found->record + k);
}

/*
 * Write one record that readers skip, in the place of span bytes and count
 * numbers that a dead producer did not get to.
 */
void shmqi_ring_abort(const struct ring *ring, uint64_t pos, uint64_t seq,
		      uint64_t span, uint64_t count, uint32_t producer);

/*
 * Walk published records from *pos, number *seq, to the first that is not, or
 * to end. False: damage.
 */
bool shmqi_ring_walk(const struct rings *rings, uint64_t *pos, uint64_t *seq,
		     uint64_t end);

#endif
