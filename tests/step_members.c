/* SPDX-License-Identifier: MIT */
/* Rows: joining, leaving, opening, removing, looking, mending. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "step_calls.h"

/* ------------------------------------------------------ joining and leaving */

static void run_producer_open(struct actor *a)
{
	a->result = shmq_producer_open(&a->p, a->q, 0);
}

static void run_producer_close(struct actor *a)
{
	struct shmq_producer *p = a->p;

	a->p = NULL;
	shmq_producer_close(p);
	a->result = 0;
}

static int ready_reserved(struct actor *a)
{
	void *out;

	return shmq_reserve(a->p, MESSAGE_MAX, &out, SHMQ_NOWAIT);
}

static void run_consumer_open(struct actor *a)
{
	a->result = shmq_consumer_open(&a->c, a->q, NULL, a->consumer_flags);
}

static void run_consumer_close(struct actor *a)
{
	struct shmq_consumer *c = a->c;

	a->c = NULL;
	shmq_consumer_close(c);
	a->result = 0;
}

static int ready_borrowed(struct actor *a)
{
	call_receive(a, a->c, 2, SHMQ_NOWAIT);
	return a->n_taken == 2 ? 0 : (int)a->result;
}

static int ready_borrowed_apart(struct actor *a)
{
	int r = call_open_other(a);

	if (r)
		return r;
	call_receive(a, a->c, 1, SHMQ_NOWAIT);
	call_recv(a, a->other, SHMQ_NOWAIT);
	call_receive(a, a->c, 1, SHMQ_NOWAIT);
	return a->n_taken == 2 && a->copied ? 0 : (int)a->result;
}

/* ------------------------------------------------------------------- queues */

static void run_open(struct actor *a)
{
	a->result = shmq_open(&a->q, QUEUE_NAME, 0, 0, NULL);
}

static int ready_open_fd(struct actor *a)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", shmq_runtime_dir(), QUEUE_NAME);
	a->fd = open(path, O_RDWR | O_CLOEXEC);
	return a->fd < 0 ? -errno : 0;
}

static void run_open_fd(struct actor *a)
{
	a->result = shmq_open_fd(&a->q, a->fd, 0);
}

static void run_open_anonymous(struct actor *a)
{
	a->result = shmq_open_anonymous(&a->q, NULL);
}

static void run_create(struct actor *a)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;

	attr.capacity = CAPACITY;
	attr.max_members = MEMBERS;
	attr.max_groups = 1;
	a->result = shmq_open(&a->q, QUEUE_NAME, SHMQ_CREATE, 0600, &attr);
}

static void run_close(struct actor *a)
{
	struct shmq *q = a->q;

	a->q = NULL;
	shmq_close(q);
	a->result = 0;
}

static void run_unlink(struct actor *a)
{
	a->result = shmq_unlink(QUEUE_NAME);
}

static void run_recover(struct actor *a)
{
	a->result = shmq_recover(a->q);
}

static void run_resize(struct actor *a)
{
	a->result = shmq_resize(a->q, 2 * CAPACITY);
}

static void run_setattr(struct actor *a)
{
	a->result = shmq_setattr(a->q, "label", "changed");
}

static void run_overwrite(struct actor *a)
{
	a->result = shmq_setattr(a->q, "overwrite", "on");
}

static void run_keep(struct actor *a)
{
	a->result = shmq_setattr(a->q, "overwrite", "off");
}

static void run_stat(struct actor *a)
{
	struct shmq_stat st = SHMQ_STAT_INIT;
	struct shmq_member_info member = SHMQ_MEMBER_INFO_INIT;
	struct shmq_group_info group = SHMQ_GROUP_INFO_INIT;

	a->result = shmq_stat(a->q, &st);
	for (uint32_t i = 0; i < shmq_member_entries(a->q); i++)
		if (a->result >= 0)
			a->result = shmq_stat_member(a->q, i, &member);
	if (a->result >= 0)
		a->result = shmq_stat_group(a->q, 0, &group);
}

/* ------------------------------------------------------------- preparation */

static void prepare_two(struct preparing *p)
{
	prepare_messages(p, 2);
}

static void run_hold_spread(struct actor *a)
{
	call_receive(a, a->c, 16, SHMQ_NOWAIT);
	a->result = call_open_other(a);
	if (a->result == 0)
		call_receive(a, a->other, 1, SHMQ_NOWAIT);
}

static void run_hold_eight(struct actor *a)
{
	call_receive(a, a->c, 8, SHMQ_NOWAIT);
}

static void run_hold_one(struct actor *a)
{
	call_receive(a, a->c, 1, SHMQ_NOWAIT);
}

static const struct row hold_spread = { .name = "hold-spread",
					.needs = NEEDS_CONSUMER,
					.run = run_hold_spread };
static const struct row hold_eight = { .name = "hold-eight",
				       .needs = NEEDS_CONSUMER,
				       .run = run_hold_eight };
static const struct row hold_one = { .name = "hold-one",
				     .needs = NEEDS_CONSUMER,
				     .run = run_hold_one };

/*
 * Every entry holds something, and nobody lives: two died together, each of
 * the next took the first half of the oldest span and died.
 */
static void prepare_full_table(struct preparing *p)
{
	static const struct row *const holders[] = { &hold_spread, &hold_eight,
						     &step_hold_four,
						     &step_hold_two,
						     &hold_one };

	prepare_messages(p, 17);
	for (size_t i = 0; i < sizeof(holders) / sizeof(holders[0]); i++)
		prepare_actor(p, holders[i], true);
}

/* Fails where entries have become more than that. */
static int ready_full_table(struct actor *a)
{
	struct shmq_member_info info = SHMQ_MEMBER_INFO_INIT;

	for (uint32_t i = 0; i < shmq_member_entries(a->q); i++)
		if (shmq_stat_member(a->q, i, &info) != 1)
			return -EUSERS;
	return 0;
}

/* --------------------------------------------------------------- the table */

#define SOME_FILL (BIT(FILL_HALF) | BIT(FILL_FULL))

const struct row step_members[] = {
	{ .name = "producer_open",
	  .needs = NEEDS_QUEUE | OPENS_PRODUCER,
	  .fills = SOME_FILL,
	  .error = -EBUSY,
	  .run = run_producer_open },
	{ .name = "producer_close",
	  .needs = NEEDS_PRODUCER,
	  .fills = SOME_FILL,
	  .run = run_producer_close },
	{ .name = "producer_close_reserved",
	  .needs = NEEDS_PRODUCER,
	  .fills = BIT(FILL_HALF) | BIT(FILL_EMPTY),
	  .skips = 1,
	  .ready = ready_reserved,
	  .run = run_producer_close },
	{ .name = "consumer_open",
	  .needs = NEEDS_QUEUE | OPENS_CONSUMER,
	  .fills = SOME_FILL,
	  .error = -EBUSY,
	  .run = run_consumer_open },
	{ .name = "consumer_close",
	  .needs = NEEDS_CONSUMER,
	  .fills = SOME_FILL,
	  .run = run_consumer_close },
	{ .name = "consumer_close_borrowed",
	  .needs = NEEDS_CONSUMER,
	  .fills = SOME_FILL,
	  .rivals = ALONE | RIVALS_DEAD,
	  .ready = ready_borrowed,
	  .run = run_consumer_close },
	{ .name = "consumer_close_apart",
	  .needs = NEEDS_CONSUMER,
	  .kinds = KINDS_COMPETING,
	  .fills = SOME_FILL,
	  .rivals = ALONE | RIVALS_DEAD,
	  .ready = ready_borrowed_apart,
	  .run = run_consumer_close },
	{ .name = "consumer_close_wakes",
	  .needs = NEEDS_CONSUMER,
	  .kinds = KINDS_COMPETING,
	  .fills = BIT(FILL_EMPTY),
	  .rivals = BIT(RIVAL_SLEEPING_CONSUMER),
	  .prepare = prepare_two,
	  .ready = ready_borrowed,
	  .run = run_consumer_close },
	{ .name = "consumer_open_full",
	  .needs = NEEDS_QUEUE | OPENS_CONSUMER,
	  .kinds = KINDS_ADOPTING,
	  .fills = BIT(FILL_EMPTY),
	  .rivals = ALONE,
	  .max_members = 2,
	  .prepare = prepare_full_table,
	  .ready = ready_full_table,
	  .run = run_consumer_open },
	{ .name = "producer_open_full",
	  .needs = NEEDS_QUEUE | OPENS_PRODUCER,
	  .kinds = KINDS_ADOPTING,
	  .fills = BIT(FILL_EMPTY),
	  .rivals = ALONE,
	  .max_members = 2,
	  .prepare = prepare_full_table,
	  .ready = ready_full_table,
	  .run = run_producer_open },

	{ .name = "open",
	  .fills = BIT(FILL_HALF),
	  .rivals = ALONE,
	  .run = run_open },
	{ .name = "open_fd",
	  .fills = BIT(FILL_HALF),
	  .rivals = ALONE,
	  .ready = ready_open_fd,
	  .run = run_open_fd },
	{ .name = "open_anonymous",
	  .kinds = BIT(KIND_MPMC),
	  .fills = BIT(FILL_HALF),
	  .rivals = ALONE,
	  .run = run_open_anonymous },
	{ .name = "create",
	  .needs = MAKES_QUEUE,
	  .kinds = BIT(KIND_MPMC),
	  .fills = BIT(FILL_EMPTY),
	  .rivals = ALONE,
	  .run = run_create },
	{ .name = "close",
	  .needs = NEEDS_QUEUE,
	  .fills = BIT(FILL_HALF),
	  .rivals = ALONE,
	  .run = run_close },
	{ .name = "unlink",
	  .needs = REMOVES_QUEUE,
	  .rivals = ALONE | RIVALS_ASLEEP,
	  .run = run_unlink },
	{ .name = "recover",
	  .needs = NEEDS_QUEUE,
	  .rivals = RIVALS_DEAD,
	  .run = run_recover },
	{ .name = "recover_two",
	  .needs = NEEDS_QUEUE,
	  .kinds = KINDS_COMPETING,
	  .fills = BIT(FILL_EMPTY),
	  .rivals = ALONE,
	  .prepare = prepare_woven,
	  .run = run_recover },
	{ .name = "resize",
	  .needs = NEEDS_QUEUE | RESIZES_QUEUE,
	  .kinds = KINDS_KEEPING,
	  .skips = 2,
	  .error = -EBUSY,
	  .run = run_resize },
	{ .name = "setattr",
	  .needs = NEEDS_QUEUE,
	  .fills = BIT(FILL_HALF),
	  .rivals = ALONE | RIVALS_DEAD | RIVALS_STOPPED,
	  .error = -EBUSY,
	  .run = run_setattr },
	{ .name = "overwrite",
	  .needs = NEEDS_QUEUE | OVERWRITES_QUEUE,
	  .kinds = KINDS_KEEPING,
	  .rivals = ALONE | RIVALS_DEAD | RIVALS_STOPPED,
	  .error = -EBUSY,
	  .run = run_overwrite },
	{ .name = "keep",
	  .needs = NEEDS_QUEUE,
	  .kinds = BIT(KIND_OVER),
	  .rivals = ALONE | RIVALS_DEAD | RIVALS_STOPPED,
	  .error = -EBUSY,
	  .run = run_keep },
	{ .name = "stat",
	  .needs = NEEDS_QUEUE,
	  .fills = SOME_FILL,
	  .rivals = ALONE | RIVALS_DEAD,
	  .run = run_stat },
};

const unsigned step_members_count = sizeof(step_members) /
				    sizeof(step_members[0]);
