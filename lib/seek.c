/* SPDX-License-Identifier: MIT */
/*
 * Seeking in a journal: by number or by time. Which segment is found by halves,
 * from what the first record of each says; where in it, by halves from its
 * index; and the rest, at most a window, is walked. Where the index fails the
 * walk is longer, and then the index is written anew.
 *
 * Damage does not hide what is behind it: a segment that says nothing of itself
 * is passed over by the halves, and a record that cannot be read by the walk.
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
	struct cursor tail; /* when we began */
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

static bool begins_before(const struct target *t, struct cursor first,
			  uint64_t time)
{
	return t->where == SHMQ_SEEK_SEQ ? first.seq <= t->value :
					   time < t->value;
}

/* As shmqi_scan_first(), of those that were looked at before without a look. */
static bool first_of(struct segment *seg, uint64_t number, struct cursor *first,
		     uint64_t *time)
{
	struct journal *j = seg->journal;
	unsigned k = number % (sizeof(j->firsts) / sizeof(j->firsts[0]));
	bool known;

	*first = (struct cursor){ number * seg->geo.capacity, 0, SH_NOBODY };
	pthread_mutex_lock(&seg->lock);
	known = j->firsts[k].known == number + 1;
	first->seq = j->firsts[k].seq;
	*time = j->firsts[k].time_ns;
	pthread_mutex_unlock(&seg->lock);
	if (known)
		return true;
	if (!shmqi_scan_first(seg, number, first, time))
		return false;
	pthread_mutex_lock(&seg->lock);
	j->firsts[k].known = number + 1;
	j->firsts[k].seq = first->seq;
	j->firsts[k].time_ns = *time;
	pthread_mutex_unlock(&seg->lock);
	return true;
}

/* The first from *number to last that says what it begins with. */
static bool speaking(struct segment *seg, const struct target *t,
		     uint64_t *number, uint64_t last, struct cursor *first,
		     uint64_t *time)
{
	for (; *number <= last; ++*number)
		if (first_of(seg, *number, first, time) &&
		    first->seq <= t->tail.seq)
			return true;
	return false;
}

/*
 * The last segment that begins before what is looked for, or the oldest: *place
 * is its first record.
 */
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
	while (!r && left < right) {
		uint64_t middle = left + (right - left + 1) / 2, k = middle;

		if (speaking(seg, t, &k, right, &first, &time) &&
		    begins_before(t, first, time)) {
			*place = first;
			left = k;
		} else {
			right = middle - 1;
		}
	}
	return r;
}

/* Nothing can be read there: go on behind damage. 1: it is not damage. */
static int pass_damage(struct scan *scan, const struct target *t,
		       struct cursor *at)
{
	uint64_t seq = at->seq;

	if (at->pos >= t->tail.pos)
		return 1;
	shmqi_scan_behind(scan, t->tail, at);
	if (t->where != SHMQ_SEEK_SEQ || at->seq <= t->value)
		return 0;
	return shmqi_error_say(-EBADMSG,
			       "damaged: of the messages %ju to %ju nothing can "
			       "be read",
			       (uintmax_t)seq, (uintmax_t)at->seq - 1);
}

/* What is just being sent was not sent before; other numbers are behind it. */
static bool pass_open(struct scan *scan, const struct target *t,
		      struct cursor *at)
{
	struct cursor behind;

	if (t->where != SHMQ_SEEK_SEQ ||
	    !shmqi_obstacle_open(scan->seg, *at, &behind) ||
	    behind.seq > t->value)
		return false;
	*at = behind;
	return true;
}

/* At a place where no record could be read. 0: go on; 1: it ends here. */
static int pass(struct scan *scan, const struct target *t, struct cursor *at)
{
	struct cursor behind;
	struct found found;

	if (pass_open(scan, t, at))
		return 0;
	if (shmqi_obstacle_open(scan->seg, *at, &behind))
		return 1;
	/* It may have come meanwhile. */
	return shmqi_scan_read(scan, *at, &found) ? 0 :
						    pass_damage(scan, t, at);
}

/* From a record before it: to what is looked for, or to where nothing is. */
static int walk(struct scan *scan, const struct target *t, struct cursor *at)
{
	bool by_seq = t->where == SHMQ_SEEK_SEQ;
	struct found found;

	for (;;) {
		int r = shmqi_scan_to(scan, at->pos);

		if (r && r != -EBADMSG)
			return r;
		if (r || !shmqi_scan_read(scan, *at, &found)) {
			r = r ? pass_damage(scan, t, at) : pass(scan, t, at);
			if (r)
				return r > 0 ? 0 : r;
			continue;
		}
		if (!(by_seq ? before_seq : before_time)(&found, *at, t->value))
			return 0;
		at->pos += found.span;
		at->seq += found.count;
	}
}

static int find_once(struct scan *scan, const struct target *t,
		     struct cursor *at)
{
	struct segment *seg = scan->seg;
	struct cursor known;
	int r = find_segment(seg, t, at);

	if (r)
		return r;
	r = shmqi_scan_to(scan, at->pos);
	if (r && r != -EBADMSG)
		return r;
	if (!r)
		shmqi_index_look(scan, at, t->where == SHMQ_SEEK_TIME,
				 t->value);
	known = *at;
	r = walk(scan, t, at);
	if (!r && seg->writable &&
	    at->pos - known.pos > 4 * seg->journal->window)
		shmqi_index_build(seg, journal_number(seg, known.pos));
	return r;
}

static int find(struct scan *scan, const struct target *t, struct cursor *at)
{
	int r = -ESTALE;

	/* Segments may be removed while we look. */
	for (int i = 0; r == -ESTALE && i < LOOKS; i++)
		r = find_once(scan, t, at);
	return r;
}

static int find_place(struct scan *scan, struct target *t, struct cursor *at)
{
	struct segment *seg = scan->seg;
	int r = 0;

	if (!shmqi_bounds_tail(seg, &t->tail))
		return -EBADMSG;
	t->tail.owner = SH_NOBODY;
	switch (t->where) {
	case SHMQ_SEEK_NEWEST:
		*at = t->tail;
		break;
	case SHMQ_SEEK_OLDEST:
		pthread_mutex_lock(&seg->lock);
		r = views_error(shmqi_journal_oldest(seg, at));
		pthread_mutex_unlock(&seg->lock);
		break;
	case SHMQ_SEEK_SEQ:
		if (t->value > t->tail.seq)
			return -ERANGE;
		/* fall through */
	default:
		r = views_error(find(scan, t, at));
		/* The next number to be sent: at the tail, also if the walk
		 * ended before it at what is just being sent. */
		if (!r && t->where == SHMQ_SEEK_SEQ && t->value >= t->tail.seq)
			*at = t->tail;
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
	struct target target = { .where = where, .value = value };
	struct scan scan;
	struct cursor to;
	int r = check(c, where);

	if (r)
		return r;
	shmqi_scan_begin(&scan, c->ep.seg);
	r = find_place(&scan, &target, &to);
	if (!r) {
		if (is_tap(c))
			c->copies->at = to;
		else
			move_serial(c, to);
		r = shmqi_consumer_follow(c);
	}
	/* Not before: now the segment is mapped for the consumer, too. */
	shmqi_scan_end(&scan);
	return r < 0 ? r : 0;
}
