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
#include <sched.h>
#include <time.h>

#include "bounds.h"
#include "copies.h"
#include "error.h"
#include "group.h"
#include "journal.h"
#include "members.h"
#include "room.h"
#include "scan.h"
#include "views.h"
#include "wait.h"

#define LOOKS 1000
#define NAP_NS_MIN 20000
#define NAP_NS_MAX 1000000

/* The group that is furthest behind, or else the tail. False: damage. */
static bool known_place(const struct segment *seg, struct cursor *place)
{
	return shmqi_group_oldest(seg, place) ||
	       (!geometry_serial(&seg->geo) && shmqi_bounds_tail(seg, place));
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

static bool oldest_of_journal(struct segment *seg, struct cursor *place)
{
	int r;

	pthread_mutex_lock(&seg->lock);
	r = shmqi_journal_oldest(seg, place);
	shmqi_views_let(seg);
	pthread_mutex_unlock(&seg->lock);
	return !r;
}

bool shmqi_tap_oldest(const struct shmq_consumer *c, unsigned laps,
		      struct cursor *place)
{
	struct segment *seg = c->ep.seg;
	uint64_t tail = cursor_pos(&seg->control->tail);
	struct cursor known;
	struct rings rings;

	/* Nobody overtakes in a journal: its segment has been removed. */
	if (seg->journal)
		return oldest_of_journal(seg, place);
	if (seg->geo.flags & SHMQ_OVERWRITE)
		return shmqi_bounds_oldest(seg, &c->ring, laps, place);
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

bool shmqi_tap_overtaken(const struct shmq_consumer *c, uint64_t pos,
			 uint64_t tail)
{
	uint64_t next = c->ring.number + 1, from;
	struct ring_table table;

	if (c->ep.seg->journal)
		return false;
	/* As long as it is undecided, all below the tail is in ours. */
	if (shmqi_rings_read(c->ep.seg, &table) || next <= table.oldest ||
	    next > ring_last(&table))
		return true;
	from = ring_place(&table, next)->from;
	return (tail < from ? tail : from) > pos + c->ring.mask + 1;
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
	if (seg->geo.flags & SHMQ_OVERWRITE)
		return shmqi_bounds_oldest(seg, &rings->high, 0, place);
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
	if (!geometry_serial(&seg->geo))
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

/* --------------------------------------------------- claims that are open */

/* A claim at the tap's place. */
struct open_claim {
	uint32_t member;
	struct cursor end;
};

/* Does this member's claim cover the place? Anything, if it has none. */
static bool covers(const struct segment *seg, uint32_t index, struct cursor at,
		   struct open_claim *open)
{
	struct sh_claim *claim = &member_at(seg, index)->claims[0];
	uint64_t word, again, end, seq, count;

	if (shmqi_claim_look(&seg->control->tail, claim, index, &word) !=
	    CLAIM_HELD)
		return false;
	end = load_relaxed(&claim->end);
	seq = load_relaxed(&claim->seq);
	count = load_relaxed(&claim->count);
	atomic_thread_fence(memory_order_acquire);
	again = load_relaxed(&claim->word);
	if (claim_pos(again) != claim_pos(word) || claim_pos(word) > at.pos ||
	    end % SH_LINE || end > cursor_pos(&seg->control->tail) ||
	    end <= at.pos || seq > at.seq || seq + count <= at.seq ||
	    seq + count - at.seq > (end - at.pos) / SH_LINE)
		return false;
	open->member = index;
	open->end = (struct cursor){ end, seq + count, SH_NOBODY };
	return true;
}

static bool find_claim(const struct segment *seg, struct cursor at,
		       struct open_claim *open)
{
	for (uint32_t i = 0; i < shmqi_member_top(seg); i++)
		/* edge STATE */
		if (load_acquire(&member_at(seg, i)->state) ==
			    SH_MEMBER_PRODUCER &&
		    covers(seg, i, at, open))
			return true;
	return false;
}

static bool is_dead(struct segment *seg, uint32_t member)
{
	bool alive;

	pthread_mutex_lock(&seg->lock);
	alive = shmqi_member_alive(seg, member);
	pthread_mutex_unlock(&seg->lock);
	return !alive;
}

/*
 * 1: something is there, or has been; or there was another ring to look into.
 * 0, or an error.
 */
static int is_late(struct shmq_consumer *c)
{
	struct cursor at = c->copies->at;
	int r = shmqi_tap_follow(c);

	if (r)
		return r;
	return record_published(&c->ring, at.pos, at.seq) ||
	       copies_overtaken(c, at.pos);
}

static int pass_dead_once(struct shmq_consumer *c)
{
	struct segment *seg = c->ep.seg;
	struct cursor at = c->copies->at, tail;
	struct open_claim open;
	int late;

	if (!shmqi_bounds_tail(seg, &tail) || tail.pos < at.pos)
		return -EBADMSG;
	if (tail.pos == at.pos)
		return 0;
	if (geometry_serial(&seg->geo)) {
		late = is_late(c);
		/* It numbers the tail when all before it is stamped. */
		return late ? late : tail.seq > at.seq ? -EBADMSG : 0;
	}
	if (!find_claim(seg, at, &open)) {
		late = is_late(c);
		return late ? late : -EBADMSG;
	}
	if (!is_dead(seg, open.member))
		return 0;
	/* It may have finished, or been cleaned up after, before we looked. */
	late = is_late(c);
	if (late < 0)
		return late;
	if (!late && open.end.pos <= tail.pos)
		c->copies->at = open.end;
	return 1;
}

int shmqi_tap_pass_dead(struct shmq_consumer *c)
{
	int r = pass_dead_once(c);

	for (int i = 0; i < 3 && r == -EBADMSG; i++) {
		sched_yield();
		r = pass_dead_once(c);
	}
	return r;
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
	return shmqi_views_enter(&c->ep, c->copies->at.pos, false, &c->ring);
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
	struct shmq_consumer *c = shmqi_endpoint_new(seg, sizeof(*c));
	int r = -ENOMEM;

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

/* --------------------------------------------------------------- skipping */

static bool behind_in_journal(struct shmq_consumer *c, struct cursor *to)
{
	struct segment *seg = c->ep.seg;
	struct cursor tail;
	struct scan scan;

	if (!shmqi_bounds_tail(seg, &tail))
		return false;
	tail.owner = SH_NOBODY;
	*to = c->copies->at;
	shmqi_scan_begin(&scan, seg);
	shmqi_scan_to(&scan, to->pos);
	shmqi_scan_behind(&scan, tail, to);
	shmqi_scan_end(&scan);
	return true;
}

/* What comes behind the damage at pos. */
static bool look_behind(struct shmq_consumer *c, uint64_t pos,
			struct cursor *to)
{
	struct segment *seg = c->ep.seg;
	struct rings rings;
	bool found = false;

	if (seg->journal)
		return behind_in_journal(c, to);
	if (!ring_is_old(c)) {
		rings = rings_of_one(&c->ring);
		return shmqi_bounds_behind(seg, &rings, pos, to);
	}
	pthread_mutex_lock(&seg->lock);
	if (!shmqi_views_get(seg, false, &rings)) {
		found = shmqi_bounds_behind(seg, &rings, pos, to);
		shmqi_views_let(seg);
	}
	pthread_mutex_unlock(&seg->lock);
	return found;
}

static void pass(struct copies *copies, struct cursor to, uint64_t *position,
		 uint64_t *numbers)
{
	if (position)
		*position = copies->at.pos;
	if (numbers)
		*numbers = to.seq - copies->at.seq;
	copies->at = to;
}

int shmq_tap_skip(struct shmq_consumer *c, uint64_t *position,
		  uint64_t *numbers)
{
	KEEP_ERRNO;
	struct open_claim open;
	struct cursor at, to;
	struct found found;
	int r;

	if (!c)
		return -EINVAL;
	if (c->ep.magic != ENDPOINT_CONSUMER)
		return -ESTALE;
	if (!is_tap(c))
		return -EOPNOTSUPP;
	r = shmqi_tap_follow(c);
	if (r < 0)
		return r;
	at = c->copies->at;
	if (cursor_pos(&c->control->tail) <= at.pos)
		return 0;
	if (record_published(&c->ring, at.pos, at.seq) &&
	    record_read(&c->ring, at.pos, &found))
		return 0;
	if (copies_overtaken(c, at.pos))
		return 0;
	if (!geometry_serial(&c->ep.seg->geo) &&
	    find_claim(c->ep.seg, at, &open)) {
		pass(c->copies, open.end, position, numbers);
		return SHMQ_SKIPPED_OPEN;
	}
	if (!look_behind(c, at.pos, &to) || to.pos <= at.pos || to.seq < at.seq)
		return -EBADMSG;
	if (geometry_serial(&c->ep.seg->geo) &&
	    cursor_load(&c->control->tail).seq <= at.seq)
		return 0;
	count_lost(c->copies, to.seq - at.seq);
	pass(c->copies, to, position, numbers);
	return SHMQ_SKIPPED_DAMAGE;
}
