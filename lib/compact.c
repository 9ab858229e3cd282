/* SPDX-License-Identifier: MIT */
/* Making room among what was returned: two entries become one. */
#include "config.h"

#include "cursor.h"
#include "lease.h"
#include "members.h"
#include "policy.h"
#include "returned.h"
#include "span.h"

/* Let adjacent spans of the entry be one. Its lease is held. */
static void join_all(struct segment *seg, uint32_t index)
{
	struct sh_claim *claims = member_at(seg, index)->claims;

	for (unsigned i = 0; i < SH_CLAIMS; i++) {
		for (unsigned k = 0; k < SH_CLAIMS; k++) {
			uint64_t one = load_acquire(&claims[i].word);
			uint64_t next = load_acquire(&claims[k].word);

			if (i == k || claim_state(one) != SH_CLAIM_OWNED ||
			    claim_state(next) != SH_CLAIM_OWNED ||
			    load_relaxed(&claims[i].end) != claim_pos(next))
				continue;
			shmqi_span_void(seg, index, k);
			store_relaxed(&claims[i].count,
				      claim_numbers(&claims[i]) +
					      claim_numbers(&claims[k]));
			/* edge DONE: for a moment both name it */
			store_release(&claims[i].end,
				      load_relaxed(&claims[k].end));
			claim_done(&claims[k]);
			k = 0;
		}
	}
}

/* Both leases are held. Returns whether from is empty now. */
static bool merge(struct segment *seg, uint32_t from, uint32_t to)
{
	struct sh_claim *source = member_at(seg, from)->claims;
	struct sh_claim *target = member_at(seg, to)->claims;
	unsigned k = 1;

	for (unsigned s = 0; s < SH_CLAIMS; s++) {
		if (claim_state(load_acquire(&source[s].word)) !=
		    SH_CLAIM_OWNED)
			continue;
		while (k < SH_CLAIMS &&
		       claim_state(load_acquire(&target[k].word)) !=
			       SH_CLAIM_NONE)
			k++;
		if (k == SH_CLAIMS)
			return false;
		shmqi_span_void(seg, from, s);
		shmqi_span_move(seg, from, s, to, k,
				load_relaxed(&source[s].end));
		join_all(seg, to);
		k = 1;
	}
	return true;
}

static bool take_returned(struct segment *seg, uint32_t index)
{
	struct sh_member *member = member_at(seg, index);

	/* edge STATE */
	if (load_acquire(&member->state) != SH_MEMBER_RETURNED ||
	    shmqi_lease_take(seg->lease_fd, SH_LEASE_MEMBER + index))
		return false;
	if (load_acquire(&member->state) == SH_MEMBER_RETURNED) {
		shmqi_span_settle(seg, index);
		return true;
	}
	shmqi_lease_drop(seg->lease_fd, SH_LEASE_MEMBER + index);
	return false;
}

static bool same_group(struct sh_member *a, struct sh_member *b)
{
	return load_relaxed(&a->group) == load_relaxed(&b->group) &&
	       policy_copies(a) == policy_copies(b);
}

void shmqi_returned_compact(struct segment *seg)
{
	uint32_t top = shmqi_member_top(seg);

	for (uint32_t to = 0; to < top; to++) {
		if (!take_returned(seg, to))
			continue;
		for (uint32_t from = to + 1; from < top; from++) {
			struct sh_member *member = member_at(seg, from);

			if (!take_returned(seg, from))
				continue;
			if (same_group(member, member_at(seg, to)) &&
			    merge(seg, from, to))
				/* edge STATE */
				store_release(&member->state, SH_MEMBER_FREE);
			shmqi_lease_drop(seg->lease_fd, SH_LEASE_MEMBER + from);
		}
		shmqi_lease_drop(seg->lease_fd, SH_LEASE_MEMBER + to);
	}
}
