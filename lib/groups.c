/* SPDX-License-Identifier: MIT */
/*
 * Making and removing groups.
 *
 *        FREE --> MAKING --> USED --> REMOVING --> FREE
 *
 * MAKING holds the ring and is not found by name; REMOVING is not found either,
 * and holds nothing. Whoever takes the table's lease finds what a dead process
 * has left in between, and finishes it: a group that was being made has no
 * consumer yet and goes, one that was being removed goes too.
 *
 * Where a new group begins must not be written over. A producer that asked for
 * room before it could know of the group may still write up to the lowest
 * position of the other groups, as it was then, and a lap on. So the group
 * first holds what is kept anyway; then the table is said to have changed
 * (moves), so that whoever asks now knows; and what the others hold after that
 * is no lower than any producer believes: there it begins.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include <bsd/string.h>

#include "bounds.h"
#include "error.h"
#include "group.h"
#include "groups.h"
#include "handle.h"
#include "journal.h"
#include "lease.h"
#include "members.h"
#include "policy.h"
#include "recovery.h"
#include "ring.h"
#include "room.h"
#include "views.h"
#include "wake.h"

#define LOOKS 1000

int shmqi_groups_check_name(const char *name)
{
	const size_t max = sizeof(((struct sh_group *)0)->name) - 1;

	if (!*name)
		return shmqi_error_say(-EINVAL, "a group's name is empty");
	if (strlen(name) > max)
		return shmqi_error_say(-ENAMETOOLONG,
				       "a group's name has at most %zu bytes",
				       max);
	return 0;
}

static void set_state(struct segment *seg, uint32_t index, uint32_t state)
{
	/* edge STATE */
	store_release(&seg->groups[index].state, state);
}

static uint32_t state_of(const struct segment *seg, uint32_t index)
{
	/* edge STATE */
	return load_acquire(&seg->groups[index].state);
}

/* --------------------------------------------------------------- removing */

/* 1: the entry was the group's, look again; 0: it is not; or an error. */
static int free_entry(struct segment *seg, uint32_t index, uint32_t group)
{
	struct sh_member *member = member_at(seg, index);
	int64_t lease = SH_LEASE_MEMBER + index;
	/* edge STATE */
	uint32_t state = load_acquire(&member->state);
	int r;

	if (load_relaxed(&member->group) != group)
		return 0;
	if (state == SH_MEMBER_CONSUMER) {
		r = shmqi_recover_member(seg, index);
		return r ? r : -EBUSY;
	}
	if (state != SH_MEMBER_RETURNED)
		return 0;
	r = shmqi_lease_take(seg->lease_fd, lease);
	if (r)
		return r;
	/* edge STATE */
	if (load_acquire(&member->state) == SH_MEMBER_RETURNED &&
	    load_relaxed(&member->group) == group)
		store_release(&member->state, SH_MEMBER_FREE);
	shmqi_lease_drop(seg->lease_fd, lease);
	return 1;
}

/* The group is REMOVING: nobody joins it, and all who are in it are dead. */
static int finish_removing(struct segment *seg, uint32_t group)
{
	for (uint32_t i = 0; i < shmqi_member_top(seg); i++) {
		int r;

		for (int look = 0; (r = free_entry(seg, i, group)); look++) {
			if (r < 0 && r != -EBUSY)
				return r;
			/* Somebody is at it for ever: stopped, or scribbling. */
			if (!shmqi_lease_let_pass(look))
				return r < 0 ? r : -EBADMSG;
		}
	}
	set_state(seg, group, SH_GROUP_FREE);
	shmqi_bell_ring(seg, &seg->control->send);
	return 0;
}

/* -------------------------------------------------------------- the table */

static void end_change(struct segment *seg)
{
	shmqi_lease_drop(seg->lease_fd, SH_LEASE_GROUPS);
}

/* Holding the table's lease: what its last holder began. */
static int finish_change(struct segment *seg)
{
	int r = 0;

	for (uint32_t i = 0; !r && i < seg->geo.max_groups; i++) {
		if (state_of(seg, i) == SH_GROUP_MAKING)
			set_state(seg, i, SH_GROUP_FREE);
		else if (state_of(seg, i) == SH_GROUP_REMOVING)
			r = finish_removing(seg, i);
	}
	return r;
}

static int begin_change(struct segment *seg)
{
	int r;

	for (int look = 0;; look++) {
		r = shmqi_lease_take(seg->lease_fd, SH_LEASE_GROUPS);
		if (r != -EBUSY || !shmqi_lease_let_pass(look))
			break;
	}
	if (r)
		return r;
	r = finish_change(seg);
	if (r)
		end_change(seg);
	return r;
}

int shmqi_groups_mend(struct segment *seg)
{
	int r = 0;

	for (uint32_t i = 0; !r && i < seg->geo.max_groups; i++)
		r = state_of(seg, i) > SH_GROUP_USED;
	if (!r || shmqi_lease_take(seg->lease_fd, SH_LEASE_GROUPS))
		return 0;
	r = finish_change(seg);
	end_change(seg);
	return r ? r : 1;
}

/* ----------------------------------------------------------------- making */

/* The tail as a claim left it; not a serial producer's. */
static int claimed_tail(const struct segment *seg, struct cursor *tail)
{
	for (int i = 0; i < LOOKS; i++) {
		*tail = cursor_load(&seg->control->tail);
		if (cursor_unchanged(&seg->control->tail, *tail))
			return 0;
	}
	return -EBADMSG;
}

/*
 * The oldest message that is kept for any group but the one being made, or if
 * there is no other, the tail.
 */
static int oldest_place(struct segment *seg, uint32_t making,
			const struct rings *rings, struct cursor *place)
{
	uint64_t tail = cursor_pos(&seg->control->tail), lowest;

	if (!shmqi_room_kept(seg, tail, making, &lowest))
		return -EBADMSG;
	/* Of one that was overtaken all is kept that is there. */
	if (policy_laps(seg) && lowest <= reach_floor(&rings->reach, tail))
		return shmqi_bounds_oldest(seg, rings, 0, place) ? 0 : -EBADMSG;
	if (!shmqi_group_oldest(seg, place))
		return claimed_tail(seg, place);
	/* On loan, or received meanwhile: a record, whose stamp says which. */
	if (lowest < place->pos)
		*place = (struct cursor){
			lowest, record_seq(ring_at(rings, lowest), lowest),
			SH_NOBODY
		};
	return 0;
}

/* Behind all that has been claimed; of a serial producer, stamped. */
static int newest_place(struct segment *seg, const struct rings *rings,
			struct cursor *place)
{
	if (!policy_serial(seg))
		return claimed_tail(seg, place);
	return shmqi_ring_walk(rings, &place->pos, &place->seq,
			       cursor_pos(&seg->control->tail)) ?
		       0 :
		       -EBADMSG;
}

/* Of what is there, whether it is kept or not. */
static int written_place(struct segment *seg, bool newest,
			 const struct rings *rings, struct cursor *place)
{
	return (newest ? shmqi_bounds_tail(seg, place) :
			 shmqi_bounds_oldest(seg, rings, 0, place)) ?
		       0 :
		       -EBADMSG;
}

static void put_cursor(struct sh_group *group, struct cursor place)
{
	place.owner = SH_NOBODY;
	cursor_init(&group->cursor, place);
}

/* Where the group begins; on the way it becomes MAKING. */
static int place_in(struct segment *seg, uint32_t index, bool newest,
		    const struct rings *rings)
{
	struct sh_group *group = &seg->groups[index];
	struct cursor place = { 0 };
	int r;

	if (seg->journal) {
		/* Nothing is written over. */
		r = newest ? claimed_tail(seg, &place) :
			     views_error(shmqi_journal_oldest(seg, &place));
		if (!r)
			put_cursor(group, place);
		return r;
	}
	/* Nobody keeps anything for it. */
	if (policy_overwrites(policy_now(seg)) && policy_laps(seg)) {
		r = written_place(seg, newest, rings, &place);
		if (!r)
			put_cursor(group, place);
		return r;
	}
	r = oldest_place(seg, index, rings, &place);
	if (r)
		return r;
	put_cursor(group, place);
	set_state(seg, index, SH_GROUP_MAKING);
	/* edge MOVE: pairs with shmqi_room_lowest */
	add_release(&seg->control->moves, 1);
	full_fence();
	r = oldest_place(seg, index, rings, &place);
	if (!r && newest)
		r = newest_place(seg, rings, &place);
	if (!r)
		put_cursor(group, place);
	return r;
}

static int place_group(struct segment *seg, uint32_t index, bool newest)
{
	struct rings rings;
	int r = shmqi_views_get(seg, false, &rings);

	if (r)
		return r;
	r = place_in(seg, index, newest, &rings);
	shmqi_views_let(seg);
	return r;
}

static int make(struct segment *seg, const char *name, bool newest)
{
	struct sh_group *group;
	uint32_t index = 0;
	int r;

	while (index < seg->geo.max_groups &&
	       state_of(seg, index) != SH_GROUP_FREE)
		index++;
	if (index == seg->geo.max_groups)
		return shmqi_error_say(-EUSERS,
				       "all %u groups exist: remove one, or "
				       "create the queue with more",
				       seg->geo.max_groups);
	group = &seg->groups[index];
	memset(group->name, 0, sizeof(group->name));
	strlcpy((char *)group->name, name, sizeof(group->name));
	group->created_ns = shmqi_clock_real_ns();
	store_relaxed(&group->redelivered_pos, 0);
	r = place_group(seg, index, newest);
	set_state(seg, index, r ? SH_GROUP_FREE : SH_GROUP_USED);
	return r ? r : (int)index;
}

int shmqi_groups_make(struct segment *seg, const char *name, bool newest)
{
	int index = shmqi_group_find(seg, name), r;

	if (index >= 0)
		return index;
	r = begin_change(seg);
	if (r)
		return r;
	index = shmqi_group_find(seg, name);
	if (index < 0)
		index = make(seg, name, newest);
	end_change(seg);
	return index;
}

/* -------------------------------------------------------- removing by name */

static uint32_t count_groups(const struct segment *seg)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < seg->geo.max_groups; i++)
		n += group_used(seg, i);
	return n;
}

/* Nobody joins while we have the place, and who does afterwards looks again. */
static int remove_unread(struct segment *seg, uint32_t index)
{
	int64_t place = SH_LEASE_GROUP + index;
	int r;

	if (shmqi_member_consumes(seg, index))
		return -EBUSY;
	r = shmqi_lease_take(seg->lease_fd, place);
	if (r)
		return r;
	set_state(seg, index, SH_GROUP_REMOVING);
	shmqi_lease_drop(seg->lease_fd, place);
	return finish_removing(seg, index);
}

int shmqi_groups_remove(struct segment *seg, const char *name)
{
	int index, r = begin_change(seg);

	if (r)
		return r;
	index = shmqi_group_find(seg, name);
	if (index < 0)
		r = shmqi_error_say(-ENOENT, "there is no group of that name");
	else if (!(seg->geo.flags & SHMQ_TOPIC) && count_groups(seg) == 1)
		r = shmqi_error_say(-EPERM,
				    "the last group of a queue that is no "
				    "topic stays: nothing would be kept");
	else
		r = remove_unread(seg, (uint32_t)index);
	end_change(seg);
	return r;
}

/* --------------------------------------------------------- the public calls */

static int check(const struct shmq *q, const char *name)
{
	shmqi_error_clear();
	if (!q || !name)
		return -EINVAL;
	if (!q->seg->writable)
		return -EBADF;
	return shmqi_groups_check_name(name);
}

int shmq_group_add(struct shmq *q, const char *name, unsigned flags)
{
	KEEP_ERRNO;
	int r = check(q, name);

	if (flags & ~(unsigned)(SHMQ_OLDEST | SHMQ_NEWEST) ||
	    flags == (SHMQ_OLDEST | SHMQ_NEWEST))
		return -EINVAL;
	if (r)
		return r;
	pthread_mutex_lock(&q->seg->lock);
	if (shmqi_group_find(q->seg, name) >= 0)
		r = -EEXIST;
	else
		r = shmqi_groups_make(q->seg, name, flags & SHMQ_NEWEST);
	pthread_mutex_unlock(&q->seg->lock);
	return r < 0 ? r : 0;
}

int shmq_group_remove(struct shmq *q, const char *name)
{
	KEEP_ERRNO;
	int r = check(q, name);

	if (r)
		return r;
	pthread_mutex_lock(&q->seg->lock);
	r = shmqi_groups_remove(q->seg, name);
	pthread_mutex_unlock(&q->seg->lock);
	return r;
}
