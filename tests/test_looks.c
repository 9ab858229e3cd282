/* SPDX-License-Identifier: MIT */
/*
 * Second looks that only a certain moment needs: inner functions are called by
 * hand, and in the middle of them, where they call others, what they have seen
 * changes. And what the dead left half done, made by hand.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "consumer.h"
#include "copies.h"
#include "group.h"
#include "handle.h"
#include "lease.h"
#include "members.h"
#include "producer.h"
#include "returned.h"
#include "room.h"
#include "support.h"
#include "views.h"

#define CAPACITY 4096
#define LINE 64

int __real_shmqi_room_look(const struct segment *seg, uint64_t policy,
			   uint64_t tail, struct room *room);
int __wrap_shmqi_room_look(const struct segment *seg, uint64_t policy,
			   uint64_t tail, struct room *room);
uint64_t __real_shmqi_group_lowest(const struct segment *seg, uint64_t tail,
				   const struct group_choice *choice);
uint64_t __wrap_shmqi_group_lowest(const struct segment *seg, uint64_t tail,
				   const struct group_choice *choice);
int __real_shmqi_lease_share(int fd, int64_t byte);
int __wrap_shmqi_lease_share(int fd, int64_t byte);
bool __real_shmqi_member_alive(struct segment *seg, uint32_t index);
bool __wrap_shmqi_member_alive(struct segment *seg, uint32_t index);

/* What happens there, once. */
static void (*behind_room_look)(void);
static void (*before_group_lowest)(void);
static void (*before_lease_share)(void);
static void (*before_member_alive)(void);
static struct shmq *queue;

static void happen(void (**what)(void))
{
	void (*act)(void) = *what;

	*what = NULL;
	if (act)
		act();
}

int __wrap_shmqi_room_look(const struct segment *seg, uint64_t policy,
			   uint64_t tail, struct room *room)
{
	int r = __real_shmqi_room_look(seg, policy, tail, room);

	happen(&behind_room_look);
	return r;
}

uint64_t __wrap_shmqi_group_lowest(const struct segment *seg, uint64_t tail,
				   const struct group_choice *choice)
{
	happen(&before_group_lowest);
	return __real_shmqi_group_lowest(seg, tail, choice);
}

int __wrap_shmqi_lease_share(int fd, int64_t byte)
{
	happen(&before_lease_share);
	return __real_shmqi_lease_share(fd, byte);
}

bool __wrap_shmqi_member_alive(struct segment *seg, uint32_t index)
{
	happen(&before_member_alive);
	return __real_shmqi_member_alive(seg, index);
}

static void grow(void)
{
	must_be(shmq_resize(queue, 2 * CAPACITY), 0);
}

static void send_some(struct shmq_producer *p, unsigned n)
{
	while (n--)
		must_be(shmq_send(p, "x", 1, SHMQ_NOWAIT), 0);
}

static void receive_some(struct shmq_consumer *c, unsigned n)
{
	char got;

	while (n--)
		must_be(shmq_recv(c, &got, 1, SHMQ_NOWAIT), 1);
}

/* ------------------------------------------------- rings that appear just now */

/* Its only producer is here, so nobody goes to the new ring meanwhile. */
static void a_promise_holds_for_the_newest_ring(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, SHMQ_SINGLE_PRODUCER);
	struct shmq_producer *p = producer_join(q);
	struct room room;

	(void)state;
	queue = q;
	behind_room_look = grow;
	must_be(shmqi_claim_look_for_room(p, 0, &room), 0);
	must(!behind_room_look);
	must_be(room.newest, 1);
	must(room.limit <= room.turn);
	shmq_producer_close(p);
	shmq_close(q);
}

static void room_is_that_beside_the_newest_ring(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, SHMQ_SINGLE_PRODUCER);
	struct shmq_producer *p = producer_join(q);
	struct room room;

	(void)state;
	queue = q;
	before_group_lowest = grow;
	must_be(shmqi_room_look(q->seg, 0, 0, &room), 0);
	must(!before_group_lowest);
	must_be(room.newest, 1);
	must(room.turn != UINT64_MAX);
	shmq_producer_close(p);
	shmq_close(q);
}

/*
 * Where the newest ring begins is no lower than anybody's limit: limits that
 * were found before a group was being made do not know of it.
 */
static void a_group_that_is_being_made_lowers_no_promise(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0);
	struct sh_group *group = &q->seg->groups[1];
	uint64_t tail, lowest;

	(void)state;
	send_some(p, 3);
	receive_some(c, 3);
	tail = cursor_pos(&q->seg->control->tail);
	cursor_init(&group->cursor, (struct cursor){ 0, 0, SH_NOBODY });
	store_release(&group->state, SH_GROUP_MAKING);
	must(shmqi_room_lowest(q->seg, tail, &lowest));
	must_be(lowest, 0);
	must(shmqi_room_promised(q->seg, tail, &lowest));
	must_be(lowest, tail);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(q);
}

static step *now;

static void grow_in_child(void *arg)
{
	(void)arg;
	step_wait(now, 1);
	queue = queue_open("q");
	grow();
	shmq_close(queue);
	step_to(now, 2);
}

static void let_child_grow(void)
{
	step_to(now, 1);
	step_wait(now, 2);
}

/* The ring that it shares may have been given back meanwhile, pages and all. */
static void rings_are_those_of_when_they_were_shared(void **state)
{
	struct shmq *q = queue_create("q", CAPACITY, 0);
	struct rings rings;
	pid_t pid;
	int r;

	(void)state;
	now = shared_memory(sizeof(*now));
	pid = child_start(grow_in_child, NULL);
	before_lease_share = let_child_grow;
	pthread_mutex_lock(&q->seg->lock);
	r = shmqi_views_get(q->seg, false, &rings);
	shmqi_views_let(q->seg);
	pthread_mutex_unlock(&q->seg->lock);
	must_be(r, 0);
	must_be(rings.high.number, 1);
	must(!before_lease_share);
	child_join(pid);
	shared_free((void *)(uintptr_t)now, sizeof(*now));
	shmq_close(q);
}

/* ------------------------------------------------- what the dead have not done */

/* A group that was being made keeps the ring from its place on. */
static void a_half_made_group_does_not_hold_a_resize(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0);
	struct sh_group *group = &q->seg->groups[1];

	(void)state;
	send_some(p, 3);
	receive_some(c, 3);
	must_be(shmq_resize(q, 2 * CAPACITY), 0);
	send_some(p, 3);
	receive_some(c, 3);
	cursor_init(&group->cursor, (struct cursor){ 0, 0, SH_NOBODY });
	store_release(&group->state, SH_GROUP_MAKING);
	must_be(shmq_resize(q, 4 * CAPACITY), 0);
	must_be(load_relaxed(&group->state), SH_GROUP_FREE);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(q);
}

/* It was allocated for a ring that nobody has ever heard of. */
static void storage_of_no_ring_is_given_back(void **state)
{
	struct shmq *q = queue_create("q", CAPACITY, 0);
	struct stat before, now_, after;

	(void)state;
	must_be(fstat(shmq_fd(q), &before), 0);
	must_be(posix_fallocate(shmq_fd(q), before.st_size, 16 * CAPACITY), 0);
	must_be(fstat(shmq_fd(q), &now_), 0);
	must(now_.st_blocks > before.st_blocks);
	must_be(shmq_resize(q, CAPACITY), 0);
	must_be(fstat(shmq_fd(q), &after), 0);
	must_be(after.st_blocks, before.st_blocks);
	shmq_close(q);
}

/* -------------------------------------------------------- what was returned */

static struct shmq_consumer *borrower(struct shmq *q, unsigned n)
{
	struct shmq_consumer *c = consumer_join(q, 0);
	struct shmq_msg msg;

	while (n--)
		must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
	return c;
}

static void must_come_again(struct shmq *q, unsigned n)
{
	struct shmq_consumer *c = consumer_join(q, 0);
	struct shmq_msg msgs[16];
	int r = 0, got;

	while ((unsigned)r < n) {
		got = shmq_receive(c, msgs + r, 16 - (unsigned)r, SHMQ_NOWAIT);
		must(got > 0);
		r += got;
	}
	must_be(r, n);
	for (int i = 0; i < r; i++) {
		must_be(msgs[i].flags, SHMQ_REDELIVERED);
		must_be(msgs[i].lost, 0);
		must_be(msgs[i].seq, i);
	}
	must_be(shmq_consumer_lost(c), 0);
	shmq_consumer_close(c);
}

static unsigned count_returned(struct shmq *q)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < q->seg->geo.member_entries; i++)
		n += load_relaxed(&member_at(q->seg, i)->state) ==
		     SH_MEMBER_RETURNED;
	return n;
}

static void compact(struct shmq *q)
{
	pthread_mutex_lock(&q->seg->lock);
	shmqi_returned_compact(q->seg);
	pthread_mutex_unlock(&q->seg->lock);
}

/* In all spans of the entry. */
static uint64_t numbers_of(struct sh_member *member)
{
	uint64_t n = 0;

	for (unsigned k = 0; k < SH_CLAIMS; k++)
		if (claim_state(load_relaxed(&member->claims[k].word)) ==
		    SH_CLAIM_OWNED)
			n += claim_numbers(&member->claims[k]);
	return n;
}

/* The numbers of both are told of the span that both have become. */
static void spans_made_one_have_all_their_numbers(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, SHMQ_OVERWRITE);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c, *other;

	(void)state;
	send_some(p, 5);
	c = borrower(q, 2);
	other = borrower(q, 3);
	shmq_consumer_close(c);
	shmq_consumer_close(other);
	must_be(count_returned(q), 2);
	compact(q);
	must_be(count_returned(q), 1);
	for (uint32_t i = 0; i < q->seg->geo.member_entries; i++) {
		struct sh_member *member = member_at(q->seg, i);

		if (load_relaxed(&member->state) == SH_MEMBER_RETURNED)
			must_be(numbers_of(member), 5);
	}
	must_come_again(q, 5);
	shmq_producer_close(p);
	shmq_close(q);
}

/* What is held in place stays; what was copied may be written over. */
static void spans_of_two_policies_are_not_made_one(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c, *other;

	(void)state;
	send_some(p, 5);
	c = borrower(q, 2);
	must_be(shmq_setattr(q, "overwrite", "on"), 0);
	other = borrower(q, 3);
	must(other->copies && !c->copies);
	shmq_consumer_close(c);
	shmq_consumer_close(other);
	must_be(count_returned(q), 2);
	compact(q);
	must_be(count_returned(q), 2);
	must_come_again(q, 5);
	shmq_producer_close(p);
	shmq_close(q);
}

/* Only who copies can take them: so somebody goes on copying. */
static void what_was_copied_and_returned_comes_again_in_place(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, SHMQ_OVERWRITE);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c;

	(void)state;
	send_some(p, 5);
	c = borrower(q, 5);
	shmq_consumer_close(c);
	/* No producer keeps anybody from receiving in place. */
	shmq_producer_close(p);
	must_be(shmq_setattr(q, "overwrite", "off"), 0);
	must_come_again(q, 5);
	shmq_close(q);
}

/* It ends within a message: scribbled on, and no span of messages. */
static void a_returned_span_ends_with_a_message(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);
	struct shmq_producer *p = producer_join(q);
	static const char message[100];
	struct shmq_consumer *c;
	struct sh_claim *claims;
	struct shmq_msg msg;
	uint32_t index;

	(void)state;
	for (int i = 0; i < 2; i++)
		must_be(shmq_send(p, message, 100, SHMQ_NOWAIT), 0);
	c = borrower(q, 2);
	index = c->ep.index;
	shmq_consumer_close(c);
	must_be(count_returned(q), 1);
	claims = member_at(q->seg, index)->claims;
	for (unsigned k = 0; k < SH_CLAIMS; k++)
		store_relaxed(&claims[k].end,
			      claim_pos(load_relaxed(&claims[k].word)) + LINE);
	c = consumer_join(q, 0);
	must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), -EBADMSG);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(q);
}

/* ------------------------------------------------------------------ a tap */

static uint64_t reserved_at;
static struct shmq_producer *stamper;
static pid_t reserver;

static void reserve_and_wait(void *arg)
{
	struct shmq *q = queue_open("q");
	void *room;

	(void)arg;
	must_be(shmq_reserve(producer_join(q), 1, &room, SHMQ_NOWAIT), 0);
	step_to(now, 1);
	for (;;)
		nap();
}

/* The last that it did; its claim says that it has not. */
static void stamp_and_die(void)
{
	struct sh_record *record = record_at(&stamper->ring, reserved_at);

	child_kill(reserver);
	record_describe(record, 1, 0, stamper->ep.index);
	record_stamp(&stamper->ring, record, 2);
}

static void a_tap_does_not_pass_what_was_just_stamped(void **state)
{
	struct shmq *q = queue_create("q", CAPACITY, 0);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *tap;
	struct shmq_msg msg;

	(void)state;
	must_be(shmq_consumer_open(&tap, q, NULL, SHMQ_TAP), 0);
	send_some(p, 2);
	receive_some(tap, 2);
	reserved_at = cursor_pos(&q->seg->control->tail);
	stamper = p;
	now = shared_memory(sizeof(*now));
	reserver = child_start(reserve_and_wait, NULL);
	step_wait(now, 1);
	before_member_alive = stamp_and_die;
	must_be(shmqi_tap_pass_dead(tap), 1);
	must(!before_member_alive);
	must_be(shmq_receive(tap, &msg, 1, SHMQ_NOWAIT), 1);
	must_be(msg.seq, 2);
	must_be(msg.len, 1);
	shmq_consumer_close(tap);
	shmq_producer_close(p);
	shmq_close(q);
	shared_free((void *)(uintptr_t)now, sizeof(*now));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(a_promise_holds_for_the_newest_ring),
		TEST_IN_DIRECTORY(room_is_that_beside_the_newest_ring),
		TEST_IN_DIRECTORY(a_group_that_is_being_made_lowers_no_promise),
		TEST_IN_DIRECTORY(rings_are_those_of_when_they_were_shared),
		TEST_IN_DIRECTORY(a_half_made_group_does_not_hold_a_resize),
		TEST_IN_DIRECTORY(storage_of_no_ring_is_given_back),
		TEST_IN_DIRECTORY(spans_made_one_have_all_their_numbers),
		TEST_IN_DIRECTORY(spans_of_two_policies_are_not_made_one),
		TEST_IN_DIRECTORY(
			what_was_copied_and_returned_comes_again_in_place),
		TEST_IN_DIRECTORY(a_returned_span_ends_with_a_message),
		TEST_IN_DIRECTORY(a_tap_does_not_pass_what_was_just_stamped),
	};

	return cmocka_run_group_tests_name("looks", tests, NULL, NULL);
}
