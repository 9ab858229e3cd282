/* SPDX-License-Identifier: MIT */
/* Syncing at intervals. See syncer.h. */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "error.h"
#include "journal.h"
#include "sync.h"
#include "syncer.h"
#include "wake.h"

#define NS_PER_MS INT64_C(1000000)
/* Where wakers cannot be relied on. */
#define NAP_NS INT64_C(100000000)

struct syncer {
	struct segment *seg;
	pthread_t thread;
	_Atomic uint64_t stop; /* 1: come to an end; a futex */
};

static bool stopped(struct syncer *s)
{
	/* Acquire: what was sent before that is to be synced. */
	return load_acquire(&s->stop);
}

static bool all_synced(const struct segment *seg)
{
	/* edge SYNCED: pairs with raise_synced */
	return load_acquire(&seg->control->synced.lo) >=
	       cursor_pos(&seg->control->tail);
}

/* Sleep until something is sent, or this is to end. */
static void wait_for_work(struct syncer *s)
{
	struct alarm alarm = { &s->seg->control->recv, 0 };
	bool heard = shmqi_bells_arm(&alarm, 1);

	if (stopped(s) || !all_synced(s->seg))
		return;
	shmqi_bells_sleep(&alarm, 1,
			  heard ? INT64_MAX : shmqi_clock_ns() + NAP_NS);
}

static void *run(void *arg)
{
	struct syncer *s = arg;
	struct segment *seg = s->seg;
	int64_t until;

	while (!stopped(s)) {
		if (all_synced(seg)) {
			wait_for_work(s);
			continue;
		}
		until = shmqi_clock_ns() + seg->geo.interval_ms * NS_PER_MS;
		while (!stopped(s) && shmqi_clock_ns() < until)
			shmqi_word_wait(&s->stop, 0, until - shmqi_clock_ns());
		/* Behind an open claim it waits for nobody: next time. */
		shmqi_sync_to(seg, cursor_pos(&seg->control->tail), 0);
	}
	shmqi_sync_to(seg, cursor_pos(&seg->control->tail), 0);
	return NULL;
}

/* No signal handler of the process is to run on it. */
static int start_thread(struct syncer *s)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&s->thread, NULL, run, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r ? -ENOMEM : 0;
}

static int start(struct segment *seg)
{
	struct syncer *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->seg = seg;
	r = start_thread(s);
	if (r) {
		free(s);
		return shmqi_error_say(r, "no thread could be made to sync "
					  "the journal at intervals");
	}
	seg->journal->syncer = s;
	return 0;
}

int shmqi_syncer_start(struct segment *seg)
{
	int r = 0;

	if (!seg->geo.interval_ms)
		return 0;
	pthread_mutex_lock(&seg->lock);
	if (!seg->journal->syncer)
		r = start(seg);
	if (!r)
		seg->journal->syncer_users++;
	pthread_mutex_unlock(&seg->lock);
	return r;
}

void shmqi_syncer_stop(struct segment *seg)
{
	struct syncer *s = NULL;

	if (!seg->geo.interval_ms)
		return;
	pthread_mutex_lock(&seg->lock);
	if (!--seg->journal->syncer_users) {
		s = seg->journal->syncer;
		seg->journal->syncer = NULL;
	}
	pthread_mutex_unlock(&seg->lock);
	if (!s)
		return;
	store_release(&s->stop, 1);
	shmqi_word_wake(&s->stop);
	shmqi_bell_ring(seg, &seg->control->recv);
	pthread_join(s->thread, NULL);
	free(s);
}
