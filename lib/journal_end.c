/* SPDX-License-Identifier: MIT */
/* The end of a journal's stream. See journal_end.h. */
#include "config.h"

#include "journal.h"
#include "journal_end.h"
#include "seal.h"
#include "views.h"

/* Read the record that should be at pos. sealed: and is it whole? */
static bool look(const struct ring *ring, struct cursor at, bool sealed,
		 struct found *found)
{
	uint64_t left = ring->mask + 1 - (at.pos & ring->mask);

	return record_published(ring, at.pos, at.seq) &&
	       record_read(ring, at.pos, found) && found->span <= left &&
	       (!sealed || shmqi_seal_holds(found, at.seq));
}

/* A record that says itself which number it has. */
bool shmqi_end_speaks(const struct ring *ring, struct cursor *at)
{
	struct found found;

	at->seq = record_seq(ring, at->pos);
	at->owner = SH_NOBODY;
	return at->seq < SH_SEQ_MAX && look(ring, *at, true, &found);
}

int shmqi_end_ring(struct mending *m, uint64_t number, struct ring *ring)
{
	/* One at a time: nobody else uses any. */
	shmqi_views_free(m->seg);
	return shmqi_journal_ring(m->seg, number * m->seg->geo.capacity, true,
				  ring);
}

/* To the end of the segment, or to what is missing or not whole. */
static void walk(const struct mending *m, const struct ring *ring,
		 struct cursor *at)
{
	uint64_t end = (journal_number(m->seg, at->pos) + 1) * (ring->mask + 1);
	struct found found;

	/* What was synced and is not whole is damage, not a torn end. */
	while (at->pos < end && look(ring, *at, at->pos >= m->synced, &found)) {
		at->pos += found.span;
		at->seq += found.count;
	}
}

/*
 * Set m->end to where the walk begins: to the first record of *number, the last
 * segment not behind what was synced that begins with a whole one.
 */
static int find_begin(struct mending *m, uint64_t *number)
{
	const struct geometry *geo = &m->seg->geo;
	struct ring ring;
	int r;

	*number = journal_number(m->seg, m->synced);
	if (*number > m->highest)
		*number = m->highest;
	for (;; --*number) {
		m->end = (struct cursor){ .pos = *number * geo->capacity };
		r = shmqi_end_ring(m, *number, &ring);
		if (r)
			return r;
		if (m->end.pos <= geo->start_pos) {
			m->end = (struct cursor){ geo->start_pos,
						  geo->start_seq, SH_NOBODY };
			return 0;
		}
		if (shmqi_end_speaks(&ring, &m->end))
			return 0;
		if (*number == m->lowest)
			break;
	}
	/* Nothing is left. Number as if all had been there. */
	m->end.seq = cursor_load(&m->seg->control->tail).seq;
	if (m->end.seq >= SH_SEQ_MAX)
		m->end.seq = geo->start_seq;
	m->end.owner = SH_NOBODY;
	return 0;
}

/* The next that begins well: in the segment, and not behind what was synced. */
static bool find_next(struct mending *m, const struct ring *ring)
{
	uint64_t bytes = ring->mask + 1;
	uint64_t end = (m->end.pos / bytes + 1) * bytes;

	/* What is behind has a beginning there. */
	if (end - SH_SEALED_LINE > m->synced)
		end = m->synced + SH_SEALED_LINE;
	for (uint64_t pos = m->end.pos + SH_SEALED_LINE; pos < end;
	     pos += SH_SEALED_LINE) {
		struct cursor at = { .pos = pos };

		if (shmqi_end_speaks(ring, &at) && at.seq > m->end.seq) {
			m->end = at;
			return true;
		}
	}
	return false;
}

/*
 * Past damage below what was synced, to what begins well: in this segment, or
 * later. 1: found; 0: there is none; or an error.
 */
static int find_later(struct mending *m, uint64_t *number)
{
	struct ring ring;
	int r = shmqi_end_ring(m, *number, &ring);

	if (!r && find_next(m, &ring))
		return 1;
	for (uint64_t k = *number + 1; !r && k <= m->highest; k++) {
		struct cursor at = { .pos = k * m->seg->geo.capacity };

		if (at.pos > m->synced)
			break;
		r = shmqi_end_ring(m, k, &ring);
		if (!r && shmqi_end_speaks(&ring, &at)) {
			*number = k;
			m->end = at;
			return 1;
		}
	}
	return r;
}

int shmqi_end_find(struct mending *m)
{
	uint64_t number;
	struct ring ring;
	int r = find_begin(m, &number);

	while (!r) {
		r = shmqi_end_ring(m, number, &ring);
		if (r)
			break;
		walk(m, &ring, &m->end);
		if (m->end.pos == (number + 1) * m->seg->geo.capacity) {
			if (number++ == m->highest)
				break;
			continue;
		}
		if (m->end.pos >= m->synced)
			break;
		r = find_later(m, &number);
		if (!r)
			break;
		r = r > 0 ? 0 : r;
	}
	return r;
}
