/* SPDX-License-Identifier: MIT */
/*
 * Seeking in a journal: by number or by time. Which segment is found by halves,
 * from what the first record of each says; where in it, by halves from its
 * index; and the rest, at most a window, is walked. Where the index fails the
 * walk is longer, and then the index is written anew.
 */
#include "config.h"

#include <errno.h>

#include <shmq.h>

#include "bounds.h"
#include "copies.h"
#include "error.h"
#include "index.h"
#include "journal.h"
#include "seal.h"
#include "serial.h"
#include "views.h"

#define LOOKS 1000

struct target {
	unsigned where; /* SHMQ_SEEK_ */
	uint64_t value;
};

static bool before_seq(const struct found *found, struct cursor at,
		       uint64_t value)
{
	return at.seq + found->count <= value;
}

static bool before_time(const struct found *found, struct cursor at,
			uint64_t value)
{
	(void)at;
	return found->flags & SH_RECORD_SKIP || shmqi_seal_time(found) < value;
}

/* For halving: a record that is skipped has its time, too. */
static bool sent_before(const struct found *found, struct cursor at,
			uint64_t value)
{
	(void)at;
	return shmqi_seal_time(found) < value;
}

static bool begins_before(const struct target *t, struct cursor first,
			  uint64_t time)
{
	return t->where == SHMQ_SEEK_SEQ ? first.seq <= t->value :
					   time < t->value;
}

/* The last segment that begins before what is looked for, or the first. */
static int find_segment(struct segment *seg, const struct target *t,
			struct cursor *place)
{
	uint64_t left, right, time;
	struct cursor first;
	int r = shmqi_scan_range(seg, &left, &right);

	if (r)
		return r;
	pthread_mutex_lock(&seg->lock);
	r = shmqi_journal_oldest(seg, place);
	pthread_mutex_unlock(&seg->lock);
	/* Between left and right; what says nothing counts as behind. */
	while (!r && left < right) {
		uint64_t middle = left + (right - left + 1) / 2;

		if (shmqi_scan_first(seg, middle, &first, &time) &&
		    begins_before(t, first, time)) {
			*place = first;
			left = middle;
		} else {
			right = middle - 1;
		}
	}
	return r;
}

/* From a record before it: to what is looked for, or to where nothing is. */
static int walk(struct scan *scan, const struct target *t, struct cursor *at)
{
	bool by_seq = t->where == SHMQ_SEEK_SEQ;
	struct found found;

	for (;;) {
		int r = shmqi_scan_to(scan, at->pos);

		if (r)
			return r;
		if (!shmqi_scan_read(scan, *at, &found) ||
		    !(by_seq ? before_seq : before_time)(&found, *at, t->value))
			return 0;
		at->pos += found.span;
		at->seq += found.count;
	}
}

static int find_once(struct segment *seg, const struct target *t,
		     struct cursor *at)
{
	struct cursor known;
	struct scan scan;
	int r = find_segment(seg, t, at);

	if (r)
		return r;
	shmqi_scan_begin(&scan, seg);
	r = shmqi_scan_to(&scan, at->pos);
	if (!r)
		shmqi_index_look(&scan, at,
				 t->where == SHMQ_SEEK_SEQ ? before_seq :
							     sent_before,
				 t->value);
	known = *at;
	if (!r)
		r = walk(&scan, t, at);
	shmqi_scan_end(&scan);
	if (!r && seg->writable &&
	    at->pos - known.pos > 4 * seg->journal->window)
		shmqi_index_build(seg, journal_number(seg, known.pos));
	return r;
}

static int find(struct segment *seg, const struct target *t, struct cursor *at)
{
	int r = -ESTALE;

	/* Segments may be removed while we look. */
	for (int i = 0; r == -ESTALE && i < LOOKS; i++)
		r = find_once(seg, t, at);
	return r;
}

static int find_place(struct segment *seg, const struct target *t,
		      struct cursor *at)
{
	struct cursor tail;
	int r = 0;

	if (!shmqi_bounds_tail(seg, &tail))
		return -EBADMSG;
	tail.owner = SH_NOBODY;
	switch (t->where) {
	case SHMQ_SEEK_NEWEST:
		*at = tail;
		break;
	case SHMQ_SEEK_OLDEST:
		pthread_mutex_lock(&seg->lock);
		r = views_error(shmqi_journal_oldest(seg, at));
		pthread_mutex_unlock(&seg->lock);
		break;
	case SHMQ_SEEK_SEQ:
		if (t->value > tail.seq)
			return -ERANGE;
		/* fall through */
	default:
		r = views_error(find(seg, t, at));
		/* Nothing there, because it is being sent. */
		if (!r && t->where == SHMQ_SEEK_SEQ && t->value >= tail.seq)
			*at = tail;
	}
	return r;
}

/* All is given back, so the claim's end may be anywhere: see serial.h. */
static void move_serial(struct shmq_consumer *c, struct cursor to)
{
	/* edge DONE: pairs with settle_serial */
	store_release(&c->claims[0].end, to.pos);
	serial_go_on(c, to.pos, to.seq);
	serial_release(c, to.pos, to.seq);
}

static int check(const struct shmq_consumer *c, unsigned where)
{
	shmqi_error_clear();
	if (!c || where > SHMQ_SEEK_TIME)
		return -EINVAL;
	if (c->ep.magic != ENDPOINT_CONSUMER)
		return -ESTALE;
	if (!c->ep.seg->journal)
		return shmqi_error_say(-EOPNOTSUPP, "not a journal");
	if (is_tap(c))
		return 0;
	if (!c->serial)
		return shmqi_error_say(-EOPNOTSUPP,
				       "only a tap, or the only consumer of a "
				       "group (SHMQ_EXCLUSIVE), may seek");
	return c->pos != c->released_pos || c->slots > c->first_slot ? -EBUSY :
								       0;
}

int shmq_seek(struct shmq_consumer *c, unsigned where, uint64_t value)
{
	KEEP_ERRNO;
	const struct target target = { where, value };
	struct cursor to;
	int r = check(c, where);

	if (!r)
		r = find_place(c->ep.seg, &target, &to);
	if (r)
		return r;
	if (is_tap(c))
		c->copies->at = to;
	else
		move_serial(c, to);
	r = shmqi_consumer_follow(c);
	return r < 0 ? r : 0;
}
