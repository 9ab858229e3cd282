/* SPDX-License-Identifier: MIT */
/*
 * The open queues of this process, under RCU: looking one up takes no lock,
 * and whoever removes one waits for a grace period before it unmaps, so no
 * thread reads through a mapping that another just closed. liburcu's reach
 * ends at the process border; nothing here is about other processes.
 *
 * The flavour is the bulletproof one, which needs no thread to register. No
 * call_rcu: its helper thread would not survive the host's fork.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <urcu-bp.h>

#include "atomic.h"
#include "blank.h"
#include "registry.h"
#include "tsan.h"
#include "wake.h"

#define BUCKETS 64

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct cds_lfht *table; /* changed under lock */

/* What writers publish to readers, and readers leave to who unmaps. */
static char published, left;

/*
 * liburcu ends the process if membarrier fails that was there when it was
 * loaded: a host may have locked itself into a sandbox since. Then those who
 * read just now are counted; they are few, and quick.
 */
static _Atomic unsigned readers;

static void read_begin(void)
{
	rcu_read_lock();
	/* A full fence: who does not see us has taken away before we look. */
	atomic_fetch_add_explicit(&readers, 1, memory_order_seq_cst);
	tsan_take(&published);
}

static void read_end(void)
{
	tsan_give(&left);
	atomic_fetch_sub_explicit(&readers, 1, memory_order_release);
	rcu_read_unlock();
}

static void wait_for_readers(void)
{
	if (shmqi_bell_barrier_private()) {
		synchronize_rcu();
	} else {
		full_fence();
		while (load_acquire(&readers))
			sched_yield();
	}
	tsan_take(&left);
}

static struct segment *of_node(struct cds_lfht_node *node)
{
	char *p = (char *)node - offsetof(struct segment, node);

	return (struct segment *)(void *)p;
}

static struct segment *of_ref(struct urcu_ref *ref)
{
	char *p = (char *)ref - offsetof(struct segment, ref);

	return (struct segment *)(void *)p;
}

struct key {
	dev_t dev;
	ino_t ino;
	bool writable;
};

static unsigned long hash(const struct key *key)
{
	uint64_t h = (uint64_t)key->ino * UINT64_C(0x9e3779b97f4a7c15);

	return (unsigned long)(h ^ h >> 32) + (unsigned long)key->dev +
	       key->writable;
}

static int match(struct cds_lfht_node *node, const void *p)
{
	const struct segment *seg = of_node(node);
	const struct key *key = p;

	return seg->ino == key->ino && seg->dev == key->dev &&
	       seg->writable == key->writable;
}

static struct key key_of(const struct segment *seg)
{
	return (struct key){ seg->dev, seg->ino, seg->writable };
}

static struct segment *each(struct cds_lfht_iter *iter, bool first)
{
	struct cds_lfht_node *node;

	if (first)
		cds_lfht_first(table, iter);
	else
		cds_lfht_next(table, iter);
	node = cds_lfht_iter_get_node(iter);
	return node ? of_node(node) : NULL;
}

/*
 * Fork: hold every lock across it, so that the child finds none taken by a
 * thread that it does not have.
 */
static void before_fork(void)
{
	struct cds_lfht_iter iter;
	struct segment *seg;

	pthread_mutex_lock(&lock);
	read_begin();
	for (seg = each(&iter, true); seg; seg = each(&iter, false))
		pthread_mutex_lock(&seg->lock);
	read_end();
	urcu_bp_before_fork();
}

static void unlock_all(void)
{
	struct cds_lfht_iter iter;
	struct segment *seg;

	read_begin();
	for (seg = each(&iter, true); seg; seg = each(&iter, false))
		pthread_mutex_unlock(&seg->lock);
	read_end();
	pthread_mutex_unlock(&lock);
}

static void after_fork_parent(void)
{
	urcu_bp_after_fork_parent();
	unlock_all();
}

/*
 * A handle that the parent closed while endpoints lived on leaves a segment
 * that nobody in the child refers to.
 */
static struct segment *abandoned;

static void abandon(struct urcu_ref *ref)
{
	abandoned = of_ref(ref);
	cds_lfht_del(table, &abandoned->node);
}

static void after_fork_child(void)
{
	struct cds_lfht_iter iter;
	struct segment *seg;

	urcu_bp_after_fork_child();
	/* Those of threads that are not here. */
	store_relaxed(&readers, 0);
	read_begin();
	for (seg = each(&iter, true); seg; seg = each(&iter, false)) {
		abandoned = NULL;
		for (unsigned n = shmqi_segment_forked(seg); n; n--)
			urcu_ref_put(&seg->ref, abandon);
		if (abandoned)
			pthread_mutex_unlock(&abandoned->lock);
	}
	read_end();
	unlock_all();
}

static void set_up(void)
{
	table = cds_lfht_new_flavor(BUCKETS, BUCKETS, BUCKETS, 0,
				    &urcu_bp_flavor, NULL);
	if (table &&
	    pthread_atfork(before_fork, after_fork_parent, after_fork_child))
		table = NULL;
}

/* Skips segments whose last user is leaving just now. */
static struct segment *find(const struct key *key)
{
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;
	struct segment *seg = NULL;

	read_begin();
	cds_lfht_lookup(table, hash(key), match, key, &iter);
	while ((node = cds_lfht_iter_get_node(&iter))) {
		seg = of_node(node);
		if (urcu_ref_get_unless_zero(&seg->ref))
			break;
		seg = NULL;
		cds_lfht_next_duplicate(table, match, key, &iter);
	}
	read_end();
	return seg;
}

static void add(struct segment *seg)
{
	struct key key = key_of(seg);

	urcu_ref_init(&seg->ref);
	cds_lfht_node_init(&seg->node);
	tsan_give(&published);
	read_begin();
	cds_lfht_add(table, hash(&key), &seg->node);
	read_end();
}

int shmqi_registry_open(struct segment **out, int fd, const struct stat *st,
			bool writable)
{
	struct key key = { st->st_dev, st->st_ino, writable };
	int r = 0;

	pthread_once(&once, set_up);
	if (!table) {
		close(fd);
		return -ENOMEM;
	}
	*out = find(&key);
	if (*out) {
		close(fd);
		return 0;
	}
	/* Another thread may be opening the same: one of us maps it. */
	pthread_mutex_lock(&lock);
	*out = find(&key);
	if (*out) {
		close(fd);
	} else {
		r = shmqi_segment_open(out, fd, st, writable);
		if (!r)
			add(*out);
	}
	pthread_mutex_unlock(&lock);
	return r;
}

int shmqi_registry_create(struct segment **out, const struct name *name,
			  mode_t mode, const struct geometry *geo)
{
	struct blank blank;
	int r;

	pthread_once(&once, set_up);
	if (!table)
		return -ENOMEM;
	/*
	 * The long part first, when nobody else has to wait. Who forks then has
	 * one descriptor more in the child, and no lease hangs on that.
	 */
	r = shmqi_blank_make(&blank, name, mode, geo);
	if (r)
		return r;
	/* Who finds the name before it is here waits, and finds it here. */
	pthread_mutex_lock(&lock);
	r = shmqi_segment_create(out, &blank, name, geo);
	if (!r)
		add(*out);
	pthread_mutex_unlock(&lock);
	return r;
}

void shmqi_registry_get(struct segment *seg)
{
	urcu_ref_get(&seg->ref);
}

static void last_reference(struct urcu_ref *ref)
{
	struct segment *seg = of_ref(ref);

	tsan_take(ref);
	pthread_mutex_lock(&lock);
	read_begin();
	cds_lfht_del(table, &seg->node);
	read_end();
	pthread_mutex_unlock(&lock);
	wait_for_readers();
	shmqi_segment_destroy(seg);
}

void shmqi_registry_put(struct segment *seg)
{
	tsan_give(&seg->ref);
	urcu_ref_put(&seg->ref, last_reference);
}
