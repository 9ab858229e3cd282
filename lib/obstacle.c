/* SPDX-License-Identifier: MIT */
/*
 * What is in a tap's way: a claim whose producer is dead, or, for who wants to
 * see the rest whatever there is, any claim, and damage. See tap.c.
 */
#include "config.h"

#include <errno.h>
#include <sched.h>

#include "bounds.h"
#include "copies.h"
#include "error.h"
#include "members.h"
#include "policy.h"
#include "scan.h"
#include "views.h"

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

bool shmqi_obstacle_open(const struct segment *seg, struct cursor at,
			 struct cursor *behind)
{
	struct cursor tail;
	struct open_claim open;

	if (!policy_serial(seg)) {
		if (!find_claim(seg, at, &open))
			return false;
		*behind = open.end;
		return true;
	}
	/* It numbers the tail when all before it is stamped. */
	if (!shmqi_bounds_tail(seg, &tail) || tail.seq > at.seq)
		return false;
	*behind = (struct cursor){ tail.pos, at.seq + 1, SH_NOBODY };
	return true;
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
	if (policy_serial(seg)) {
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
	bool missing;
	int r;

	if (!c)
		return -EINVAL;
	if (c->ep.magic != ENDPOINT_CONSUMER)
		return -ESTALE;
	if (!is_tap(c))
		return -EOPNOTSUPP;
	r = shmqi_tap_follow(c);
	/* The segment file is not there. */
	missing = r == -EBADMSG && c->ep.seg->journal;
	if (r < 0 && !missing)
		return r;
	at = c->copies->at;
	if (cursor_pos(&c->control->tail) <= at.pos)
		return missing ? r : 0;
	if (!missing && record_published(&c->ring, at.pos, at.seq) &&
	    record_read(&c->ring, at.pos, &found))
		return 0;
	if (copies_overtaken(c, at.pos))
		return 0;
	if (!policy_serial(c->ep.seg) && find_claim(c->ep.seg, at, &open)) {
		pass(c->copies, open.end, position, numbers);
		return SHMQ_SKIPPED_OPEN;
	}
	/* Its end is nowhere to be read, and nothing is behind it. */
	if (policy_serial(c->ep.seg) && cursor_seq(&c->control->tail) <= at.seq)
		return 0;
	if (!look_behind(c, at.pos, &to) || to.pos <= at.pos || to.seq < at.seq)
		return -EBADMSG;
	count_lost(c->copies, to.seq - at.seq);
	pass(c->copies, to, position, numbers);
	return SHMQ_SKIPPED_DAMAGE;
}
