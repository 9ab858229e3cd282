/* SPDX-License-Identifier: MIT */
/* What a queue and its groups look like just now. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include <bsd/string.h>

#include <shmq.h>

#include "cursor.h"
#include "error.h"
#include "group.h"
#include "handle.h"
#include "members.h"
#include "policy.h"
#include "stat.h"
#include "views.h"

#define LOOKS 1000

int shmqi_stat_give(void *out, size_t out_size, const void *info,
		    size_t info_size)
{
	memcpy((char *)out + sizeof(size_t),
	       (const char *)info + sizeof(size_t),
	       (out_size < info_size ? out_size : info_size) - sizeof(size_t));
	return 0;
}

bool shmqi_stat_look(struct segment *seg, struct rings *rings)
{
	int r;

	pthread_mutex_lock(&seg->lock);
	r = shmqi_views_get(seg, false, rings);
	if (r)
		pthread_mutex_unlock(&seg->lock);
	return !r;
}

void shmqi_stat_look_away(struct segment *seg)
{
	shmqi_views_let(seg);
	pthread_mutex_unlock(&seg->lock);
}

bool shmqi_stat_walk(struct segment *seg, uint64_t *pos, uint64_t *seq,
		     uint64_t end)
{
	struct rings rings;
	bool whole;

	if (!shmqi_stat_look(seg, &rings))
		return false;
	whole = reach_holds(&rings.reach, *pos, end) &&
		shmqi_ring_walk(&rings, pos, seq, end);
	shmqi_stat_look_away(seg);
	return whole;
}

bool shmqi_stat_alive(struct segment *seg, uint32_t index)
{
	bool alive;

	pthread_mutex_lock(&seg->lock);
	alive = shmqi_member_alive(seg, index);
	pthread_mutex_unlock(&seg->lock);
	return alive;
}

static bool tail_place(const struct segment *seg, struct cursor *tail)
{
	for (int i = 0; i < LOOKS; i++) {
		*tail = cursor_load(&seg->control->tail);
		if (cursor_unchanged(&seg->control->tail, *tail))
			return true;
	}
	return false;
}

/* What a serial consumer has on loan has been received: go on behind it. */
static void pass_loan(struct segment *seg, uint32_t group, struct cursor *at)
{
	uint64_t taken = shmqi_group_taken(seg, group), pos = at->pos,
		 seq = at->seq;

	if (taken <= pos || !shmqi_stat_walk(seg, &pos, &seq, taken))
		return;
	at->pos = pos;
	at->seq = seq;
}

/* Where the group is, and the tail as it was later. */
static int places(struct segment *seg, uint32_t group, struct cursor *at,
		  struct cursor *tail)
{
	if (!shmqi_group_place(seg, group, at))
		return -EBADMSG;
	pass_loan(seg, group, at);
	if (!tail_place(seg, tail) || at->pos > tail->pos)
		return -EBADMSG;
	/* A single producer numbers the tail late. */
	if (tail->seq < at->seq)
		tail->seq = at->seq;
	return 0;
}

/* Of what a group has not received; some of it may be written over. */
static uint64_t lag_bytes(const struct segment *seg, const struct cursor *at,
			  const struct cursor *tail)
{
	uint64_t bytes = tail->pos - at->pos, there;
	struct reach reach;

	if (!policy_now(seg) || shmqi_rings_reach(seg, &reach))
		return bytes;
	there = tail->pos - reach_floor(&reach, tail->pos);
	return bytes < there ? bytes : there;
}

static int newest_capacity(const struct segment *seg, uint64_t *capacity)
{
	struct ring_table table;
	int r = shmqi_rings_read(seg, &table);

	if (!r)
		*capacity = ring_place(&table, table.newest)->capacity;
	return r;
}

int shmq_stat(struct shmq *q, struct shmq_stat *st)
{
	KEEP_ERRNO;
	struct shmq_stat s = SHMQ_STAT_INIT;
	struct cursor at, tail;
	struct segment *seg;
	int r;

	if (!q || !st || st->size < sizeof(st->size))
		return -EINVAL;
	seg = q->seg;
	if (!tail_place(seg, &tail))
		return -EBADMSG;
	r = newest_capacity(seg, &s.capacity_bytes);
	if (r)
		return r;
	s.flags = seg->geo.flags & ~(uint64_t)SHMQ_OVERWRITE;
	if (policy_overwrites(policy_now(seg)))
		s.flags |= SHMQ_OVERWRITE;
	s.sent_messages = tail.seq;
	s.stalls = load_relaxed(&seg->control->stalls);
	s.recoveries = load_relaxed(&seg->control->recoveries);
	for (uint32_t i = 0; i < seg->geo.max_groups; i++) {
		if (!group_used(seg, i))
			continue;
		r = places(seg, i, &at, &tail);
		if (r)
			return r;
		s.groups++;
		if (tail.seq - at.seq > s.depth_messages)
			s.depth_messages = tail.seq - at.seq;
		if (lag_bytes(seg, &at, &tail) > s.depth_bytes)
			s.depth_bytes = lag_bytes(seg, &at, &tail);
	}
	for (uint32_t i = 0; i < shmqi_member_top(seg); i++) {
		/* edge STATE */
		uint32_t state = load_acquire(&member_at(seg, i)->state);

		if (state == SH_MEMBER_PRODUCER || state == SH_MEMBER_CONSUMER)
			s.members += shmqi_stat_alive(seg, i);
	}
	return shmqi_stat_give(st, st->size, &s, sizeof(s));
}

int shmq_stat_group(struct shmq *q, uint32_t index, struct shmq_group_info *out)
{
	KEEP_ERRNO;
	struct shmq_group_info info = SHMQ_GROUP_INFO_INIT;
	struct cursor at, tail;
	struct segment *seg;
	int r;

	if (!q || !out || out->size < sizeof(out->size) ||
	    index >= q->seg->geo.max_groups)
		return -EINVAL;
	seg = q->seg;
	if (!group_used(seg, index))
		return 0;
	r = places(seg, index, &at, &tail);
	if (r)
		return r;
	info.index = index;
	info.next_seq = at.seq;
	info.lag_messages = tail.seq - at.seq;
	info.lag_bytes = lag_bytes(seg, &at, &tail);
	memcpy(info.name, seg->groups[index].name, sizeof(info.name) - 1);
	for (uint32_t i = 0; i < shmqi_member_top(seg); i++) {
		struct shmq_member_info member = SHMQ_MEMBER_INFO_INIT;

		if (shmq_stat_member(q, i, &member) != 1 ||
		    member.role == SHMQ_ROLE_PRODUCER ||
		    load_relaxed(&member_at(seg, i)->group) != index)
			continue;
		info.consumers += member.alive;
		info.held_bytes += member.held_bytes;
	}
	shmqi_stat_give(out, out->size, &info, sizeof(info));
	return 1;
}

uint32_t shmq_group_entries(const struct shmq *q)
{
	return q ? q->seg->geo.max_groups : 0;
}

uint64_t shmq_max_message(const struct shmq *q)
{
	uint64_t capacity;

	if (!q || newest_capacity(q->seg, &capacity))
		return 0;
	return shmqi_format_max_message(capacity);
}

const char *shmq_version(void)
{
	return PACKAGE_VERSION;
}
