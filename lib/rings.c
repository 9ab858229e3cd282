/* SPDX-License-Identifier: MIT */
/* The table of rings. See rings.h. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "cursor.h"
#include "error.h"
#include "policy.h"
#include "room.h"
#include "rings.h"

#define LOOKS 1000
/* A journal has it all. Far; and twice the sum of two is still a number. */
#define JOURNAL_REACH (SH_POS_MAX / 4)
#define OFFSET_MAX (UINT64_C(1) << 60)

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 32;
}

static uint64_t hash_of(const struct geometry *geo, uint64_t number,
			const struct ring_place *place)
{
	uint64_t hash = mix(geo->cookie, number);

	hash = mix(hash, place->from);
	hash = mix(hash, place->offset);
	return mix(hash, place->capacity);
}

static bool place_in_range(const struct geometry *geo,
			   const struct ring_place *place)
{
	return place->capacity >= geo->page_bytes &&
	       place->capacity <= SH_CAPACITY_MAX &&
	       !(place->capacity & (place->capacity - 1)) &&
	       place->offset >= geo->ring_off && place->offset < OFFSET_MAX &&
	       place->offset % geo->page_bytes == 0 &&
	       (place->from == SH_UNDECIDED ||
		(place->from <= SH_POS_MAX && place->from % SH_LINE == 0));
}

static bool read_place(const struct geometry *geo, struct sh_ring *sh,
		       uint64_t number, struct ring_place *place)
{
	uint64_t hash;

	/* edge RING: pairs with decide. Perhaps of two moments: see the hash */
	place->from = load_acquire(&sh->from.lo);
	hash = load_acquire(&sh->from.hi);
	place->offset = load_relaxed(&sh->offset);
	place->capacity = load_relaxed(&sh->capacity);
	return hash == hash_of(geo, number, place) &&
	       place_in_range(geo, place);
}

static bool overlap(const struct ring_place *a, const struct ring_place *b)
{
	return a->offset < b->offset + b->capacity &&
	       b->offset < a->offset + a->capacity;
}

/* Entries that are each as they were written, together. */
static bool consistent(const struct ring_table *t)
{
	for (uint64_t n = t->oldest; n < t->newest; n++) {
		if (ring_place(t, n)->from == SH_UNDECIDED ||
		    ring_place(t, n)->from > ring_place(t, n + 1)->from)
			return false;
		for (uint64_t m = n + 1; m <= t->newest; m++)
			if (overlap(ring_place(t, n), ring_place(t, m)))
				return false;
	}
	return t->newest != t->oldest || ring_decided(t);
}

/* Only a ring that has been published is decided. */
static bool superseded(const struct geometry *geo, struct sh_control *control,
		       uint64_t newest)
{
	struct ring_place next;

	return read_place(geo, &control->rings[(newest + 1) % SH_RINGS],
			  newest + 1, &next) &&
	       next.from != SH_UNDECIDED;
}

static bool read_once(const struct geometry *geo, struct sh_control *control,
		      struct ring_table *t)
{
	/* edge RING: pairs with shmqi_rings_publish */
	t->newest = load_acquire(&control->ring);
	t->oldest = load_acquire(&control->given_back);
	if (t->oldest > t->newest || t->newest - t->oldest >= SH_RINGS)
		return false;
	for (uint64_t n = t->oldest; n <= t->newest; n++)
		if (!read_place(geo, &control->rings[n % SH_RINGS], n,
				&t->at[n % SH_RINGS]))
			return false;
	return consistent(t) && !superseded(geo, control, t->newest);
}

/* A journal's, as if the tail's segment were the only ring. */
static void journal_table(const struct geometry *geo,
			  struct sh_control *control, struct ring_table *t)
{
	/* edge RING: pairs with raise_ring */
	t->newest = t->oldest = load_acquire(&control->ring);
	t->segment_bytes = geo->capacity;
	t->at[t->newest % SH_RINGS] = (struct ring_place){
		t->newest * geo->capacity, 0, geo->capacity
	};
}

int shmqi_rings_parse(const struct geometry *geo, struct sh_control *control,
		      struct ring_table *table)
{
	if (geometry_journal(geo)) {
		journal_table(geo, control, table);
		return 0;
	}
	table->segment_bytes = 0;
	/* More than once: entries are used again, and decided at any time. */
	for (int i = 0; i < LOOKS; i++)
		if (read_once(geo, control, table))
			return 0;
	return shmqi_error_say(-EBADMSG, "damaged: the table of rings");
}

int shmqi_rings_read(const struct segment *seg, struct ring_table *table)
{
	return shmqi_rings_parse(&seg->geo, seg->control, table);
}

/*
 * The lowest position that no producer may write in the ring before; the tail
 * is read. What was computed by who did not know of the new ring yet is no
 * higher than what is promised now and a lap of the ring before: what is
 * promised never falls. Where that would skip messages that are kept for
 * nobody, producers have said how far they may go.
 */
static bool find_beginning(const struct segment *seg, uint64_t tail,
			   const struct ring_place *before, uint64_t *from)
{
	uint64_t lowest, granted;

	if (!policy_now(seg)) {
		if (!shmqi_room_promised(seg, tail, &lowest))
			return false;
		*from = lowest + before->capacity;
		return true;
	}
	if (!shmqi_room_open(seg, tail, &lowest))
		return false;
	granted = shmqi_room_granted(seg, tail);
	*from = (lowest > before->from ? lowest : before->from) +
		before->capacity;
	if (*from > granted)
		*from = granted;
	return true;
}

/*
 * The newest ring is there, and nobody knows from where on. Those who know of
 * it compute no limit before this is decided.
 */
static int decide(const struct segment *seg, const struct ring_table *t)
{
	struct sh_ring *sh = &seg->control->rings[t->newest % SH_RINGS];
	struct ring_place place = *ring_place(t, t->newest);
	struct pair undecided, decided;

	undecided.lo = place.from;
	undecided.hi = hash_of(&seg->geo, t->newest, &place);
	/* After we have seen the ring: see look_for_lowest. */
	full_fence();
	if (!find_beginning(seg, cursor_pos(&seg->control->tail),
			    ring_place(t, t->newest - 1), &place.from))
		return -EBADMSG;
	if (place.from > SH_POS_MAX)
		place.from = SH_POS_MAX;
	decided.lo = place.from;
	decided.hi = hash_of(&seg->geo, t->newest, &place);
	/* edge RING: pairs with read_place. Another may have been first. */
	cas128(&sh->from, undecided, decided);
	return 0;
}

int shmqi_rings_settled(const struct segment *seg, struct ring_table *table)
{
	for (int i = 0; i < LOOKS; i++) {
		int r = shmqi_rings_read(seg, table);

		if (r || ring_decided(table))
			return r;
		r = decide(seg, table);
		if (r)
			return r;
	}
	return -EBADMSG;
}

bool shmqi_rings_same(const struct segment *seg, const struct ring_table *t)
{
	/* edge RING: pairs with shmqi_rings_publish */
	return load_acquire(&seg->control->ring) == t->newest;
}

struct reach shmqi_rings_reach_of(const struct ring_table *t)
{
	uint64_t last = ring_last(t);
	uint64_t high = ring_place(t, last)->capacity;

	if (t->segment_bytes)
		return (struct reach){ 0, JOURNAL_REACH, JOURNAL_REACH, 0 };
	if (last == t->oldest)
		return (struct reach){ 0, high, high,
				       ring_place(t, last)->from };
	return (struct reach){ ring_place(t, last)->from,
			       ring_place(t, last - 1)->capacity, high,
			       ring_place(t, last - 1)->from };
}

int shmqi_rings_reach(const struct segment *seg, struct reach *reach)
{
	struct ring_table table;
	int r = shmqi_rings_read(seg, &table);

	if (!r)
		*reach = shmqi_rings_reach_of(&table);
	return r;
}

static void write_place(const struct geometry *geo, struct sh_ring *sh,
			uint64_t number, const struct ring_place *place)
{
	store_relaxed(&sh->offset, place->offset);
	store_relaxed(&sh->capacity, place->capacity);
	store_relaxed(&sh->from.lo, place->from);
	store_relaxed(&sh->from.hi, hash_of(geo, number, place));
}

void shmqi_rings_format(const struct geometry *geo, struct sh_control *control)
{
	const struct ring_place first = { geo->start_pos, geo->ring_off,
					  geo->capacity };

	write_place(geo, &control->rings[0], 0, &first);
}

void shmqi_rings_publish(const struct segment *seg, uint64_t number,
			 uint64_t offset, uint64_t capacity)
{
	const struct ring_place place = { SH_UNDECIDED, offset, capacity };
	struct sh_control *control = seg->control;

	write_place(&seg->geo, &control->rings[number % SH_RINGS], number,
		    &place);
	/* edge RING: pairs with read_once, shmqi_rings_same */
	store_release(&control->ring, number);
	full_fence();
}
