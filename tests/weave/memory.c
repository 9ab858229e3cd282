/* SPDX-License-Identifier: MIT */
/*
 * Shared memory as the three models have it. See weave.h.
 *
 * Weak: every location keeps all its values, in the order in which they were
 * stored; a participant has a view, which says how far it must have seen each
 * location. A load may find any value from its view on. A release store takes
 * its participant's view along, an acquire load adds that to its own; fences
 * that are sequentially consistent share one view. Swaps find the last value.
 *
 * Outside of an execution memory is just memory.
 */
#include <string.h>

#include "memory.h"
#include "world.h"

#define VALUES 64
#define SLOTS 1024 /* of the table that finds locations */

struct value {
	uint64_t value;
	uint64_t hash; /* of the view it carries */
	struct view view;
};

struct location {
	volatile void *at;
	unsigned size;
	unsigned n;
	uint64_t hash; /* of its values */
	struct value values[VALUES];
};

static enum weave_model model;
static unsigned n_locations;
static struct location locations[LOCATIONS];
static uint16_t slots[SLOTS]; /* 1 + location */
static struct participant participants[WEAVE_PARTICIPANTS];
static struct view together; /* of sequentially consistent fences */
static unsigned n_participants;
static uint64_t contents; /* of memory, hashed; counted as it changes */

/* ------------------------------------------------------------- plain memory */

uint64_t memory_get(const volatile void *p, unsigned size)
{
	switch (size) {
	case 4:
		return *(const volatile uint32_t *)p;
	default:
		return *(const volatile uint64_t *)p;
	}
}

static bool is_shared(const volatile void *p)
{
	const char *at = (const char *)(uintptr_t)p;

	return at >= world.ring &&
	       at < (const char *)&world + offsetof(struct world, private);
}

void memory_put(volatile void *p, unsigned size, uint64_t value)
{
	if (is_shared(p)) {
		contents -= weave_mix(memory_get(p, size), (uintptr_t)p);
		contents += weave_mix(value, (uintptr_t)p);
	}
	if (size == 4)
		*(volatile uint32_t *)p = (uint32_t)value;
	else
		*(volatile uint64_t *)p = value;
}

static bool is_within(const volatile void *p, const void *begin, size_t bytes)
{
	return (uintptr_t)p >= (uintptr_t)begin &&
	       (uintptr_t)p < (uintptr_t)begin + bytes;
}

/* A ring is mapped twice; its second half is the first. */
void *memory_place(const volatile void *p)
{
	char *at = (char *)(uintptr_t)p;

	if (is_within(p, world.ring + RING_BYTES, RING_BYTES))
		at -= RING_BYTES;
	else if (is_within(p, world.second + SECOND_BYTES, SECOND_BYTES))
		at -= SECOND_BYTES;
	return at;
}

/* The table of rings, where that never changes. */
static bool is_settled(const volatile void *p)
{
	const struct sh_control *control = &world.control;

	return !world.rings &&
	       is_within(p, &control->ring,
			 offsetof(struct sh_control, epoch) -
				 offsetof(struct sh_control, ring));
}

/* ------------------------------------------------------------------- views */

static void join(struct view *view, const struct view *other)
{
	for (unsigned i = 0; i < n_locations; i++)
		if (view->upto[i] < other->upto[i])
			view->upto[i] = other->upto[i];
}

static uint64_t view_hash(const struct view *view)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < n_locations; i++)
		if (view->upto[i])
			sum += weave_mix((uintptr_t)locations[i].at,
					 view->upto[i]);
	return sum;
}

static unsigned location_of(volatile void *p, unsigned size)
{
	unsigned slot = (unsigned)(((uintptr_t)p >> 2) * 2654435761u) % SLOTS;
	struct location *l;

	for (; slots[slot]; slot = (slot + 1) % SLOTS)
		if (locations[slots[slot] - 1].at == p)
			return slots[slot] - 1u;
	if (n_locations == LOCATIONS)
		weave_wrong("too many locations for the loom");
	l = &locations[n_locations];
	slots[slot] = (uint16_t)++n_locations;
	*l = (struct location){ .at = p, .size = size, .n = 1 };
	l->values[0].value = memory_get(p, size);
	return n_locations - 1;
}

static bool acquires(memory_order order)
{
	return order == memory_order_acquire || order == memory_order_acq_rel ||
	       order == memory_order_seq_cst;
}

static bool releases(memory_order order)
{
	return order == memory_order_release || order == memory_order_acq_rel ||
	       order == memory_order_seq_cst;
}

static uint64_t see(struct participant *me, unsigned l, unsigned which,
		    memory_order order)
{
	struct value *value = &locations[l].values[which];

	me->view.upto[l] = (uint8_t)which;
	join(&me->seen, &value->view);
	if (acquires(order))
		join(&me->view, &value->view);
	return value->value;
}

/* A new last value. from: the one a swap found, whose view it passes on. */
static void append(struct participant *me, unsigned l, uint64_t value,
		   memory_order order, const struct value *from)
{
	struct location *at = &locations[l];
	struct value *v = &at->values[at->n];

	if (at->n == VALUES)
		weave_wrong("too many values for the loom");
	me->view.upto[l] = (uint8_t)at->n++;
	v->value = value;
	v->view = releases(order) ? me->view : me->told;
	v->view.upto[l] = me->view.upto[l];
	if (from)
		join(&v->view, &from->view);
	v->hash = view_hash(&v->view);
	at->hash = weave_mix(at->hash, weave_mix(value, v->hash));
	memory_put(at->at, at->size, value);
}

/* Late stores stay visible to who made them. */
static bool from_own(const struct participant *me, const volatile void *p,
		     uint64_t *value)
{
	for (unsigned i = me->pending; i; i--) {
		if (me->late[i - 1].at != p)
			continue;
		*value = me->late[i - 1].value;
		return true;
	}
	return false;
}

uint64_t memory_load(struct participant *me, volatile void *p, unsigned size,
		     memory_order order)
{
	unsigned l, first, which;
	uint64_t value;

	if (model != WEAVE_WEAK)
		return from_own(me, p, &value) ? value : memory_get(p, size);
	l = location_of(p, size);
	first = me->view.upto[l];
	which = locations[l].n - 1;
	which -= weave_late(which - first + 1);
	return see(me, l, which, order);
}

void memory_arrive(unsigned who)
{
	struct participant *p = &participants[who];

	memory_put(p->late[0].at, p->late[0].size, p->late[0].value);
	memmove(p->late, p->late + 1, --p->pending * sizeof(p->late[0]));
}

bool memory_pending(unsigned who)
{
	return participants[who].pending;
}

static void settle(unsigned who)
{
	while (participants[who].pending)
		memory_arrive(who);
}

void memory_store(struct participant *me, const struct store *s)
{
	if (model == WEAVE_WEAK) {
		append(me, location_of(s->at, s->size), s->value, s->order,
		       NULL);
		return;
	}
	if (model == WEAVE_TSO && me->pending < LATE &&
	    (me->pending || weave_late(2))) {
		me->late[me->pending++] = *s;
		return;
	}
	settle((unsigned)weave_self());
	memory_put(s->at, s->size, s->value);
}

struct participant *memory_self(const volatile void *p)
{
	int me = weave_self();

	if (me < 0 || !is_shared(p) || is_settled(p))
		return NULL;
	if (world.first_is_gone && is_within(p, world.ring, 2 * RING_BYTES))
		weave_wrong("a ring that was given back is looked into");
	return &participants[me];
}

/* The last value, and whatever was late before it. */
uint64_t memory_latest(struct participant *me, volatile void *p, unsigned size,
		       memory_order order)
{
	unsigned l;

	settle((unsigned)weave_self());
	if (model != WEAVE_WEAK)
		return memory_get(p, size);
	l = location_of(p, size);
	return see(me, l, locations[l].n - 1, order);
}

void memory_swap(struct participant *me, volatile void *p, unsigned size,
		 uint64_t value, memory_order order)
{
	unsigned l;

	if (model != WEAVE_WEAK) {
		memory_put(p, size, value);
		return;
	}
	l = location_of(p, size);
	append(me, l, value, order, &locations[l].values[locations[l].n - 1]);
}

void memory_swap_pair(struct participant *me, struct sh_pair *p,
		      struct pair value)
{
	unsigned lo, hi;

	memory_swap(me, &p->hi, 8, value.hi, memory_order_acq_rel);
	memory_swap(me, &p->lo, 8, value.lo, memory_order_acq_rel);
	if (model != WEAVE_WEAK)
		return;
	/* Both at once: who has seen one of them sees the other. */
	lo = location_of(&p->lo, 8);
	hi = location_of(&p->hi, 8);
	locations[hi].values[locations[hi].n - 1].view.upto[lo] =
		me->view.upto[lo];
}

void weave_fence(memory_order order)
{
	struct participant *me;

	if (weave_self() < 0)
		return;
	me = &participants[weave_self()];
	if (order == memory_order_seq_cst)
		settle((unsigned)weave_self());
	if (acquires(order))
		join(&me->view, &me->seen);
	if (order == memory_order_seq_cst) {
		join(&me->view, &together);
		together = me->view;
	}
	if (releases(order))
		me->told = me->view;
}

/* ------------------------------------------------------------ for the loom */

void memory_begin(enum weave_model with, unsigned how_many)
{
	model = with;
	n_participants = how_many;
	n_locations = 0;
	contents = 0;
	memset(slots, 0, sizeof(slots));
	memset(participants, 0, sizeof(participants));
	memset(&together, 0, sizeof(together));
}

void memory_settle(unsigned who)
{
	settle(who);
}

/* Everybody passes a fence at the same moment. */
void memory_barrier(void)
{
	for (unsigned i = 0; i < n_participants; i++) {
		settle(i);
		join(&together, &participants[i].view);
		join(&together, &participants[i].seen);
	}
	for (unsigned i = 0; i < n_participants; i++) {
		join(&participants[i].view, &together);
		participants[i].told = participants[i].view;
	}
}

void memory_meet(void)
{
	weave_fence(memory_order_seq_cst);
}

uint64_t memory_hash(void)
{
	uint64_t hash = contents;

	for (unsigned i = 0; i < n_locations; i++)
		hash += weave_mix((uintptr_t)locations[i].at,
				  locations[i].hash);
	hash = weave_mix(hash, view_hash(&together));
	for (unsigned i = 0; i < n_participants; i++) {
		struct participant *p = &participants[i];

		hash = weave_mix(hash, view_hash(&p->view));
		hash = weave_mix(hash, view_hash(&p->seen));
		hash = weave_mix(hash, view_hash(&p->told));
		for (unsigned k = 0; k < p->pending; k++)
			hash = weave_mix(hash,
					 weave_mix((uintptr_t)p->late[k].at,
						   p->late[k].value));
		hash = weave_mix(hash, (uintptr_t)p->deferred.at);
	}
	return hash;
}
