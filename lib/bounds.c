/* SPDX-License-Identifier: MIT */
/*
 * The oldest whole record. See bounds.h.
 *
 * What is whole: producers claim at the tail before they write, so a record
 * at position p is whole as long as the tail has not passed p + capacity. All
 * below walks memory that may be written over meanwhile; what it gives is a
 * place that was true, and the caller finds out by the tail, after it has
 * copied, whether it still was.
 *
 * Between the lowest position that is whole and the first place that is noted
 * there may be records. They are found by their stamps: one that could be of
 * this lap is believed only if the records from there on lead, number by
 * number, to a place that is noted. What is left of an older lap does not: its
 * numbers are lower by the records of a whole lap.
 *
 * Every loop here is bounded by the ring, whatever is in it.
 */
#include "config.h"

#include "bounds.h"

#define LOOKS 1000
/* Who was overtaken as often as this gets the tail. */
#define LAPS 4

/* Noted places that could be, lowest first. */
struct anchors {
	struct cursor at[SH_BOUNDS + 1];
	unsigned n;
};

void shmqi_bounds_note(const struct segment *seg, const struct ring *ring,
		       struct cursor place)
{
	uint64_t part = (ring->mask + 1) / SH_BOUNDS;
	struct sh_bound *bound = &seg->bounds[place.pos / part % SH_BOUNDS];

	/* Relaxed: a hint; who uses it looks at the stamp. */
	store_relaxed(&bound->pos, place.pos);
	store_relaxed(&bound->seq, place.seq);
}

bool shmqi_bounds_tail(const struct segment *seg, struct cursor *tail)
{
	for (int i = 0; i < LOOKS; i++) {
		*tail = cursor_load(&seg->control->tail);
		if (cursor_unchanged(&seg->control->tail, *tail))
			return true;
	}
	return false;
}

/* Could number seq be at pos, if higher is where it says? */
static bool plausible(uint64_t pos, uint64_t seq, const struct cursor *higher)
{
	return pos < higher->pos && seq < higher->seq &&
	       higher->seq - seq <= (higher->pos - pos) / SH_LINE;
}

static void insert(struct anchors *anchors, struct cursor place)
{
	unsigned i = anchors->n++;

	for (; i && anchors->at[i - 1].pos > place.pos; i--)
		anchors->at[i] = anchors->at[i - 1];
	anchors->at[i] = place;
}

/* All noted places in [from, tail), and the tail. */
static void gather(const struct segment *seg, uint64_t from, struct cursor tail,
		   struct anchors *anchors)
{
	anchors->at[0] = tail;
	anchors->n = 1;
	for (unsigned i = 0; i < SH_BOUNDS; i++) {
		/* Once: what is checked is what is used. Relaxed: hints. */
		struct cursor c = { load_relaxed(&seg->bounds[i].pos),
				    load_relaxed(&seg->bounds[i].seq),
				    SH_NOBODY };

		if (c.pos % SH_LINE == 0 && c.pos >= from &&
		    plausible(c.pos, c.seq, &tail))
			insert(anchors, c);
	}
}

/*
 * Do the records from place on lead to an anchor? Moves place to the first
 * position that has no record of the next number.
 */
static bool leads_on(const struct rings *rings, const struct anchors *anchors,
		     struct cursor *place)
{
	unsigned i = 0;
	struct found found;

	for (;;) {
		const struct ring *ring = ring_at(rings, place->pos);

		while (i < anchors->n && anchors->at[i].pos < place->pos)
			i++;
		if (i == anchors->n)
			return false;
		if (anchors->at[i].pos == place->pos &&
		    anchors->at[i].seq == place->seq)
			return true;
		if (!record_published(ring, place->pos, place->seq) ||
		    !record_read(ring, place->pos, &found))
			return false;
		place->pos += found.span;
		place->seq += found.count;
	}
}

/* The first record from position from on that leads to an anchor. */
static bool search(const struct rings *rings, uint64_t from,
		   const struct anchors *anchors, struct cursor *place)
{
	const struct cursor *tail = &anchors->at[anchors->n - 1];
	uint64_t pos = from;

	/* Of a queue that has not been scribbled on it is not more. */
	if (pos < tail->pos && !reach_holds(&rings->reach, pos, tail->pos))
		return false;
	while (pos < tail->pos) {
		struct cursor end = { pos, record_seq(ring_at(rings, pos), pos),
				      SH_NOBODY };
		struct cursor begin = end;

		if (plausible(pos, end.seq, tail) &&
		    leads_on(rings, anchors, &end)) {
			*place = begin;
			return true;
		}
		pos = end.pos > pos ? end.pos : pos + SH_LINE;
	}
	return false;
}

/* The lowest anchor that has a record; the tail needs none. */
static struct cursor lowest(const struct rings *rings,
			    const struct anchors *anchors)
{
	unsigned i = 0;

	while (i + 1 < anchors->n &&
	       !record_published(ring_at(rings, anchors->at[i].pos),
				 anchors->at[i].pos, anchors->at[i].seq))
		i++;
	return anchors->at[i];
}

bool shmqi_bounds_oldest(const struct segment *seg, const struct rings *rings,
			 unsigned laps, struct cursor *place)
{
	struct cursor tail,
		start = { seg->geo.start_pos, seg->geo.start_seq, SH_NOBODY };
	struct anchors anchors;
	uint64_t from, bytes;

	if (!shmqi_bounds_tail(seg, &tail) || tail.pos < start.pos ||
	    tail.seq < start.seq)
		return false;
	*place = tail;
	place->owner = SH_NOBODY;
	if (laps >= LAPS)
		return true;
	from = reach_floor(&rings->reach, tail.pos);
	if (from <= start.pos && !laps) {
		*place = start;
		return true;
	}
	if (from < start.pos)
		from = start.pos;
	/* 0, 0, an eighth, and half of the ring. */
	bytes = ring_at(rings, from)->mask + 1;
	from += laps < 2 ? 0 : laps == 2 ? bytes / 8 : bytes / 2;
	gather(seg, from, *place, &anchors);
	if (!laps && search(rings, from, &anchors, place))
		return true;
	*place = lowest(rings, &anchors);
	return true;
}

bool shmqi_bounds_search(const struct rings *rings, uint64_t from,
			 struct cursor known, struct cursor *place)
{
	struct anchors anchors = { .n = 1 };

	anchors.at[0] = known;
	return search(rings, from, &anchors, place);
}

bool shmqi_bounds_behind(const struct segment *seg, const struct rings *rings,
			 uint64_t pos, struct cursor *place)
{
	struct anchors anchors;
	struct cursor tail;

	if (!shmqi_bounds_tail(seg, &tail) || tail.pos <= pos)
		return false;
	tail.owner = SH_NOBODY;
	gather(seg, pos + SH_LINE, tail, &anchors);
	if (!search(rings, pos + SH_LINE, &anchors, place))
		*place = lowest(rings, &anchors);
	return true;
}
