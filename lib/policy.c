/* SPDX-License-Identifier: MIT */
/* Switching the policy, and following it. See policy.h. */
#include "config.h"

#include <errno.h>

#include "consumer.h"
#include "copies.h"
#include "error.h"
#include "group.h"
#include "lease.h"
#include "members.h"
#include "policy.h"
#include "producer.h"
#include "span.h"
#include "serial.h"
#include "views.h"
#include "wake.h"

/* Members remember it in half a word. */
#define SWITCHES_MAX (UINT32_MAX - 1)

/* ----------------------------------------------------------------- switching */

/* Whatever they do next, consumers come past what others returned. */
void shmqi_policy_remind(struct segment *seg)
{
	for (uint32_t i = 0; i < seg->geo.max_groups; i++)
		/* edge RETURN */
		add_release(&seg->groups[i].returns, 1);
	shmqi_bell_ring(seg, &seg->control->recv);
}

int shmqi_policy_switch(struct segment *seg, bool overwrite)
{
	uint64_t switches = load_relaxed(&seg->control->switches);

	if (switches >= SWITCHES_MAX)
		return -EOVERFLOW;
	if (policy_overwrites(policy_now(seg)) != overwrite)
		/* edge POLICY: pairs with policy_now */
		store_release(&seg->control->switches, switches + 1);
	/* Also if it was so: who did it may have died before this. */
	shmqi_policy_remind(seg);
	shmqi_bell_ring(seg, &seg->control->send);
	return 0;
}

/* ----------------------------------------------------------------- producers */

void shmqi_policy_join(struct shmq_producer *p)
{
	struct segment *seg = p->ep.seg;

	p->policy = policy_now(seg);
	p->overwrites = policy_overwrites(p->policy);
	p->single = policy_serial(seg) && !p->policy;
	store_relaxed(&p->claim[1].end, 0);
	/* Relaxed: shown with the entry's state. */
	store_relaxed(&p->ep.member->policy, (uint32_t)p->policy);
	if (geometry_serial(&seg->geo) && !p->single)
		/* edge POLICY: all before us is dead and cleaned up */
		store_release(&seg->control->claimed, 1);
}

/* All that it claimed is stamped, and the tail has its number. */
static void become_claimant(struct shmq_producer *p)
{
	if (!p->single)
		return;
	/* edge POLICY: pairs with policy_serial */
	store_release(&p->control->claimed, 1);
	p->single = false;
}

void shmqi_policy_follow_producing(struct shmq_producer *p)
{
	uint64_t policy = policy_now(p->ep.seg);

	if (likely(policy == p->policy))
		return;
	become_claimant(p);
	/* What it believed is gone before it says so. */
	p->limit = p->room = p->promised = 0;
	p->policy = policy;
	p->overwrites = policy_overwrites(policy);
	/* edge POLICY: pairs with all_follow */
	store_release(&p->ep.member->policy, (uint32_t)policy);
	full_fence();
}

/* Under lock: do all producers that live find their limits by this policy? */
static bool all_follow(const struct segment *seg, uint64_t policy)
{
	for (uint32_t i = 0; i < shmqi_member_top(seg); i++) {
		struct sh_member *member = member_at(seg, i);

		/* edges STATE, POLICY */
		if (load_acquire(&member->state) == SH_MEMBER_PRODUCER &&
		    load_acquire(&member->policy) != (uint32_t)policy &&
		    shmqi_member_alive(seg, i))
			return false;
	}
	return true;
}

/* ----------------------------------------------------------------- consumers */

/* Spans that only who copies can adopt. */
static bool copies_wait(const struct segment *seg, uint32_t group)
{
	for (uint32_t i = 0; i < shmqi_member_top(seg); i++) {
		struct sh_member *member = member_at(seg, i);

		/* edge STATE */
		if (load_acquire(&member->state) == SH_MEMBER_RETURNED &&
		    load_relaxed(&member->group) == group &&
		    policy_copies(member))
			return true;
	}
	return false;
}

static bool may_rely(struct shmq_consumer *c, uint64_t policy)
{
	struct segment *seg = c->ep.seg;
	bool may;

	if (!policy || policy_overwrites(policy))
		return !policy;
	pthread_mutex_lock(&seg->lock);
	may = all_follow(seg, policy) && !copies_wait(seg, c->group_index);
	pthread_mutex_unlock(&seg->lock);
	return may;
}

static bool on_loan(const struct shmq_consumer *c)
{
	return c->slots > c->first_slot ||
	       (c->serial ? c->pos != c->released_pos : c->lent);
}

static bool receive_by_copy(struct shmq_consumer *c)
{
	if (c->copies)
		return true;
	if (on_loan(c))
		return false;
	if (!c->spare)
		c->spare = shmqi_copies_new(false);
	if (!c->spare)
		return false;
	if (c->serial) {
		/* As a rescuer leaves it: the cursor has its number. */
		cursor_number(&c->group->cursor, c->seq);
		claim_done(&c->claims[0]);
		c->serial = false;
		c->first_slot = c->slots = 1;
	}
	c->copies = c->spare;
	c->spare = NULL;
	c->kept_end = UINT64_MAX;
	c->ep.copies = true;
	/* edge POLICY: pairs with policy_copies */
	store_release(&c->ep.member->policy, SH_COPIES);
	bell_look(&c->ep, &c->control->send);
	return true;
}

/* Nothing private is left, and nothing uncounted. */
static bool is_even(const struct shmq_consumer *c)
{
	const struct copies *copies = c->copies;

	return !on_loan(c) && !copies->pending_n && !copies->pending_lent &&
	       !copies->lost_since;
}

/* Has its group's place not been written over? From now on it will not be. */
static bool is_whole(const struct shmq_consumer *c)
{
	uint64_t pos = cursor_pos(&c->group->cursor);
	struct reach reach;

	return !shmqi_rings_reach(c->ep.seg, &reach) && pos >= reach.first &&
	       reach_holds(&reach, pos, cursor_pos(&c->control->tail));
}

static void receive_in_place(struct shmq_consumer *c, uint64_t policy)
{
	struct copies *copies = c->copies;

	if (!copies || !is_even(c))
		return;
	/* edge POLICY: pairs with policy_copies; then the fence */
	store_release(&c->ep.member->policy, 0);
	full_fence();
	c->copies = NULL;
	c->ep.copies = false;
	if (policy_now(c->ep.seg) == policy && may_rely(c, policy) &&
	    is_whole(c)) {
		c->serial = c->alone;
		if (!c->serial || !shmqi_serial_begin(c)) {
			c->spare = copies;
			shmqi_copies_empty(copies);
			return;
		}
		c->serial = false;
	}
	c->copies = copies;
	c->ep.copies = true;
	store_release(&c->ep.member->policy, SH_COPIES);
	bell_look(&c->ep, &c->control->send);
}

bool shmqi_policy_follow(struct shmq_consumer *c)
{
	uint64_t policy = policy_now(c->ep.seg);

	if (may_rely(c, policy)) {
		receive_in_place(c, policy);
		return true;
	}
	return receive_by_copy(c);
}

/* ------------------------------------------------- what others have returned */

static int number_slot(struct sh_claim *claim, const struct rings *rings)
{
	/* edge DONE */
	uint64_t word = load_acquire(&claim->word), end, pos, seq, first;

	if (claim_state(word) != SH_CLAIM_OWNED)
		return 0;
	end = load_relaxed(&claim->end);
	pos = claim_pos(word);
	/* A held record keeps its stamp, and the stamp its number. */
	first = seq = record_seq(ring_at(rings, pos), pos);
	if (end <= pos || !reach_holds(&rings->reach, pos, end) ||
	    !shmqi_ring_walk(rings, &pos, &seq, end) || pos != end)
		return -EBADMSG;
	/* Relaxed: its lease is ours; shown with the entry's policy. */
	store_relaxed(&claim->seq, first);
	store_relaxed(&claim->count, seq - first);
	return 0;
}

/* Under the entry's lease. */
static int number_entry(struct segment *seg, uint32_t index,
			const struct rings *rings)
{
	struct sh_member *member = member_at(seg, index);
	int r = 0;

	/* edge STATE */
	if (load_acquire(&member->state) != SH_MEMBER_RETURNED ||
	    policy_copies(member))
		return 0;
	shmqi_span_settle(seg, index);
	for (unsigned k = 0; !r && k < shmqi_member_slots(member); k++)
		r = number_slot(&member->claims[k], rings);
	if (!r)
		/* edge POLICY: pairs with policy_copies */
		store_release(&member->policy, SH_COPIES);
	return r;
}

int shmqi_policy_number(struct segment *seg, uint32_t group)
{
	struct rings rings;
	bool mapped = false;
	int r = 0;

	for (uint32_t i = 0; !r && i < shmqi_member_top(seg); i++) {
		struct sh_member *member = member_at(seg, i);
		int64_t lease = SH_LEASE_MEMBER + i;

		/* edge STATE */
		if (load_acquire(&member->state) != SH_MEMBER_RETURNED ||
		    (group != NO_GROUP &&
		     load_relaxed(&member->group) != group) ||
		    policy_copies(member))
			continue;
		if (!mapped)
			r = shmqi_views_get(seg, false, &rings);
		if (r)
			return views_error(r);
		mapped = true;
		/* Somebody else is at it: it is his. */
		if (shmqi_lease_take(seg->lease_fd, lease))
			continue;
		r = number_entry(seg, i, &rings);
		shmqi_lease_drop(seg->lease_fd, lease);
	}
	if (mapped)
		shmqi_views_let(seg);
	return r;
}
