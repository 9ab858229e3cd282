/* SPDX-License-Identifier: MIT */
/* Pages and files ahead of the tail. See provider.h. */
#include "config.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "index.h"
#include "journal.h"
#include "map.h"
#include "provider.h"
#include "segfile.h"
#include "views.h"
#include "wake.h"

/* Bytes of pages ahead, at most: for as long as it takes to wake a thread, and
 * more. In memory they cost nothing, and bursts may be longer. */
#define LEAD (UINT64_C(2) << 20)
#define LEAD_IN_MEMORY (UINT64_C(16) << 20)
/* Bytes of pages, and of the file, until the next look at what is needed. */
#define PIECE_PAGES (UINT64_C(64) << 10)
#define PIECE_FILE (UINT64_C(256) << 10)
/* Of a segment: smaller ones are made in line. */
#define SEGMENT_LEAST (UINT64_C(1) << 20)

/* So often a futex may end without a reason. */
#define WAITS 1000

struct provider {
	struct segment *seg;
	pthread_t thread;

	/* Under lock. */
	bool stop;
	bool told;        /* somebody has come to pos */
	uint64_t pos;     /* producers have pages up to here */
	uint64_t wake_at; /* asleep: there it is to be woken */

	_Atomic uint64_t asleep; /* 1: it is, or will be; a futex */
};

static uint64_t lead(const struct segment *seg)
{
	uint64_t bytes = seg->geo.capacity / 8;
	uint64_t most = seg->journal->in_memory ? LEAD_IN_MEMORY : LEAD;

	return bytes < most ? bytes : most;
}

/* ------------------------------------------------------------------- pages */

/* The first file in memory has its pages: shmqi_storage_fresh(). */
static void touch(struct segment *seg, struct view *view, uint64_t from,
		  uint64_t to)
{
	uint64_t mask = seg->geo.capacity - 1;

	shmqi_map_touch(view->write + (from & mask), to - from,
			seg->journal->in_memory &&
				view->number ==
					journal_number(seg,
						       seg->geo.start_pos));
}

/* Some of [from, to), which is in one view; without the lock meanwhile. */
static bool touch_some(struct segment *seg, struct view *view, uint64_t from,
		       uint64_t to)
{
	if (from < view->ready)
		from = view->ready;
	if (from >= to)
		return false;
	if (to - from > PIECE_PAGES)
		to = from + PIECE_PAGES;
	view->held++;
	pthread_mutex_unlock(&seg->lock);
	touch(seg, view, from, to);
	pthread_mutex_lock(&seg->lock);
	view->held--;
	if (view->ready < to)
		view->ready = to;
	return true;
}

/* From pos on, in the segment that it is in and in the next. */
static bool touch_ahead(struct segment *seg, uint64_t pos)
{
	uint64_t number = journal_number(seg, pos);
	uint64_t next = (number + 1) * seg->geo.capacity, end = pos + lead(seg);
	struct view *view = shmqi_journal_written(seg, number);

	if (view && touch_some(seg, view, pos, end < next ? end : next))
		return true;
	if (end <= next || seg->journal->ahead_done != number + 1)
		return false;
	view = shmqi_journal_write_next(seg, number + 1);
	return view && touch_some(seg, view, next, end);
}

/* --------------------------------------------------------------- next file */

/*
 * How much of the next file should be there when all up to offset of this one is
 * used: from part/16 of it on. All is there a while before the end.
 */
static uint64_t due(const struct segment *seg, uint64_t offset, unsigned part)
{
	uint64_t from = seg->geo.capacity / 16 * part;

	return offset <= from ? 0 : 9 * (offset - from) / 4;
}

static bool prepare_ahead(struct segment *seg, uint64_t pos)
{
	uint64_t offset = pos % seg->geo.capacity + lead(seg);

	return shmqi_segfile_prepare(seg, journal_number(seg, pos) + 1,
				     due(seg, offset, 4), PIECE_FILE, true);
}

/* ------------------------------------------------------------- the producer */

void shmqi_provider_catch_up(struct segment *seg, uint64_t from, uint64_t to)
{
	uint64_t number = journal_number(seg, from);
	struct view *view = shmqi_journal_written(seg, number);

	if (view && from < view->ready)
		from = view->ready;
	if (view && from < to) {
		touch(seg, view, from, to);
		view->ready = to;
	}
	/* It may have fallen behind, but not so far that a message shows it. */
	shmqi_segfile_prepare(seg, number + 1,
			      due(seg, to - number * seg->geo.capacity, 8),
			      4 * seg->journal->window, false);
}

bool shmqi_provider_tell(struct segment *seg, uint64_t pos)
{
	struct provider *p = seg->journal->provider;

	if (!p)
		return false;
	/* Who sends little needs nobody: not at once. */
	if (!p->told)
		p->wake_at = pos + 1;
	p->told = true;
	if (p->pos < pos)
		p->pos = pos;
	/* Relaxed: it changes under the lock. */
	if (!load_relaxed(&p->asleep) || p->pos < p->wake_at)
		return false;
	store_relaxed(&p->asleep, 0);
	return true;
}

void shmqi_provider_wake(struct segment *seg)
{
	shmqi_word_wake(&seg->journal->provider->asleep);
}

/* --------------------------------------------------------------- the thread */

/* False: it cannot sleep here, and so must not stay. */
static bool wait_for_word(struct provider *p)
{
	int i = 0;

	pthread_mutex_unlock(&p->seg->lock);
	while (load_relaxed(&p->asleep) && i < WAITS) {
		shmqi_word_wait(&p->asleep, 1, INT64_MAX);
		i++;
	}
	pthread_mutex_lock(&p->seg->lock);
	return i < WAITS;
}

static void *run(void *arg)
{
	struct provider *p = arg;
	struct segment *seg = p->seg;

	pthread_mutex_lock(&seg->lock);
	while (!p->stop) {
		if (load_relaxed(&p->asleep)) {
			if (!wait_for_word(p))
				break;
			continue;
		}
		/* Pages first: they are needed sooner. */
		if (touch_ahead(seg, p->pos) || prepare_ahead(seg, p->pos))
			continue;
		shmqi_index_flush(seg);
		p->wake_at = p->pos + lead(seg) / 2;
		store_relaxed(&p->asleep, 1);
	}
	store_relaxed(&p->asleep, 0);
	pthread_mutex_unlock(&seg->lock);
	return NULL;
}

/*
 * It runs beside who opens a producer; if that thread is bound to a processor,
 * where the first thread of the process may. False: there is only one.
 */
static bool choose_processors(pthread_attr_t *attr)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return errno == EINVAL; /* more than fit: enough */
	if (CPU_COUNT(&set) > 1)
		return true;
	return !sched_getaffinity(getpid(), sizeof(set), &set) &&
	       CPU_COUNT(&set) > 1 &&
	       !pthread_attr_setaffinity_np(attr, sizeof(set), &set);
}

/* No signal handler of the process is to run on it. */
static int start_thread(struct provider *p)
{
	sigset_t all, before;
	pthread_attr_t attr;
	int r = pthread_attr_init(&attr);

	if (r)
		return r;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = choose_processors(&attr) ?
		    pthread_create(&p->thread, &attr, run, p) :
		    EAGAIN;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return r;
}

static void start(struct segment *seg)
{
	struct provider *p = calloc(1, sizeof(*p));

	if (!p)
		return;
	p->seg = seg;
	store_relaxed(&p->asleep, 1);
	if (start_thread(p))
		free(p);
	else
		seg->journal->provider = p;
}

void shmqi_provider_start(struct segment *seg)
{
	if (!seg->journal)
		return;
	pthread_mutex_lock(&seg->lock);
	if (!seg->journal->provider_users++ &&
	    seg->geo.capacity >= SEGMENT_LEAST)
		start(seg);
	pthread_mutex_unlock(&seg->lock);
}

void shmqi_provider_stop(struct segment *seg)
{
	struct provider *p = NULL;

	if (!seg->journal)
		return;
	pthread_mutex_lock(&seg->lock);
	if (!--seg->journal->provider_users) {
		p = seg->journal->provider;
		seg->journal->provider = NULL;
	}
	if (p) {
		p->stop = true;
		store_relaxed(&p->asleep, 0);
	}
	pthread_mutex_unlock(&seg->lock);
	if (!p)
		return;
	shmqi_word_wake(&p->asleep);
	pthread_join(p->thread, NULL);
	free(p);
}
