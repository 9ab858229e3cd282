/* SPDX-License-Identifier: MIT */
/* Checking: the header, the control words and the groups. See check.h. */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "check.h"
#include "cursor.h"
#include "error.h"
#include "group.h"
#include "handle.h"
#include "lease.h"
#include "members.h"
#include "room.h"
#include "views.h"

/* Looks at what is wrong; the first hundred give way, the others sleep. */
#define LOOKS 120

/* So much is wrong that one more look at each thing does not matter. */
#define MANY 30

void shmqi_check_tell(struct check *c, uint32_t kind, uint32_t member,
		      const char *format, ...)
{
	struct shmq_finding finding = { .size = sizeof(finding),
					.kind = kind,
					.member = member };
	va_list args;

	c->damages += kind == SHMQ_FINDING_DAMAGE && c->damages < INT32_MAX;
	if (!c->tell)
		return;
	va_start(args, format);
	vsnprintf(finding.text, sizeof(finding.text), format, args);
	va_end(args);
	c->tell(c->arg, &finding);
}

bool shmqi_check_stays(struct check *c, bool (*wrong)(struct check *, void *),
		       void *arg)
{
	for (int look = 0; look < LOOKS; look++) {
		if (!wrong(c, arg))
			return false;
		if (c->damages > MANY)
			break;
		shmqi_lease_let_pass(look);
	}
	return true;
}

static void damage(struct check *c, const char *what)
{
	shmqi_check_tell(c, SHMQ_FINDING_DAMAGE, CHECK_NOBODY, "%s", what);
}

/* ----------------------------------------------------------------- header */

/* What it is made of; the rest follows from that. */
static bool is_same(const struct geometry *a, const struct geometry *b)
{
	return a->capacity == b->capacity && a->cookie == b->cookie &&
	       a->flags == b->flags && a->max_members == b->max_members &&
	       a->max_groups == b->max_groups && a->start_pos == b->start_pos &&
	       a->start_seq == b->start_seq;
}

/* Nobody writes it after the queue has its name. */
static void check_header(struct check *c)
{
	const struct segment *seg = c->seg;
	struct sh_header header;
	struct geometry geo;
	struct stat st;

	memcpy(&header, seg->map, sizeof(header));
	if (fstat(seg->share_fd, &st) < 0)
		return;
	if (shmqi_format_check(&geo, &header, (uint64_t)st.st_size))
		damage(c, shmq_errdetail());
	else if (!is_same(&geo, &seg->geo))
		damage(c, "the header is no longer that of the queue that was "
			  "opened");
	shmqi_error_clear();
}

/* ---------------------------------------------------------------- control */

static bool is_bell(struct sh_bell *bell)
{
	return load_relaxed(&bell->at.lo) >> 34 == 0;
}

static bool is_owner(const struct segment *seg, uint32_t owner)
{
	return owner == SH_NOBODY || owner < seg->geo.member_entries;
}

/* Both words of one moment, where there are several writers. */
static bool bad_cursor(struct check *c, void *arg)
{
	struct sh_cursor *sh = arg;
	struct cursor at = cursor_load(sh);

	if (!cursor_unchanged(sh, at))
		return false;
	return at.pos < c->seg->geo.start_pos || at.pos > SH_POS_MAX ||
	       at.seq < c->seg->geo.start_seq || at.seq > SH_SEQ_MAX ||
	       !is_owner(c->seg, at.owner);
}

static void check_control(struct check *c)
{
	struct sh_control *control = c->seg->control;

	if (!is_bell(&control->recv) || !is_bell(&control->send))
		damage(c, "a bell has bits that mean nothing");
	if (load_relaxed(&control->moved) > 1)
		damage(c, "the mark of a removed name is neither 0 nor 1");
	if (load_relaxed(&control->member_top) > c->seg->geo.member_entries)
		damage(c, "more member entries are in use than there are");
	if (shmqi_check_stays(c, bad_cursor, &control->tail))
		damage(c, "the tail is out of range");
}

/* ----------------------------------------------------------------- groups */

struct group_look {
	uint32_t index;
	struct cursor at;
};

static bool bad_group_place(struct check *c, void *arg)
{
	struct group_look *look = arg;

	/* Removed meanwhile, perhaps. */
	return group_used(c->seg, look->index) &&
	       !shmqi_group_place(c->seg, look->index, &look->at);
}

/* The tail is read behind the cursor, which never passes it. */
static bool bad_group_range(struct check *c, void *arg)
{
	struct group_look *look = arg;
	uint64_t tail;

	if (!group_used(c->seg, look->index) ||
	    !shmqi_group_place(c->seg, look->index, &look->at))
		return false;
	tail = cursor_pos(&c->seg->control->tail);
	return look->at.pos > tail || look->at.pos < c->seg->geo.start_pos ||
	       look->at.seq < c->seg->geo.start_seq ||
	       look->at.seq > SH_SEQ_MAX;
}

static bool bad_name(struct check *c, void *arg)
{
	const struct group_look *look = arg;
	const struct sh_group *group = &c->seg->groups[look->index];
	size_t size = sizeof(group->name);
	size_t len = strnlen((const char *)group->name, size);

	return group_used(c->seg, look->index) && (!len || len == size);
}

static bool bad_group_state(struct check *c, void *arg)
{
	const struct group_look *look = arg;

	/* edge STATE */
	return load_acquire(&c->seg->groups[look->index].state) >
	       SH_GROUP_REMOVING;
}

static bool is_same_name(struct check *c, void *arg)
{
	const uint32_t *pair = arg;

	return group_used(c->seg, pair[0]) && group_used(c->seg, pair[1]) &&
	       !memcmp(c->seg->groups[pair[0]].name,
		       c->seg->groups[pair[1]].name,
		       sizeof(c->seg->groups[0].name));
}

static void check_group(struct check *c, uint32_t index)
{
	struct group_look look = { .index = index };
	const char *wrong = NULL;

	if (shmqi_check_stays(c, bad_group_state, &look))
		wrong = "its state is unknown";
	else if (shmqi_check_stays(c, bad_name, &look))
		wrong = "its name is no name";
	else if (shmqi_check_stays(c, bad_group_place, &look))
		wrong = "its position has no number";
	else if (shmqi_check_stays(c, bad_group_range, &look))
		wrong = "it is not between the beginning and the tail";
	if (wrong)
		shmqi_check_tell(c, SHMQ_FINDING_DAMAGE, CHECK_NOBODY,
				 "group %u: %s", index, wrong);
	for (uint32_t i = 0; i < index; i++) {
		uint32_t pair[2] = { i, index };

		if (shmqi_check_stays(c, is_same_name, pair))
			shmqi_check_tell(c, SHMQ_FINDING_DAMAGE, CHECK_NOBODY,
					 "groups %u and %u have one name", i,
					 index);
	}
}

/* Nobody may hold, and no group lack, more than the ring holds. */
static bool bad_room(struct check *c, void *arg)
{
	uint64_t lowest;

	(void)arg;
	return !shmqi_room_lowest(c->seg, cursor_pos(&c->seg->control->tail),
				  &lowest);
}

static void check_groups(struct check *c)
{
	for (uint32_t i = 0; i < c->seg->geo.max_groups; i++)
		check_group(c, i);
	if (shmqi_check_stays(c, bad_room, NULL))
		damage(c, "something is held from before the ring's beginning");
}

/* ------------------------------------------------------------------ rings */

int shmqi_check_rings(struct check *c)
{
	int r;

	pthread_mutex_lock(&c->seg->lock);
	r = shmqi_views_get(c->seg, false, &c->rings);
	if (!r) {
		c->low.ring = c->rings.low.number;
		c->high.ring = c->rings.high.number;
		shmqi_views_let(c->seg);
	}
	pthread_mutex_unlock(&c->seg->lock);
	return views_error(r);
}

bool shmqi_check_rings_same(const struct check *c)
{
	struct reach reach;

	return !shmqi_rings_reach(c->seg, &reach) &&
	       reach.from == c->rings.reach.from &&
	       reach.low == c->rings.reach.low &&
	       reach.high == c->rings.reach.high;
}

static void begin(struct check *c)
{
	pthread_mutex_lock(&c->seg->lock);
	shmqi_views_add_reader(&c->low);
	shmqi_views_add_reader(&c->high);
	pthread_mutex_unlock(&c->seg->lock);
}

static void end(struct check *c)
{
	pthread_mutex_lock(&c->seg->lock);
	shmqi_views_remove_reader(&c->high);
	shmqi_views_remove_reader(&c->low);
	shmqi_views_give_back(c->seg, false);
	pthread_mutex_unlock(&c->seg->lock);
}

/* --------------------------------------------------------- the public call */

static void check_all(struct check *c, bool has_rings)
{
	check_header(c);
	check_control(c);
	if (!has_rings) {
		damage(c, "the rings cannot be found, or the file is too short "
			  "for them");
		return;
	}
	check_groups(c);
	shmqi_check_members(c);
	/* What follows moves by what was found wrong. */
	if (!c->damages)
		shmqi_check_records(c);
}

int shmq_check(struct shmq *q,
	       void (*tell)(void *arg, const struct shmq_finding *finding),
	       void *arg)
{
	KEEP_ERRNO;
	struct check c = { .tell = tell, .arg = arg };
	int r;

	shmqi_error_clear();
	if (!q)
		return -EINVAL;
	c.seg = c.low.seg = c.high.seg = q->seg;
	begin(&c);
	r = shmqi_check_rings(&c);
	if (!r || r == -EBADMSG) {
		check_all(&c, !r);
		r = c.damages;
	}
	end(&c);
	return r;
}
