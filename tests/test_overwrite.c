/* SPDX-License-Identifier: MIT */
/*
 * Overwriting queues: producers do not wait for readers, and every reader
 * knows exactly what it missed.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "consumer.h"
#include "handle.h"
#include "layout.h"
#include "pattern.h"
#include "support.h"

#define LINES 64 /* of a ring of 4096 bytes */

static struct shmq *overwriting(uint64_t capacity, uint64_t flags)
{
	return queue_anonymous(capacity, SHMQ_OVERWRITE | flags);
}

/* Messages of one line each, that say their number. */
static void send_numbers(struct shmq_producer *p, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++)
		must_be(shmq_send(p, &i, sizeof(i), SHMQ_NOWAIT), 0);
}

static uint64_t number_of(const struct shmq_msg *msg)
{
	uint64_t number;

	must_be(msg->len, sizeof(number));
	memcpy(&number, msg->data, sizeof(number));
	must_be(number, msg->seq);
	return number;
}

static uint64_t recv_number(struct shmq_consumer *c)
{
	uint64_t number;

	must_be(shmq_recv(c, &number, sizeof(number), SHMQ_NOWAIT),
		sizeof(number));
	return number;
}

static const uint64_t kinds[] = {
	0,
	SHMQ_SINGLE_PRODUCER,
	SHMQ_SINGLE_CONSUMER,
	SHMQ_SINGLE_PRODUCER | SHMQ_SINGLE_CONSUMER,
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void a_sender_never_waits_for_a_reader(void **state)
{
	(void)state;
	for (unsigned k = 0; k < KINDS; k++) {
		struct shmq *q = overwriting(4096, kinds[k]);
		struct shmq_producer *p = producer_join(q);
		struct shmq_consumer *c = consumer_join(q, 0);

		send_numbers(p, 0, 10 * LINES);
		shmq_consumer_close(c);
		shmq_producer_close(p);
		shmq_close(q);
	}
}

static void a_lapped_reader_goes_on_at_the_oldest_and_knows_its_loss(void **s)
{
	(void)s;
	for (unsigned k = 0; k < KINDS; k++) {
		struct shmq *q = overwriting(4096, kinds[k]);
		struct shmq_producer *p = producer_join(q);
		struct shmq_consumer *c = consumer_join(q, 0);
		struct shmq_msg msg;

		send_numbers(p, 0, 100);
		must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
		must_be(number_of(&msg), 100 - LINES);
		must_be(msg.lost, 100 - LINES);
		must_be(shmq_consumer_lost(c), 100 - LINES);
		must_be(msg.flags, 0);
		for (uint64_t i = 100 - LINES + 1; i < 100; i++) {
			must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
			must_be(number_of(&msg), i);
			must_be(msg.lost, 0);
			must_be(shmq_release(c), 0);
		}
		must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), -EAGAIN);
		send_numbers(p, 100, 1000);
		must_be(recv_number(c), 1000 - LINES);
		must_be(shmq_consumer_lost(c), 1000 - 2 * LINES);
		shmq_consumer_close(c);
		shmq_producer_close(p);
		shmq_close(q);
	}
}

static void what_is_borrowed_stays_whole_until_the_release(void **state)
{
	struct shmq *q = overwriting(4096, 0);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0);
	struct shmq_msg msgs[40];

	(void)state;
	send_numbers(p, 0, 40);
	must_be(shmq_receive(c, msgs, 20, SHMQ_NOWAIT), 20);
	must_be(shmq_receive(c, msgs + 20, 20, SHMQ_NOWAIT), 20);
	send_numbers(p, 40, 1000);
	for (uint64_t i = 0; i < 40; i++)
		must_be(number_of(&msgs[i]), i);
	must_be(shmq_release(c), 0);
	must_be(recv_number(c), 1000 - LINES);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(q);
}

static void borrowing_many_times_needs_no_more_slots_than_elsewhere(void **s)
{
	struct shmq *q = overwriting(65536, 0);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0), *d;
	struct shmq_msg msg;

	(void)s;
	send_numbers(p, 0, 200);
	for (uint64_t i = 0; i < 200; i++) {
		must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
		must_be(number_of(&msg), i);
	}
	shmq_consumer_close(c);
	d = consumer_join(q, 0);
	for (uint64_t i = 0; i < 200; i++) {
		must_be(shmq_receive(d, &msg, 1, SHMQ_NOWAIT), 1);
		must_be(number_of(&msg), i);
		must_be(msg.flags, SHMQ_REDELIVERED);
	}
	must_be(shmq_consumer_lost(d), 0);
	shmq_consumer_close(d);
	shmq_producer_close(p);
	shmq_close(q);
}

/* What closed or dead consumers held, and how much of it is there still. */
static void what_was_given_back_comes_again_or_counts_as_lost(void **state)
{
	(void)state;
	for (uint64_t sent = 50; sent < 130; sent += 3) {
		struct shmq *q = overwriting(4096, 0);
		struct shmq_producer *p = producer_join(q);
		struct shmq_consumer *c = consumer_join(q, 0), *d;
		struct shmq_msg msgs[64];
		uint64_t got = 0, next = sent > LINES ? sent - LINES : 0;
		int n;

		d = consumer_join(q, 0);
		send_numbers(p, 0, 50);
		must_be(shmq_receive(c, msgs, 30, SHMQ_NOWAIT), 30);
		shmq_consumer_close(c);
		send_numbers(p, 50, sent);
		while ((n = shmq_receive(d, msgs, 7, SHMQ_NOWAIT)) > 0) {
			for (int i = 0; i < n; i++) {
				must_be(number_of(&msgs[i]), next++);
				must_be(msgs[i].flags,
					msgs[i].seq < 30 ? SHMQ_REDELIVERED :
							   0);
			}
			got += (unsigned)n;
			if (got % 2)
				must_be(shmq_release(d), 0);
		}
		must_be(n, -EAGAIN);
		must_be(next, sent);
		must_be(got + shmq_consumer_lost(d), sent);
		must_be(shmq_release(d), 0);
		shmq_consumer_close(d);
		must_be(stat_of(q).members, 1);
		shmq_producer_close(p);
		shmq_close(q);
	}
}

static void a_copying_receive_takes_what_was_given_back_one_by_one(void **s)
{
	struct shmq *q = overwriting(4096, 0);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0), *d;
	struct shmq_msg msgs[64];
	uint64_t number;

	(void)s;
	d = consumer_join(q, 0);
	send_numbers(p, 0, 20);
	must_be(shmq_receive(c, msgs, 10, SHMQ_NOWAIT), 10);
	shmq_consumer_close(c);
	must_be(recv_number(d), 0);
	must_be(shmq_recv(d, &number, 4, SHMQ_NOWAIT), -EMSGSIZE);
	must_be(recv_number(d), 1);
	/* It leaves with eight that it has not given out. */
	shmq_consumer_close(d);
	d = consumer_join(q, 0);
	for (uint64_t i = 2; i < 20; i++)
		must_be(recv_number(d), i);
	must_be(shmq_recv(d, &number, sizeof(number), SHMQ_NOWAIT), -EAGAIN);
	shmq_consumer_close(d);
	shmq_producer_close(p);
	shmq_close(q);
}

struct family {
	struct shmq *q;
	step borrowed;
};

static void borrow_and_die(void *arg)
{
	struct family *f = arg;
	struct shmq_consumer *c = consumer_join(f->q, 0);
	struct shmq_msg msgs[10];

	for (int i = 0; i < 3; i++)
		must_be(shmq_receive(c, msgs, 10, SHMQ_NOWAIT), 10);
	step_to(&f->borrowed, 1);
	for (;;)
		pause();
}

static void what_a_dead_reader_held_comes_again(void **state)
{
	struct family *f = shared_memory(sizeof(*f));
	struct shmq_producer *p;
	struct shmq_consumer *c;
	pid_t child;

	(void)state;
	f->q = overwriting(4096, 0);
	p = producer_join(f->q);
	c = consumer_join(f->q, 0);
	send_numbers(p, 0, 40);
	child = child_start(borrow_and_die, f);
	step_wait(&f->borrowed, 1);
	child_kill(child);
	send_numbers(p, 40, 70);
	must_be(shmq_recover(f->q), 1);
	for (uint64_t i = 70 - LINES; i < 70; i++)
		must_be(recv_number(c), i);
	must_be(shmq_consumer_lost(c), 70 - LINES);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(f->q);
	shared_free(f, sizeof(*f));
}

static void a_reservation_is_never_written_over(void **state)
{
	struct shmq *q = overwriting(4096, 0);
	struct shmq_producer *a = producer_join(q), *b = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0);
	uint64_t number = 10, i;
	void *room;

	(void)state;
	send_numbers(a, 0, 10);
	must_be(shmq_reserve(a, sizeof(number), &room, SHMQ_NOWAIT), 0);
	for (i = 11; !shmq_send(b, &i, sizeof(i), SHMQ_NOWAIT); i++)
		;
	must_be(i, 10 + LINES);
	must_be(shmq_send(b, &i, sizeof(i), 1000000), -ETIMEDOUT);
	memcpy(room, &number, sizeof(number));
	must_be(shmq_commit(a, sizeof(number)), 0);
	must_be(recv_number(c), 10);
	must_be(shmq_consumer_lost(c), 10);
	for (uint64_t k = 11; k < i; k++)
		must_be(recv_number(c), k);
	must_be(shmq_send(b, &i, sizeof(i), SHMQ_NOWAIT), 0);
	must_be(recv_number(c), i);
	shmq_consumer_close(c);
	shmq_producer_close(a);
	shmq_producer_close(b);
	shmq_close(q);
}

static void reserve_and_die(void *arg)
{
	struct family *f = arg;
	struct shmq_producer *p = producer_join(f->q);
	void *room;

	send_numbers(p, 0, 10);
	must_be(shmq_reserve(p, 8, &room, SHMQ_NOWAIT), 0);
	step_to(&f->borrowed, 1);
	for (;;)
		pause();
}

static void a_dead_senders_claim_is_cleaned_up_by_who_comes_round(void **state)
{
	struct family *f = shared_memory(sizeof(*f));
	struct shmq_producer *p;
	struct shmq_consumer *c;
	pid_t child;

	(void)state;
	f->q = overwriting(4096, 0);
	child = child_start(reserve_and_die, f);
	step_wait(&f->borrowed, 1);
	child_kill(child);
	p = producer_join(f->q);
	c = consumer_join(f->q, 0);
	for (uint64_t i = 11; i < 11 + 2 * LINES; i++)
		must_be(shmq_send(p, &i, sizeof(i), PATIENCE_NS), 0);
	must_be(recv_number(c), 11 + LINES);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(f->q);
	shared_free(f, sizeof(*f));
}

/* Records of many sizes, and several to a claim: where do they begin? */
static void the_oldest_whole_message_is_found_whatever_the_sizes(void **state)
{
	struct chance chance = chance_of(chance_seed(), 1);

	(void)state;
	for (int round = 0; round < 300; round++) {
		uint64_t capacity = UINT64_C(4096) << chance_below(&chance, 5);
		struct shmq *q = overwriting(capacity, 0);
		struct shmq_producer *p = producer_join(q);
		struct shmq_consumer *c = consumer_join(q, 0);
		uint64_t sent = 0, starts[4096], end = 0, oldest = 0;
		static char bytes[65536];
		struct shmq_msg msg;

		while (sent < 300) {
			struct iovec iov[8];
			unsigned n = 1 + (unsigned)chance_below(&chance, 8);

			for (unsigned i = 0; i < n; i++) {
				uint64_t most = capacity / 4 / n;

				iov[i].iov_base = bytes;
				iov[i].iov_len = chance_below(
					&chance,
					chance_below(&chance, 2) ? most : 100);
			}
			must_be(shmq_send_batch(p, iov, n, SHMQ_NOWAIT), n);
			for (unsigned i = 0; i < n; i++) {
				starts[sent++] = end;
				end += (16 + iov[i].iov_len + 63) / 64 * 64;
			}
		}
		while (end - starts[oldest] > capacity)
			oldest++;
		must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
		must_be(msg.seq, oldest);
		must_be(msg.lost, oldest);
		shmq_consumer_close(c);
		shmq_producer_close(p);
		shmq_close(q);
	}
}

/* Three came back as one span; one of them goes out, is done with, and its
 * consumer leaves. */
static void what_is_done_of_a_span_does_not_come_again(void **state)
{
	(void)state;
	for (int copying = 0; copying < 2; copying++) {
		struct shmq *q = overwriting(4096, 0);
		struct shmq_producer *p = producer_join(q);
		struct shmq_consumer *c = consumer_join(q, 0);
		struct shmq_msg msgs[4];

		send_numbers(p, 0, 3);
		must_be(shmq_receive(c, msgs, 3, SHMQ_NOWAIT), 3);
		shmq_consumer_close(c);
		for (uint64_t i = 0; i < 2; i++) {
			c = consumer_join(q, 0);
			if (copying) {
				must_be(recv_number(c), i);
			} else {
				must_be(shmq_receive(c, msgs, 1, SHMQ_NOWAIT),
					1);
				must_be(msgs[0].seq, i);
				must_be(msgs[0].flags, SHMQ_REDELIVERED);
				must_be(shmq_release(c), 0);
			}
			shmq_consumer_close(c);
		}
		c = consumer_join(q, 0);
		must_be(shmq_receive(c, msgs, 4, SHMQ_NOWAIT), 1);
		must_be(msgs[0].seq, 2);
		must_be(msgs[0].lost, 0);
		must_be(shmq_release(c), 0);
		must_be(shmq_receive(c, msgs, 4, SHMQ_NOWAIT), -EAGAIN);
		must_be(shmq_consumer_lost(c), 0);
		shmq_consumer_close(c);
		shmq_producer_close(p);
		shmq_close(q);
	}
}

/* Loans that follow each other share a slot, and its count is of all. */
static void loans_that_were_joined_are_all_counted(void **state)
{
	struct shmq *q = overwriting(4096, 0);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0), *other;
	uint64_t received = 0, number;
	struct shmq_msg msg;

	(void)state;
	send_numbers(p, 0, 5);
	for (int i = 0; i < 3; i++)
		must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
	/* Another has the fourth: nothing follows on the three. */
	other = consumer_join(q, 0);
	must_be(recv_number(other), 3);
	received++;
	shmq_consumer_close(other);
	must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
	shmq_consumer_close(c);
	send_numbers(p, 5, 200);
	c = consumer_join(q, 0);
	while (shmq_recv(c, &number, sizeof(number), SHMQ_NOWAIT) > 0)
		received++;
	must_be(received, 1 + LINES);
	must_be(received + shmq_consumer_lost(c), 200);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(q);
}

/* It has won the first message, and not said so. */
static void win_and_die(void *arg)
{
	struct shmq_consumer *c = consumer_join(arg, 0);
	struct cursor at = cursor_load(&c->group->cursor);

	claim_announce(&c->claims[0], SH_CLAIM_ANNOUNCED + 1 + c->group_index,
		       at.pos, at.pos + SH_LINE, at.seq, 1);
	must(cursor_swap(&c->group->cursor, at,
			 (struct cursor){ at.pos + SH_LINE, at.seq + 1,
					  c->ep.index }));
	raise(SIGKILL);
}

/* Who moves the cursor past what was overwritten sees to its last winner. */
static void an_overtaken_reader_helps_the_last_winner(void **state)
{
	struct shmq *q = overwriting(4096, 0);
	struct shmq_producer *p = producer_join(q);
	uint64_t received = 0, number;
	struct shmq_consumer *c;

	(void)state;
	send_numbers(p, 0, 3);
	child_must_be_killed(child_start(win_and_die, q));
	send_numbers(p, 3, 200);
	c = consumer_join(q, 0);
	for (int round = 0; round < 2; round++) {
		while (shmq_recv(c, &number, sizeof(number), SHMQ_NOWAIT) > 0)
			received++;
		must(shmq_recover(q) >= 0);
	}
	must_be(received, LINES);
	must_be(received + shmq_consumer_lost(c), 200);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(q);
}

static void groups_lose_each_its_own(void **state)
{
	struct shmq *q = overwriting(4096, 0);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *slow = consumer_join(q, 0), *fast, *late;

	(void)state;
	must_be(shmq_consumer_open(&fast, q, "fast", 0), 0);
	for (uint64_t i = 0; i < 200; i++) {
		must_be(shmq_send(p, &i, sizeof(i), SHMQ_NOWAIT), 0);
		must_be(recv_number(fast), i);
	}
	must_be(shmq_consumer_lost(fast), 0);
	must_be(recv_number(slow), 200 - LINES);
	must_be(shmq_consumer_lost(slow), 200 - LINES);
	must_be(shmq_consumer_open(&late, q, "late", 0), 0);
	must_be(recv_number(late), 200 - LINES);
	must_be(shmq_consumer_lost(late), 0);
	shmq_consumer_close(late);
	must_be(shmq_consumer_open(&late, q, "later", SHMQ_NEWEST), 0);
	send_numbers(p, 200, 201);
	must_be(recv_number(late), 200);
	shmq_consumer_close(late);
	shmq_consumer_close(fast);
	shmq_consumer_close(slow);
	shmq_producer_close(p);
	shmq_close(q);
}

static void an_overwriting_topic_has_no_group_to_begin_with(void **state)
{
	struct shmq *q = overwriting(4096, SHMQ_TOPIC | SHMQ_SINGLE_PRODUCER);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c;

	(void)state;
	must_be(stat_of(q).groups, 0);
	send_numbers(p, 0, 1000);
	must_be(shmq_consumer_open(&c, q, "a", SHMQ_OLDEST), 0);
	must_be(recv_number(c), 1000 - LINES);
	shmq_consumer_close(c);
	must_be(shmq_group_remove(q, "a"), 0);
	shmq_producer_close(p);
	shmq_close(q);
}

/* Its numbers are hints: nobody is hurt by wrong ones, nor waits for ever. */
static void a_scribbled_bounds_table_hurts_nobody(void **state)
{
	struct chance chance = chance_of(chance_seed(), 2);
	struct shmq *q = overwriting(65536, 0);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0);
	uint64_t sent = 0, got = 0, number, last = 0;

	(void)state;
	for (int round = 0; round < 400; round++) {
		struct sh_bound *bounds = q->seg->bounds;

		for (int i = 0; i < 2000; i++, sent++)
			must_be(shmq_send(p, &sent, 8, SHMQ_NOWAIT), 0);
		for (unsigned i = 0; i < SH_BOUNDS; i++) {
			uint64_t what = chance_below(&chance, 3);

			if (what == 0) {
				bounds[i].pos = chance_next(&chance);
				bounds[i].seq = chance_next(&chance);
			} else if (what == 1) {
				bounds[i].pos = (sent -
						 chance_below(&chance, 1100)) *
						64;
			}
		}
		for (int i = 0; i < 3; i++) {
			ssize_t r = shmq_recv(c, &number, 8, SHMQ_NOWAIT);

			if (r == -EAGAIN)
				break;
			must_be(r, 8);
			must(number > last || !got);
			last = number;
			got++;
		}
		must_be(got + shmq_consumer_lost(c), got ? last + 1 : 0);
	}
	must(got > 400);
	shmq_consumer_close(c);
	shmq_producer_close(p);
	shmq_close(q);
}

/* ---------------------------------------------------------------- threads */

struct crowd {
	struct shmq *q;
	_Atomic bool stop;
};

static void *send_all_the_time(void *arg)
{
	struct crowd *crowd = arg;
	struct shmq_producer *p = producer_join(crowd->q);
	uint8_t letter[300];

	for (uint64_t n = 0; !crowd->stop; n++) {
		size_t len = LETTER_MIN + n * 7 % 250;

		letter_write(letter, len, (struct letter){ 0, n });
		must_be(shmq_send(p, letter, len, PATIENCE_NS), 0);
	}
	shmq_producer_close(p);
	return NULL;
}

static void read_all_the_time(struct crowd *crowd, unsigned flags)
{
	struct shmq_consumer *c = consumer_join(crowd->q, flags);
	struct shmq_msg msgs[8];

	while (!crowd->stop) {
		int n = shmq_receive(c, msgs, 8, 1000000);

		must(n > 0 || n == -ETIMEDOUT);
		for (int i = 0; i < n; i++)
			letter_read(msgs[i].data, msgs[i].len);
		must_be(shmq_release(c), 0);
	}
	shmq_consumer_close(c);
}

static void *tap_all_the_time(void *arg)
{
	read_all_the_time(arg, SHMQ_TAP);
	return NULL;
}

static void *receive_all_the_time(void *arg)
{
	read_all_the_time(arg, 0);
	return NULL;
}

static void threads_write_over_what_threads_read(void **state)
{
	void *(*const bodies[])(void *) = {
		send_all_the_time, send_all_the_time, receive_all_the_time,
		receive_all_the_time, tap_all_the_time
	};
	struct crowd crowd = { .q = overwriting(8192, 0) };
	pthread_t threads[5];

	(void)state;
	for (int i = 0; i < 5; i++)
		must_be(pthread_create(&threads[i], NULL, bodies[i], &crowd),
			0);
	usleep(200000);
	crowd.stop = true;
	for (int i = 0; i < 5; i++)
		must_be(pthread_join(threads[i], NULL), 0);
	shmq_close(crowd.q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(a_sender_never_waits_for_a_reader),
		TEST_IN_DIRECTORY(
			a_lapped_reader_goes_on_at_the_oldest_and_knows_its_loss),
		TEST_IN_DIRECTORY(
			what_is_borrowed_stays_whole_until_the_release),
		TEST_IN_DIRECTORY(
			borrowing_many_times_needs_no_more_slots_than_elsewhere),
		TEST_IN_DIRECTORY(
			what_was_given_back_comes_again_or_counts_as_lost),
		TEST_IN_DIRECTORY(
			a_copying_receive_takes_what_was_given_back_one_by_one),
		TEST_IN_DIRECTORY(what_is_done_of_a_span_does_not_come_again),
		TEST_IN_DIRECTORY(what_a_dead_reader_held_comes_again),
		TEST_IN_DIRECTORY(a_reservation_is_never_written_over),
		TEST_IN_DIRECTORY(
			a_dead_senders_claim_is_cleaned_up_by_who_comes_round),
		TEST_IN_DIRECTORY(
			the_oldest_whole_message_is_found_whatever_the_sizes),
		TEST_IN_DIRECTORY(loans_that_were_joined_are_all_counted),
		TEST_IN_DIRECTORY(an_overtaken_reader_helps_the_last_winner),
		TEST_IN_DIRECTORY(groups_lose_each_its_own),
		TEST_IN_DIRECTORY(
			an_overwriting_topic_has_no_group_to_begin_with),
		TEST_IN_DIRECTORY(a_scribbled_bounds_table_hurts_nobody),
		TEST_IN_DIRECTORY(threads_write_over_what_threads_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
