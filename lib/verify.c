/* SPDX-License-Identifier: MIT */
/*
 * What a journal is like, and whether all of it is whole: every seal, from the
 * oldest record to the tail. Members may be at work meanwhile; what they have
 * claimed and not stamped yet is the end.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <shmq.h>

#include "bounds.h"
#include "check.h"
#include "error.h"
#include "group.h"
#include "handle.h"
#include "index.h"
#include "journal.h"
#include "seal.h"
#include "views.h"

struct verifying {
	struct check *check; /* tells, and counts */
	struct scan scan;
	struct segment *seg;
	struct cursor at;
	struct cursor tail;
};

static int oldest(struct segment *seg, struct cursor *place)
{
	int r;

	pthread_mutex_lock(&seg->lock);
	r = views_error(shmqi_journal_oldest(seg, place));
	shmqi_views_let(seg);
	pthread_mutex_unlock(&seg->lock);
	return r;
}

static int check_handle(const struct shmq *q)
{
	shmqi_error_clear();
	if (!q)
		return -EINVAL;
	return q->seg->journal ? 0 :
				 shmqi_error_say(-EOPNOTSUPP, "not a journal");
}

int shmq_journal_info(struct shmq *q, struct shmq_journal_info *out)
{
	KEEP_ERRNO;
	struct shmq_journal_info info = SHMQ_JOURNAL_INFO_INIT;
	struct cursor first, tail;
	struct sh_control *control;
	uint64_t lowest = 0, highest = 0;
	size_t size;
	int r = check_handle(q);

	if (!r && (!out || out->size < sizeof(out->size)))
		r = -EINVAL;
	if (!r)
		r = shmqi_scan_range(q->seg, &lowest, &highest);
	if (!r)
		r = oldest(q->seg, &first);
	if (r)
		return r;
	if (!shmqi_bounds_tail(q->seg, &tail))
		return -EBADMSG;
	control = q->seg->control;
	info.segment_bytes = q->seg->geo.capacity;
	info.segments = highest - lowest + 1;
	info.first_seq = first.seq;
	info.next_seq = tail.seq;
	info.bytes = tail.pos - first.pos;
	info.mended_ns = load_relaxed(&control->mended_ns);
	info.mended_bytes = load_relaxed(&control->mended_bytes);
	info.retain_bytes = q->seg->geo.retain_bytes;
	info.retain_seconds = q->seg->geo.retain_seconds;
	info.retain_messages = q->seg->geo.retain_messages;
	info.keep_unread = q->seg->geo.drop_unread ? SHMQ_UNREAD_LOST :
						     SHMQ_UNREAD_KEPT;
	info.durability = q->seg->geo.durability;
	size = out->size < sizeof(info) ? out->size : sizeof(info);
	memcpy((char *)out + sizeof(size_t), (char *)&info + sizeof(size_t),
	       size - sizeof(size_t));
	return 0;
}

/* ------------------------------------------------------------------ verifying */

static void damage(struct verifying *v, const char *what)
{
	shmqi_check_tell(v->check, SHMQ_FINDING_DAMAGE, CHECK_NOBODY,
			 "message %" PRIu64 ", at byte %" PRIu64
			 " of segment %016" PRIx64 ": %s",
			 v->at.seq, v->at.pos % v->seg->geo.capacity,
			 journal_number(v->seg, v->at.pos), what);
}

/* One record, or what is in its place. */
static int verify_one(struct verifying *v)
{
	struct found found;
	int r = shmqi_scan_to(&v->scan, v->at.pos);

	if (r == -ESTALE)
		/* Removed before we came to it. */
		return oldest(v->seg, &v->at);
	if (r == -EBADMSG) {
		damage(v, "the segment file is missing, or is none");
		shmqi_scan_behind(&v->scan, v->tail, &v->at);
		return 0;
	}
	if (r)
		return r;
	if (!shmqi_scan_read(&v->scan, v->at, &found)) {
		/* Perhaps it is being sent: then it, or who is at it, ends. */
		if (shmqi_check_open(v->seg, v->at.pos)) {
			v->at = v->tail;
			return 0;
		}
		if (!shmqi_scan_read(&v->scan, v->at, &found)) {
			damage(v, "it is not there, or its length cannot be "
				  "true");
			shmqi_scan_behind(&v->scan, v->tail, &v->at);
			return 0;
		}
	}
	if (!shmqi_seal_holds(&found, v->at.seq))
		damage(v, "its checksum is wrong");
	v->at.pos += found.span;
	v->at.seq += found.count;
	return 0;
}

/* From a record to the tail. 0 or an error. */
static int verify(struct check *check, struct cursor from)
{
	struct verifying v = { .check = check, .seg = check->seg, .at = from };
	int r = 0;

	if (!shmqi_bounds_tail(v.seg, &v.tail))
		return -EBADMSG;
	shmqi_scan_begin(&v.scan, v.seg);
	while (!r && v.at.pos < v.tail.pos)
		r = verify_one(&v);
	shmqi_scan_end(&v.scan);
	return r;
}

void shmqi_verify_kept(struct check *c)
{
	struct cursor at, first;

	if (!shmqi_group_oldest(c->seg, &at))
		return;
	/* What is gone is not kept for anybody. */
	if (!oldest(c->seg, &first) && at.pos < first.pos)
		at = first;
	if (verify(c, at))
		shmqi_check_tell(c, SHMQ_FINDING_NOTE, CHECK_NOBODY,
				 "not all messages could be looked at");
}

int shmq_journal_verify(struct shmq *q,
			void (*tell)(void *arg,
				     const struct shmq_finding *finding),
			void *arg)
{
	KEEP_ERRNO;
	struct check check = { .tell = tell, .arg = arg };
	struct cursor first;
	int r = check_handle(q);

	if (r)
		return r;
	check.seg = q->seg;
	r = oldest(q->seg, &first);
	if (!r)
		r = verify(&check, first);
	return r ? r : check.damages;
}

static int index_one(struct segment *seg, uint64_t number)
{
	int r = shmqi_index_build(seg, number);

	/* Removed meanwhile. */
	return r == -ESTALE ? 0 : shmqi_journal_told(r);
}

int shmq_journal_index(struct shmq *q)
{
	KEEP_ERRNO;
	uint64_t lowest = 0, highest = 0;
	int r = check_handle(q);

	if (!r && !q->seg->writable)
		r = -EBADF;
	if (!r)
		r = shmqi_scan_range(q->seg, &lowest, &highest);
	for (uint64_t k = r ? 1 : lowest; !r && k <= highest; k++)
		r = index_one(q->seg, k);
	return r;
}
