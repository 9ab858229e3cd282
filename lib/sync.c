/* SPDX-License-Identifier: MIT */
/*
 * Durability. One of those who want the disk to have something, the leader,
 * syncs for all: from what is known to be there to the first record that is not
 * stamped yet. The others sleep on control.synced, at most LEADER_NS: one who
 * was stopped or died as leader holds them up no longer, then they sync
 * themselves. It may be done by several at once, so the lease and the mutex,
 * which make one the leader, only save work.
 *
 * A record is safe only together with all before it, as mending cuts at the
 * first that is not whole. So an open claim on the way is waited for, as
 * receivers wait for it; a dead member's is cleaned up.
 *
 * What a death leaves: files that were synced, and control.synced where it was.
 * The kernel tells of a failed write once, and then takes the pages for clean;
 * so after a failure nothing is called synced again until the journal is mended.
 */
#include "config.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include <shmq.h>

#include "error.h"
#include "handle.h"
#include "lease.h"
#include "producer.h"
#include "recovery.h"
#include "scan.h"
#include "segfile.h"
#include "sync.h"
#include "views.h"
#include "wait.h"
#include "wake.h"

#define LEADER_NS INT64_C(100000000)
#define CLAIM_NS_MIN INT64_C(20000)
#define CLAIM_NS_MAX INT64_C(1000000)

static struct cursor synced_place(const struct segment *seg)
{
	struct sh_pair *sh = &seg->control->synced;
	struct pair p;

	/* edge SYNCED: pairs with raise_synced. Perhaps of two moments */
	do {
		p.lo = load_acquire(&sh->lo);
		p.hi = load_acquire(&sh->hi);
	} while (p.lo != load_acquire(&sh->lo));
	return (struct cursor){ p.lo, p.hi, SH_NOBODY };
}

static bool is_synced(const struct segment *seg, uint64_t pos)
{
	/* edge SYNCED: pairs with raise_synced */
	return load_acquire(&seg->control->synced.lo) >= pos;
}

static void raise_synced(struct segment *seg, struct cursor to)
{
	struct sh_pair *sh = &seg->control->synced;
	struct cursor at = synced_place(seg);

	/* edge SYNCED: carries that it is on the disk */
	while (at.pos < to.pos && !cas128(sh, (struct pair){ at.pos, at.seq },
					  (struct pair){ to.pos, to.seq }))
		at = synced_place(seg);
	shmqi_word_wake(&sh->lo);
}

static int failed(const struct segment *seg)
{
	/* Relaxed: who failed tells it himself. */
	return load_relaxed(&seg->control->sync_failed) ?
		       shmqi_error_say(-EIO, "a sync has failed: what was "
					     "written before may be lost") :
		       0;
}

/* ------------------------------------------------------------------ walking */

/* From *at to the first record that is not stamped yet, or the tail. */
static int find_stamped(struct segment *seg, struct cursor *at)
{
	uint64_t tail = cursor_pos(&seg->control->tail);
	struct found found;
	struct scan scan;
	int r = 0;

	shmqi_scan_begin(&scan, seg);
	while (!r && at->pos < tail) {
		r = shmqi_scan_to(&scan, at->pos);
		if (r || !shmqi_scan_read(&scan, *at, &found))
			break;
		at->pos += found.span;
		at->seq += found.count;
	}
	shmqi_scan_end(&scan);
	return r;
}

/* Somebody has not stamped what he has claimed there. */
static int look_at_claim(struct segment *seg, struct cursor at)
{
	struct ring ring;
	int r;

	pthread_mutex_lock(&seg->lock);
	r = views_error(shmqi_journal_ring(seg, at.pos, false, &ring));
	if (!r)
		r = shmqi_recover_claim_at(seg, &ring, at.pos, at.seq);
	shmqi_views_let(seg);
	pthread_mutex_unlock(&seg->lock);
	return r == -EBADMSG ? r : 0;
}

/* ------------------------------------------------------------------ syncing */

/* The disk has refused something: errno says what. */
static int refused(struct segment *seg)
{
	int r = -errno;

	/* Relaxed: for who comes later. */
	store_relaxed(&seg->control->sync_failed, 1);
	return r;
}

/* What keeps us from opening it says nothing of what is in it. */
static int sync_one(struct segment *seg, uint64_t number)
{
	int fd = shmqi_segfile_open(seg, number, true), r = 0;

	if (fd < 0)
		return fd == -ENOENT && shmqi_journal_gone(
						seg,
						number * seg->geo.capacity) ?
			       0 :
			       fd;
	if (fdatasync(fd) < 0)
		r = refused(seg);
	close(fd);
	return r;
}

/* The segments that [from, to) is in, and their names. */
static int sync_files(struct segment *seg, uint64_t from, uint64_t to)
{
	uint64_t last = journal_number(seg, to - 1);
	bool named = from % seg->geo.capacity != 0 &&
		     from != seg->geo.start_pos;
	int r = 0;

	for (uint64_t k = journal_number(seg, from); !r && k <= last; k++) {
		r = sync_one(seg, k);
		named &= k == journal_number(seg, from);
	}
	if (!r && !named && fsync(seg->journal->dir) < 0)
		r = refused(seg);
	return r;
}

/* What has been removed need not be synced. */
static int begin_there(struct segment *seg, struct cursor *from)
{
	int r = 0;

	if (!shmqi_journal_gone(seg, from->pos))
		return 0;
	pthread_mutex_lock(&seg->lock);
	r = views_error(shmqi_journal_oldest(seg, from));
	shmqi_views_let(seg);
	pthread_mutex_unlock(&seg->lock);
	return r;
}

/* As leader, or instead of one. 1: not as far as pos yet. */
static int lead(struct segment *seg, uint64_t pos)
{
	struct cursor from = synced_place(seg), to;
	int r = begin_there(seg, &from);

	to = from;
	if (!r)
		r = find_stamped(seg, &to);
	/* 1: removed meanwhile, look again. */
	if (r)
		return r == -ESTALE ? 1 : r;
	if (to.pos > from.pos) {
		r = sync_files(seg, from.pos, to.pos);
		if (r)
			return r;
		raise_synced(seg, to);
	}
	if (to.pos >= pos)
		return 0;
	r = look_at_claim(seg, to);
	return r ? r : 1;
}

/* -EBUSY: somebody else leads. */
static int begin_leading(struct segment *seg)
{
	int r;

	if (pthread_mutex_trylock(&seg->journal->sync_lock))
		return -EBUSY;
	r = shmqi_lease_take(seg->lease_fd, SH_LEASE_SYNC);
	if (r)
		pthread_mutex_unlock(&seg->journal->sync_lock);
	return r;
}

static void end_leading(struct segment *seg)
{
	shmqi_lease_drop(seg->lease_fd, SH_LEASE_SYNC);
	pthread_mutex_unlock(&seg->journal->sync_lock);
}

/* 1: look again. */
static int lead_or_follow(struct segment *seg, uint64_t pos, bool wait)
{
	_Atomic uint64_t *word = &seg->control->synced.lo;
	/* edge SYNCED */
	uint64_t seen = load_acquire(word);
	int r = begin_leading(seg);

	if (r == -EBUSY && wait && seen < pos)
		return shmqi_word_wait(word, seen, LEADER_NS);
	if (seen >= pos) {
		if (!r)
			end_leading(seg);
		return 0;
	}
	if (r && r != -EBUSY)
		return r;
	if (r == -EBUSY)
		return lead(seg, pos);
	r = lead(seg, pos);
	end_leading(seg);
	return r;
}

int shmqi_sync_to(struct segment *seg, uint64_t pos, int64_t deadline_ns)
{
	KEEP_ERRNO;
	int64_t nap_ns = CLAIM_NS_MIN;
	bool wait = true;
	int r;

	while (!is_synced(seg, pos)) {
		uint64_t before = load_relaxed(&seg->control->synced.lo);

		r = failed(seg);
		if (!r)
			r = lead_or_follow(seg, pos, wait);
		if (r < 0 && r != -ETIMEDOUT)
			return r;
		/* Its leader has had his time. */
		wait = r != -ETIMEDOUT;
		if (r <= 0)
			continue;
		if (shmqi_clock_ns() >= deadline_ns)
			return -ETIMEDOUT;
		r = shmqi_word_wait(&seg->control->synced.lo, before, nap_ns);
		if (r == -EINTR)
			return r;
		nap_ns = nap_ns < CLAIM_NS_MAX / 2 ? 2 * nap_ns : CLAIM_NS_MAX;
	}
	return 0;
}

int shmqi_producer_sync(struct shmq_producer *p, uint64_t pos,
			int64_t timeout_ns)
{
	KEEP_ERRNO;
	struct segment *seg = p->ep.seg;
	int64_t deadline = timeout_ns == SHMQ_NOWAIT ?
				   0 :
				   shmqi_wait_deadline(timeout_ns);
	return shmqi_sync_to(seg, pos, deadline) ? -EINPROGRESS : 0;
}

int shmq_sync(struct shmq *q, int64_t timeout_ns)
{
	KEEP_ERRNO;
	struct segment *seg;
	int r;

	shmqi_error_clear();
	if (!q || !timeout_valid(timeout_ns))
		return -EINVAL;
	seg = q->seg;
	if (!seg->journal)
		return shmqi_error_say(-EOPNOTSUPP, "not a journal");
	if (!seg->writable)
		return -EBADF;
	r = shmqi_sync_to(seg, cursor_pos(&seg->control->tail),
			  timeout_ns == SHMQ_NOWAIT ?
				  0 :
				  shmqi_wait_deadline(timeout_ns));
	/* Where the groups are, too. */
	if (!r && fsync(seg->share_fd) < 0)
		r = -errno;
	if ((r == -ENOENT || r == -EBADMSG) && shmqi_journal_unlinked(seg))
		return -EIDRM;
	return r == -ETIMEDOUT || r == -EINTR ? r : shmqi_journal_told(r);
}
