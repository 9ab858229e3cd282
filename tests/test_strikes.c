/* SPDX-License-Identifier: MIT */
/*
 * Chimes, strike by strike: who waits by a descriptor is struck in the call
 * that it waits for, and the bell and the entry say so in an order in which a
 * death leaves nobody unstruck.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "consumer.h"
#include "handle.h"
#include "support.h"

#define CAPACITY 4096

ssize_t __real_write(int fd, const void *buf, size_t n);
ssize_t __wrap_write(int fd, const void *buf, size_t n);

/* What happens while somebody is struck. */
static void (*meanwhile)(void);
static unsigned strikes;

ssize_t __wrap_write(int fd, const void *buf, size_t n)
{
	void (*act)(void) = meanwhile;

	strikes += n == 1;
	meanwhile = NULL;
	if (act)
		act();
	return __real_write(fd, buf, n);
}

ssize_t __real_read(int fd, void *buf, size_t n);
ssize_t __wrap_read(int fd, void *buf, size_t n);

/* What happens before somebody takes his strikes. */
static void (*before)(void);

ssize_t __wrap_read(int fd, void *buf, size_t n)
{
	void (*act)(void) = before;

	before = NULL;
	if (act)
		act();
	return __real_read(fd, buf, n);
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static int empty(struct shmq_consumer *c)
{
	return (int)shmq_recv(c, NULL, 0, SHMQ_NOWAIT);
}

/* Two who wait, the only consumers of their groups; and who sends. */
static struct shmq *q;
static struct shmq_consumer *first, *second;
static struct shmq_producer *p;
static int first_fd, second_fd;

static void scene_open(void)
{
	q = queue_anonymous(CAPACITY, 0);
	must_be(shmq_group_add(q, "second", SHMQ_OLDEST), 0);
	first = consumer_join(q, 0);
	must_be(shmq_consumer_open(&second, q, "second", 0), 0);
	p = producer_join(q);
	first_fd = shmq_consumer_fd(first);
	second_fd = shmq_consumer_fd(second);
	must(first_fd >= 0 && second_fd >= 0);
}

static void scene_close(void)
{
	shmq_consumer_close(first);
	shmq_consumer_close(second);
	shmq_producer_close(p);
	shmq_close(q);
}

static bool chimes_asked_for(void)
{
	return load_acquire(&q->seg->control->recv.at.lo) & SH_BELL_CHIMES;
}

static bool is_armed(const struct shmq_consumer *c)
{
	return load_acquire(&c->ep.member->chime_armed) & 1;
}

static void who_waits_is_struck_at_once(void **state)
{
	char got;

	(void)state;
	scene_open();
	must_be(empty(first), -EAGAIN);
	must_be(empty(second), -EAGAIN);
	for (int i = 0; i < 3; i++) {
		must(!readable(first_fd) && !readable(second_fd));
		must(is_armed(first) && is_armed(second));
		must(chimes_asked_for());
		strikes = 0;
		must_be(shmq_send(p, "x", 1, SHMQ_NOWAIT), 0);
		must(readable(first_fd) && readable(second_fd));
		/* Once each, however much is sent. */
		must(!is_armed(first) && !is_armed(second));
		must(!chimes_asked_for());
		must_be(shmq_send(p, "x", 1, SHMQ_NOWAIT), 0);
		must_be(strikes, 2);
		for (int k = 0; k < 2; k++) {
			must_be(shmq_recv(first, &got, 1, SHMQ_NOWAIT), 1);
			must_be(shmq_recv(second, &got, 1, SHMQ_NOWAIT), 1);
		}
		must_be(empty(first), -EAGAIN);
		must_be(empty(second), -EAGAIN);
	}
	scene_close();
}

static void who_waits_for_room_is_struck_at_once(void **state)
{
	char got;
	int fd;

	(void)state;
	scene_open();
	fd = shmq_producer_fd(p);
	must(fd >= 0);
	while (shmq_send(p, "x", 1, SHMQ_NOWAIT) == 0)
		;
	must_be(shmq_send(p, "x", 1, SHMQ_NOWAIT), -EAGAIN);
	must(!readable(fd));
	must_be(shmq_recv(first, &got, 1, SHMQ_NOWAIT), 1);
	must_be(shmq_recv(second, &got, 1, SHMQ_NOWAIT), 1);
	must(readable(fd));
	must_be(shmq_send(p, "x", 1, SHMQ_NOWAIT), 0);
	scene_close();
}

static void send_one(void)
{
	must_be(shmq_send(p, "x", 1, SHMQ_NOWAIT), 0);
}

/* The striker may die here: both the entry and the bell still say so. */
static void nobody_has_been_forgotten_yet(void)
{
	must(is_armed(first) && is_armed(second));
	must(chimes_asked_for());
}

static void the_first_is_struck_and_then_said_to_be(void **state)
{
	(void)state;
	scene_open();
	must_be(empty(first), -EAGAIN);
	must_be(empty(second), -EAGAIN);
	meanwhile = nobody_has_been_forgotten_yet;
	send_one();
	must(!meanwhile);
	must(readable(first_fd) && readable(second_fd));
	scene_close();
}

/* It was passed over, and arms while the other one is struck. */
static void first_arms(void)
{
	must_be(empty(first), -EAGAIN);
}

static void who_arms_during_a_strike_keeps_the_bell(void **state)
{
	void *room;
	char got;

	(void)state;
	scene_open();
	send_one();
	must_be(shmq_recv(first, &got, 1, SHMQ_NOWAIT), 1);
	must_be(shmq_recv(second, &got, 1, SHMQ_NOWAIT), 1);
	must_be(empty(second), -EAGAIN);
	must(!is_armed(first));
	meanwhile = first_arms;
	/* The claim rings; there is nothing to be had yet. */
	must_be(shmq_reserve(p, 1, &room, SHMQ_NOWAIT), 0);
	must(!meanwhile);
	must(is_armed(first));
	must(chimes_asked_for());
	must_be(shmq_commit(p, 1), 0);
	must(readable(first_fd));
	must_be(shmq_recv(first, &got, 1, SHMQ_NOWAIT), 1);
	scene_close();
}

static void send_two(void)
{
	send_one();
	send_one();
}

/* It came before it armed: nobody will strike for it, so it strikes itself. */
static void what_is_found_while_arming_stays_readable(void **state)
{
	char got;

	(void)state;
	scene_open();
	send_one();
	must_be(shmq_recv(first, &got, 1, SHMQ_NOWAIT), 1);
	before = send_two;
	must_be(shmq_recv(first, &got, 1, SHMQ_NOWAIT), 1);
	must(!before);
	must(readable(first_fd));
	must_be(shmq_recv(first, &got, 1, SHMQ_NOWAIT), 1);
	must_be(empty(first), -EAGAIN);
	must(!readable(first_fd));
	scene_close();
}

static void wait_and_die(void *arg)
{
	struct shmq_consumer *c = consumer_join(arg, 0);

	must(shmq_consumer_fd(c) >= 0);
	must_be(empty(c), -EAGAIN);
	raise(SIGKILL);
}

/* Nobody strikes for who has been cleaned up. */
static void the_dead_are_not_struck(void **state)
{
	struct sh_member *member;

	(void)state;
	q = queue_anonymous(CAPACITY, 0);
	p = producer_join(q);
	child_must_be_killed(child_start(wait_and_die, q));
	must_be(shmq_recover(q), 1);
	member = member_at(q->seg, 1);
	must_be(load_acquire(&member->chime_armed), 0);
	must_be(load_acquire(&member->chime_name), 0);
	strikes = 0;
	send_one();
	must_be(strikes, 0);
	shmq_producer_close(p);
	shmq_close(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(who_waits_is_struck_at_once),
		TEST_IN_DIRECTORY(who_waits_for_room_is_struck_at_once),
		TEST_IN_DIRECTORY(the_first_is_struck_and_then_said_to_be),
		TEST_IN_DIRECTORY(who_arms_during_a_strike_keeps_the_bell),
		TEST_IN_DIRECTORY(what_is_found_while_arming_stays_readable),
		TEST_IN_DIRECTORY(the_dead_are_not_struck),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
