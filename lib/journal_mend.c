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
 *      (journal_end.h)
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
#include "journal_end.h"
#include "lease.h"
#include "members.h"
#include "segfile.h"
#include "storage.h"
#include "views.h"
#include "wake.h"

/* So long does another one mend at most, or has been stopped. */
#define PATIENCE_S 60

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

			/* What a serial one holds is not below the cursor,
			 * which does not move before the release. */
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
	r = shmqi_end_ring(m, number, &ring);
	if (r)
		return r;
	*to = (struct cursor){ .pos = pos };
	if (pos % SH_SEALED_LINE == 0 && shmqi_end_speaks(&ring, to))
		return 0;
	*to = (struct cursor){ .pos = number * bytes };
	if (to->pos <= m->begin.pos || !shmqi_end_speaks(&ring, to))
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
	r = shmqi_end_ring(m, m->lowest, &ring);
	if (!r && !shmqi_end_speaks(&ring, &m->begin))
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
		r = shmqi_end_find(&m);
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
