/* SPDX-License-Identifier: MIT */
/* Beginning and disturbing one queue. See torture_arena.h. */
#include <stdio.h>
#include <string.h>

#include "atomic.h"
#include "torture_seat.h"

#define PAUSE_NS INT64_C(15000000000) /* too long, on any machine */
#define MS INT64_C(1000000)

/* --------------------------------------------------------------- beginning */

/* Its segments go as they have been received. */
static void be_journal(struct arena *a, struct shmq_attr *attr)
{
	attr->flags |= SHMQ_JOURNAL;
	attr->segment_bytes = a->capacity;
	attr->retain_bytes = arena_below(a, 4) * a->capacity;
	if (arena_below(a, 2))
		return;
	attr->durability = SHMQ_DURABLE_INTERVAL;
	attr->interval_ms = 1 + (uint32_t)arena_below(a, 20);
}

static const char *create(struct arena *a, const char *dir)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	int r;

	attr.flags = a->kind->flags;
	if (a->journal)
		be_journal(a, &attr);
	else
		attr.capacity = a->capacity;
	if (a->store == ARENA_NAMED)
		snprintf(a->name, sizeof(a->name), "torture-%u", a->place);
	else
		snprintf(a->name, sizeof(a->name), "%s/file-%u", dir, a->place);
	r = a->store == ARENA_ANONYMOUS ?
		    shmq_open_anonymous(&a->q, &attr) :
		    shmq_open(&a->q, a->name, SHMQ_CREATE | SHMQ_EXCL, 0600,
			      &attr);
	return r ? shmq_strerror(r) : NULL;
}

const char *arena_begin(struct arena *a, const char *dir, unsigned kind,
			struct chance chance)
{
	const char *wrong;

	memset(a->seats, 0, sizeof(a->seats));
	a->place = kind;
	a->kind = &kinds[kind];
	a->chance = chance;
	a->store = (enum arena_store)arena_below(a, 3);
	a->capacity = UINT64_C(4096) << 2 * arena_below(a, 5);
	a->copies = arena_below(a, 4) == 0;
	a->journal = a->store != ARENA_ANONYMOUS && arena_below(a, 3) == 0;
	if (a->journal)
		a->capacity = UINT64_C(65536) << (arena_below(a, 3) ? 0 : 4);
	a->senders = a->kind->producers ?
			     1 + (unsigned)arena_below(a, ARENA_SENDERS) :
			     1;
	a->receivers = a->kind->competing ?
			       1 + (unsigned)arena_below(a, ARENA_RECEIVERS) :
			       1;
	a->removed = false;
	a->seen = a->seen_again = 0;
	a->seen_ns = clock_now_ns();
	a->ends_ns = a->seen_ns + (200 + (int64_t)arena_below(a, 3000)) * MS;
	a->q = NULL;
	a->ledger = ledger_make();
	wrong = create(a, dir);
	if (wrong)
		return wrong;
	for (unsigned i = 0; i < arena_seats(a); i++)
		seat_start(a, i);
	return NULL;
}

/* -------------------------------------------------------------- disturbing */

/* Messages go through unless somebody is stopped, or there is no more to do. */
static const char *watch(struct arena *a, bool excused,
			 struct torture_sums *sums)
{
	uint64_t received = load_acquire(&a->ledger->received);
	uint64_t again = load_acquire(&a->ledger->redelivered);
	int64_t now = clock_now_ns();

	for (unsigned s = 0; s < a->senders; s++)
		excused |= a->removed || load_relaxed(&a->ledger->next[s]) >
						 LEDGER_NUMBERS - 16;
	if (received != a->seen || excused) {
		sums->messages += received - a->seen;
		sums->redelivered += again - a->seen_again;
		a->seen = received;
		a->seen_again = again;
		a->seen_ns = now;
	}
	if (now - a->seen_ns > sums->longest_ns)
		sums->longest_ns = now - a->seen_ns;
	return now - a->seen_ns > PAUSE_NS ? "nothing goes through" : NULL;
}

const char *arena_disturb(struct arena *a, struct torture_sums *sums)
{
	unsigned who = (unsigned)arena_below(a, arena_seats(a));
	struct seat *s = &a->seats[who];
	const char *wrong = watch(a, seats_attend(a), sums);

	if (wrong)
		return wrong;
	switch (arena_below(a, 8)) {
	case 0:
	case 1:
	case 2:
		sums->kills += s->pid != 0;
		s->until_ns = clock_now_ns() +
			      (arena_below(a, 4) ?
				       0 :
				       (int64_t)arena_below(a, 20) * MS);
		return seat_kill(a, who);
	case 3:
		sums->stops += s->pid && !s->stopped;
		seat_stop(a, s);
		return NULL;
	case 4:
		/* Near the end: take the name away from under them. Of a
		 * journal that would be all that is in it. */
		if (!a->journal && a->ends_ns - clock_now_ns() < 20 * MS &&
		    arena_below(a, 2))
			return arena_remove_name(a);
		return NULL;
	default:
		return NULL;
	}
}
