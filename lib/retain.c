/* SPDX-License-Identifier: MIT */
/* Retention. See retain.h. */
#include "config.h"

#include <errno.h>
#include <limits.h>

#include <shmq.h>

#include "bounds.h"
#include "error.h"
#include "group.h"
#include "handle.h"
#include "index.h"
#include "lease.h"
#include "retain.h"
#include "room.h"
#include "scan.h"
#include "segfile.h"
#include "views.h"
#include "wake.h"

#define NS_PER_S UINT64_C(1000000000)

struct retaining {
	struct segment *seg;
	struct cursor tail;
	uint64_t open;   /* producers may be writing from here on */
	uint64_t needed; /* by groups or members, from here on */
	uint64_t now_ns;
};

/*
 * What the segment behind it begins with. Where that cannot be read, a later one
 * says the same for longer: damage must not keep all that is behind it.
 */
static bool look_behind(const struct retaining *t, uint64_t number,
			struct cursor *next, uint64_t *time)
{
	while (++number * t->seg->geo.capacity < t->open)
		if (shmqi_scan_first(t->seg, number, next, time) &&
		    next->seq <= t->tail.seq)
			return true;
	return false;
}

/* Has it outlived its time, by any one of the limits that are set? All that is
 * in it, and the first record behind it, has been written. */
static bool outlived(const struct retaining *t, uint64_t number)
{
	const struct geometry *geo = &t->seg->geo;
	uint64_t end = (number + 1) * geo->capacity, time;
	struct cursor next;

	if (geo->retain_bytes && t->tail.pos - end >= geo->retain_bytes)
		return true;
	if (!geo->retain_seconds && !geo->retain_messages)
		return false;
	if (!look_behind(t, number, &next, &time))
		return false;
	if (geo->retain_messages && t->tail.seq > next.seq &&
	    t->tail.seq - next.seq >= geo->retain_messages)
		return true;
	return geo->retain_seconds && time < t->now_ns &&
	       t->now_ns - time >= geo->retain_seconds * NS_PER_S;
}

/* Which segment is to be the oldest. 0 or -EBADMSG. */
static int find_oldest(struct retaining *t, uint64_t *oldest)
{
	uint64_t bytes = t->seg->geo.capacity, newest;
	int r = shmqi_scan_range(t->seg, oldest, &newest);

	if (r)
		return r;
	/* Less than open, so that the next one, which is then the oldest, has
	 * a first record to say its number. */
	while (*oldest < newest && (*oldest + 1) * bytes < t->open &&
	       (*oldest + 1) * bytes <= t->needed && outlived(t, *oldest))
		++*oldest;
	return 0;
}

static int look(struct retaining *t)
{
	const struct segment *seg = t->seg;
	bool there;

	/* The tail first: see room.c. */
	if (!shmqi_bounds_tail(seg, &t->tail) ||
	    !shmqi_room_open(seg, t->tail.pos, &t->open))
		return -EBADMSG;
	there = seg->geo.drop_unread ?
			shmqi_room_held(seg, t->tail.pos, &t->needed) :
			shmqi_room_kept(seg, t->tail.pos, NO_GROUP, &t->needed);
	t->now_ns = shmqi_clock_real_ns();
	return there ? 0 : -EBADMSG;
}

/* Upwards, so that what a death leaves has no gap. */
static void remove_below(struct segment *seg, uint64_t oldest)
{
	uint64_t number = oldest;

	while (number && shmqi_segfile_exists(seg, number - 1))
		number--;
	for (; number < oldest; number++) {
		shmqi_index_remove(seg, number);
		shmqi_segfile_remove(seg, number);
	}
}

/* Holding SH_LEASE_GROUPS. How many segments below *oldest are to go. */
static int raise_oldest(struct segment *seg, uint64_t *oldest)
{
	/* Relaxed: who changes it has the lease. */
	uint64_t before = load_relaxed(&seg->control->oldest);
	struct retaining t = { .seg = seg };
	int r = look(&t);

	if (!r)
		r = find_oldest(&t, oldest);
	if (r)
		return r;
	/* edge OLDEST: pairs with shmqi_journal_gone */
	store_release(&seg->control->oldest, *oldest);
	return *oldest - before > INT_MAX ? INT_MAX : (int)(*oldest - before);
}

int shmqi_retain(struct segment *seg)
{
	KEEP_ERRNO;
	uint64_t oldest = 0;
	int n;

	if (!retains_less(&seg->geo) || !seg->writable)
		return 0;
	n = shmqi_lease_take(seg->lease_fd, SH_LEASE_GROUPS);
	if (n)
		return n == -EBUSY ? 0 : n;
	n = raise_oldest(seg, &oldest);
	shmqi_lease_drop(seg->lease_fd, SH_LEASE_GROUPS);
	if (n >= 0) {
		remove_below(seg, oldest);
		shmqi_error_clear();
	}
	return n;
}

int shmq_journal_compact(struct shmq *q)
{
	KEEP_ERRNO;
	int r;

	shmqi_error_clear();
	if (!q)
		return -EINVAL;
	if (!q->seg->journal)
		return shmqi_error_say(-EOPNOTSUPP, "not a journal");
	if (!q->seg->writable)
		return -EBADF;
	pthread_mutex_lock(&q->seg->lock);
	r = shmqi_retain(q->seg);
	shmqi_views_let(q->seg);
	pthread_mutex_unlock(&q->seg->lock);
	shmqi_journal_tidy(q->seg);
	return r;
}
