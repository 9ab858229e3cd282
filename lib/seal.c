/* SPDX-License-Identifier: MIT */
/* Seals. See seal.h. */
#include "config.h"

#include <time.h>

#include "crc32c.h"
#include "seal.h"

/* A few milliseconds coarse: a finer clock takes longer than the message. */
static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME_COARSE, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static struct sh_seal *seal_of(struct sh_record *record, uint32_t size)
{
	return (void *)((char *)record + seal_off(size));
}

static struct sh_record_tail *tail_of(struct sh_record *record, uint32_t size)
{
	return (void *)((char *)record + sealed_tail_off(size));
}

static uint32_t sum(struct sh_record *record, uint64_t about, uint64_t seq,
		    uint64_t time)
{
	const uint64_t head[3] = { seq, about, time };
	uint32_t size = (uint32_t)about;
	uint32_t crc = shmqi_crc32c_behind(head, record_payload(record), size);

	if (about >> 32 & SH_RECORD_TAIL) {
		struct sh_record_tail *tail = tail_of(record, size);
		const uint64_t words[2] = { load_relaxed(&tail->span),
					    load_relaxed(&tail->count) };

		crc = shmqi_crc32c(crc, words, sizeof(words));
	}
	return crc;
}

void shmqi_seal(struct sh_record *record, const struct sealing *what)
{
	struct sh_seal *seal = seal_of(record, what->size);
	uint32_t flags = what->flags | SH_RECORD_SEAL;
	uint64_t time = now();

	if (what->span) {
		struct sh_record_tail *tail = tail_of(record, what->size);

		flags |= SH_RECORD_TAIL;
		/* Relaxed: the stamp publishes it. */
		store_relaxed(&tail->span, what->span);
		store_relaxed(&tail->count, what->count);
	}
	record_describe(record, what->size, flags, what->producer);
	seal->time_lo = (uint32_t)time;
	seal->time_hi = (uint32_t)(time >> 32);
	seal->crc = sum(record, load_relaxed(&record->about), what->seq, time);
}

bool shmqi_seal_read(const struct ring *ring, struct found *found)
{
	struct sh_record_tail *tail;

	found->span = sealed_span(found->size);
	if (!(found->flags & SH_RECORD_TAIL))
		return true;
	tail = tail_of(found->record, found->size);
	found->span = load_relaxed(&tail->span);
	found->count = load_relaxed(&tail->count);
	return found->span >= sealed_span_least(found->size) &&
	       found->span <= ring->mask + 1 &&
	       found->span % SH_SEALED_LINE == 0 && found->count >= 1 &&
	       found->count <= found->span / SH_SEALED_LINE;
}

uint64_t shmqi_seal_time(const struct found *found)
{
	const struct sh_seal *seal = seal_of(found->record, found->size);

	return seal->time_lo | (uint64_t)seal->time_hi << 32;
}

bool shmqi_seal_holds(const struct found *found, uint64_t seq)
{
	uint64_t about = (uint64_t)found->producer << 48 |
			 (uint64_t)found->flags << 32 | found->size;

	return found->flags & SH_RECORD_SEAL &&
	       seal_of(found->record, found->size)->crc ==
		       sum(found->record, about, seq, shmqi_seal_time(found));
}
