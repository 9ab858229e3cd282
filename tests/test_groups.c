/* SPDX-License-Identifier: MIT */
/* Groups: each has its own place in the stream; topics have none to begin with. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "handle.h"
#include "layout.h"
#include "support.h"

#define CAPACITY 4096
#define LINE 64
#define LINES (CAPACITY / LINE)

static const unsigned kinds[] = { 0, SHMQ_SINGLE_PRODUCER, SHMQ_SINGLE_CONSUMER,
				  SHMQ_SINGLE_PRODUCER | SHMQ_SINGLE_CONSUMER };
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static struct shmq_consumer *join(struct shmq *q, const char *group,
				  unsigned flags)
{
	struct shmq_consumer *c;

	must_be(shmq_consumer_open(&c, q, group, flags), 0);
	return c;
}

static void send_numbers(struct shmq_producer *p, int from, int to)
{
	for (int i = from; i < to; i++)
		must_be(shmq_send(p, &i, sizeof(i), SHMQ_NOWAIT), 0);
}

static void receive_numbers(struct shmq_consumer *c, int from, int to)
{
	struct shmq_msg msg;
	int got;

	for (int i = from; i < to; i++) {
		must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
		memcpy(&got, msg.data, sizeof(got));
		must_be(got, i);
		must_be(msg.seq, i);
		must_be(shmq_release(c), 0);
	}
}

static void receive_no_more(struct shmq_consumer *c)
{
	must_be(shmq_recv(c, NULL, 0, SHMQ_NOWAIT), -EAGAIN);
}

static void every_group_gets_every_message(void **state)
{
	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		struct shmq *q = queue_anonymous(CAPACITY, kinds[k]);
		struct shmq_producer *p = producer_join(q);
		struct shmq_consumer *a = join(q, NULL, 0);
		struct shmq_consumer *b = join(q, "b", 0);
		struct shmq_consumer *c = join(q, "c", SHMQ_EXCLUSIVE);

		for (int lap = 0; lap < 5; lap++) {
			int from = lap * LINES, to = from + LINES;

			send_numbers(p, from, to);
			must_be(shmq_send(p, "", 0, SHMQ_NOWAIT), -EAGAIN);
			receive_numbers(a, from, to);
			receive_numbers(b, from, to);
			must_be(shmq_send(p, "", 0, SHMQ_NOWAIT), -EAGAIN);
			receive_numbers(c, from, to);
			receive_no_more(a);
			receive_no_more(c);
		}
		must_be(stat_of(q).groups, 3);
		shmq_consumer_close(a);
		shmq_consumer_close(b);
		shmq_consumer_close(c);
		shmq_producer_close(p);
		shmq_close(q);
	}
}

static void a_group_begins_at_the_oldest_message_or_the_next(void **state)
{
	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		struct shmq *q = queue_anonymous(CAPACITY, kinds[k]);
		struct shmq_producer *p = producer_join(q);
		struct shmq_consumer *c = join(q, NULL, 0), *old, *new;

		send_numbers(p, 0, 10);
		receive_numbers(c, 0, 4);
		old = join(q, "old", SHMQ_OLDEST);
		new = join(q, "new", SHMQ_NEWEST);
		must_be(shmq_group_add(q, "added", 0), 0);
		must_be(shmq_group_add(q, "added new", SHMQ_NEWEST), 0);
		send_numbers(p, 10, 12);
		receive_numbers(old, 4, 12);
		receive_numbers(new, 10, 12);
		shmq_consumer_close(old);
		shmq_consumer_close(new);
		old = join(q, "added", SHMQ_NEWEST);
		new = join(q, "added new", SHMQ_OLDEST);
		receive_numbers(old, 4, 12);
		receive_numbers(new, 10, 12);
		receive_numbers(c, 4, 12);
		shmq_consumer_close(old);
		shmq_consumer_close(new);
		shmq_consumer_close(c);
		shmq_producer_close(p);
		shmq_close(q);
	}
}

/* What another group's consumer holds is kept, so a new group gets it too. */
static void what_is_on_loan_is_kept(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = join(q, NULL, 0), *other;
	struct shmq_msg msgs[3];

	(void)state;
	send_numbers(p, 0, 6);
	receive_numbers(c, 0, 1);
	must_be(shmq_receive(c, msgs, 3, SHMQ_NOWAIT), 3);
	other = join(q, "other", 0);
	receive_numbers(other, 1, 6);
	shmq_consumer_close(other);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(q);
}

/* A reservation lies before all groups: the oldest kept is behind it. */
static void an_open_claim_is_no_beginning(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, SHMQ_TOPIC);
	struct shmq_producer *p = producer_join(q), *slow = producer_join(q);
	struct shmq_consumer *a, *b;
	void *out;

	(void)state;
	send_numbers(p, 0, LINES + 3);
	must_be(shmq_reserve(slow, 1, &out, SHMQ_NOWAIT), 0);
	a = join(q, "a", SHMQ_NEWEST);
	b = join(q, "b", SHMQ_OLDEST);
	for (int i = 0; i < 3; i++) {
		char got = 0;

		must_be(shmq_send(p, "x", 1, SHMQ_NOWAIT), 0);
		must_be(shmq_recv(a, &got, 1, SHMQ_NOWAIT), 1);
		must_be(shmq_recv(b, &got, 1, SHMQ_NOWAIT), 1);
		must_be(got, 'x');
	}
	must_be(shmq_commit(slow, 1), 0);
	receive_no_more(a);
	receive_no_more(b);
	shmq_consumer_close(a);
	shmq_consumer_close(b);
	shmq_producer_close(slow);
	shmq_producer_close(p);
	shmq_close(q);
}

static void a_removed_group_holds_nobody_back(void **state)
{
	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		struct shmq *q = queue_anonymous(CAPACITY, kinds[k]);
		struct shmq_producer *p = producer_join(q);
		struct shmq_consumer *c = join(q, NULL, 0), *slow;
		struct shmq_msg msgs[4];

		slow = join(q, "slow", 0);
		send_numbers(p, 0, LINES);
		receive_numbers(c, 0, LINES);
		must_be(shmq_group_remove(q, "slow"), -EBUSY);
		must_be(shmq_receive(slow, msgs, 4, SHMQ_NOWAIT), 4);
		shmq_consumer_close(slow);
		must_be(shmq_send(p, "", 0, SHMQ_NOWAIT), -EAGAIN);
		must_be(shmq_group_remove(q, "slow"), 0);
		must_be(shmq_group_remove(q, "slow"), -ENOENT);
		send_numbers(p, LINES, 2 * LINES);
		must_be(stat_of(q).groups, 1);
		/* Its entry is another's now. */
		slow = join(q, "slower", 0);
		receive_numbers(slow, LINES, 2 * LINES);
		shmq_consumer_close(slow);
		shmq_consumer_close(c);
		shmq_producer_close(p);
		shmq_close(q);
	}
}

static void hold_and_die(void *arg)
{
	struct shmq *q = arg;
	struct shmq_consumer *c = join(q, "held", 0);
	struct shmq_msg msgs[4];

	must_be(shmq_receive(c, msgs, 2, SHMQ_NOWAIT), 2);
	_exit(0);
}

static void the_dead_do_not_keep_their_group(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);
	struct shmq_producer *p = producer_join(q);

	(void)state;
	must_be(shmq_group_add(q, "held", 0), 0);
	send_numbers(p, 0, 5);
	child_wait(child_start(hold_and_die, q));
	must_be(stat_of(q).groups, 2);
	must_be(shmq_group_remove(q, "held"), 0);
	must_be(shmq_recover(q), 0);
	must_be(stat_of(q).members, 1);
	shmq_producer_close(p);
	shmq_close(q);
}

static void a_topic_keeps_what_somebody_subscribes_to(void **state)
{
	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		struct shmq *q = queue_anonymous(CAPACITY,
						 SHMQ_TOPIC | kinds[k]);
		struct shmq_producer *p = producer_join(q);
		struct shmq_consumer *a, *b;
		int n = 5 * LINES + 7;

		must_be(stat_of(q).groups, 0);
		send_numbers(p, 0, n);
		must_be(stat_of(q).depth_messages, 0);
		a = join(q, NULL, 0);
		receive_no_more(a);
		send_numbers(p, n, n + 3);
		b = join(q, "b", SHMQ_OLDEST);
		receive_numbers(a, n, n + 3);
		receive_numbers(b, n, n + 3);
		send_numbers(p, n + 3, n + 3 + LINES);
		must_be(shmq_send(p, "", 0, SHMQ_NOWAIT), -EAGAIN);
		receive_numbers(a, n + 3, n + 3 + LINES);
		shmq_consumer_close(a);
		shmq_consumer_close(b);
		must_be(shmq_group_remove(q, "default"), 0);
		must_be(shmq_send(p, "", 0, SHMQ_NOWAIT), -EAGAIN);
		must_be(shmq_group_remove(q, "b"), 0);
		send_numbers(p, n, n + 3 * LINES);
		must_be(stat_of(q).groups, 0);
		shmq_producer_close(p);
		shmq_close(q);
	}
}

/* Nobody reads it, and yet it is not written over before it is finished. */
static void reserve_and_die(void *arg)
{
	struct shmq *q = arg;
	struct shmq_producer *p = producer_join(q);
	void *out;

	must_be(shmq_reserve(p, 100, &out, SHMQ_NOWAIT), 0);
	_exit(0);
}

static void a_topic_survives_its_producers(void **state)
{
	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		struct shmq *q = queue_anonymous(CAPACITY,
						 SHMQ_TOPIC | kinds[k]);
		struct shmq_producer *p;
		struct shmq_consumer *c;
		int i = 0;

		for (int round = 0; round < 3; round++) {
			child_wait(child_start(reserve_and_die, q));
			p = producer_join(q);
			for (int n = 0; n < 2 * LINES; n++)
				must_be(shmq_send(p, &i, sizeof(i),
						  PATIENCE_NS),
					0);
			c = join(q, NULL, SHMQ_NEWEST);
			must_be(shmq_send(p, "x", 1, PATIENCE_NS), 0);
			must_be(shmq_recv(c, &i, sizeof(i), PATIENCE_NS), 1);
			shmq_consumer_close(c);
			must_be(shmq_group_remove(q, "default"), 0);
			shmq_producer_close(p);
		}
		shmq_close(q);
	}
}

static void wrong_arguments_are_refused(void **state)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq_consumer *c;
	struct shmq *q, *ro;

	(void)state;
	attr.max_groups = 2;
	must_be(shmq_open(&q, "q", SHMQ_CREATE, 0600, &attr), 0);
	must_be(shmq_group_add(NULL, "a", 0), -EINVAL);
	must_be(shmq_group_add(q, NULL, 0), -EINVAL);
	must_be(shmq_group_add(q, "", 0), -EINVAL);
	must_be(shmq_group_add(q, "a", SHMQ_TAP), -EINVAL);
	must_be(shmq_group_add(q, "a", SHMQ_OLDEST | SHMQ_NEWEST), -EINVAL);
	must_be(shmq_group_add(q, "a name that is longer than it may be", 0),
		-ENAMETOOLONG);
	must_be(shmq_group_add(q, "default", 0), -EEXIST);
	must_be(shmq_group_add(q, "a", 0), 0);
	must_be(shmq_group_add(q, "b", 0), -EUSERS);
	must_be(shmq_consumer_open(&c, q, "b", 0), -EUSERS);
	must_be(shmq_group_remove(q, "b"), -ENOENT);
	must_be(shmq_group_remove(NULL, "a"), -EINVAL);
	must_be(shmq_group_remove(q, "default"), 0);
	must_be(shmq_group_remove(q, "a"), -EPERM);
	must_be(shmq_open(&ro, "q", SHMQ_RDONLY, 0, NULL), 0);
	must_be(shmq_group_add(ro, "b", 0), -EBADF);
	must_be(shmq_group_remove(ro, "a"), -EBADF);
	shmq_close(ro);
	shmq_close(q);
	must_be(shmq_unlink("q"), 0);
}

/* What a process leaves that dies while it changes the table. */
static void a_dead_change_is_finished(void **state)
{
	static const uint32_t states[] = { SH_GROUP_MAKING, SH_GROUP_REMOVING };

	(void)state;
	for (int i = 0; i < 6; i++) {
		struct shmq *q = queue_anonymous(CAPACITY, 0);
		struct shmq_producer *p = producer_join(q);
		struct shmq_consumer *c = join(q, NULL, 0);

		must_be(shmq_group_add(q, "half", 0), 0);
		atomic_store(&q->seg->groups[1].state, states[i % 2]);
		send_numbers(p, 0, LINES);
		receive_numbers(c, 0, LINES);
		must_be(stat_of(q).groups, 1);
		if (i < 2)
			must_be(shmq_recover(q), 0);
		/* If nobody else does it, who needs room does, at once. */
		must_be(shmq_send(p, "", 0, i < 4 ? PATIENCE_NS : SHMQ_NOWAIT),
			0);
		must_be(shmq_group_add(q, "half", 0), 0);
		shmq_consumer_close(c);
		shmq_producer_close(p);
		shmq_close(q);
	}
}

struct reader {
	struct shmq *q;
	step stage; /* 1: it has joined; 2: it is to receive */
};

static void join_and_read(void *arg)
{
	struct reader *reader = arg;
	struct shmq_consumer *c = join(reader->q, "read", 0);

	step_to(&reader->stage, 1);
	step_wait(&reader->stage, 2);
	receive_numbers(c, 0, 3);
	shmq_consumer_close(c);
}

static void a_group_that_another_process_reads_is_not_removed(void **state)
{
	struct reader *reader = shared_memory(sizeof(*reader));
	struct shmq *q = queue_anonymous(CAPACITY, 0);
	struct shmq_producer *p = producer_join(q);
	pid_t pid;

	(void)state;
	reader->q = q;
	pid = child_start(join_and_read, reader);
	step_wait(&reader->stage, 1);
	must_be(shmq_group_remove(q, "read"), -EBUSY);
	must_be(stat_of(q).groups, 2);
	send_numbers(p, 0, 3);
	step_to(&reader->stage, 2);
	child_join(pid);
	must_be(shmq_group_remove(q, "read"), 0);
	shmq_producer_close(p);
	shmq_close(q);
	shared_free(reader, sizeof(*reader));
}

/*
 * What a consumer of a removed group held is nobody's: also not of the one who
 * gets its entry.
 */
static void what_a_removed_group_held_does_not_come_to_another(void **state)
{
	(void)state;
	for (int entries = 1; entries <= 2; entries++) {
		struct shmq *q = queue_anonymous(CAPACITY, 0);
		struct shmq_producer *p = producer_join(q);
		struct shmq_consumer *c = join(q, NULL, 0), *gone;
		struct shmq_msg msg;

		gone = join(q, "gone", 0);
		send_numbers(p, 0, 4);
		receive_numbers(c, 0, 4);
		for (int i = 0; i < entries; i++)
			must_be(shmq_receive(gone, &msg, 1, SHMQ_NOWAIT), 1);
		shmq_consumer_close(gone);
		must_be(shmq_group_remove(q, "gone"), 0);
		/* It takes the entry, and leaves it with nothing. */
		shmq_consumer_close(join(q, NULL, 0));
		receive_no_more(c);
		must_be(stat_of(q).depth_messages, 0);
		must_be(stat_of(q).depth_bytes, 0);
		shmq_consumer_close(c);
		shmq_producer_close(p);
		shmq_close(q);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(every_group_gets_every_message),
		TEST_IN_DIRECTORY(
			a_group_begins_at_the_oldest_message_or_the_next),
		TEST_IN_DIRECTORY(what_is_on_loan_is_kept),
		TEST_IN_DIRECTORY(an_open_claim_is_no_beginning),
		TEST_IN_DIRECTORY(a_removed_group_holds_nobody_back),
		TEST_IN_DIRECTORY(
			a_group_that_another_process_reads_is_not_removed),
		TEST_IN_DIRECTORY(the_dead_do_not_keep_their_group),
		TEST_IN_DIRECTORY(
			what_a_removed_group_held_does_not_come_to_another),
		TEST_IN_DIRECTORY(a_topic_keeps_what_somebody_subscribes_to),
		TEST_IN_DIRECTORY(a_topic_survives_its_producers),
		TEST_IN_DIRECTORY(wrong_arguments_are_refused),
		TEST_IN_DIRECTORY(a_dead_change_is_finished),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
