/* SPDX-License-Identifier: MIT */
/*
 * Mending a journal after the machine went down, or after somebody copied it.
 * As long as the machine is up, what is shared is true whoever dies; what comes
 * back from a disk is not: each page is as it was at some moment, the words that
 * say where the stream ends may be older than the stream or newer, and of the
 * last records some pages may be missing. So the control file says under which
 * boot, and in which file, it is true; and who opens it elsewhere mends first:
 *
 *   1  the stream is walked, from the last segment that began before what was
 *      known to be on the disk, to the first record that is not whole
 *   2  what is behind that is made zeros, and later segments are removed: no
 *      stamp may be left that could be taken for that of a number to come
 *   3  the tail is put there, all members are free, and each group goes to the
 *      lowest of its cursor and of what its members held; what comes from there
 *      is flagged as redelivered, for nobody knows what was received since
 *   4  all of it is synced; then the control file says that it is true
 *
 * All under the lease SH_LEASE_MEND, by the only process that has it open. Who
 * dies on the way leaves a journal that the next one mends.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "attributes.h"
#include "error.h"
#include "journal.h"
#include "lease.h"
#include "members.h"
#include "seal.h"
#include "segfile.h"
#include "storage.h"
#include "views.h"
#include "wake.h"

/* So long does another one mend at most, or has been stopped. */
#define PATIENCE_S 60

struct mending {
	struct segment *seg;
	uint64_t lowest, highest; /* segment files, without a gap */
	uint64_t synced;
	struct cursor begin, end;
};

static uint64_t boot_now(void)
{
	uint8_t id[16];
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	shmqi_member_boot(id);
	for (size_t i = 0; i < sizeof(id); i++)
		hash = (hash ^ id[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static bool is_true(const struct segment *seg)
{
	/* Acquire: all that was mended before. */
	return load_acquire(&seg->control->boot) == boot_now() &&
	       load_relaxed(&seg->control->inode) == seg->ino;
}

void shmqi_journal_is_true(struct segment *seg)
{
	store_relaxed(&seg->control->inode, seg->ino);
	store_release(&seg->control->boot, boot_now());
}

/* ------------------------------------------------------------------ walking */

/* Read the record that should be at pos. sealed: and is it whole? */
static bool look(const struct ring *ring, struct cursor at, bool sealed,
		 struct found *found)
{
	uint64_t left = ring->mask + 1 - (at.pos & ring->mask);

	return record_published(ring, at.pos, at.seq) &&
	       record_read(ring, at.pos, found) && found->span <= left &&
	       (!sealed || shmqi_seal_holds(found, at.seq));
}

/* A record that says itself which number it has. */
static bool speaks_for_itself(const struct ring *ring, struct cursor *at)
{
	struct found found;

	at->seq = record_seq(ring, at->pos);
	at->owner = SH_NOBODY;
	return at->seq < SH_SEQ_MAX && look(ring, *at, true, &found);
}

static int ring_of(struct mending *m, uint64_t number, struct ring *ring)
{
	/* One at a time: nobody else uses any. */
	shmqi_views_free(m->seg);
	return shmqi_journal_ring(m->seg, number * m->seg->geo.capacity, true,
				  ring);
}

/* To the end of the segment, or to what is missing or not whole. */
static void walk(const struct mending *m, const struct ring *ring,
		 struct cursor *at)
{
	uint64_t end = (journal_number(m->seg, at->pos) + 1) * (ring->mask + 1);
	struct found found;

	/* What was synced and is not whole is damage, not a torn end. */
	while (at->pos < end && look(ring, *at, at->pos >= m->synced, &found)) {
		at->pos += found.span;
		at->seq += found.count;
	}
}

/* Where to begin: a segment whose first record is whole, the last that can. */
static int find_begin(struct mending *m, uint64_t *number)
{
	const struct geometry *geo = &m->seg->geo;
	struct ring ring;
	int r;

	*number = journal_number(m->seg, m->synced);
	if (*number > m->highest)
		*number = m->highest;
	for (;; --*number) {
		m->end = (struct cursor){ .pos = *number * geo->capacity };
		r = ring_of(m, *number, &ring);
		if (r)
			return r;
		if (m->end.pos <= geo->start_pos) {
			m->end = (struct cursor){ geo->start_pos,
						  geo->start_seq, SH_NOBODY };
			return 0;
		}
		if (speaks_for_itself(&ring, &m->end))
			return 0;
		if (*number == m->lowest)
			break;
	}
	/* Nothing is left. Number as if all had been there. */
	m->end.seq = cursor_load(&m->seg->control->tail).seq;
	if (m->end.seq >= SH_SEQ_MAX)
		m->end.seq = geo->start_seq;
	m->end.owner = SH_NOBODY;
	return 0;
}

/* The next record in the segment, of what was synced, that begins well. */
static bool find_next(struct mending *m, const struct ring *ring)
{
	uint64_t bytes = ring->mask + 1;
	uint64_t end = (m->end.pos / bytes + 1) * bytes;

	if (end > m->synced)
		end = m->synced;
	for (uint64_t pos = m->end.pos + SH_SEALED_LINE; pos < end;
	     pos += SH_SEALED_LINE) {
		struct cursor at = { .pos = pos };

		if (speaks_for_itself(ring, &at) && at.seq > m->end.seq) {
			m->end = at;
			return true;
		}
	}
	return false;
}

/*
 * Past damage below what was synced, to what begins well: in this segment, or
 * later. 1: found; 0: there is none; or an error.
 */
static int find_later(struct mending *m, uint64_t *number)
{
	struct ring ring;
	int r = ring_of(m, *number, &ring);

	if (!r && find_next(m, &ring))
		return 1;
	for (uint64_t k = *number + 1; !r && k <= m->highest; k++) {
		struct cursor at = { .pos = k * m->seg->geo.capacity };

		if (at.pos >= m->synced)
			break;
		r = ring_of(m, k, &ring);
		if (!r && speaks_for_itself(&ring, &at)) {
			*number = k;
			m->end = at;
			return 1;
		}
	}
	return r;
}

static int find_end(struct mending *m)
{
	uint64_t number;
	struct ring ring;
	int r = find_begin(m, &number);

	while (!r) {
		r = ring_of(m, number, &ring);
		if (r)
			break;
		walk(m, &ring, &m->end);
		if (m->end.pos == (number + 1) * m->seg->geo.capacity) {
			if (number++ == m->highest)
				break;
			continue;
		}
		if (m->end.pos >= m->synced)
			break;
		r = find_later(m, &number);
		if (!r)
			break;
		r = r > 0 ? 0 : r;
	}
	return r;
}

/* ------------------------------------------------------------------ cutting */

static int sync_file(int fd)
{
	int r = fsync(fd) < 0 ? -errno : 0;

	close(fd);
	return r;
}

/* Nothing may be behind the end. */
static int cut(struct mending *m)
{
	struct segment *seg = m->seg;
	uint64_t bytes = seg->geo.capacity, off = m->end.pos % bytes;
	uint64_t number = journal_number(seg, m->end.pos);
	int fd, r = shmqi_journal_cut(seg, number);

	/* Also behind a gap; who dies on the way leaves one. */
	if (r)
		return r;
	/* At the end of the last segment there is no next one yet. */
	if (number > m->highest)
		fd = shmqi_segfile_open(seg, m->highest, true);
	else
		fd = shmqi_segfile_open(seg, number, true);
	if (fd < 0)
		return fd;
	if (number <= m->highest)
		r = shmqi_storage_zero(fd, off, bytes - off);
	if (r) {
		close(fd);
		return r;
	}
	return sync_file(fd);
}

/* ----------------------------------------------------------------- the groups */

static void lower(uint64_t *pos, uint64_t other)
{
	if (other < *pos)
		*pos = other;
}

/* The lowest of its cursor and what its members held. */
static uint64_t held_from(const struct segment *seg, uint32_t group)
{
	uint64_t pos = cursor_pos(&seg->groups[group].cursor);

	for (uint32_t i = 0; i < seg->geo.member_entries; i++) {
		struct sh_member *member = member_at(seg, i);
		uint32_t state = load_relaxed(&member->state);

		if ((state != SH_MEMBER_CONSUMER &&
		     state != SH_MEMBER_RETURNED) ||
		    load_relaxed(&member->group) != group)
			continue;
		for (unsigned k = 0; k < SH_CLAIMS; k++) {
			uint64_t word = load_relaxed(&member->claims[k].word);

			/* A serial one holds what is behind the cursor. */
			if (claim_state(word) != SH_CLAIM_NONE &&
			    claim_state(word) != SH_CLAIM_SERIAL)
				lower(&pos, claim_pos(word));
		}
	}
	return pos;
}

/* A position that may be anything: a record at or before it, or the end. */
static int resolve(struct mending *m, uint64_t pos, struct cursor *to)
{
	uint64_t bytes = m->seg->geo.capacity, number;
	struct ring ring;
	int r;

	if (pos >= m->end.pos) {
		*to = m->end;
		return 0;
	}
	if (pos <= m->begin.pos) {
		*to = m->begin;
		return 0;
	}
	number = journal_number(m->seg, pos);
	r = ring_of(m, number, &ring);
	if (r)
		return r;
	*to = (struct cursor){ .pos = pos };
	if (pos % SH_SEALED_LINE == 0 && speaks_for_itself(&ring, to))
		return 0;
	*to = (struct cursor){ .pos = number * bytes };
	if (to->pos <= m->begin.pos || !speaks_for_itself(&ring, to))
		*to = m->begin;
	return 0;
}

/* Where the stream begins: with a record, or nothing. */
static int find_first(struct mending *m)
{
	const struct geometry *geo = &m->seg->geo;
	struct ring ring;
	int r;

	m->begin = (struct cursor){ .pos = m->lowest * geo->capacity };
	if (m->begin.pos <= geo->start_pos) {
		m->begin = (struct cursor){ geo->start_pos, geo->start_seq,
					    SH_NOBODY };
		return 0;
	}
	r = ring_of(m, m->lowest, &ring);
	if (!r && !speaks_for_itself(&ring, &m->begin))
		m->begin = m->end;
	return r;
}

static int place_groups(struct mending *m)
{
	struct segment *seg = m->seg;
	int r = 0;

	for (uint32_t i = 0; !r && i < seg->geo.max_groups; i++) {
		struct sh_group *group = &seg->groups[i];
		struct cursor at;

		if (load_relaxed(&group->state) != SH_GROUP_USED) {
			/* Half made, or half removed. */
			store_relaxed(&group->state, SH_GROUP_FREE);
			continue;
		}
		r = resolve(m, held_from(seg, i), &at);
		if (r)
			break;
		cursor_init(&group->cursor, at);
		store_relaxed(&group->redelivered_pos, m->end.pos);
	}
	return r;
}

/* ---------------------------------------------------------------- the control */

static void set_control(struct mending *m)
{
	struct segment *seg = m->seg;
	struct sh_control *control = seg->control;
	uint64_t tail = cursor_pos(&control->tail);
	uint64_t last = journal_number(seg, m->end.pos);

	store_relaxed(&control->mended_pos, m->end.pos);
	store_relaxed(&control->mended_bytes,
		      tail > m->end.pos && tail <= SH_POS_MAX ?
			      tail - m->end.pos :
			      0);
	cursor_init(&control->tail, m->end);
	memset(seg->members, 0,
	       seg->geo.member_entries * sizeof(struct sh_member));
	store_relaxed(&control->member_top, 0);
	store_relaxed(&control->recv.at.lo, 0);
	store_relaxed(&control->recv.at.hi, 0);
	store_relaxed(&control->send.at.lo, 0);
	store_relaxed(&control->send.at.hi, 0);
	store_relaxed(&control->epoch, 0);
	if (!shmqi_attributes_whole(seg)) {
		store_relaxed(&control->attributes, 0);
		shmqi_attributes_format(&seg->geo, control);
	}
	/* If it ends with the last file, the next one is not there yet. */
	store_relaxed(&control->ring, last < m->highest ? last : m->highest);
	store_relaxed(&control->oldest, m->lowest);
	store_relaxed(&control->synced.lo, m->end.pos);
	store_relaxed(&control->synced.hi, m->end.seq);
	store_relaxed(&control->sync_failed, 0);
	store_relaxed(&control->mended_ns, shmqi_clock_real_ns());
}

static int sync_control(const struct segment *seg)
{
	if (fsync(seg->share_fd) < 0 || fsync(seg->journal->dir) < 0)
		return -errno;
	return 0;
}

/* Holding SH_LEASE_MEND. */
static int mend(struct segment *seg)
{
	struct mending m = { .seg = seg };
	int r;

	m.synced = load_relaxed(&seg->control->synced.lo);
	r = shmqi_journal_files(seg, journal_number(seg, m.synced), &m.lowest,
				&m.highest);
	if (r)
		return r;
	if (m.synced < m.lowest * seg->geo.capacity)
		m.synced = m.lowest * seg->geo.capacity;
	for (uint64_t k = m.lowest; !r && k <= m.highest; k++)
		r = shmqi_segfile_complete(seg, k);
	if (!r)
		r = find_end(&m);
	if (!r)
		r = cut(&m);
	if (!r)
		r = find_first(&m);
	if (!r)
		r = place_groups(&m);
	if (!r) {
		set_control(&m);
		shmqi_journal_sweep(seg);
		r = sync_control(seg);
	}
	shmqi_views_free(seg);
	if (r)
		return r;
	shmqi_journal_is_true(seg);
	return sync_control(seg);
}

int shmqi_journal_settle(struct segment *seg)
{
	int r;

	if (is_true(seg))
		return 0;
	if (!seg->writable)
		return shmqi_error_say(-EUCLEAN,
				       "the machine went down, or this is a "
				       "copy: open it for writing once");
	for (int look = 0;; look++) {
		r = shmqi_lease_take(seg->lease_fd, SH_LEASE_MEND);
		if (r != -EBUSY || look == PATIENCE_S * 1000)
			break;
		usleep(1000);
	}
	if (r)
		return r;
	if (!is_true(seg))
		r = mend(seg);
	shmqi_lease_drop(seg->lease_fd, SH_LEASE_MEND);
	return r;
}
