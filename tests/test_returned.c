/* SPDX-License-Identifier: MIT */
/*
 * What consumers gave back, by closing or dying, on its way to others: in
 * pieces, from many, to few.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "support.h"

#define SPANS 32 /* separate ones that a consumer may hold */

static struct shmq *queue_with(unsigned members, int messages)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq_producer *p;
	struct shmq *q;

	attr.capacity = 65536;
	attr.max_members = members;
	must_be(shmq_open_anonymous(&q, &attr), 0);
	p = producer_join(q);
	for (int i = 0; i < messages; i++)
		must_be(shmq_send(p, &i, sizeof(i), SHMQ_NOWAIT), 0);
	shmq_producer_close(p);
	return q;
}

static int number_of(const struct shmq_msg *msg)
{
	int number;

	must_be(msg->len, sizeof(number));
	memcpy(&number, msg->data, sizeof(number));
	return number;
}

/* All n messages are there once; of them flagged those that were out. */
static void must_drain(struct shmq *q, int n, const bool *out)
{
	struct shmq_consumer *c = consumer_join(q, 0);
	bool seen[1024] = { false };
	struct shmq_msg msg;

	for (int i = 0; i < n; i++) {
		int number;

		must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
		number = number_of(&msg);
		must(number >= 0 && number < n && !seen[number]);
		seen[number] = true;
		must_be(msg.flags, out[number] ? SHMQ_REDELIVERED : 0);
		must_be(shmq_release(c), 0);
	}
	must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), -EAGAIN);
	shmq_consumer_close(c);
	must_be(stat_of(q).depth_messages, 0);
	must_be(stat_of(q).members, 0);
	for (uint32_t i = 0; i < shmq_member_entries(q); i++) {
		struct shmq_member_info info = SHMQ_MEMBER_INFO_INIT;

		must_be(shmq_stat_member(q, i, &info), 0);
	}
}

/* Borrow n by one call; note that they are out. */
static int borrow(struct shmq_consumer *c, unsigned n, bool *out)
{
	struct shmq_msg msgs[64];
	int r = shmq_receive(c, msgs, n, SHMQ_NOWAIT);

	for (int i = 0; i < r; i++)
		out[number_of(&msgs[i])] = true;
	return r;
}

static void two_hold_alternate_spans(struct shmq *q, unsigned messages,
				     bool *out)
{
	struct shmq_consumer *a = consumer_join(q, 0);
	struct shmq_consumer *b = consumer_join(q, 0);

	for (int i = 0; i < 2 * SPANS; i++)
		must_be(borrow(i % 2 ? a : b, messages, out), messages);
	shmq_consumer_close(a);
	shmq_consumer_close(b);
}

/* Nobody is alive: then somebody can join, however fragmented the rest is. */
static void fragments_never_fill_the_table(void **state)
{
	(void)state;
	for (unsigned step_size = 1; step_size < 6; step_size++) {
		struct shmq *q = queue_with(2, 64 * 4);
		bool out[64 * 4] = { false };

		two_hold_alternate_spans(q, 4, out);
		for (int generation = 0; generation < 20; generation++) {
			struct shmq_consumer *c = consumer_join(q, 0);
			struct shmq_consumer *d = consumer_join(q, 0);
			int a, b;

			do {
				a = borrow(c, step_size, out);
				b = borrow(d, step_size, out);
			} while (a > 0 || b > 0);
			shmq_consumer_close(c);
			shmq_consumer_close(d);
		}
		must_drain(q, 64 * 4, out);
		shmq_close(q);
	}
}

static void the_oldest_comes_back_first(void **state)
{
	struct shmq *q = queue_with(4, 64);
	bool out[64] = { false };
	struct shmq_consumer *c;
	struct shmq_msg msgs[64];
	int n = 0, r;

	(void)state;
	two_hold_alternate_spans(q, 1, out);
	c = consumer_join(q, 0);
	while (n < 64) {
		r = shmq_receive(c, msgs, 1 + (unsigned)n % 3, SHMQ_NOWAIT);
		must(r > 0);
		for (int i = 0; i < r; i++)
			must_be(number_of(&msgs[i]), n++);
		must_be(shmq_release(c), 0);
	}
	shmq_consumer_close(c);
	shmq_close(q);
}

/* An exclusive consumer gets what competing ones left, and the other way. */
static void kinds_of_consumers_follow_each_other(void **state)
{
	struct shmq *q = queue_with(4, 100);
	bool out[100] = { false };

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		struct shmq_consumer *c =
			consumer_join(q, i % 2 ? SHMQ_EXCLUSIVE : 0);

		for (unsigned k = 0; k <= i; k++)
			must(borrow(c, 1 + k % 3, out) > 0);
		/* Copies what is behind, and gives back the rest. */
		shmq_consumer_close(c);
	}
	must_drain(q, 100, out);
	shmq_close(q);
}

static void skipped_records_do_not_come_back(void **state)
{
	struct shmq *q = queue_with(4, 0);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c;
	struct shmq_msg msgs[8];
	void *room;

	(void)state;
	for (int i = 0; i < 3; i++) {
		must_be(shmq_send(p, &i, sizeof(i), SHMQ_NOWAIT), 0);
		must_be(shmq_reserve(p, 100, &room, SHMQ_NOWAIT), 0);
		must_be(shmq_discard(p), 0);
	}
	c = consumer_join(q, 0);
	must_be(shmq_receive(c, msgs, 3, SHMQ_NOWAIT), 3);
	shmq_consumer_close(c);
	c = consumer_join(q, 0);
	for (int i = 0; i < 3; i++) {
		must_be(shmq_receive(c, msgs, 1, SHMQ_NOWAIT), 1);
		must_be(number_of(&msgs[0]), i);
		must_be(msgs[0].seq, 2 * i);
	}
	must_be(shmq_receive(c, msgs, 1, SHMQ_NOWAIT), -EAGAIN);
	must_be(shmq_release(c), 0);
	must_be(stat_of(q).depth_bytes, 0);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(q);
}

/* ------------------------------------------------------------------ deaths */

struct victim {
	struct shmq *q;
	bool *out;
	uint64_t seed;
};

static void borrow_copy_release_and_die(void *arg)
{
	struct victim *victim = arg;
	struct chance chance = chance_of(victim->seed, 0);
	struct shmq_consumer *c;

	c = consumer_join(victim->q,
			  chance_below(&chance, 4) ? 0 : SHMQ_EXCLUSIVE);
	for (uint64_t n = chance_below(&chance, 40); n; n--)
		borrow(c, 1 + (unsigned)chance_below(&chance, 4), victim->out);
	if (chance_below(&chance, 2))
		shmq_consumer_close(c);
	raise(SIGKILL);
}

static void generations_of_the_dead_lose_nothing(void **state)
{
	struct chance chance = chance_of(chance_seed(), 0);
	bool *out = shared_memory(1024);

	(void)state;
	for (int round = 0; round < 20; round++) {
		struct shmq *q = queue_with(1 + (unsigned)round % 3, 500);
		struct victim victim = { q, out, 0 };

		memset(out, 0, 1024);
		for (int i = 0; i < 20; i++) {
			victim.seed = chance_next(&chance);
			child_must_be_killed(
				child_start(borrow_copy_release_and_die,
					    &victim));
		}
		must_be(shmq_recover(q) >= 0, 1);
		must_drain(q, 500, out);
		shmq_close(q);
	}
	shared_free(out, 1024);
}

/*
 * Of several spans that came back, the first has been received: the ring still
 * ends before the second.
 */
static void what_is_left_of_several_spans_is_not_written_over(void **state)
{
	struct shmq *q = queue_anonymous(4096, 0);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *one = consumer_join(q, 0);
	struct shmq_consumer *two = consumer_join(q, 0);
	struct shmq_msg msg;
	int sent = 0, got;

	(void)state;
	for (int i = 0; i < 5; i++)
		must_be(shmq_send(p, &i, sizeof(i), SHMQ_NOWAIT), 0);
	/* It holds 0, 2 and 4. */
	for (int i = 0; i < 5; i++)
		if (i % 2)
			must_be(shmq_recv(two, &got, sizeof(got), SHMQ_NOWAIT),
				sizeof(got));
		else
			must_be(shmq_receive(one, &msg, 1, SHMQ_NOWAIT), 1);
	shmq_consumer_close(one);
	must_be(shmq_recv(two, &got, sizeof(got), SHMQ_NOWAIT), sizeof(got));
	must_be(got, 0);
	for (int i = 5; shmq_send(p, &i, sizeof(i), SHMQ_NOWAIT) == 0; i++)
		sent++;
	/* All lines but those from message 2 to 4. */
	must_be(sent, 4096 / 64 - 3);
	for (int i = 2; i < 5; i += 2) {
		must_be(shmq_receive(two, &msg, 1, SHMQ_NOWAIT), 1);
		must_be(msg.flags, SHMQ_REDELIVERED);
		must_be(*(const int *)msg.data, i);
		must_be(shmq_release(two), 0);
	}
	shmq_producer_close(p);
	shmq_consumer_close(two);
	shmq_close(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(fragments_never_fill_the_table),
		TEST_IN_DIRECTORY(the_oldest_comes_back_first),
		TEST_IN_DIRECTORY(kinds_of_consumers_follow_each_other),
		TEST_IN_DIRECTORY(skipped_records_do_not_come_back),
		TEST_IN_DIRECTORY(generations_of_the_dead_lose_nothing),
		TEST_IN_DIRECTORY(
			what_is_left_of_several_spans_is_not_written_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
