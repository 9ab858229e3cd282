/* SPDX-License-Identifier: MIT */
/*
 * Checking: every record that some group has not received, or some consumer
 * holds. A record that is kept does not change; so what looks wrong at a
 * position is wrong, unless the position was let go meanwhile.
 */
#include "config.h"

#include <errno.h>

#include "check.h"
#include "cursor.h"
#include "group.h"
#include "lease.h"
#include "members.h"
#include "policy.h"
#include "recovery.h"
#include "room.h"

/* A queue that is used so fast that no walk comes to its end. */
#define WALKS 20

/* Looks at one place that somebody is about to finish. */
#define LOOKS 120

enum walk {
	WALKED,    /* to the end, or to a live producer's claim */
	OVERTAKEN, /* somebody let go where we were */
	DAMAGED,
};

/* It is, and in one of the rings that we know of. */
static bool is_kept(const struct check *c, uint64_t pos)
{
	uint64_t lowest;

	return shmqi_check_rings_same(c) &&
	       shmqi_room_lowest(c->seg, cursor_pos(&c->seg->control->tail),
				 &lowest) &&
	       lowest <= pos;
}

/* A producer, alive or stopped, has the claim at pos: what is behind it. */
static bool behind_claim(const struct check *c, uint64_t *pos, uint64_t *seq)
{
	for (uint32_t i = 0; i < shmqi_member_top(c->seg); i++) {
		struct sh_member *member = member_at(c->seg, i);
		struct sh_claim *claim = &member->claims[0];
		uint64_t word, end, behind;

		/* edge STATE */
		if (load_acquire(&member->state) != SH_MEMBER_PRODUCER ||
		    shmqi_claim_look(&c->seg->control->tail, claim, i, &word) !=
			    CLAIM_HELD)
			continue;
		end = load_relaxed(&claim->end);
		behind = load_relaxed(&claim->seq) +
			 load_relaxed(&claim->count);
		/* Still that one: the numbers belong to it. */
		if (claim_pos(word) > *pos || end <= *pos ||
		    load_acquire(&claim->word) != word)
			continue;
		*pos = end;
		*seq = behind;
		return true;
	}
	return false;
}

/*
 * Claimed, and not there. 1: somebody is at it, and *pos and *seq are behind
 * his claim; 0: it has come, or is gone; -EBADMSG: nobody will ever write it.
 */
static int pass_claim(struct check *c, uint64_t *pos, uint64_t *seq)
{
	for (int look = 0; look < LOOKS; look++) {
		int r;

		const struct ring *ring = ring_at(&c->rings, *pos);

		if (!is_kept(c, *pos) || record_published(ring, *pos, *seq))
			return 0;
		if (behind_claim(c, pos, seq))
			return 1;
		pthread_mutex_lock(&c->seg->lock);
		r = shmqi_recover_claim_at(c->seg, ring, *pos, *seq);
		pthread_mutex_unlock(&c->seg->lock);
		/* A single producer has no claim to go behind. */
		if (!r && policy_serial(c->seg))
			return 1;
		shmqi_lease_let_pass(look);
	}
	return -EBADMSG;
}

static enum walk bad_record(struct check *c, uint64_t pos, uint64_t seq,
			    const char *what)
{
	if (!is_kept(c, pos))
		return OVERTAKEN;
	shmqi_check_tell(c, SHMQ_FINDING_DAMAGE, CHECK_NOBODY,
			 "message %llu, at byte %llu of the ring: %s",
			 (unsigned long long)seq,
			 (unsigned long long)(pos &
					      ring_at(&c->rings, pos)->mask),
			 what);
	return DAMAGED;
}

/* From a record's beginning to end. */
static enum walk walk(struct check *c, struct cursor at, uint64_t end)
{
	struct found found;
	const struct reach *reach = &c->rings.reach;
	uint64_t steps = 2 * (reach->low + reach->high) / SH_LINE;

	while (at.pos < end) {
		const struct ring *ring = ring_at(&c->rings, at.pos);

		if (!steps--)
			return bad_record(c, at.pos, at.seq,
					  "somebody writes over it");
		if (!record_published(ring, at.pos, at.seq)) {
			uint64_t pos = at.pos;
			int r = pass_claim(c, &at.pos, &at.seq);

			if (r < 0)
				return bad_record(c, at.pos, at.seq,
						  "claimed, and nobody is "
						  "left who will write it");
			if (r && at.pos == pos)
				return WALKED;
			if (!r && !is_kept(c, at.pos))
				return OVERTAKEN;
			continue;
		}
		if (!record_read(ring, at.pos, &found) ||
		    found.span > end - at.pos)
			return bad_record(c, at.pos, at.seq,
					  "its length cannot be true");
		at.pos += found.span;
		at.seq += found.count;
	}
	if (at.pos > end)
		return bad_record(c, end, at.seq, "a claim goes past the tail");
	return WALKED;
}

static void check_stream(struct check *c)
{
	for (int i = 0; i < WALKS; i++) {
		struct cursor at;

		/* Somebody has put another ring in force. */
		if (!shmqi_check_rings_same(c) && shmqi_check_rings(c))
			continue;
		if (!shmqi_group_oldest(c->seg, &at))
			return;
		if (walk(c, at, cursor_pos(&c->seg->control->tail)) !=
		    OVERTAKEN)
			return;
	}
	shmqi_check_tell(c, SHMQ_FINDING_NOTE, CHECK_NOBODY,
			 "the queue is too busy for all of its messages to be "
			 "looked at");
}

struct span_look {
	uint32_t index;
	unsigned slot;
};

/* A held record keeps its stamp, and the stamp its number. */
static bool bad_span(struct check *c, void *arg)
{
	const struct span_look *look = arg;
	struct sh_member *member = member_at(c->seg, look->index);
	struct sh_claim *claim = &member->claims[look->slot];
	/* edge STATE */
	uint32_t state = load_acquire(&member->state);
	/* edges ANNOUNCE, DONE */
	uint64_t word = load_acquire(&claim->word);
	uint64_t end = load_relaxed(&claim->end), pos = claim_pos(word), seq;

	if ((state != SH_MEMBER_CONSUMER && state != SH_MEMBER_RETURNED) ||
	    look->slot >= shmqi_member_slots(member) ||
	    claim_state(word) != SH_CLAIM_OWNED ||
	    (!shmqi_check_rings_same(c) && shmqi_check_rings(c)))
		return false;
	seq = record_seq(ring_at(&c->rings, pos), pos);
	if (end > pos && reach_holds(&c->rings.reach, pos, end) &&
	    shmqi_ring_walk(&c->rings, &pos, &seq, end) && pos == end)
		return false;
	return load_acquire(&claim->word) == word &&
	       load_relaxed(&claim->end) == end;
}

static void check_spans(struct check *c)
{
	for (uint32_t i = 0; i < shmqi_member_top(c->seg); i++) {
		struct span_look look = { .index = i };

		for (; look.slot < SH_CLAIMS; look.slot++)
			if (shmqi_check_stays(c, bad_span, &look))
				shmqi_check_tell(c, SHMQ_FINDING_DAMAGE, i,
						 "member %u: what it holds is "
						 "not whole messages",
						 i);
	}
}

bool shmqi_check_open(const struct segment *seg, uint64_t pos)
{
	const struct check c = { .seg = (struct segment *)(uintptr_t)seg };
	uint64_t seq = 0;

	return behind_claim(&c, &pos, &seq);
}

void shmqi_check_records(struct check *c)
{
	if (c->seg->journal) {
		shmqi_verify_kept(c);
		return;
	}
	/* Overwriting producers respect no reader: nothing is kept. Nor does
	 * who kept again say what was written over before. */
	if (policy_now(c->seg))
		return;
	check_stream(c);
	check_spans(c);
}
