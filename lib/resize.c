/* SPDX-License-Identifier: MIT */
/*
 * Resizing: another ring, in the same file, behind the one in force or where
 * one was that is gone. What a death leaves, in the order of the steps:
 *
 *   storage is allocated         a hole that is filled: the next one punches it
 *   the entry is written         the same: nobody reads it
 *   the ring is published        a larger queue; whoever first asks for room
 *                                decides where it begins
 *   the turn is claimed          a claim like any other
 *   the old ring is punched      it is punched once more
 */
#include "config.h"

#include <errno.h>
#include <sys/stat.h>

#include <shmq.h>

#include "cursor.h"
#include "error.h"
#include "group.h"
#include "groups.h"
#include "handle.h"
#include "lease.h"
#include "members.h"
#include "policy.h"
#include "recovery.h"
#include "room.h"
#include "storage.h"
#include "turn.h"
#include "views.h"

static int check(const struct shmq *q, uint64_t *capacity)
{
	shmqi_error_clear();
	if (!q)
		return -EINVAL;
	if (!q->seg->writable)
		return -EBADF;
	if (q->seg->journal)
		return shmqi_error_say(-EOPNOTSUPP, "a journal has no size");
	return shmqi_format_capacity(capacity, q->seg->geo.flags);
}

/* ----------------------------------------------------------------- storage */

static uint64_t end_of(const struct ring_place *place)
{
	return place->offset + place->capacity;
}

/* The end of the ring that overlaps [offset, offset + bytes), or 0. */
static uint64_t in_the_way(const struct ring_table *table, uint64_t offset,
			   uint64_t bytes)
{
	for (uint64_t n = table->oldest; n <= table->newest; n++) {
		const struct ring_place *place = ring_place(table, n);

		if (offset < end_of(place) && place->offset < offset + bytes)
			return end_of(place);
	}
	return 0;
}

/* The first gap that is large enough, or behind all. */
static uint64_t find_place(const struct segment *seg,
			   const struct ring_table *table, uint64_t bytes)
{
	const uint64_t align = shmqi_format_align(&seg->geo);
	uint64_t offset = seg->geo.ring_off, end;

	while ((end = in_the_way(table, offset, bytes)))
		offset = (end + align - 1) / align * align;
	return offset;
}

/* What is no ring's: one that was never published, or never punched. */
static void sweep(const struct segment *seg, const struct ring_table *table)
{
	uint64_t at = seg->geo.ring_off, page = seg->geo.page_bytes, end;
	struct stat st;

	if (fstat(seg->share_fd, &st) < 0)
		return;
	while (at < (uint64_t)st.st_size) {
		uint64_t next = (uint64_t)st.st_size;

		end = in_the_way(table, at, page);
		if (end) {
			at = end;
			continue;
		}
		for (uint64_t n = table->oldest; n <= table->newest; n++) {
			uint64_t offset = ring_place(table, n)->offset;

			if (offset > at && offset < next)
				next = offset;
		}
		shmqi_storage_punch(seg->share_fd, at, next - at);
		at = next;
	}
}

/* ---------------------------------------------------------------- the ring */

/* May another ring follow? The last two are in use, or have been punched. */
static int check_left(const struct segment *seg, const struct ring_table *table)
{
	uint64_t from = ring_place(table, table->newest)->from;
	uint64_t tail = cursor_pos(&seg->control->tail), lowest;

	if (!shmqi_room_lowest(seg, tail, &lowest))
		return -EBADMSG;
	if (lowest < from || tail < from)
		return shmqi_error_say(-EBUSY, "messages are still in the ring "
					       "before the last resize");
	if (table->newest + 1 - table->oldest >= SH_RINGS)
		return shmqi_error_say(-EBUSY, "somebody still looks into a "
					       "ring that was left long ago");
	return 0;
}

/* Holding SH_LEASE_RINGS: put another ring in force. */
static int add_ring(struct segment *seg, const struct ring_table *table,
		    uint64_t capacity)
{
	uint64_t tail = cursor_pos(&seg->control->tail), offset;
	int r = check_left(seg, table);

	if (r)
		return r;
	if (ring_place(table, table->newest)->capacity + capacity >
	    SH_POS_MAX - tail)
		return -EOVERFLOW;
	sweep(seg, table);
	offset = find_place(seg, table, capacity);
	r = shmqi_storage_allocate(seg->share_fd, offset, capacity);
	if (r) {
		shmqi_storage_punch(seg->share_fd, offset, capacity);
		return r;
	}
	/*
	 * Ring before you publish: producers that wait for room, and find none
	 * yet, sleep with a bound while we hold the lease.
	 */
	shmqi_bell_ring(seg, &seg->control->send);
	shmqi_rings_publish(seg, table->newest + 1, offset, capacity);
	return 0;
}

/* Finish what a dead one began, then change. */
static int change(struct segment *seg, uint64_t capacity)
{
	struct ring_table table;
	int r = shmqi_rings_settled(seg, &table);

	pthread_mutex_lock(&seg->lock);
	if (!r)
		r = shmqi_views_give_back(seg, true);
	pthread_mutex_unlock(&seg->lock);
	if (!r)
		r = shmqi_rings_read(seg, &table);
	if (r)
		return r;
	if (ring_place(&table, table.newest)->capacity != capacity)
		r = add_ring(seg, &table, capacity);
	else
		sweep(seg, &table);
	return r ? r : shmqi_rings_settled(seg, &table);
}

/* Nothing here holds up the other threads that join or leave for long. */
static int resize(struct segment *seg, uint64_t capacity)
{
	int r;

	pthread_mutex_lock(&seg->lock);
	r = shmqi_groups_mend(seg);
	/* The dead hold the old ring. */
	if (r >= 0)
		r = shmqi_recover_all(seg);
	pthread_mutex_unlock(&seg->lock);
	if (r >= 0)
		r = shmqi_members_hold(seg, &seg->resizing, SH_LEASE_RINGS);
	if (r)
		return r;
	r = change(seg, capacity);
	shmqi_members_let(seg, &seg->resizing, SH_LEASE_RINGS);
	shmqi_bell_ring(seg, &seg->control->send);
	return r;
}

/*
 * A group that nobody reads, and that is where the turn is: move it on, or the
 * mark would count as a message until somebody comes. Nobody joins while we
 * have its place.
 */
static void pass_mark(struct segment *seg, uint32_t index,
		      const struct rings *rings)
{
	struct sh_group *group = &seg->groups[index];
	int64_t place = SH_LEASE_GROUP + index;
	struct found found;
	struct cursor c;

	if (!group_used(seg, index) || shmqi_member_consumes(seg, index) ||
	    shmqi_lease_take(seg->lease_fd, place))
		return;
	for (uint32_t i = 0; i < shmqi_member_top(seg); i++) {
		struct sh_member *member = member_at(seg, i);
		/* edge STATE */
		uint32_t state = load_acquire(&member->state);

		if ((state == SH_MEMBER_CONSUMER ||
		     state == SH_MEMBER_RETURNED) &&
		    load_relaxed(&member->group) == index)
			goto out;
	}
	c = cursor_load(&group->cursor);
	if (group_used(seg, index) &&
	    record_published(ring_at(rings, c.pos), c.pos, c.seq) &&
	    record_read(ring_at(rings, c.pos), c.pos, &found) &&
	    found.flags & SH_RECORD_SKIP &&
	    c.pos + found.span <= cursor_pos(&seg->control->tail))
		cursor_swap(&group->cursor, c,
			    (struct cursor){ c.pos + found.span,
					     c.seq + found.count, SH_NOBODY });
out:
	shmqi_lease_drop(seg->lease_fd, place);
}

static void pass_marks(struct segment *seg)
{
	struct rings rings;

	/* Where a group was overtaken there is nothing to pass. */
	if (policy_now(seg) || shmqi_views_get(seg, false, &rings))
		return;
	for (uint32_t i = 0; i < seg->geo.max_groups; i++)
		pass_mark(seg, i, &rings);
	shmqi_views_let(seg);
}

/*
 * Producers would come to the new ring when they need room. That may be long
 * from now, so we go there, as one of them. A single producer that is open
 * comes by itself; and so do others if there is no room for one more.
 */
static int go_there(struct segment *seg)
{
	struct shmq_producer *p;
	int r = shmqi_producer_open(&p, seg, false);

	if (r == -EBUSY || r == -EUSERS)
		return 0;
	if (r)
		return r;
	r = shmqi_turn_now(p);
	shmq_producer_close(p);
	return r == -EAGAIN ? 0 : r;
}

/* Whoever wants the place meanwhile waits for us. */
static void say_turning(struct segment *seg, bool turning)
{
	pthread_mutex_lock(&seg->lock);
	if (turning && !seg->turning++)
		shmqi_lease_take(seg->lease_fd, SH_LEASE_TURN);
	else if (!turning && seg->turning && !--seg->turning)
		shmqi_lease_drop(seg->lease_fd, SH_LEASE_TURN);
	pthread_mutex_unlock(&seg->lock);
}

/* To the newest ring, and so that nothing but messages holds the one before. */
static int finish(struct segment *seg)
{
	int r;

	say_turning(seg, true);
	r = go_there(seg);
	say_turning(seg, false);
	if (r)
		return r;
	pthread_mutex_lock(&seg->lock);
	pass_marks(seg);
	r = shmqi_views_give_back(seg, false);
	pthread_mutex_unlock(&seg->lock);
	return r;
}

int shmq_resize(struct shmq *q, uint64_t capacity)
{
	KEEP_ERRNO;
	int r = check(q, &capacity);

	if (r)
		return r;
	r = resize(q->seg, capacity);
	if (r == -EBUSY) {
		/* Perhaps only the last one was not finished. */
		r = finish(q->seg);
		shmqi_error_clear();
		if (!r)
			r = resize(q->seg, capacity);
	}
	if (r)
		return r;
	/* It is in force. What is left is done by the next who passes by. */
	finish(q->seg);
	return 0;
}
