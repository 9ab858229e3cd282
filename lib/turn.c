/* SPDX-License-Identifier: MIT */
/* The turn. See turn.h. */
#include "config.h"

#include "lease.h"
#include "policy.h"
#include "room.h"
#include "turn.h"
#include "views.h"

/* Swaps lost to others in a row; and rings that came. */
#define SWAPS 100000
#define RINGS 1000

int shmqi_turn_follow(struct shmq_producer *p, uint64_t pos)
{
	struct segment *seg = p->ep.seg;
	int r;

	pthread_mutex_lock(&seg->lock);
	r = shmqi_views_enter(&p->ep, pos, false, &p->ring);
	pthread_mutex_unlock(&seg->lock);
	return views_error(r);
}

/* The claim is open: one skipped record, as a rescuer would write it. */
static void skip(struct shmq_producer *p, const struct cursor *c)
{
	bell_look(&p->ep, &p->control->recv);
	shmqi_ring_abort(&p->ring, c->pos, c->seq, p->turn - c->pos, 1,
			 p->ep.index);
	claim_finish(p, c->seq + 1);
}

int shmqi_turn_take(struct shmq_producer *p, struct cursor c)
{
	struct cursor to = { p->turn, c.seq + 1, p->ep.index };

	if (to.pos >= SH_POS_MAX)
		return -EOVERFLOW;
	if (p->single) {
		cursor_move(&p->control->tail, to.pos);
		/* edge LAP: as claim_single() does */
		store_fence();
		p->at.pos = to.pos;
		p->at.seq = to.seq;
		skip(p, &c);
	} else if (shmqi_claim_win(p, c, to)) {
		skip(p, &c);
	}
	return -EAGAIN;
}

int shmqi_claim_find_room_single(struct shmq_producer *p, uint64_t span)
{
	for (int i = 0; i < RINGS; i++) {
		int r;

		shmqi_policy_follow_producing(p);
		if (!p->single)
			return CLAIM_MANY;
		r = shmqi_claim_find_room(p, p->at, p->at.pos + span);
		if (r == CLAIM_TURN)
			r = shmqi_turn_take(p, p->at);
		else if (p->single || r)
			return r;
		if (r && r != -EAGAIN)
			return r;
	}
	/* There is no end of rings: somebody scribbles. */
	return -EBADMSG;
}

/* One look. 0, -EAGAIN: look again; *hold: later; or an error. */
static int turn_once(struct shmq_producer *p, bool *hold)
{
	struct cursor c = p->single ? p->at : cursor_load(&p->control->tail);
	struct room room;
	int r = shmqi_claim_look_for_room(p, c.pos, &room);

	if (r || room.turn == UINT64_MAX)
		return r;
	p->turn = room.turn;
	*hold = room.limit != room.turn;
	r = *hold ? -EAGAIN : shmqi_turn_take(p, c);
	if (!p->single)
		claim_done(p->claim);
	return r;
}

int shmqi_turn_now(struct shmq_producer *p)
{
	int held = 0;

	for (int i = 0; i < SWAPS; i++) {
		bool hold = false;
		int r;

		shmqi_policy_follow_producing(p);
		r = turn_once(p, &hold);
		if (r != -EAGAIN)
			return r;
		/* A group that is being made holds the ring for a moment. */
		if (hold && !shmqi_lease_let_pass(held++))
			return -EAGAIN;
	}
	return -EAGAIN;
}

int shmqi_turn_outgrown(struct shmq_producer *p, uint64_t len)
{
	int r;

	/* A journal's segments are all alike. */
	if (p->ep.seg->journal)
		return -EMSGSIZE;
	/* edge RING: pairs with shmqi_rings_publish */
	if (load_acquire(&p->control->ring) == p->ring.number)
		return -EMSGSIZE;
	r = shmqi_turn_now(p);
	if (r)
		return r;
	return len > p->ring.max_message ? -EMSGSIZE : 0;
}
