/* SPDX-License-Identifier: MIT */
/* Records: the rare shapes, and finishing what a dead producer began. */
#include "config.h"

#include "ring.h"
#include "seal.h"

void shmqi_record_extend(struct sh_record *record, uint32_t size, uint64_t span,
			 uint64_t count)
{
	struct sh_record_tail *tail = record_tail(record, size);

	/* Relaxed: the stamp publishes it. */
	store_relaxed(&tail->span, span);
	store_relaxed(&tail->count, count);
}

bool shmqi_record_read_rest(const struct ring *ring, struct found *found)
{
	struct sh_record_tail *tail;
	uint64_t least;

	if (found->size > ring->max_message ||
	    found->flags &
		    ~(SH_RECORD_SKIP | SH_RECORD_TAIL | SH_RECORD_SEAL) ||
	    !!(found->flags & SH_RECORD_SEAL) != ring->sealed)
		return false;
	if (found->flags & SH_RECORD_SEAL)
		return shmqi_seal_read(ring, found);
	found->span = record_span(found->size);
	if (!(found->flags & SH_RECORD_TAIL))
		return true;
	tail = record_tail(found->record, found->size);
	least = record_span((((uint64_t)found->size + 7) & ~UINT64_C(7)) +
			    sizeof(*tail));
	found->span = load_relaxed(&tail->span);
	found->count = load_relaxed(&tail->count);
	return found->span >= least && found->span <= ring->mask + 1 &&
	       found->span % SH_LINE == 0 && found->count >= 1 &&
	       found->count <= found->span / SH_LINE;
}

bool shmqi_ring_walk(const struct rings *rings, uint64_t *pos, uint64_t *seq,
		     uint64_t end)
{
	struct found found;

	while (*pos < end) {
		const struct ring *ring = ring_at(rings, *pos);

		if (!record_published(ring, *pos, *seq))
			break;
		if (!record_read(ring, *pos, &found) || found.span > end - *pos)
			return false;
		*pos += found.span;
		*seq += found.count;
	}
	return true;
}

void shmqi_ring_abort(const struct ring *ring, uint64_t pos, uint64_t seq,
		      uint64_t span, uint64_t count, uint32_t producer)
{
	struct sh_record *record = record_at(ring, pos);

	if (ring->sealed) {
		shmqi_seal(record, &(struct sealing){ .flags = SH_RECORD_SKIP,
						      .producer = producer,
						      .seq = seq,
						      .span = span,
						      .count = count });
		record_stamp(ring, record, seq);
		return;
	}
	record_describe(record, 0, SH_RECORD_SKIP | SH_RECORD_TAIL, producer);
	shmqi_record_extend(record, 0, span, count);
	record_stamp(ring, record, seq);
}
