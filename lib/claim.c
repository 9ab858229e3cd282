/* SPDX-License-Identifier: MIT */
/* Claiming at the tail: among many producers, and when there is no room. */
#include "config.h"

#include "attributes.h"
#include "bounds.h"
#include "chime.h"
#include "error.h"
#include "group.h"
#include "groups.h"
#include "journal.h"
#include "members.h"
#include "policy.h"
#include "producer.h"
#include "recovery.h"
#include "room.h"
#include "turn.h"
#include "views.h"
#include "wait.h"

/* Lost swaps in a row; so many are no contention. */
#define SWAPS 1000000
#define LOOKS 1000

/*
 * Our entry says how far we may go, before we rely on it: who puts another ring
 * in place reads that after he has said that it is there. False: he has.
 */
static bool promise(struct shmq_producer *p, uint64_t pos, uint64_t newest)
{
	/* Relaxed: the fence orders it. */
	store_relaxed(&p->claim[1].end, pos);
	full_fence();
	/* edge RING: pairs with shmqi_rings_publish */
	return load_acquire(&p->control->ring) == newest;
}

int shmqi_claim_look_for_room(struct shmq_producer *p, uint64_t tail,
			      struct room *room)
{
	int r = -EBADMSG;

	for (int i = 0; i < LOOKS; i++) {
		r = shmqi_room_look(p->ep.seg, p->policy, tail, room);
		if (r)
			return r;
		if (room->limit > SH_POS_MAX)
			room->limit = SH_POS_MAX;
		/* What is overwritten is promised in smaller pieces. */
		if (p->overwrites ||
		    promise(p, room->limit > p->limit ? room->limit : p->limit,
			    room->newest))
			break;
		r = -EBADMSG;
	}
	if (!r && room->ring != p->ring.number)
		r = shmqi_turn_follow(p, tail);
	if (!r && !p->overwrites && room->limit > p->limit)
		p->limit = room->limit;
	return r;
}

/* Overwriting: room for end. Moves *newest to what was known then. */
static int look_overwriting(struct shmq_producer *p, uint64_t tail,
			    uint64_t end, uint64_t *newest)
{
	struct room room;
	int r;

	shmqi_views_pass_by(p->ep.seg);
	r = shmqi_claim_look_for_room(p, tail, &room);
	if (r)
		return r;
	if (end - tail > record_span(p->ring.max_message))
		return -EMSGSIZE;
	*newest = room.newest;
	p->room = room.limit;
	p->turn = room.turn;
	if (end <= p->room)
		return 0;
	return p->room == room.turn ? CLAIM_TURN : -EAGAIN;
}

/*
 * Nothing but open claims of producers is respected, and who receives in place.
 * The limit is never past the end of the part of the ring that the tail is in,
 * so whoever claims across it comes here, and notes where he does. What is said
 * about it beforehand is at most a sixteenth more: so much of the old ring is
 * skipped when another takes its place.
 */
static int find_room_overwriting(struct shmq_producer *p, struct cursor at,
				 uint64_t end)
{
	for (int i = 0; i < LOOKS; i++) {
		/* edge RING: pairs with shmqi_rings_publish */
		uint64_t newest = load_acquire(&p->control->ring), limit, piece;

		if (end > p->room || newest != p->ring.number) {
			int r = look_overwriting(p, at.pos, end, &newest);

			if (r)
				return r;
		}
		limit = bounds_next(&p->ring, end);
		limit = limit < p->room ? limit : p->room;
		piece = (p->ring.mask + 1) / 16;
		if (limit > p->promised) {
			uint64_t pos = (limit + piece - 1) / piece * piece;

			pos = pos < p->room ? pos : p->room;
			if (!promise(p, pos, newest)) {
				p->room = 0;
				continue;
			}
			p->promised = pos;
		}
		if (cursor_unchanged(&p->control->tail, at))
			shmqi_bounds_note(p->ep.seg, &p->ring, at);
		p->limit = limit;
		return 0;
	}
	return -EBADMSG;
}

int shmqi_claim_find_room(struct shmq_producer *p, struct cursor tail,
			  uint64_t end)
{
	struct room room;
	int r;

	if (end > SH_POS_MAX)
		return -EOVERFLOW;
	if (end < tail.pos)
		return -EBADMSG;
	if (p->ep.seg->journal)
		return shmqi_journal_find_room(p, tail.pos, end);
	shmqi_policy_follow_producing(p);
	if (p->overwrites)
		return find_room_overwriting(p, tail, end);
	r = shmqi_claim_look_for_room(p, tail.pos, &room);
	if (r)
		return r;
	/* What was not too large for the ring before. */
	if (end - tail.pos > record_span(p->ring.max_message))
		return -EMSGSIZE;
	if (end <= p->limit)
		return 0;
	p->turn = room.turn;
	return p->limit == room.turn ? CLAIM_TURN : -EAGAIN;
}

/* In line where messages are sent, out of line for the turn. */
static __attribute__((always_inline)) inline bool
win(struct shmq_producer *p, struct cursor c, struct cursor to)
{
	struct sh_cursor *tail = &p->control->tail;

	if (c.owner != to.owner && c.owner < p->ep.seg->geo.member_entries)
		claim_help(tail, SH_CLAIM_ANNOUNCED, c,
			   &member_at(p->ep.seg, c.owner)->claims[0]);
	claim_announce(p->claim, SH_CLAIM_ANNOUNCED, c.pos, to.pos, c.seq,
		       to.seq - c.seq);
	if (unlikely(!cursor_swap(tail, c, to)))
		return false;
	claim_own(p->claim, c.pos);
	return true;
}

bool shmqi_claim_win(struct shmq_producer *p, struct cursor c, struct cursor to)
{
	return win(p, c, to);
}

int shmqi_claim_among_many(struct shmq_producer *p, uint64_t span,
			   uint64_t count, struct span *open)
{
	struct sh_cursor *tail = &p->control->tail;
	const uint32_t me = p->ep.index;
	struct cursor c, to;
	int r = -EBADMSG;

	for (int i = 0; i < SWAPS; i++) {
		c = cursor_load(tail);
		to = (struct cursor){ c.pos + span, c.seq + count, me };
		/* Also where it wraps: who has been nowhere yet has limit 0. */
		if (unlikely(to.pos - 1 >= p->limit)) {
			r = shmqi_claim_find_room(p, c, to.pos);
			if (r == CLAIM_MOVED) {
				r = -EBADMSG;
				continue;
			}
			if (r == CLAIM_TURN) {
				r = shmqi_turn_take(p, c);
				if (r == -EAGAIN)
					continue;
			}
			if (r)
				break;
		}
		if (likely(win(p, c, to))) {
			*open = (struct span){ c.pos, to.pos, c.seq };
			return 0;
		}
		r = -EBADMSG;
	}
	claim_done(p->claim);
	return r;
}

/* One call: who claims, and what. */
struct call {
	struct shmq_producer *p;
	uint64_t span;
	uint64_t count;
	struct span *open;
};

static int64_t attempt(void *self)
{
	struct call *call = self;

	return claim_now(call->p, call->span, call->count, call->open);
}

static bool has_groups(const struct segment *seg)
{
	for (uint32_t i = 0; i < seg->geo.max_groups; i++)
		if (group_used(seg, i))
			return true;
	return false;
}

/* Only consumers make room, or those who clean up after them. */
static int look_around(struct shmq_producer *p, bool rounds)
{
	KEEP_ERRNO;
	struct segment *seg = p->ep.seg;
	int r = 0;

	if (rounds) {
		pthread_mutex_lock(&seg->lock);
		r = shmqi_groups_mend(seg);
		if (!r)
			r = shmqi_recover_all(seg);
		if (!r && shmqi_room_pending(seg))
			shmqi_policy_remind(seg);
		if (!r && policy_overwrites(policy_now(seg)))
			r = shmqi_policy_number(seg, NO_GROUP);
		pthread_mutex_unlock(&seg->lock);
	}
	if (r)
		return r > 0         ? OUTLOOK_RETRY :
		       r == -EBADMSG ? r :
				       OUTLOOK_PEERS;
	/* Open claims of producers are in the way, and those ring only here;
	 * or who still receives in place. */
	if (policy_overwrites(policy_now(seg)))
		return OUTLOOK_CLAIM;
	/* Others may just be on the way from one policy to the next. */
	if (policy_now(seg))
		return OUTLOOK_PEERS;
	/*
	 * A consumer may die between making room and ringing. Who becomes one
	 * rings, so without any it is safe to sleep. Unless there is no group
	 * either: then another producer's open claim is in the way, and its
	 * owner may die; or somebody makes the queue larger, who has rung and
	 * may die before that is done.
	 */
	return shmqi_room_consumers(seg) || !has_groups(seg) ||
			       shmqi_views_changing(seg) ?
		       OUTLOOK_PEERS :
		       OUTLOOK_RING;
}

static int look_around_waiting(void *self)
{
	struct shmq_producer *p = ((struct call *)self)->p;

	return look_around(p, shmqi_rounds_due(&p->rounds));
}

/* Full, and the caller will not wait: the dead must not keep it so. */
static int poll_again(struct call *call)
{
	struct rounds *rounds = &call->p->rounds;
	int r;

	if (rounds_skip(rounds) || !shmqi_rounds_due(rounds))
		return -EAGAIN;
	r = look_around(call->p, true);
	if (r < 0)
		return r;
	return r == OUTLOOK_RETRY ? (int)attempt(call) : -EAGAIN;
}

int shmqi_claim_wait(struct shmq_producer *p, uint64_t span, uint64_t count,
		     int64_t timeout_ns, struct span *open)
{
	struct call call = { p, span, count, open };
	struct alarm alarm = { &p->control->send, 0 };
	struct endpoint *ep = &p->ep;
	struct waiter waiter = {
		.self = &call,
		.n = 1,
		.alarms = &alarm,
		.eps = &ep,
		.spin = &p->spin,
		.attempt = attempt,
		.look_around = look_around_waiting,
	};

	if (timeout_ns == SHMQ_NOWAIT)
		return ep->chime ? (int)shmqi_chime_poll(&waiter) :
				   poll_again(&call);
	p->spin = shmqi_attributes_spin(&p->ep, p->spin);
	return (int)shmqi_wait(&waiter, shmqi_wait_deadline(timeout_ns));
}
