/* SPDX-License-Identifier: MIT */
/* Who meets whom. See weave.h. */
#include <errno.h>

#include "copies.h"
#include "policy.h"
#include "scenarios.h"
#include "world.h"

#define EDGE (RING_BYTES - 64) /* a record here ends where the ring does */

/* ------------------------------------------------------------------ bodies */

static void sends_one(unsigned me)
{
	letter_send(me, 4 + me, SHMQ_FOREVER);
}

static void sends_two(unsigned me)
{
	letter_send(me, 2 * me, SHMQ_FOREVER);
	letter_send(me, 2 * me + 1, SHMQ_FOREVER);
}

/* Until the given number of letters has come. */
static void receives(unsigned me, int n)
{
	while (n > 0) {
		n -= letters_receive(me, 1, SHMQ_FOREVER);
		letters_release(me);
	}
}

static void receives_one(unsigned me)
{
	receives(me, 1);
}

static void leaves_all(unsigned me)
{
	shmq_consumer_close(world.processes[me].c);
	world.processes[me].c = NULL;
}

static void receives_two(unsigned me)
{
	receives(me, 2);
}

/* One while the one before is still held. */
static void borrows_two(unsigned me)
{
	if (letters_receive(me, 1, SHMQ_NOWAIT) > 0)
		letters_receive(me, 1, SHMQ_NOWAIT);
	letters_release(me);
}

static void polls_two(unsigned me)
{
	for (int i = 0; i < 2; i++) {
		letters_receive(me, 1, SHMQ_NOWAIT);
		letters_release(me);
	}
}

static void closes(unsigned me)
{
	letters_receive(me, 1, SHMQ_NOWAIT);
	shmq_consumer_close(world.processes[me].c);
	world.processes[me].c = NULL;
}

/* Has the other one closed, and did it hold something? Seen as by a message. */
static bool has_returned(unsigned other)
{
	const struct process *process = &world.processes[other];
	bool returned = !process->c && process->holds && !weave_dead(other);

	weave_learn(returned);
	if (returned)
		memory_meet();
	return returned;
}

static void closes_and_says_so(unsigned me)
{
	closes(me);
	memory_meet();
}

static unsigned redelivered(void)
{
	unsigned n = 0;

	for (int i = 0; i < LETTERS; i++)
		n += world.letters[i].again;
	return n;
}

/* Busy, so that it never looks around: what came back comes first all the
 * same. */
static void takes_returned_first(unsigned me)
{
	for (int i = 0; i < 2; i++) {
		bool returned = !redelivered() && has_returned(0);

		letters_receive(me, 1, SHMQ_NOWAIT);
		letters_release(me);
		if (returned && !redelivered())
			weave_wrong("what was returned does not come first");
	}
}

/* Nobody died: who sleeps has been rung for. */
static void idle_beside_returned(void)
{
	world_idle();
	for (unsigned i = 0; i < ENTRIES; i++)
		if (load_relaxed(&world.members[i].state) ==
			    SH_MEMBER_RETURNED &&
		    weave_asleep(1) && !weave_dead(0))
			weave_wrong("participant 1 must look for what came "
				    "back");
}

/* If there is room. */
static void tries_one(unsigned me)
{
	uint64_t filler = WORLD_FILLER;
	int r = shmq_send(world.processes[me].p, &filler, 8, SHMQ_NOWAIT);

	if (r && r != -EAGAIN)
		weave_wrong("sending: %d", r);
}

static void tries_two(unsigned me)
{
	tries_one(me);
	tries_one(me);
}

/* What is held must stay what it is. */
static void adopts_and_holds(unsigned me)
{
	struct shmq_consumer *c = world.processes[me].c;
	uint64_t words[2];
	struct shmq_msg msg;
	int n = shmq_receive(c, &msg, 1, SHMQ_NOWAIT);

	if (n < 0)
		weave_wrong("adopting: %d", n);
	for (int i = 0; i < 2; i++) {
		copy_bytes(words, msg.data, sizeof(words));
		if (words[0] != ~words[1])
			weave_wrong("what is held is written over");
	}
	world.letters[words[0]].done = 1;
	letters_release(me);
}

/* One message, whole, or the news that it was written over. */
static void reads_one(unsigned me)
{
	letters_receive(me, 1, SHMQ_NOWAIT);
	letters_release(me);
}

static void copies_one(unsigned me)
{
	letter_copy(me, SHMQ_NOWAIT);
}

static void sends_first(unsigned me)
{
	letter_send(me, 0, SHMQ_FOREVER);
}

/* What it has got stays what it is until it is released. */
static void holds_one(unsigned me)
{
	struct shmq_consumer *c = world.processes[me].c;
	uint64_t words[2];
	struct shmq_msg msg;

	if (shmq_receive(c, &msg, 1, SHMQ_NOWAIT) != 1)
		return;
	for (int i = 0; i < 2; i++) {
		copy_bytes(words, msg.data, sizeof(words));
		if (words[0] != WORLD_FILLER && words[0] != ~words[1])
			weave_wrong("what is held is written over");
		if (msg.len == sizeof(words) && words[0] == WORLD_FILLER)
			weave_wrong("a letter that is held is written over");
	}
	shmq_release(c);
}

static void switches_to(unsigned me, bool overwrite)
{
	int r = shmqi_policy_switch(&world.processes[me].seg, overwrite);

	if (r)
		weave_wrong("switching: %d", r);
}

static void switches_on(unsigned me)
{
	switches_to(me, true);
}

static void switches_on_and_tries(unsigned me)
{
	switches_on(me);
	tries_one(me);
}

static void switches_off(unsigned me)
{
	switches_to(me, false);
}

/* Members 1 and 64 by turns: halves of two moments would name 65. */
#define HALVES (&world.groups[1].cursor)

static void looks_at_halves(unsigned me)
{
	uint64_t word;

	(void)me;
	if (shmqi_claim_look(HALVES, &world.members[ENTRIES - 1].claims[0], 65,
			     &word) == CLAIM_HELD)
		weave_wrong("a winner who was there at no moment");
}

static void moves_halves(unsigned me)
{
	struct cursor from = { EDGE, 7, 1 }, to = { EDGE + 64, 8, 64 };

	(void)me;
	cursor_swap(HALVES, from, to);
	from = to;
	to = (struct cursor){ EDGE + 128, 9, 1 };
	cursor_swap(HALVES, from, to);
}

static void joins_and_receives(unsigned me)
{
	world_consumer(me, 0);
	letters_receive(me, 1, SHMQ_NOWAIT);
	letters_release(me);
	shmq_consumer_close(world.processes[me].c);
	world.processes[me].c = NULL;
}

static void joins_and_leaves_a_loan(unsigned me)
{
	world_consumer(me, 0);
	closes(me);
}

/* Round the ring, if it is let: not over what is open of another's. */
static void goes_round(unsigned me)
{
	const struct sh_claim *claim = world.processes[0].p->claim;
	struct shmq_producer *p = world.processes[me].p;
	void *room;

	/* As far as a look at the tail behind the other's line would allow. */
	for (int i = 0; i < 4; i++) {
		size_t bytes = RING_MESSAGE - 16 - (i == 3 ? 64 : 0);

		if (shmq_reserve(p, bytes, &room, SHMQ_NOWAIT))
			continue;
		if (claim_state(claim->word) == SH_CLAIM_OWNED &&
		    cursor_unpack((struct pair){ world.control.tail.at.lo, 0 })
				    .pos > claim_pos(claim->word) + RING_BYTES)
			weave_wrong("an open claim is claimed over");
		shmq_discard(p);
	}
}

static void recovers(unsigned me)
{
	int r = shmq_recover(&world.processes[me].q);

	if (r < 0)
		weave_wrong("recovering: %d", r);
}

/* Put the second ring in place. */
static void resizes(unsigned me)
{
	int r = shmq_resize(&world.processes[me].q, SECOND_BYTES);

	if (r && r != -EBUSY)
		weave_wrong("resizing: %d", r);
}

/* Two lines: more than there is before the next ring begins; then a letter. */
static void turns(unsigned me)
{
	uint64_t filler[10];
	int r;

	for (int i = 0; i < 10; i++)
		filler[i] = WORLD_FILLER;
	r = shmq_send(world.processes[me].p, filler, sizeof(filler),
		      SHMQ_FOREVER);
	if (r)
		weave_wrong("sending: %d", r);
	letter_send(me, 0, SHMQ_FOREVER);
}

/* More than the first ring takes: whoever turns for it does so at once. */
static void outgrows(unsigned me)
{
	struct shmq_producer *p = world.processes[me].p;
	void *room;
	int r = shmq_reserve(p, RING_MESSAGE + 8, &room, SHMQ_NOWAIT);

	if (!r)
		shmq_discard(p);
	else if (r != -EMSGSIZE)
		weave_wrong("reserving: %d", r);
}

static void makes_group(unsigned me)
{
	int r = shmq_group_add(&world.processes[me].q, SECOND_GROUP,
			       SHMQ_OLDEST);

	if (r)
		weave_wrong("making a group: %d", r);
}

static void releases(unsigned me)
{
	letters_release(me);
}

/* ------------------------------------------------------------------ worlds */

static void two_producers_one_consumer(void)
{
	world_create(0, EDGE, 7);
	world_producer(0);
	world_producer(1);
	world_consumer(2, 0);
}

static void producer_and_consumer(void)
{
	world_create(0, EDGE, 7);
	world_producer(0);
	world_consumer(1, 0);
}

static void producer_and_serial_consumer(void)
{
	world_create(0, EDGE, 7);
	world_producer(0);
	world_consumer(1, SHMQ_EXCLUSIVE);
}

static void both_single(void)
{
	world_create(SHMQ_SINGLE_PRODUCER | SHMQ_SINGLE_CONSUMER, EDGE, 7);
	world_producer(0);
	world_consumer(1, 0);
}

/* So full that only one more letter fits before something is released. */
static void fill(void)
{
	world_fill(0, RING_MESSAGE - 16);
	world_fill(0, RING_MESSAGE - 16);
	world_fill(0, RING_MESSAGE - 16);
	world_fill(0, RING_MESSAGE - 16 - 64);
}

static void full_single(void)
{
	both_single();
	fill();
}

static void full_shared(void)
{
	producer_and_consumer();
	fill();
}

/* Letters lie there for two consumers. */
static void two_consumers_of(uint64_t flags)
{
	world_create(flags, EDGE, 7);
	world_producer(SPARE);
	for (unsigned i = 4; i < 7; i++)
		world_send(SPARE, i);
	shmq_producer_close(world.processes[SPARE].p);
	world.processes[SPARE].p = NULL;
	world_consumer(0, 0);
	world_consumer(1, 0);
}

static void two_consumers(void)
{
	two_consumers_of(0);
}

/* Nothing is written over, so nothing may be lost either. */
static void two_who_copy(void)
{
	two_consumers_of(SHMQ_OVERWRITE);
}

static void two_consumers_and_a_rescuer(void)
{
	two_consumers();
}

/* The oldest letter was held by one who has left; what came next is free. */
static void returned_and_full(void)
{
	struct shmq_msg msg;

	world_create(0, EDGE, 7);
	world_producer(0);
	world_consumer(1, 0);
	world_consumer(SPARE, 0);
	world_send(0, 4);
	world_fill(0, 8);
	for (int i = 0; i < 3; i++)
		world_fill(0, RING_MESSAGE - 16);
	world_fill(0, RING_MESSAGE - 16 - 128);
	shmq_receive(world.processes[SPARE].c, &msg, 1, SHMQ_NOWAIT);
	letters_receive(1, 1, SHMQ_NOWAIT);
	letters_release(1);
	shmq_consumer_close(world.processes[SPARE].c);
	world.processes[SPARE].c = NULL;
}

/*
 * Letter 4 is the oldest, and its line the next to be written over. A reader
 * who is overtaken goes on at the tail at once: no walk round the ring here.
 */
static void oldest_is_next(uint64_t flags, unsigned consumer_flags)
{
	world_create(flags, EDGE, 7);
	world_producer(0);
	world_consumer(1, consumer_flags);
	world_send(0, 4);
	fill();
	world.processes[1].c->copies->laps = 8;
}

static void overwriting(void)
{
	oldest_is_next(SHMQ_OVERWRITE, 0);
}

static void overwriting_and_tap(void)
{
	oldest_is_next(SHMQ_OVERWRITE, SHMQ_TAP);
}

/* The same where the producer has no claim slot, and nothing is kept. */
static void single_and_tap(void)
{
	world_create(SHMQ_SINGLE_PRODUCER | SHMQ_SINGLE_CONSUMER, EDGE, 7);
	world_producer(0);
	world_consumer(1, SHMQ_TAP);
	world_consumer(SPARE, 0);
	world_send(0, 4);
	fill();
	while (letters_receive(SPARE, LETTERS, SHMQ_NOWAIT) > 0)
		letters_release(SPARE);
	shmq_consumer_close(world.processes[SPARE].c);
	world.processes[SPARE].c = NULL;
	world.processes[1].c->copies->laps = 8;
}

/* One has what the other one waits for, and nothing else is there. */
static void all_on_loan(void)
{
	two_consumers();
	while (letters_receive(0, 1, SHMQ_NOWAIT) > 0)
		;
}

/* What was written over need not come. */
static void check_overwritten(void)
{
	for (unsigned i = 0; i < LETTERS; i++)
		world.letters[i].done = 1;
	world_check();
}

/* A producer, a consumer, and who resizes meanwhile. */
static void about_to_grow(void)
{
	producer_and_consumer();
	world_rings();
}

static void single_about_to_grow(void)
{
	both_single();
	world_rings();
}

/* One line is left in the first ring, the next begins behind it. */
static void about_to_turn(uint64_t flags)
{
	world_create(flags, EDGE, 7);
	world_producer(0);
	world_consumer(1, 0);
	fill();
	world_rings();
	world_resize();
}

static void shared_about_to_turn(void)
{
	about_to_turn(SHMQ_SINGLE_CONSUMER);
}

static void single_about_to_turn(void)
{
	about_to_turn(SHMQ_SINGLE_PRODUCER | SHMQ_SINGLE_CONSUMER);
}

/* The next line to be written is the tap's, with what marks the turn. */
static void turn_under_a_tap(void)
{
	single_and_tap();
	world_rings();
	world_resize();
}

/* The oldest letter is on loan, and one that comes next makes the ring full. */
static void full_and_on_loan(void)
{
	producer_and_consumer();
	world_send(0, 4);
	fill();
	letters_receive(1, 1, SHMQ_NOWAIT);
}

static void full_and_about_to_grow(void)
{
	full_and_on_loan();
	world_rings();
}

/* The oldest letter is the next to be written over. */
static void full_of(uint64_t flags, unsigned consumer_flags)
{
	world_create(flags, EDGE, 7);
	world_producer(0);
	world_consumer(1, consumer_flags);
	world_send(0, 4);
	world_fill(0, 8);
	for (int i = 0; i < 3; i++)
		world_fill(0, RING_MESSAGE - 16);
	world_fill(0, RING_MESSAGE - 16 - 128);
}

/* Who dies before the call returns takes it along. */
static void full_to_be_copied(void)
{
	full_of(0, 0);
}

static void full_to_be_copied_by_one(void)
{
	full_of(0, SHMQ_EXCLUSIVE);
}

static void full_and_overwriting(void)
{
	full_of(SHMQ_OVERWRITE, 0);
	world.processes[1].c->copies->laps = 8;
}

/* It has been switched off: the producer knows, the consumer not yet. */
static void full_and_switched_off(void)
{
	full_and_overwriting();
	switches_off(SPARE);
	tries_two(0);
}

/* Consumer 0 has the entry that the tail still names. */
static void reused_entry(void)
{
	two_consumers();
	world_producer(2);
}

static void joins_second(unsigned who)
{
	struct process *process = &world.processes[who];

	if (shmq_consumer_open(&process->c, &process->q, SECOND_GROUP, 0))
		weave_wrong("joining the second group");
}

/* The same of one who has come from another group, which goes on. */
static void reused_entry_of_a_group(void)
{
	struct shmq_consumer **other = &world.processes[2].c;
	struct shmq_msg msg;

	two_consumers();
	makes_group(SPARE);
	shmq_consumer_close(world.processes[0].c);
	joins_second(2);
	shmq_receive(*other, &msg, 1, SHMQ_NOWAIT);
	shmq_release(*other);
	shmq_consumer_close(*other);
	world_consumer(0, 0);
	joins_second(2);
}

/* In a group of its own: not in the books. */
static void polls_aside(unsigned me)
{
	struct shmq_msg msg;

	if (shmq_receive(world.processes[me].c, &msg, 1, SHMQ_NOWAIT) == 1)
		shmq_release(world.processes[me].c);
}

static void two_halves(void)
{
	world_create(0, EDGE, 7);
	cursor_init(HALVES, (struct cursor){ EDGE, 7, 1 });
	store_relaxed(&world.members[ENTRIES - 1].claims[0].word,
		      claim_word(EDGE - 64, SH_CLAIM_ANNOUNCED));
}

/* Nobody receives: only another ring makes room. */
static void full_without_consumers(void)
{
	world_create(0, EDGE, 7);
	world_producer(0);
	world_send(0, 5);
	fill();
	world_rings();
}

/* The two oldest letters were left, as one span, by one who closed. */
static void returned_to_two(void)
{
	two_consumers();
	world_consumer(SPARE, 0);
	letters_receive(SPARE, 2, SHMQ_NOWAIT);
	world.processes[SPARE].holds = 0;
	shmq_consumer_close(world.processes[SPARE].c);
	world.processes[SPARE].c = NULL;
}

/* Nobody keeps anything: only open claims are in the way. */
static void three_producers_of_a_topic(void)
{
	world_create(SHMQ_TOPIC, EDGE, 7);
	for (unsigned i = 0; i < 3; i++)
		world_producer(i);
}

/* Letters, and nobody who receives them yet. */
static void letters_alone(void)
{
	world_create(0, EDGE, 7);
	world_producer(SPARE);
	for (unsigned i = 4; i < 7; i++)
		world_send(SPARE, i);
	shmq_producer_close(world.processes[SPARE].p);
	world.processes[SPARE].p = NULL;
}

static void two_producers_and_a_rescuer(void)
{
	world_create(0, EDGE, 7);
	world_producer(0);
	world_producer(1);
}

static void no_membarrier(void)
{
	world.no_membarrier = true;
	both_single();
}

static void asked_for_fences(void)
{
	no_membarrier();
	store_relaxed(&world.control.recv.at.lo, SH_BELL_FENCED);
	store_relaxed(&world.control.send.at.lo, SH_BELL_FENCED);
}

/* Then wakers see who sleeps, although they cannot be reached. */
static void idle_with_fences(void)
{
	world.no_membarrier = false;
	world_idle();
	world.no_membarrier = true;
}

/* --------------------------------------------------------------- the table */

#define QUICK                                                                  \
	{                                                                      \
		.switches = 2, .deaths = 1, .late = 1, .seconds = 0.4          \
	}
#define QUICK_SHORT                                                            \
	{                                                                      \
		.switches = 2, .deaths = 1, .late = 1, .seconds = 0.2          \
	}
/* Where it takes two switches and many steps. */
#define QUICK_LONG                                                             \
	{                                                                      \
		.switches = 2, .deaths = 1, .late = 1, .seconds = 1            \
	}
#define FULL                                                                   \
	{                                                                      \
		.switches = 3, .deaths = 2, .late = 2, .seconds = 60           \
	}

const struct scenario scenarios[] = {
	{ "two producers and their consumer",
	  3,
	  two_producers_one_consumer,
	  { sends_one, sends_one, receives_two },
	  world_idle,
	  world_check,
	  QUICK,
	  FULL },
	{ "a producer and a consumer who sleeps",
	  2,
	  producer_and_consumer,
	  { sends_two, receives_two },
	  world_idle,
	  world_check,
	  QUICK,
	  FULL },
	{ "a producer and a serial consumer",
	  2,
	  producer_and_serial_consumer,
	  { sends_two, receives_two },
	  world_idle,
	  world_check,
	  QUICK,
	  FULL },
	{ "single producer and serial consumer",
	  2,
	  both_single,
	  { sends_two, receives_two },
	  world_idle,
	  world_check,
	  QUICK,
	  FULL },
	{ "single both, full",
	  2,
	  full_single,
	  { sends_two, receives_two },
	  world_idle,
	  world_check,
	  QUICK,
	  FULL },
	{ "shared, full",
	  2,
	  full_shared,
	  { sends_two, receives_two },
	  world_idle,
	  world_check,
	  QUICK,
	  FULL },
	{ "two consumers",
	  2,
	  two_consumers,
	  { polls_two, borrows_two },
	  world_idle,
	  world_check,
	  QUICK,
	  FULL },
	{ "a consumer that closes",
	  2,
	  two_consumers,
	  { closes, borrows_two },
	  world_idle,
	  world_check,
	  QUICK,
	  FULL },
	{ "a consumer that closes and a busy one",
	  2,
	  two_consumers,
	  { closes_and_says_so, takes_returned_first },
	  world_idle,
	  world_check,
	  QUICK,
	  FULL },
	{ "a consumer that closes beside a sleeper",
	  2,
	  all_on_loan,
	  { leaves_all, receives_two },
	  idle_beside_returned,
	  world_check,
	  QUICK,
	  FULL },
	{ "two consumers and a rescuer",
	  3,
	  two_consumers_and_a_rescuer,
	  { polls_two, borrows_two, recovers },
	  world_idle,
	  world_check,
	  QUICK,
	  FULL },
	{ "two producers and a rescuer",
	  3,
	  two_producers_and_a_rescuer,
	  { sends_two, sends_one, recovers },
	  world_idle,
	  world_check,
	  QUICK,
	  FULL },
	{ "an adopter and a producer",
	  2,
	  returned_and_full,
	  { tries_two, adopts_and_holds },
	  world_idle,
	  world_check,
	  QUICK,
	  FULL },
	{ "a consumer that joins and a rescuer",
	  3,
	  two_producers_and_a_rescuer,
	  { sends_two, recovers, joins_and_receives },
	  world_idle,
	  world_check,
	  QUICK,
	  FULL },
	{ "two consumers who copy and a rescuer",
	  3,
	  two_who_copy,
	  { polls_two, borrows_two, recovers },
	  world_idle,
	  world_check,
	  QUICK,
	  FULL },
	{ "two consumers who copy, one closes",
	  2,
	  two_who_copy,
	  { closes, borrows_two },
	  world_idle,
	  world_check,
	  QUICK,
	  FULL },
	{ "an overwriting producer and a reader",
	  2,
	  overwriting,
	  { tries_two, reads_one },
	  world_idle,
	  check_overwritten,
	  QUICK,
	  FULL },
	{ "an overwriting producer and a tap",
	  2,
	  overwriting_and_tap,
	  { tries_two, reads_one },
	  world_idle,
	  check_overwritten,
	  QUICK,
	  FULL },
	{ "a single producer and a tap",
	  2,
	  single_and_tap,
	  { tries_two, reads_one },
	  world_idle,
	  check_overwritten,
	  QUICK,
	  FULL },
	{ "two consumers that join, one leaves a loan",
	  2,
	  letters_alone,
	  { joins_and_receives, joins_and_leaves_a_loan },
	  world_idle,
	  world_check,
	  QUICK_LONG,
	  FULL },
	{ "three producers of a topic, one goes round",
	  3,
	  three_producers_of_a_topic,
	  { sends_one, sends_one, goes_round },
	  NULL, /* producers are not rung for what producers let go */
	  check_overwritten,
	  { .switches = 2, .late = 1, .seconds = 1 },
	  FULL },
	{ "a sleeper and a rescuer",
	  3,
	  producer_and_consumer,
	  { sends_one, receives_one, recovers },
	  world_idle,
	  world_check,
	  QUICK,
	  FULL },
	{ "full, and a rescuer",
	  3,
	  full_shared,
	  { sends_two, receives_two, recovers },
	  world_idle,
	  world_check,
	  QUICK,
	  FULL },
	{ "what was returned, and two who adopt",
	  2,
	  returned_to_two,
	  { polls_two, polls_two },
	  world_idle,
	  world_check,
	  QUICK,
	  FULL },
	{ "a group is made while a loan is released",
	  3,
	  full_and_on_loan,
	  { tries_two, releases, makes_group },
	  world_idle,
	  world_check,
	  QUICK,
	  FULL },
	{ "a full queue without consumers is resized",
	  2,
	  full_without_consumers,
	  { sends_one, resizes },
	  world_idle,
	  world_check,
	  QUICK_LONG,
	  FULL },
	{ "a full queue is resized while a loan is released",
	  3,
	  full_and_about_to_grow,
	  { tries_two, releases, resizes },
	  world_idle,
	  world_check,
	  QUICK,
	  FULL },
	{ "a queue is resized",
	  3,
	  about_to_grow,
	  { sends_one, receives_one, resizes },
	  world_idle,
	  world_check,
	  QUICK,
	  FULL },
	{ "a queue of two is resized",
	  3,
	  single_about_to_grow,
	  { sends_one, receives_one, resizes },
	  world_idle,
	  world_check,
	  QUICK,
	  FULL },
	{ "a producer turns to the next ring",
	  2,
	  shared_about_to_turn,
	  { turns, receives_one },
	  world_idle,
	  world_check,
	  QUICK,
	  FULL },
	{ "a single producer turns to the next ring",
	  2,
	  single_about_to_turn,
	  { turns, receives_one },
	  world_idle,
	  world_check,
	  QUICK,
	  FULL },
	{ "a single producer turns under a tap",
	  2,
	  turn_under_a_tap,
	  { outgrows, reads_one },
	  world_idle,
	  check_overwritten,
	  QUICK,
	  FULL },
	{ "no membarrier",
	  2,
	  no_membarrier,
	  { sends_one, receives_one },
	  world_idle,
	  world_check,
	  QUICK,
	  FULL },
	{ "no membarrier, and fences are asked for",
	  2,
	  asked_for_fences,
	  { sends_one, receives_one },
	  idle_with_fences,
	  world_check,
	  QUICK,
	  FULL },
	{ "a cursor of two moments",
	  2,
	  two_halves,
	  { looks_at_halves, moves_halves },
	  world_idle,
	  world_check,
	  QUICK,
	  FULL },
	{ "an entry that has changed hands",
	  3,
	  reused_entry,
	  { polls_two, polls_two, sends_first },
	  world_idle,
	  world_check,
	  QUICK_SHORT,
	  FULL },
	{ "an entry that has changed its group",
	  3,
	  reused_entry_of_a_group,
	  { polls_two, polls_two, polls_aside },
	  world_idle,
	  world_check,
	  QUICK_SHORT,
	  FULL },
	{ "full, and the oldest is copied",
	  2,
	  full_to_be_copied,
	  { tries_two, copies_one },
	  world_idle,
	  check_overwritten,
	  QUICK_SHORT,
	  FULL },
	{ "full, and the oldest is copied by a serial consumer",
	  2,
	  full_to_be_copied_by_one,
	  { tries_two, copies_one },
	  world_idle,
	  check_overwritten,
	  QUICK_SHORT,
	  FULL },
	{ "overwriting is switched on",
	  3,
	  full_to_be_copied,
	  { tries_one, holds_one, switches_on },
	  world_idle,
	  check_overwritten,
	  QUICK_SHORT,
	  FULL },
	{ "overwriting is switched off",
	  3,
	  full_and_overwriting,
	  { tries_one, holds_one, switches_off },
	  world_idle,
	  check_overwritten,
	  QUICK_SHORT,
	  FULL },
	{ "overwriting is switched on again",
	  2,
	  full_and_switched_off,
	  { switches_on_and_tries, holds_one },
	  world_idle,
	  check_overwritten,
	  QUICK_SHORT,
	  FULL },
};
const unsigned n_scenarios = sizeof(scenarios) / sizeof(scenarios[0]);
