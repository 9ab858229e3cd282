/* SPDX-License-Identifier: MIT */
/*
 * Members. The table has more entries than there may be live members: with
 * fewer alive than that, either an entry is free, or one is dead and can be
 * cleaned up, or enough of them hold returned spans that these can be packed
 * into fewer.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/string.h>

#include "atomic.h"
#include "cursor.h"
#include "lease.h"
#include "members.h"
#include "recovery.h"
#include "returned.h"
#include "wake.h"

/* So often a place that somebody has in passing is asked for again. */
#define PASSING_LOOKS 200

uint32_t shmqi_member_top(const struct segment *seg)
{
	/* Relaxed: an entry above it is not in use yet, or not for us. */
	uint32_t top = load_acquire(&seg->control->member_top);

	return top < seg->geo.member_entries ? top : seg->geo.member_entries;
}

uint32_t shmqi_member_slots(const struct sh_member *member)
{
	/* edge ANNOUNCE: stored before a slot beyond the first is used */
	uint32_t slots = load_acquire(&member->slots);

	return slots < 1 ? 1 : slots > SH_CLAIMS ? SH_CLAIMS : slots;
}

bool shmqi_member_alive(const struct segment *seg, uint32_t index)
{
	int fd = seg->lease_fd >= 0 ? seg->lease_fd : seg->share_fd;

	return seg->endpoints[index] ||
	       shmqi_lease_held(fd, SH_LEASE_MEMBER + index);
}

void shmqi_member_watch(struct sh_member *member, uint64_t word)
{
	if (load_relaxed(&member->watch_word) == word)
		return;
	store_relaxed(&member->watch_ns, shmqi_clock_real_ns());
	store_release(&member->watch_word, word);
}

int shmqi_members_hold(struct segment *seg, bool *held, int64_t byte)
{
	for (int look = 0;; look++) {
		int r = -EBUSY;

		pthread_mutex_lock(&seg->lock);
		if (!*held)
			r = shmqi_lease_take(seg->lease_fd, byte);
		*held |= !r;
		pthread_mutex_unlock(&seg->lock);
		if (r != -EBUSY || !shmqi_lease_let_pass(look))
			return r;
	}
}

void shmqi_members_let(struct segment *seg, bool *held, int64_t byte)
{
	pthread_mutex_lock(&seg->lock);
	/* A child that was forked meanwhile holds nothing. */
	if (*held)
		shmqi_lease_drop(seg->lease_fd, byte);
	*held = false;
	pthread_mutex_unlock(&seg->lock);
}

static size_t read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return 0;
	n = read(fd, buf, size - 1);
	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/* Field 22 of stat; the command, field 2, may contain anything but ends with
 * the last parenthesis. */
static uint64_t start_ticks(void)
{
	char buf[1024], *p;

	if (!read_file("/proc/self/stat", buf, sizeof(buf)))
		return 0;
	p = strrchr(buf, ')');
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	return p ? strtoull(p, NULL, 10) : 0;
}

void shmqi_member_boot(uint8_t id[16])
{
	char buf[64];
	unsigned byte;
	size_t n = 0;

	memset(id, 0, 16);
	if (!read_file("/proc/sys/kernel/random/boot_id", buf, sizeof(buf)))
		return;
	for (char *p = buf; *p && n < 16; p++)
		if (*p != '-' && sscanf(p++, "%2x", &byte) == 1)
			id[n++] = (uint8_t)byte;
}

static void introduce(struct sh_member *member, const struct joining *joining)
{
	store_relaxed(&member->group, joining->group);
	member->pid = getpid();
	member->tid = gettid();
	member->start_ticks = start_ticks();
	member->joined_ns = shmqi_clock_real_ns();
	memset(member->command, 0, sizeof(member->command));
	strlcpy((char *)member->command, program_invocation_short_name,
		sizeof(member->command));
	shmqi_member_boot(member->boot_id);
	store_relaxed(&member->watch_word, 0);
	store_relaxed(&member->watch_ns, 0);
	store_relaxed(&member->sleeps, 0);
	store_relaxed(&member->epoch, 0);
	store_relaxed(&member->slots, 1);
	store_relaxed(&member->policy, 0);
	store_relaxed(&member->chime_name, 0);
	store_relaxed(&member->chime_armed, 0);
	for (unsigned k = 0; k < SH_CLAIMS; k++)
		store_relaxed(&member->claims[k].word, SH_CLAIM_NONE);
}

static bool is_role(const struct segment *seg, uint32_t index,
		    const struct joining *joining)
{
	struct sh_member *member = member_at(seg, index);

	/* edge STATE */
	return load_acquire(&member->state) == joining->role &&
	       (joining->role == SH_MEMBER_PRODUCER ||
		load_relaxed(&member->group) == joining->group);
}

static int64_t place_byte(const struct joining *joining)
{
	return joining->role == SH_MEMBER_PRODUCER ?
		       SH_LEASE_PRODUCER :
		       SH_LEASE_GROUP + joining->group;
}

static bool ours_in_role(const struct segment *seg,
			 const struct joining *joining)
{
	for (uint32_t i = 0; i < seg->geo.member_entries; i++) {
		const struct endpoint *ep = seg->endpoints[i];

		if (ep && ep->role == joining->role &&
		    (ep->role == SH_MEMBER_PRODUCER ||
		     ep->group == joining->group))
			return true;
	}
	return false;
}

bool shmqi_member_consumes(const struct segment *seg, uint32_t group)
{
	const struct joining joining = { SH_MEMBER_CONSUMER, group, false };

	return ours_in_role(seg, &joining);
}

static bool has_role(const struct segment *seg, const struct joining *joining)
{
	for (uint32_t i = 0; i < shmqi_member_top(seg); i++)
		if (is_role(seg, i, joining))
			return true;
	return false;
}

/* Who changes groups or rings has it in passing, and no entry. */
static int try_place(struct segment *seg, const struct joining *joining,
		     int (*take)(int fd, int64_t byte))
{
	for (int look = 0;; look++) {
		int r = take(seg->lease_fd, place_byte(joining));

		if (r != -EBUSY || has_role(seg, joining) ||
		    look == PASSING_LOOKS || !shmqi_lease_let_pass(look))
			return r;
	}
}

/*
 * Producers need a place only where there is a single one. Consumers of a
 * group share a lock, so that one who wants to be alone finds out.
 */
static int take_place(struct segment *seg, const struct joining *joining)
{
	int r;

	if (joining->alone) {
		if (ours_in_role(seg, joining))
			return -EBUSY;
		return try_place(seg, joining, shmqi_lease_take);
	}
	if (joining->role == SH_MEMBER_PRODUCER)
		return 0;
	if (!seg->sharers[joining->group]) {
		/* Ours and exclusive: the kernel would turn it into shared. */
		if (ours_in_role(seg, joining))
			return -EBUSY;
		r = try_place(seg, joining, shmqi_lease_share);
		if (r)
			return r;
	}
	seg->sharers[joining->group]++;
	return 0;
}

static void drop_place(struct segment *seg, const struct joining *joining)
{
	if (!joining->alone && joining->role == SH_MEMBER_PRODUCER)
		return;
	if (!joining->alone && --seg->sharers[joining->group])
		return;
	shmqi_lease_drop(seg->lease_fd, place_byte(joining));
}

/*
 * Whoever has the place alone finds only dead ones in its role. Whoever shares
 * it finds no live serial consumer; a dead one has left the group's cursor in
 * its own way.
 */
static bool is_predecessor(const struct segment *seg, uint32_t index,
			   const struct joining *joining)
{
	struct sh_claim *claim = &member_at(seg, index)->claims[0];

	return is_role(seg, index, joining) &&
	       (joining->alone ||
		claim_state(load_acquire(&claim->word)) == SH_CLAIM_SERIAL);
}

static int bury_predecessors(struct segment *seg, const struct joining *joining)
{
	for (uint32_t i = 0; i < shmqi_member_top(seg); i++) {
		for (int look = 0; is_predecessor(seg, i, joining); look++) {
			int r = shmqi_recover_member(seg, i);

			if (r < 0)
				return r;
			/* Somebody else is at it, or stopped at it. */
			if (!shmqi_lease_let_pass(look))
				return r ? -EBADMSG : -EBUSY;
		}
	}
	return 0;
}

/* Take the lease of a free entry. */
static bool take_entry(struct segment *seg, uint32_t index)
{
	struct sh_member *member = member_at(seg, index);

	/* edge STATE */
	if (load_acquire(&member->state) != SH_MEMBER_FREE ||
	    seg->endpoints[index] ||
	    shmqi_lease_take(seg->lease_fd, SH_LEASE_MEMBER + index))
		return false;
	if (load_acquire(&member->state) == SH_MEMBER_FREE)
		return true;
	shmqi_lease_drop(seg->lease_fd, SH_LEASE_MEMBER + index);
	return false;
}

static uint32_t not_free(const struct segment *seg)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < shmqi_member_top(seg); i++)
		/* edge STATE */
		n += load_acquire(&member_at(seg, i)->state) != SH_MEMBER_FREE;
	return n;
}

/* Clean up the dead; return how many are alive, or an error. */
static int count_alive(struct segment *seg)
{
	int alive = 0;

	for (uint32_t i = 0; i < shmqi_member_top(seg); i++) {
		uint32_t state;
		int r = shmqi_recover_member(seg, i);

		if (r < 0)
			return r;
		/* edge STATE */
		state = load_acquire(&member_at(seg, i)->state);
		alive += state == SH_MEMBER_PRODUCER ||
			 state == SH_MEMBER_CONSUMER;
	}
	return alive;
}

/*
 * A dead member whose rescuer is at it counts as alive, for its lease is held.
 * That passes; a full table is believed after 100 looks and some milliseconds.
 */
#define FULL_LOOKS 110

static int find_entry(struct segment *seg)
{
	for (int look = 0;; look++) {
		if (not_free(seg) >= seg->geo.max_members) {
			int alive = count_alive(seg);

			if (alive < 0)
				return alive;
			if ((uint32_t)alive >= seg->geo.max_members) {
				if (look == FULL_LOOKS)
					return -EUSERS;
				shmqi_lease_let_pass(look);
				continue;
			}
		}
		for (uint32_t i = 0; i < seg->geo.member_entries; i++)
			if (take_entry(seg, i))
				return (int)i;
		shmqi_returned_compact(seg);
		if (!shmqi_lease_let_pass(look))
			return -EUSERS;
	}
}

static void raise_top(struct segment *seg, uint32_t top)
{
	uint32_t old = load_relaxed(&seg->control->member_top);

	/* Before the entry is in use: whoever looks for it finds it. */
	while (old < top && !atomic_compare_exchange_weak_explicit(
				    &seg->control->member_top, &old, top,
				    memory_order_acq_rel, memory_order_relaxed))
		;
}

int shmqi_member_join(struct endpoint *ep, const struct joining *joining)
{
	struct segment *seg = ep->seg;
	int r, index;

	if (seg->lease_fd < 0)
		return -ENOSYS;
	r = take_place(seg, joining);
	if (r)
		return r;
	index = bury_predecessors(seg, joining);
	if (index >= 0)
		index = find_entry(seg);
	if (index < 0) {
		drop_place(seg, joining);
		return index;
	}
	shmqi_bell_register(&seg->control->recv, &seg->control->send);
	ep->index = (uint32_t)index;
	ep->role = joining->role;
	ep->group = joining->group;
	ep->alone = joining->alone;
	ep->member = member_at(seg, ep->index);
	introduce(ep->member, joining);
	raise_top(seg, ep->index + 1);
	seg->endpoints[ep->index] = ep;
	return 0;
}

void shmqi_member_enter(struct endpoint *ep, uint32_t role)
{
	/* edge STATE: carries its identity and its claim slots */
	store_release(&ep->member->state, role);
}

void shmqi_member_leave(struct endpoint *ep, bool returned)
{
	const struct joining joined = { ep->role, ep->group, ep->alone };
	struct segment *seg = ep->seg;

	/* edge STATE: carries the end of its claims */
	store_release(&ep->member->state,
		      returned ? SH_MEMBER_RETURNED : SH_MEMBER_FREE);
	seg->endpoints[ep->index] = NULL;
	shmqi_lease_drop(seg->lease_fd, SH_LEASE_MEMBER + ep->index);
	drop_place(seg, &joined);
}
