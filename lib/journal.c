/* SPDX-License-Identifier: MIT */
/*
 * Room in a journal. A producer's limit is the end of a window, a small part of
 * the segment. When he comes to it, the next window should have its pages in
 * the process's mapping, so that no message waits for one; and in the second
 * half of a segment there should be a part of the next one (segfile.h). A
 * thread sees to that (provider.h); what it has not done, he does. So what a
 * roll costs is spread over the windows before, and at worst a message in
 * thousands takes longer.
 */
#include "config.h"

#include <errno.h>

#include "error.h"
#include "index.h"
#include "journal.h"
#include "producer.h"
#include "provider.h"
#include "retain.h"
#include "segfile.h"
#include "views.h"

/* Where the tail is now, others may look. True: we are the first to say so. */
static bool raise_ring(struct segment *seg, uint64_t number)
{
	_Atomic uint64_t *newest = &seg->control->ring;
	/* edge RING */
	uint64_t there = load_acquire(newest);

	while (there < number) {
		if (cas64(newest, there, number))
			return true;
		there = load_acquire(newest);
	}
	return false;
}

/* There was no room: perhaps a group has come on since the last segment. */
static bool has_made_room(struct segment *seg, int r)
{
	return (r == -ENOSPC || r == -EDQUOT) && shmqi_retain(seg) > 0;
}

/* The tail has come to a segment that the producer is not in. */
static int enter(struct shmq_producer *p, uint64_t tail)
{
	struct segment *seg = p->ep.seg;
	int r;

	/* edge RING: pairs with raise_ring. No tail skips a segment: what
	 * somebody scribbles there makes no file. */
	if (journal_number(seg, tail) > load_acquire(&seg->control->ring) + 1)
		return shmqi_error_say(-EBADMSG, "damaged: the tail is in no "
						 "segment");
	r = shmqi_views_enter(&p->ep, tail, false, &p->ring);
	if (has_made_room(seg, r))
		r = shmqi_views_enter(&p->ep, tail, false, &p->ring);
	/* Before anything is claimed there. What fails is tried again at the
	 * next segment. */
	if (!r && raise_ring(seg, p->ring.number))
		shmqi_retain(seg);
	return r;
}

/* A record begins, or will begin, at the tail. */
static void note(struct segment *seg)
{
	struct cursor tail = cursor_load(&seg->control->tail);

	if (cursor_unchanged(&seg->control->tail, tail))
		shmqi_index_note(seg, tail);
}

static int find_room(struct shmq_producer *p, uint64_t tail, uint64_t end,
		     bool *wake)
{
	struct segment *seg = p->ep.seg;
	uint64_t bytes = seg->geo.capacity, window = seg->journal->window;
	uint64_t number = journal_number(seg, tail);
	uint64_t next = (number + 1) * bytes, limit;
	int r = 0;

	if (p->ring.number != number || p->limit <= number * bytes)
		r = enter(p, tail);
	if (r)
		return r;
	if (end > next) {
		r = shmqi_segfile_make(seg, number + 1);
		if (has_made_room(seg, r))
			r = shmqi_segfile_make(seg, number + 1);
		if (r)
			return r;
		p->limit = p->turn = next;
		return CLAIM_TURN;
	}
	limit = (end + window - 1) / window * window;
	shmqi_provider_catch_up(seg, tail, limit);
	*wake = shmqi_provider_tell(seg, limit);
	p->limit = limit;
	note(seg);
	return 0;
}

int shmqi_journal_told(int r)
{
	switch (r) {
	case CLAIM_TURN:
	case 0:
	case -EBADMSG:
	case -EDQUOT:
	case -EFBIG:
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
	case -ENOSPC:
		return r;
	default:
		return -EIO;
	}
}

void shmqi_journal_join(struct shmq_producer *p)
{
	const struct segment *seg = p->ep.seg;

	shmqi_journal_nowhere(&p->ep, &p->ring);
	p->ring.max_message = shmqi_format_max_message(seg->geo.capacity);
}

int shmqi_journal_find_room(struct shmq_producer *p, uint64_t tail,
			    uint64_t end)
{
	KEEP_ERRNO;
	struct segment *seg = p->ep.seg;
	bool wake = false;
	int r;

	pthread_mutex_lock(&seg->lock);
	r = find_room(p, tail, end, &wake);
	pthread_mutex_unlock(&seg->lock);
	/* It stays as long as there is a producer: us. */
	if (wake)
		shmqi_provider_wake(seg);
	/* Where the tail was has been removed since. Never 0: there is no
	 * segment to write into. */
	if (r == -ESTALE)
		return p->single || cursor_pos(&p->control->tail) == tail ?
			       -EBADMSG :
			       CLAIM_MOVED;
	if ((r == -ENOENT || r == -EBADMSG) && shmqi_journal_unlinked(seg))
		return -EIDRM;
	return shmqi_journal_told(r);
}
