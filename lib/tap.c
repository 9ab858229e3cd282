/* SPDX-License-Identifier: MIT */
/*
 * Taps: consumers that nobody sees. They map the queue for reading only, have
 * no member entry, no group and no claim, and read along as those of an
 * overwriting queue do: copies.h. They share the lease of the ring that they
 * read (views.h), which holds up nothing but that ring's memory.
 *
 * Where the queue is resized a tap goes from ring to ring as consumers do. In
 * an old one it is overtaken only by what was claimed there, below the place
 * where the next begins. While it holds a ring that the stream has left, it is
 * in none of the last two, and reads them all in turn.
 *
 * A tap that was overtaken goes on at the oldest whole record. An overwriting
 * queue has a table of them. In others producers need not note where records
 * begin; there the tap looks for the first one from which the records lead to
 * the group that is furthest behind, or the tail. That takes a walk round the
 * ring; if it is overtaken on that, it begins further ahead, and at last there.
 *
 * Nobody can ring for it, as it cannot arm a bell: it looks again and again,
 * a little, and then at growing intervals of up to a millisecond. It cannot
 * clean up either. So it passes over what a dead producer has claimed and not
 * written, just as everybody will who comes after the rescuer.
 */
#include "config.h"

#include <errno.h>
#include <time.h>

#include "bounds.h"
#include "copies.h"
#include "error.h"
#include "group.h"
#include "journal.h"
#include "members.h"
#include "policy.h"
#include "room.h"
#include "views.h"
#include "wait.h"

#define LOOKS 1000
#define NAP_NS_MIN 20000
#define NAP_NS_MAX 1000000

/* The group that is furthest behind, or else the tail. False: damage. */
static bool known_place(const struct segment *seg, struct cursor *place)
{
	return shmqi_group_oldest(seg, place) ||
	       (!policy_serial(seg) && shmqi_bounds_tail(seg, place));
}

/*
 * The oldest record that leads to the known place: of all that is still there,
 * of 7/8 of the ring where that begins, of half of it.
 */
static void search(const struct rings *rings, uint64_t tail, unsigned laps,
		   struct cursor known, struct cursor *place)
{
	uint64_t from = reach_floor(&rings->reach, tail);
	uint64_t bytes = ring_at(rings, from)->mask + 1;

	from += laps == 0 ? 0 : laps == 1 ? bytes / 8 : bytes / 2;
	shmqi_bounds_search(rings, from, known, place);
}

bool shmqi_tap_oldest(const struct shmq_consumer *c, uint64_t pos,
		      unsigned laps, struct cursor *place)
{
	struct segment *seg = c->ep.seg;
	uint64_t tail = cursor_pos(&seg->control->tail);
	struct cursor known;
	struct rings rings;

	if (policy_laps(seg))
		return shmqi_copies_oldest(c, pos, laps, place);
	if (!known_place(seg, &known))
		return false;
	*place = known;
	if (laps >= 3)
		return true;
	if (!ring_is_old(c)) {
		/* Overtaken, so this ring is full, and nothing else is kept. */
		rings = rings_of_one(&c->ring);
		search(&rings, tail, laps, known, place);
		return true;
	}
	pthread_mutex_lock(&seg->lock);
	if (!shmqi_views_get(seg, false, &rings)) {
		search(&rings, tail, laps, known, place);
		shmqi_views_let(seg);
	}
	pthread_mutex_unlock(&seg->lock);
	return true;
}

/* ------------------------------------------------------------ other rings */

int shmqi_tap_follow(struct shmq_consumer *c)
{
	return ring_is_old(c) ? shmqi_consumer_follow(c) : 0;
}

/* ----------------------------------------------------- where a tap begins */

static bool overtaken(const struct segment *seg, const struct rings *rings,
		      uint64_t pos)
{
	/* edge LAP: pairs with cursor_swap, claim_single */
	atomic_thread_fence(memory_order_acquire);
	return rings_overtaken(rings, pos, cursor_pos(&seg->control->tail));
}

/*
 * Of another than an overwriting queue: what is kept for some group, or held by
 * some consumer, dead or alive. A record that is held has its stamp.
 */
static bool oldest(struct segment *seg, const struct rings *rings,
		   struct cursor *place)
{
	uint64_t tail = cursor_pos(&seg->control->tail), lowest, seq;

	if (seg->journal)
		return !shmqi_journal_oldest(seg, place);
	if (policy_laps(seg))
		return shmqi_bounds_oldest(seg, rings, 0, place);
	if (!known_place(seg, place))
		return false;
	if (!shmqi_room_kept(seg, tail, NO_GROUP, &lowest) ||
	    lowest >= place->pos)
		return true;
	seq = record_seq(ring_at(rings, lowest), lowest);
	if (!overtaken(seg, rings, lowest) && seq < place->seq &&
	    place->seq - seq <= (place->pos - lowest) / SH_LINE)
		*place = (struct cursor){ lowest, seq, SH_NOBODY };
	return true;
}

/* A serial producer numbers its tail late, so walk there. */
static bool newest(const struct segment *seg, const struct rings *rings,
		   struct cursor *place)
{
	if (!policy_serial(seg))
		return shmqi_bounds_tail(seg, place);
	for (int i = 0; i < LOOKS; i++) {
		uint64_t tail = cursor_pos(&seg->control->tail), from;
		bool walked;

		if (!shmqi_group_oldest(seg, place))
			return false;
		from = place->pos;
		walked = shmqi_ring_walk(rings, &place->pos, &place->seq, tail);
		if (!overtaken(seg, rings, from))
			return walked;
	}
	return false;
}

/* ---------------------------------------------------------------- waiting */

/*
 * Spin for a record; now and then, and at the end, with a look at the tail: of
 * who was overtaken the place shows nothing any more.
 */
static int64_t spin(struct shmq_consumer *c, const struct wanted *w)
{
	int64_t r = -EAGAIN;

	for (uint32_t i = c->spin; i && r == -EAGAIN; i--) {
		cpu_relax();
		if (i % 64 == 1 || record_published(&c->ring, c->copies->at.pos,
						    c->copies->at.seq))
			r = shmqi_copies_take(c, w);
	}
	if (r != -EAGAIN && c->spin < WAIT_SPIN_MAX)
		c->spin *= 2;
	else if (r == -EAGAIN && c->spin > WAIT_SPIN_MIN)
		c->spin /= 2;
	return r;
}

static int nap(int64_t ns)
{
	struct timespec t = { 0, ns };

	return clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL) == EINTR ? -EINTR :
									0;
}

int64_t shmqi_tap_wait(struct shmq_consumer *c, const struct wanted *w,
		       int64_t timeout_ns)
{
	KEEP_ERRNO;
	int64_t deadline, now, ns = NAP_NS_MIN, r;

	if (timeout_ns == SHMQ_NOWAIT)
		return -EAGAIN;
	deadline = shmqi_wait_deadline(timeout_ns);
	for (;;) {
		r = spin(c, w);
		if (r != -EAGAIN)
			return r;
		if (load_acquire(&c->control->moved))
			return -EIDRM;
		if (endpoint_cancelled(&c->ep))
			return -ECANCELED;
		now = shmqi_clock_ns();
		if (now >= deadline)
			return -ETIMEDOUT;
		r = nap(ns < deadline - now ? ns : deadline - now);
		if (r)
			return r;
		ns = ns < NAP_NS_MAX / 2 ? 2 * ns : NAP_NS_MAX;
	}
}

/* ---------------------------------------------------------------- opening */

/* Under lock: its place, and the ring that holds it. */
static int find_place(struct shmq_consumer *c, bool at_newest)
{
	struct segment *seg = c->ep.seg;
	struct rings rings;
	int r = shmqi_views_get(seg, false, &rings);

	if (r)
		return r;
	if (!(at_newest ? newest(seg, &rings, &c->copies->at) :
			  oldest(seg, &rings, &c->copies->at)))
		return -EBADMSG;
	r = shmqi_views_enter(&c->ep, c->copies->at.pos, false, &c->ring);
	if (r == -ESTALE || (r == -EBADMSG && seg->journal)) {
		/* Gone meanwhile, or missing: the first receive finds what is
		 * there, or says so. */
		shmqi_journal_nowhere(&c->ep, &c->ring);
		r = 0;
	}
	return r;
}

static int begin(struct shmq_consumer *c, bool at_newest)
{
	struct segment *seg = c->ep.seg;
	int r;

	c->control = seg->control;
	c->group = &c->copies->group;
	c->first_slot = c->slots = 1;
	c->spin = WAIT_SPIN_MAX;
	pthread_mutex_lock(&seg->lock);
	seg->taps++;
	shmqi_views_add_reader(&c->ep);
	r = find_place(c, at_newest);
	pthread_mutex_unlock(&seg->lock);
	return r;
}

void shmqi_tap_close(struct shmq_consumer *c)
{
	struct segment *seg = c->ep.seg;

	pthread_mutex_lock(&seg->lock);
	seg->taps--;
	shmqi_views_remove_reader(&c->ep);
	shmqi_views_give_back(seg, false);
	pthread_mutex_unlock(&seg->lock);
}

int shmqi_tap_open(struct shmq_consumer **out, struct segment *seg,
		   bool at_newest)
{
	struct shmq_consumer *c;
	int r = -ENOMEM;

	/* Without a description of our own there is no share in a ring, whose
	 * pages may then go while we read them. */
	if (seg->lease_fd < 0)
		return shmqi_error_say(-ENOSYS,
				       "/proc is needed, and not mounted");
	c = shmqi_endpoint_new(seg, sizeof(*c));
	if (!c)
		return r;
	c->ep.magic = ENDPOINT_CONSUMER;
	c->copies = shmqi_copies_new(true);
	if (c->copies)
		r = begin(c, at_newest);
	if (r) {
		if (c->control)
			shmqi_tap_close(c);
		shmqi_copies_free(c->copies);
		shmqi_endpoint_free(&c->ep, sizeof(*c));
		return r;
	}
	*out = c;
	return 0;
}
