/* SPDX-License-Identifier: MIT */
/* Private copies: their memory, and taking them. See copies.h. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "bounds.h"
#include "copies.h"
#include "members.h"
#include "views.h"
#include "wake.h"

/* Lost swaps, or overtaken, in a row; so many are no contention. */
#define TRIES 1000000
/* One call borrows no more bytes than this, or one message. */
#define BATCH_BYTES (UINT64_C(256) << 10)
#define BLOCK_BYTES ((size_t)4096)

struct block {
	_Alignas(16) struct block *next;
	size_t size; /* bytes behind this header */
	size_t used;
};

/* ----------------------------------------------------------------- memory */

struct copies *shmqi_copies_new(bool tap)
{
	struct copies *copies = calloc(1, sizeof(*copies));

	if (copies)
		copies->tap = tap;
	return copies;
}

static void free_blocks(struct block *block)
{
	while (block) {
		struct block *next = block->next;

		free(block);
		block = next;
	}
}

void shmqi_copies_free(struct copies *copies)
{
	if (!copies)
		return;
	free_blocks(copies->block);
	free(copies->pending);
	free(copies);
}

void *shmqi_copies_room(struct copies *copies, size_t size)
{
	struct block *block = copies->block;
	size_t room = (size + 15) & ~(size_t)15, more;
	void *p;

	if (!block || block->size - block->used < room) {
		more = block ? 2 * block->size : BLOCK_BYTES;
		if (more < room)
			more = room;
		block = malloc(sizeof(*block) + more);
		if (!block)
			return NULL;
		block->next = copies->block;
		block->size = more;
		block->used = 0;
		copies->block = block;
	}
	p = (char *)(block + 1) + block->used;
	block->used += room;
	return p;
}

void shmqi_copies_empty(struct copies *copies)
{
	if (!copies->block)
		return;
	free_blocks(copies->block->next);
	copies->block->next = NULL;
	copies->block->used = 0;
}

/* Give back what has been taken since the newest block was this full. */
static void rewind_to(struct copies *copies, const struct block *block,
		      size_t used)
{
	if (copies->block)
		copies->block->used = copies->block == block ? used : 0;
}

/* -------------------------------------------------------------- one attempt */

/* What one attempt at a place has got. */
struct run {
	struct cursor at;
	uint64_t end; /* of the records that were read */
	uint64_t seq; /* behind them */
	uint64_t bytes;
	unsigned n; /* messages among them */
	size_t size;
};

static bool reads_on(const struct wanted *w, const struct run *run)
{
	return run->n < (w->msgs ? w->max : 1) &&
	       (!run->n || run->bytes < BATCH_BYTES);
}

/* Copy one message. 0, -EMSGSIZE, -ENOMEM. */
static int copy_one(struct shmq_consumer *c, const struct wanted *w,
		    const struct found *found, struct run *run)
{
	void *to = w->buf;

	if (w->peek)
		return 0;
	if (!w->msgs && found->size > w->size)
		return -EMSGSIZE;
	if (w->msgs) {
		to = shmqi_copies_room(c->copies, found->size);
		if (!to)
			return -ENOMEM;
		msg_fill(&w->msgs[run->n], found, run->seq,
			 run->end < load_relaxed(&c->group->redelivered_pos));
		w->msgs[run->n].data = to;
	}
	copy_racing(to, record_payload(found->record), found->size);
	run->size = found->size;
	return 0;
}

/* Copy records from the place on. 0, or why it ended before the first one. */
static int copy_run(struct shmq_consumer *c, const struct wanted *w,
		    struct run *run)
{
	struct found found;
	int r;

	while (reads_on(w, run) &&
	       record_published(&c->ring, run->end, run->seq)) {
		if (!record_read(&c->ring, run->end, &found) ||
		    run->end + found.span - run->at.pos > c->ring.mask + 1)
			return -EBADMSG;
		if (!(found.flags & SH_RECORD_SKIP)) {
			if (run->n && w->msgs &&
			    run->bytes + found.size > BATCH_BYTES)
				return 0;
			r = copy_one(c, w, &found, run);
			if (r)
				return run->n ? 0 : r;
			run->bytes += found.size;
			run->n++;
		}
		run->end += found.span;
		run->seq += found.count;
	}
	return 0;
}

/* ---------------------------------------------------------- moving the place */

static struct cursor place_of(const struct shmq_consumer *c)
{
	return c->copies->tap ? c->copies->at : cursor_load(&c->group->cursor);
}

static bool still_at(const struct shmq_consumer *c, const struct cursor *at)
{
	return c->copies->tap || cursor_unchanged(&c->group->cursor, *at);
}

static bool jump(struct shmq_consumer *c, struct cursor at, struct cursor to)
{
	const struct segment *seg = c->ep.seg;

	to.owner = SH_NOBODY;
	if (c->copies->tap) {
		c->copies->at = to;
		return true;
	}
	/* Whoever moves the cursor sees to its latest winner first. */
	if (at.owner < seg->geo.member_entries)
		claim_help(&c->group->cursor,
			   SH_CLAIM_ANNOUNCED + 1 + c->group_index, at,
			   &member_at(seg, at.owner)->claims[0]);
	return cursor_swap(&c->group->cursor, at, to);
}

bool shmqi_copies_overtaken(const struct shmq_consumer *c, uint64_t pos,
			    uint64_t tail)
{
	uint64_t next = c->ring.number + 1, from;
	struct ring_table table;

	/* In a journal nobody overtakes: its segment is removed, follow.c. */
	if (c->ep.seg->journal)
		return false;
	/* As long as it is undecided, all below the tail is in ours. */
	if (shmqi_rings_read(c->ep.seg, &table) || next <= table.oldest ||
	    next > ring_last(&table))
		return true;
	from = ring_place(&table, next)->from;
	return (tail < from ? tail : from) > pos + c->ring.mask + 1;
}

bool shmqi_copies_oldest(const struct shmq_consumer *c, uint64_t pos,
			 unsigned laps, struct cursor *place)
{
	struct segment *seg = c->ep.seg;
	struct rings rings;
	bool found = false;

	/* Overtaken in the newest ring: then what is there is all in that. */
	if (!ring_is_old(c) && pos >= c->ring.from) {
		rings = rings_of_one(&c->ring);
		return shmqi_bounds_oldest(seg, &rings, laps, place);
	}
	pthread_mutex_lock(&seg->lock);
	if (!shmqi_views_get(seg, false, &rings)) {
		found = shmqi_bounds_oldest(seg, &rings, laps, place);
		shmqi_views_let(seg);
	}
	pthread_mutex_unlock(&seg->lock);
	return found;
}

/* Overtaken at this place: go on at the oldest whole record. 0 or -EBADMSG. */
static int go_on(struct shmq_consumer *c, struct cursor at)
{
	struct copies *copies = c->copies;
	struct cursor to;

	int r;

	if (!(copies->tap ? shmqi_tap_oldest(c, at.pos, copies->laps, &to) :
			    shmqi_copies_oldest(c, at.pos, copies->laps, &to)))
		return -EBADMSG;
	if (to.pos <= at.pos || to.seq <= at.seq ||
	    to.seq - at.seq > (to.pos - at.pos) / SH_LINE)
		return still_at(c, &at) ? -EBADMSG : 0;
	copies->laps++;
	if (jump(c, at, to)) {
		count_lost(copies, to.seq - at.seq);
		/* Of producers that keep it made room. */
		if (!copies->tap)
			bell_look(&c->ep, &c->control->send);
	}
	r = ring_is_old(c) || to.pos < c->ring.from ? shmqi_consumer_follow(c) :
						      0;
	return r < 0 ? r : 0;
}

/* What was copied is ours. True, or somebody else's. */
static bool claim(struct shmq_consumer *c, const struct run *run)
{
	if (!c->copies->tap)
		return shmqi_competing_claim(c, run->at, run->end, run->seq,
					     run->seq - run->at.seq);
	c->copies->at = (struct cursor){ run->end, run->seq, SH_NOBODY };
	return true;
}

static int64_t give_out(struct shmq_consumer *c, const struct wanted *w,
			const struct run *run)
{
	struct copies *copies = c->copies;

	if (!copies->tap && (!w->msgs || !run->n))
		shmqi_competing_let_go(c);
	if (!run->n)
		return -EAGAIN;
	copies->laps = 0;
	if (w->msgs) {
		w->msgs[0].lost = copies->lost_since;
		if (!copies->tap)
			shmqi_competing_lend(c, run->at, run->end,
					     run->seq - run->at.seq);
	}
	copies->lost_since = 0;
	return w->msgs ? (int64_t)run->n : (int64_t)run->size;
}

enum attempt {
	DONE,  /* *result says what came of it */
	AGAIN, /* somebody else was faster, or a producer */
};

static enum attempt attempt(struct shmq_consumer *c, const struct wanted *w,
			    bool *announced, int64_t *result)
{
	struct run run = { .at = place_of(c) };
	int r;

	run.end = run.at.pos;
	run.seq = run.at.seq;
	*result = r = copy_run(c, w, &run);
	if (copies_overtaken(c, run.at.pos)) {
		*result = go_on(c, run.at);
		return *result < 0 ? DONE : AGAIN;
	}
	if (r || run.end == run.at.pos) {
		*result = r ? r : -EAGAIN;
		return still_at(c, &run.at) ? DONE : AGAIN;
	}
	if (w->peek && run.n) {
		*result = 1;
		return DONE;
	}
	if (!c->copies->tap) {
		*result = shmqi_competing_keep(c);
		if (*result)
			return DONE;
		*announced = true;
	}
	if (!claim(c, &run))
		return AGAIN;
	*announced = false;
	*result = give_out(c, w, &run);
	return *result == -EAGAIN ? AGAIN : DONE;
}

int64_t shmqi_copies_take(struct shmq_consumer *c, const struct wanted *w)
{
	const struct block *block = c->copies->block;
	size_t used = block ? block->used : 0;
	bool announced = false;
	int64_t r = -EBADMSG;

	for (int i = 0; i < TRIES; i++) {
		if (attempt(c, w, &announced, &r) == DONE) {
			if (r != -EAGAIN || !c->copies->tap)
				break;
			r = shmqi_tap_pass_dead(c);
			if (r > 0)
				continue;
			r = r ? r : -EAGAIN;
			break;
		}
		rewind_to(c->copies, block, used);
		r = -EBADMSG;
	}
	if (announced)
		claim_done(&c->claims[0]);
	if (r < 0)
		rewind_to(c->copies, block, used);
	return r;
}

void shmqi_copies_release(struct shmq_consumer *c)
{
	struct copies *copies = c->copies;
	bool waits = copies->next < copies->pending_n;

	/* The span that was adopted last, if some of it waits to go out. */
	unsigned keep = waits ? c->slots - 1 : 0;

	for (unsigned k = c->first_slot; k < c->slots; k++)
		if (!waits || k != keep)
			claim_done(&c->claims[k]);
	copies->pending_lent = false;
	/* A tap makes no room, and may not be able to write. */
	if (!is_tap(c))
		bell_look(&c->ep, &c->control->send);
	if (waits) {
		shmqi_copies_trim(c);
		return;
	}
	c->slots = c->first_slot;
	copies->pending_n = copies->next = 0;
	shmqi_copies_empty(copies);
}
