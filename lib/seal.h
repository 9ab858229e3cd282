/* SPDX-License-Identifier: MIT */
/*
 * Seals: what makes a record of a journal describe itself, when nobody is left
 * who knows: a checksum over its number, its lengths, its payload and the time
 * of its sending.
 *
 *      0  struct sh_record        16
 *     16  payload               size
 *         zero or anything            up to 4
 *      .  struct sh_seal          12
 *         zero or anything            up to 8, if there is a tail
 *      .  struct sh_record_tail   16  if the record has a tail
 *      .  anything                    up to SH_SEALED_LINE
 *
 * Nobody looks at a seal on the way of a message. The stamp says that the
 * record is there; the seal, after the machine went down, that it is whole.
 */
#ifndef SHMQI_SEAL_H
#define SHMQI_SEAL_H

#include "ring.h"

static inline uint64_t seal_off(uint32_t size)
{
	return sizeof(struct sh_record) + (((uint64_t)size + 3) & ~UINT64_C(3));
}

static inline uint64_t sealed_tail_off(uint32_t size)
{
	return (seal_off(size) + sizeof(struct sh_seal) + 7) & ~UINT64_C(7);
}

static inline uint64_t seal_round(uint64_t bytes)
{
	return (bytes + SH_SEALED_LINE - 1) & ~(uint64_t)(SH_SEALED_LINE - 1);
}

/* Bytes of a journal that a message of size bytes takes. */
static inline uint64_t sealed_span(uint64_t size)
{
	return seal_round(seal_off((uint32_t)size) + sizeof(struct sh_seal));
}

/* The same with a tail, at least. */
static inline uint64_t sealed_span_least(uint32_t size)
{
	return seal_round(sealed_tail_off(size) +
			  sizeof(struct sh_record_tail));
}

/* What a record is to say. */
struct sealing {
	uint32_t size;
	uint32_t flags; /* SH_RECORD_SKIP or 0 */
	uint32_t producer;
	uint64_t seq;
	uint64_t span;  /* 0: what size takes, and one number */
	uint64_t count; /* numbers, if span is not 0 */
};

/* Write all of a record but its payload, which is there, and its stamp. */
void shmqi_seal(struct sh_record *record, const struct sealing *what);

/* The rest of record_read() for a sealed record. False: damage. */
bool shmqi_seal_read(const struct ring *ring, struct found *found);

/* Is a record that was read, and should have number seq, what was written? */
bool shmqi_seal_holds(const struct found *found, uint64_t seq);

/* When it was sent, nanoseconds of CLOCK_REALTIME. */
uint64_t shmqi_seal_time(const struct found *found);

#endif
