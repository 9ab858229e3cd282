/* SPDX-License-Identifier: MIT */
/* States: which there are, and their names. See step_states.h. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "step_calls.h"
#include "step_states.h"

const char *const step_kind_names[KINDS] = { "mpmc", "spmc", "mpsc",
					     "spsc", "mpxc", "over" };
const char *const step_fill_names[FILLS] = { "empty", "half", "full", "wrap" };
const char *const step_rival_names[RIVALS] = { "alone",
					       "stopped-producer",
					       "stopped-consumer",
					       "dead-producer",
					       "dead-consumer",
					       "sleeping-producer",
					       "sleeping-consumer",
					       "polling-producer",
					       "polling-consumer" };

static const uint64_t kind_flags[KINDS] = { 0,
					    SHMQ_SINGLE_PRODUCER,
					    SHMQ_SINGLE_CONSUMER,
					    SHMQ_SINGLE_PRODUCER |
						    SHMQ_SINGLE_CONSUMER,
					    0,
					    SHMQ_OVERWRITE };

bool rival_is_stopped(const struct state *s)
{
	return s->rival == RIVAL_STOPPED_PRODUCER ||
	       s->rival == RIVAL_STOPPED_CONSUMER;
}

bool rival_is_dead(const struct state *s)
{
	return s->rival == RIVAL_DEAD_PRODUCER ||
	       s->rival == RIVAL_DEAD_CONSUMER;
}

bool rival_awaits_message(const struct state *s)
{
	return s->rival == RIVAL_SLEEPING_CONSUMER ||
	       s->rival == RIVAL_POLLING_CONSUMER;
}

bool rival_awaits_room(const struct state *s)
{
	return s->rival == RIVAL_SLEEPING_PRODUCER ||
	       s->rival == RIVAL_POLLING_PRODUCER;
}

bool rival_is_asleep(const struct state *s)
{
	return rival_awaits_message(s) || rival_awaits_room(s);
}

bool rival_has_places(const struct state *s)
{
	return rival_is_stopped(s) || rival_is_dead(s);
}

const struct row *rival_row(const struct state *s)
{
	static const struct row *const rows[RIVALS] = {
		[RIVAL_STOPPED_PRODUCER] = &step_rival_producer,
		[RIVAL_STOPPED_CONSUMER] = &step_rival_consumer,
		[RIVAL_DEAD_PRODUCER] = &step_rival_producer,
		[RIVAL_DEAD_CONSUMER] = &step_rival_consumer,
		[RIVAL_SLEEPING_PRODUCER] = &step_sleeping_producer,
		[RIVAL_SLEEPING_CONSUMER] = &step_sleeping_consumer,
		[RIVAL_POLLING_PRODUCER] = &step_polling_producer,
		[RIVAL_POLLING_CONSUMER] = &step_polling_consumer,
	};

	return rows[s->rival];
}

static bool allowed(unsigned bits, unsigned i)
{
	return !bits || bits & BIT(i);
}

/* A live single one lets no other get ready. */
static bool has_place(const struct state *s)
{
	bool one_producer = kind_flags[s->kind] & SHMQ_SINGLE_PRODUCER;
	bool one_consumer = kind_flags[s->kind] & SHMQ_SINGLE_CONSUMER ||
			    s->kind == KIND_MPXC;

	if (s->rival == RIVAL_STOPPED_PRODUCER || rival_awaits_room(s))
		return !(one_producer && s->row->needs & NEEDS_PRODUCER);
	if (s->rival == RIVAL_STOPPED_CONSUMER || rival_awaits_message(s))
		return !(one_consumer && s->row->needs & NEEDS_CONSUMER);
	return true;
}

/* Somebody sleeps only where the operation could wake it. */
static bool can_wake(const struct state *s)
{
	if (rival_awaits_message(s))
		return s->fill == FILL_EMPTY &&
		       (s->row->rivals ||
			s->row->needs & (NEEDS_PRODUCER | REMOVES_QUEUE));
	if (rival_awaits_room(s))
		return s->fill == FILL_FULL && s->kind != KIND_OVER &&
		       (s->row->rivals ||
			s->row->needs & (NEEDS_CONSUMER | REMOVES_QUEUE));
	return true;
}

bool state_exists(const struct state *s)
{
	return allowed(s->row->kinds, s->kind) &&
	       allowed(s->row->fills, s->fill) &&
	       allowed(s->row->rivals, s->rival) && has_place(s) && can_wake(s);
}

void state_name(const struct state *s, char *buf, size_t size)
{
	snprintf(buf, size, "%s/%s/%s@%u", step_kind_names[s->kind],
		 step_fill_names[s->fill], step_rival_names[s->rival],
		 s->rival_at);
}

static bool look_up(const char *const *names, unsigned n, const char *word,
		    size_t len, unsigned *out)
{
	for (unsigned i = 0; i < n; i++) {
		if (strlen(names[i]) != len || strncmp(names[i], word, len))
			continue;
		*out = i;
		return true;
	}
	return false;
}

bool state_parse(struct state *s, const char *name)
{
	size_t kind = strcspn(name, "/"), fill, rival;

	if (!name[kind])
		return false;
	fill = strcspn(name + kind + 1, "/");
	if (!name[kind + 1 + fill])
		return false;
	rival = strcspn(name + kind + fill + 2, "@");
	s->rival_at = name[kind + fill + 2 + rival] ?
			      (unsigned)atoi(name + kind + fill + rival + 3) :
			      0;
	return look_up(step_kind_names, KINDS, name, kind, &s->kind) &&
	       look_up(step_fill_names, FILLS, name + kind + 1, fill,
		       &s->fill) &&
	       look_up(step_rival_names, RIVALS, name + kind + fill + 2, rival,
		       &s->rival);
}

void state_attr(const struct state *s, struct shmq_attr *attr)
{
	*attr = (struct shmq_attr)SHMQ_ATTR_INIT;
	attr->capacity = CAPACITY;
	attr->flags = kind_flags[s->kind];
	attr->max_members = s->row->max_members ? s->row->max_members : MEMBERS;
	attr->max_groups = s->row->max_groups ? s->row->max_groups : 1;
}

unsigned state_consumer_flags(const struct state *s)
{
	return s->kind == KIND_MPXC ? SHMQ_EXCLUSIVE : 0;
}
