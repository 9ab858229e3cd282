/* SPDX-License-Identifier: MIT */
/* A queue, its participants, and the books of what they sent. See world.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"
#include "copies.h"
#include "rings.h"
#include "room.h"

#define COOKIE UINT64_C(0x5bd1e995a136f7c3)

struct world world;
static struct world kept;

/*
 * What malloc and the like are here (local.mk): what is allocated in an
 * execution is gone after it. Not part of the world, so that most executions
 * need not put it back.
 */
#define HEAP_BYTES ((size_t)1 << 16)
static _Alignas(16) char heap[HEAP_BYTES];
static char kept_heap[HEAP_BYTES];

void *weave_malloc(size_t bytes)
{
	size_t room = (bytes + 15) & ~(size_t)15;
	void *p = heap + world.heap_used;

	if (room > HEAP_BYTES - world.heap_used)
		return NULL;
	world.heap_used += room;
	return p;
}

void *weave_calloc(size_t n, size_t bytes)
{
	void *p = weave_malloc(n * bytes);

	return p ? memset(p, 0, n * bytes) : NULL;
}

/* Only to grow nothing: what waits in a consumer's copies is few here. */
void *weave_reallocarray(void *old, size_t n, size_t bytes)
{
	return old ? NULL : weave_malloc(n * bytes);
}

void weave_free(void *p)
{
	(void)p;
}

void world_begin(void)
{
	memset(&world, 0, sizeof(world));
	kernel_forget();
}

void world_keep(void)
{
	kept = world;
	memcpy(kept_heap, heap, world.heap_used);
	kernel_keep();
}

void world_restore(void)
{
	world = kept;
	memcpy(heap, kept_heap, world.heap_used);
}

static void process_begin(unsigned who, uint64_t flags, uint64_t pos,
			  uint64_t seq)
{
	struct process *me = &world.processes[who];
	struct segment *seg = &me->seg;

	seg->geo = (struct geometry){ .capacity = RING_BYTES,
				      .cookie = COOKIE,
				      .flags = flags,
				      .max_members = ENTRIES - 1,
				      .member_entries = ENTRIES,
				      .max_groups = GROUPS,
				      .page_bytes = 4096,
				      .ring_off = RING_OFFSET,
				      .start_pos = pos,
				      .start_seq = seq };
	seg->writable = true;
	seg->control = &world.control;
	seg->groups = world.groups;
	seg->members = world.members;
	seg->bounds = world.bounds;
	seg->share_fd = seg->lease_fd = (int)who;
	pthread_mutex_init(&seg->lock, NULL);
	seg->endpoints = me->ours;
	seg->sharers = me->sharers;
	me->q.seg = seg;
}

void world_create(uint64_t flags, uint64_t pos, uint64_t seq)
{
	struct cursor start = { pos, seq, SH_NOBODY };

	cursor_init(&world.control.tail, start);
	cursor_init(&world.groups[0].cursor, start);
	strcpy((char *)world.groups[0].name, "default");
	if (!(flags & SHMQ_TOPIC))
		store_release(&world.groups[0].state, SH_GROUP_USED);
	for (unsigned i = 0; i < PROCESSES; i++)
		process_begin(i, flags, pos, seq);
	shmqi_rings_format(&world.processes[0].seg.geo, &world.control);
}

void world_rings(void)
{
	world.rings = true;
}

static void must_be_zero(int r, const char *what)
{
	if (r)
		weave_wrong("%s: %s", what, strerror(-r));
}

/* No spinning, and no round by the clock just now: others look at those. */
static void calm(uint32_t *spin, struct rounds *rounds)
{
	*spin = 0;
	rounds->asked_ns = rounds->made_ns = weave_now_ns();
}

void world_producer(unsigned who)
{
	struct process *me = &world.processes[who];

	must_be_zero(shmq_producer_open(&me->p, &me->q, 0), "join");
	calm(&me->p->spin, &me->p->rounds);
}

void world_consumer(unsigned who, unsigned flags)
{
	struct process *me = &world.processes[who];

	must_be_zero(shmq_consumer_open(&me->c, &me->q, NULL, flags), "join");
	calm(&me->c->spin, &me->c->rounds);
	/* Returned spans were looked for once, and there were none. */
	if (who != SPARE)
		me->c->returns_seen = load_relaxed(&world.groups[0].returns);
}

void world_send(unsigned who, unsigned letter)
{
	letter_send(who, letter, SHMQ_NOWAIT);
}

void world_fill(unsigned who, size_t bytes)
{
	uint64_t words[RING_MESSAGE / 8];

	for (size_t i = 0; i < bytes / 8; i++)
		words[i] = WORLD_FILLER;
	must_be_zero(shmq_send(world.processes[who].p, words, bytes,
			       SHMQ_NOWAIT),
		     "send");
}

void world_resize(void)
{
	must_be_zero(shmq_resize(&world.processes[SPARE].q, SECOND_BYTES),
		     "resize");
}

/* ----------------------------------------------------------------- letters */

void letter_send(unsigned who, unsigned letter, int64_t timeout_ns)
{
	uint64_t words[2] = { letter, ~(uint64_t)letter };
	int r;

	world.letters[letter].begun = 1;
	r = shmq_send(world.processes[who].p, words, sizeof(words), timeout_ns);
	if (r)
		weave_wrong("sending: %s", strerror(-r));
	world.letters[letter].acked = 1;
}

static void note(unsigned who, const struct shmq_msg *msg)
{
	struct letter_book *book;
	uint64_t words[2];

	if (msg->len != sizeof(words)) {
		copy_bytes(words, msg->data, 8);
		if (words[0] != WORLD_FILLER)
			weave_wrong("a message of %zu bytes", msg->len);
		return;
	}
	copy_bytes(words, msg->data, sizeof(words));
	if (words[0] != ~words[1] || words[0] >= LETTERS)
		weave_wrong("a torn message");
	book = &world.letters[words[0]];
	if (!book->begun)
		weave_wrong("a message that nobody sent");
	/* It sees what others get as well. */
	if (is_tap(world.processes[who].c))
		return;
	if (book->let_go)
		weave_wrong("letter %u comes again, although it was released",
			    (unsigned)words[0]);
	if (msg->flags & SHMQ_REDELIVERED)
		book->again++;
	else if (book->fresh++)
		weave_wrong("letter %u came twice, not flagged",
			    (unsigned)words[0]);
	world.processes[who].holds |= (uint8_t)(1u << words[0]);
}

void letters_release(unsigned who)
{
	struct process *me = &world.processes[who];

	uint8_t held = me->holds;

	for (unsigned i = 0; i < LETTERS; i++)
		if (held >> i & 1)
			world.letters[i].done = 1;
	me->holds = 0;
	shmq_release(me->c);
	for (unsigned i = 0; i < LETTERS; i++)
		if (held >> i & 1)
			world.letters[i].let_go = 1;
}

int letters_receive(unsigned who, unsigned max, int64_t timeout_ns)
{
	struct shmq_consumer *c = world.processes[who].c;
	struct shmq_msg msgs[LETTERS];
	int n = shmq_receive(c, msgs, max, timeout_ns);

	if (n < 0 && n != -EAGAIN && n != -ETIMEDOUT)
		weave_wrong("receiving: %s", strerror(-n));
	for (int i = 0; i < n; i++)
		note(who, &msgs[i]);
	return n;
}

int letter_copy(unsigned who, int64_t timeout_ns)
{
	struct process *me = &world.processes[who];
	uint64_t words[RING_MESSAGE / 8];
	struct shmq_msg msg = { .data = words };
	uint8_t held = me->holds;
	ssize_t n = shmq_recv(me->c, words, sizeof(words), timeout_ns);

	if (n < 0 && n != -EAGAIN && n != -ETIMEDOUT)
		weave_wrong("receiving: %s", strerror((int)-n));
	if (n < 0)
		return (int)n;
	msg.len = (size_t)n;
	note(who, &msg);
	for (unsigned i = 0; i < LETTERS; i++)
		if ((me->holds & ~held) >> i & 1)
			world.letters[i].done = world.letters[i].let_go = 1;
	me->holds = held;
	return 1;
}

/* ------------------------------------------------------------------- checks */

static void must_sleep_rightly(unsigned who)
{
	struct process *me = &world.processes[who];
	struct shmq_msg msg;
	int r = -EAGAIN;

	/* Whatever it has slept for by now, it has looked around. */
	for (unsigned i = 0; i < ENTRIES && me->c; i++)
		if (load_relaxed(&world.members[i].state) == SH_MEMBER_RETURNED)
			weave_wrong("participant %u sleeps on: something came "
				    "back",
				    who);
	if (me->c)
		r = shmq_receive(me->c, &msg, 1, SHMQ_NOWAIT);
	else if (me->p)
		r = shmq_send(me->p, "", 0, SHMQ_NOWAIT);
	if (r != -EAGAIN)
		weave_wrong("participant %u sleeps on: %s", who,
			    r < 0 ? strerror(-r) : "there is something to do");
}

/* In whichever ring: it must have followed, or be told to. */
static bool is_published(const struct shmq_consumer *c, struct cursor at)
{
	struct ring ring = c->ring;
	struct ring_table table;

	if (shmqi_rings_read(c->ep.seg, &table))
		weave_wrong("the table of rings is damaged");
	ring.number = ring_number(&table, at.pos);
	ring.base = ring.number ? world.second : world.ring;
	ring.mask = ring_place(&table, ring.number)->capacity - 1;
	return record_published(&ring, at.pos, at.seq);
}

static bool message_waits(const struct shmq_consumer *c)
{
	struct cursor at = { c->pos, c->seq, SH_NOBODY };

	if (!c->serial)
		at = cursor_load(&world.groups[0].cursor);
	return is_published(c, at);
}

static bool room_waits(const struct shmq_producer *p)
{
	uint64_t tail = cursor_pos(&world.control.tail);
	struct room room;

	return !shmqi_room_look(p->ep.seg, p->policy, tail, &room) &&
	       tail + SH_LINE <= room.limit;
}

/*
 * Nobody has died; or all who did have been cleaned up after, so that whoever
 * slept because of them has been rung for.
 */
static bool all_is_well(void)
{
	uint64_t deaths = 0;

	for (unsigned i = 0; i < WEAVE_PARTICIPANTS; i++)
		deaths += weave_dead(i);
	return load_relaxed(&world.control.recoveries) == deaths;
}

void world_idle(void)
{
	/* Without membarrier a sleeper looks again by itself. */
	if (world.no_membarrier || !all_is_well())
		return;
	for (unsigned i = 0; i < WEAVE_PARTICIPANTS; i++) {
		struct process *me = &world.processes[i];

		if (weave_asleep(i) &&
		    (me->c ? message_waits(me->c) : room_waits(me->p)))
			weave_wrong("participant %u must look for itself", i);
	}
}

/* Whoever is left gives its place to the spare one. */
static void leave(unsigned who)
{
	struct process *me = &world.processes[who];

	if (me->c)
		shmq_consumer_close(me->c);
	if (me->p)
		shmq_producer_close(me->p);
	me->c = NULL;
	me->p = NULL;
}

/* Of those who are through with their calls: what was not won is not claimed. */
static void must_claim_nothing(unsigned who)
{
	const struct process *me = &world.processes[who];
	struct sh_member *member = me->p ? me->p->ep.member :
				   me->c ? me->c->ep.member :
					   NULL;

	if (member && claim_state(load_relaxed(&member->claims[0].word)) >=
			      SH_CLAIM_ANNOUNCED)
		weave_wrong("participant %u leaves an announcement", who);
}

/* Of a group that was made on the way: whatever it holds is whole, to the end. */
static void drain_second(void)
{
	struct process *me = &world.processes[SPARE];
	struct shmq_consumer *c;
	struct shmq_msg msg;
	uint64_t seq = 0;
	int n;

	if (load_relaxed(&world.groups[1].state) == SH_GROUP_FREE)
		return;
	must_be_zero(shmq_consumer_open(&c, &me->q, SECOND_GROUP, 0),
		     "join the second group");
	while ((n = shmq_receive(c, &msg, 1, SHMQ_NOWAIT)) == 1) {
		if (seq && msg.seq < seq)
			weave_wrong("numbers of the second group fall");
		seq = msg.seq;
		shmq_release(c);
	}
	if (n != -EAGAIN)
		weave_wrong("the second group: %s", strerror(-n));
	if (cursor_pos(&world.control.tail) !=
	    cursor_pos(&world.groups[1].cursor))
		weave_wrong("something is left in the second group");
	shmq_consumer_close(c);
}

static void must_be_free(void)
{
	for (unsigned i = 0; i < ENTRIES; i++)
		if (load_relaxed(&world.members[i].state) ==
			    SH_MEMBER_PRODUCER ||
		    (load_relaxed(&world.members[i].state) ==
			     SH_MEMBER_CONSUMER &&
		     &world.members[i] != world.processes[SPARE].c->ep.member))
			weave_wrong("entry %u is not free", i);
}

void world_check(void)
{
	int r;

	for (unsigned i = 0; i < WEAVE_PARTICIPANTS; i++)
		if (weave_asleep(i))
			must_sleep_rightly(i);
	for (unsigned i = 0; i < WEAVE_PARTICIPANTS; i++) {
		if (weave_dead(i))
			continue;
		must_claim_nothing(i);
		leave(i);
	}
	r = shmq_recover(&world.processes[SPARE].q);
	if (r < 0)
		weave_wrong("recovering: %s", strerror(-r));
	world_consumer(SPARE, 0);
	while (letters_receive(SPARE, LETTERS, SHMQ_NOWAIT) > 0)
		letters_release(SPARE);
	for (unsigned i = 0; i < LETTERS; i++)
		if (world.letters[i].acked && !world.letters[i].done)
			weave_wrong("letter %u is lost", i);
	if (cursor_pos(&world.control.tail) !=
	    cursor_pos(&world.groups[0].cursor))
		weave_wrong("something is left");
	must_be_free();
	drain_second();
}
