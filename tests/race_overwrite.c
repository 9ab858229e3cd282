/* SPDX-License-Identifier: MIT */
/*
 * Overwriting queues at full speed: readers that are stopped at random, so
 * that they are overtaken in every place; flight recorders all of whose
 * processes are killed at once; and producers and consumers that are killed at
 * random. Every message is checked byte by byte, and for every reader what it
 * received and what it lost must be what was sent. SHMQ_KILLS is how many kills
 * each of the latter two makes.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "atomic.h"
#include "pattern.h"
#include "support.h"

#define SENDERS 2
#define LONGEST 600

static unsigned kills_wanted(unsigned otherwise)
{
	const char *text = getenv("SHMQ_KILLS");

	return text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

struct scene {
	struct shmq *q;
	const char *name; /* of a queue with one, or NULL */
	step ready;
	_Atomic bool stop;              /* sending */
	_Atomic bool all_sent;          /* nothing more comes */
	_Atomic uint64_t sent[SENDERS]; /* acknowledged */
	_Atomic uint64_t received, lost;
};

struct player {
	struct scene *scene;
	unsigned me;
	struct chance chance;
};

static void keep_sending(void *arg)
{
	struct player *s = arg;
	struct shmq_producer *p = producer_join(s->scene->q);
	uint8_t buf[LONGEST];

	for (uint64_t n = 0; !load_relaxed(&s->scene->stop); n++) {
		size_t len = LETTER_MIN +
			     chance_below(&s->chance,
					  chance_below(&s->chance, 4) ?
						  50 :
						  LONGEST - LETTER_MIN);

		letter_write(buf, len, (struct letter){ s->me, n });
		must_be(shmq_send(p, buf, len, PATIENCE_NS), 0);
		store_release(&s->scene->sent[s->me], n + 1);
	}
	shmq_producer_close(p);
}

/* What a reader knows of the stream. */
struct account {
	uint64_t next;          /* number */
	uint64_t from[SENDERS]; /* next letter of each */
	bool gap[SENDERS];      /* or a later one: there was a loss */
};

static void book(struct account *a, const struct shmq_msg *msg)
{
	struct letter l = letter_read(msg->data, msg->len);

	must_be(msg->seq, a->next + msg->lost);
	a->next = msg->seq + 1;
	for (unsigned i = 0; i < SENDERS; i++)
		a->gap[i] |= msg->lost != 0;
	must(l.sender < SENDERS && l.number >= a->from[l.sender]);
	must(a->gap[l.sender] || l.number == a->from[l.sender]);
	a->gap[l.sender] = false;
	a->from[l.sender] = l.number + 1;
}

static void keep_reading(struct player *s, struct shmq_consumer *c)
{
	struct scene *scene = s->scene;
	struct account a = { 0 };
	struct shmq_msg msgs[16];
	uint64_t received = 0;

	step_to(&scene->ready, 1);
	for (;;) {
		unsigned max = 1 + (unsigned)chance_below(&s->chance, 16);
		bool stop = load_acquire(&scene->all_sent);
		int n = shmq_receive(c, msgs, max, stop ? 0 : 1000000);

		if (n == -EAGAIN)
			break;
		must(n > 0 || n == -ETIMEDOUT);
		for (int i = 0; i < n; i++)
			book(&a, &msgs[i]);
		received += n > 0 ? (unsigned)n : 0;
		must_be(shmq_release(c), 0);
		/* A loss is known before the message behind it has come. */
		if (n > 0)
			must_be(received + shmq_consumer_lost(c), a.next);
	}
	store_relaxed(&scene->received, received);
	store_relaxed(&scene->lost, shmq_consumer_lost(c));
	shmq_consumer_close(c);
}

static void read_as_a_group(void *arg)
{
	struct player *s = arg;

	keep_reading(s, consumer_join(s->scene->q, SHMQ_EXCLUSIVE));
}

static void read_as_a_tap(void *arg)
{
	struct player *s = arg;

	keep_reading(s, consumer_join(s->scene->q, SHMQ_TAP));
}

static void stop_and_continue(pid_t reader, struct chance *chance,
			      int64_t for_ns)
{
	int64_t end = clock_now_ns() + for_ns;

	while (clock_now_ns() < end) {
		must_be(kill(reader, SIGSTOP), 0);
		usleep((useconds_t)chance_below(chance, 300));
		must_be(kill(reader, SIGCONT), 0);
		usleep((useconds_t)chance_below(chance, 300));
	}
}

static void race(uint64_t flags, uint64_t capacity, void (*reader)(void *arg))
{
	uint64_t seed = chance_seed(), sent = 0;
	struct scene *scene = shared_memory(sizeof(*scene));
	struct player players[SENDERS + 1];
	struct chance chance = chance_of(seed, 9);
	unsigned senders = flags & SHMQ_SINGLE_PRODUCER ? 1 : SENDERS;
	pid_t sending[SENDERS], reading;

	scene->q = queue_anonymous(capacity, flags);
	for (unsigned i = 0; i <= SENDERS; i++)
		players[i] = (struct player){ scene, i, chance_of(seed, i) };
	reading = child_start(reader, &players[SENDERS]);
	step_wait(&scene->ready, 1);
	for (unsigned i = 0; i < senders; i++)
		sending[i] = child_start(keep_sending, &players[i]);
	stop_and_continue(reading, &chance, 700000000);
	store_release(&scene->stop, true);
	for (unsigned i = 0; i < senders; i++)
		child_join(sending[i]);
	store_release(&scene->all_sent, true);
	child_join(reading);
	for (unsigned i = 0; i < senders; i++)
		sent += scene->sent[i];
	must_be(stat_of(scene->q).sent_messages, sent);
	printf("%" PRIu64 " sent, %" PRIu64 " received, %" PRIu64 " lost\n",
	       sent, scene->received, scene->lost);
	must_be(scene->received + scene->lost, sent);
	shmq_close(scene->q);
	shared_free(scene, sizeof(*scene));
}

static void a_reader_stopped_at_random_gets_or_counts_every_message(void **s)
{
	(void)s;
	race(SHMQ_OVERWRITE, 16384, read_as_a_group);
	race(SHMQ_OVERWRITE | SHMQ_SINGLE_PRODUCER, 65536, read_as_a_group);
	race(SHMQ_OVERWRITE, 4096, read_as_a_group);
}

static void a_tap_stopped_at_random_gets_or_counts_every_message(void **state)
{
	(void)state;
	race(SHMQ_OVERWRITE, 16384, read_as_a_tap);
	race(SHMQ_OVERWRITE | SHMQ_SINGLE_PRODUCER | SHMQ_TOPIC, 65536,
	     read_as_a_tap);
}

/* -------------------------------------------------------- flight recorder */

static void record_until_killed(void *arg)
{
	struct player *s = arg;
	struct shmq *q = queue_open(s->scene->name);
	struct shmq_producer *p = producer_join(q);
	uint8_t buf[LONGEST];

	for (uint64_t n = 0;; n++) {
		size_t len = LETTER_MIN +
			     chance_below(&s->chance, LONGEST - LETTER_MIN);

		letter_write(buf, len, (struct letter){ s->me, n });
		must_be(shmq_send(p, buf, len, PATIENCE_NS), 0);
		store_release(&s->scene->sent[s->me], n + 1);
	}
}

static void read_slowly_until_killed(void *arg)
{
	struct player *s = arg;
	struct shmq *q = queue_open(s->scene->name);
	struct shmq_consumer *c = consumer_join(q, 0);
	struct shmq_msg msgs[8];

	for (;;) {
		int n = shmq_receive(c, msgs, 8, PATIENCE_NS);

		must(n > 0);
		for (int i = 0; i < n; i++)
			letter_read(msgs[i].data, msgs[i].len);
		if (chance_below(&s->chance, 2))
			must_be(shmq_release(c), 0);
		usleep(50);
	}
}

/* In order, whole, and to the last that was acknowledged. */
static void must_tell_the_end(const struct scene *scene)
{
	struct shmq_consumer *tap;
	struct account a = { 0 };
	struct shmq_msg msg;
	bool any = false;
	uint64_t got = 0, acknowledged = 0;
	struct shmq *q;
	int n, r;

	must_be(shmq_open(&q, scene->name, SHMQ_RDONLY, 0, NULL), 0);
	tap = consumer_join(q, SHMQ_TAP);
	do {
		while ((n = shmq_receive(tap, &msg, 1, SHMQ_NOWAIT)) == 1) {
			struct letter l = letter_read(msg.data, msg.len);

			must(!any || msg.seq >= a.next);
			must(l.number >= a.from[l.sender]);
			if (a.from[l.sender])
				must_be(l.number, a.from[l.sender]);
			a.from[l.sender] = l.number + 1;
			a.next = msg.seq + 1;
			any = true;
			got++;
			must_be(shmq_release(tap), 0);
		}
		must_be(n, -EAGAIN);
		r = shmq_tap_skip(tap, NULL, NULL);
		must(r == 0 || r == SHMQ_SKIPPED_OPEN);
	} while (r);
	must_be(shmq_consumer_lost(tap), 0);
	for (unsigned i = 0; i < SENDERS; i++) {
		/* One that slept may have nothing in the ring. */
		must(!a.from[i] || a.from[i] >= scene->sent[i]);
		acknowledged += scene->sent[i];
	}
	must(a.next >= acknowledged);
	must(got > 10);
	shmq_consumer_close(tap);
	shmq_close(q);
}

static void a_flight_recorder_tells_the_end_when_all_are_killed(void **state)
{
	uint64_t seed = chance_seed();
	struct chance chance = chance_of(seed, 9);
	unsigned kills = kills_wanted(40);

	(void)state;
	for (unsigned k = 0; k < kills; k++) {
		struct scene *scene = shared_memory(sizeof(*scene));
		struct player players[SENDERS + 1];
		pid_t children[SENDERS + 1];

		scene->name = "recorder";
		shmq_close(queue_create("recorder", 65536, SHMQ_OVERWRITE));
		for (unsigned i = 0; i <= SENDERS; i++) {
			players[i] = (struct player){ scene, i,
						      chance_of(seed + k, i) };
			children[i] =
				child_start(i < SENDERS ?
						    record_until_killed :
						    read_slowly_until_killed,
					    &players[i]);
		}
		while (!load_acquire(&scene->sent[0]) ||
		       !load_acquire(&scene->sent[1]))
			nap();
		usleep((useconds_t)chance_below(&chance, 20000));
		for (unsigned i = 0; i <= SENDERS; i++)
			must_be(kill(children[i], SIGKILL), 0);
		for (unsigned i = 0; i <= SENDERS; i++)
			child_must_be_killed(children[i]);
		must_tell_the_end(scene);
		must_be(shmq_unlink("recorder"), 0);
		shared_free(scene, sizeof(*scene));
	}
}

/* ------------------------------------------------- anybody may be killed */

static void receive_until_killed(void *arg)
{
	struct player *s = arg;
	struct shmq_consumer *c = consumer_join(s->scene->q, 0);
	uint64_t next = 0;
	struct shmq_msg msgs[8];

	while (!load_acquire(&s->scene->stop)) {
		unsigned max = 1 + (unsigned)chance_below(&s->chance, 8);
		int n = shmq_receive(c, msgs, max, 1000000);

		must(n > 0 || n == -ETIMEDOUT);
		for (int i = 0; i < n; i++) {
			letter_read(msgs[i].data, msgs[i].len);
			if (msgs[i].flags & SHMQ_REDELIVERED)
				continue;
			must(msgs[i].seq >= next);
			next = msgs[i].seq + 1;
		}
		atomic_fetch_add(&s->scene->received, n > 0);
		if (chance_below(&s->chance, 3))
			must_be(shmq_release(c), 0);
	}
	shmq_consumer_close(c);
}

#define CROWD (SENDERS + 3)

static pid_t start_one(struct player *player, struct chance *chance)
{
	player->chance = chance_of(chance_next(chance), player->me);
	return child_start(player->me < SENDERS ? keep_sending :
						  receive_until_killed,
			   player);
}

/* Sends and receipts go on, whoever is dead. */
static void must_go_on(struct scene *scene)
{
	int64_t deadline = clock_now_ns() + PATIENCE_NS;
	uint64_t sent = stat_of(scene->q).sent_messages;
	uint64_t received = load_acquire(&scene->received);

	while (stat_of(scene->q).sent_messages == sent ||
	       load_acquire(&scene->received) == received) {
		must(clock_now_ns() < deadline);
		nap();
	}
}

static void whoever_is_killed_holds_up_nobody(void **state)
{
	struct scene *scene = shared_memory(sizeof(*scene));
	struct chance chance = chance_of(chance_seed(), 9);
	unsigned kills = kills_wanted(150);
	struct player players[CROWD];
	struct shmq_consumer *c;
	struct shmq_msg msg;
	pid_t crowd[CROWD];

	(void)state;
	scene->q = queue_anonymous(16384, SHMQ_OVERWRITE);
	for (unsigned i = 0; i < CROWD; i++) {
		players[i] = (struct player){ .scene = scene, .me = i };
		crowd[i] = start_one(&players[i], &chance);
	}
	for (unsigned k = 0; k < kills; k++) {
		unsigned i = (unsigned)chance_below(&chance, CROWD);

		usleep((useconds_t)chance_below(&chance, 3000));
		child_kill(crowd[i]);
		crowd[i] = start_one(&players[i], &chance);
		if (k % 16 == 0)
			must_go_on(scene);
	}
	must_go_on(scene);
	store_release(&scene->stop, true);
	for (unsigned i = 0; i < CROWD; i++)
		child_join(crowd[i]);
	must(shmq_recover(scene->q) >= 0);
	c = consumer_join(scene->q, 0);
	while (shmq_receive(c, &msg, 1, SHMQ_NOWAIT) == 1) {
		letter_read(msg.data, msg.len);
		must_be(shmq_release(c), 0);
	}
	shmq_consumer_close(c);
	must_be(stat_of(scene->q).members, 0);
	for (uint32_t i = 0; i < shmq_member_entries(scene->q); i++) {
		struct shmq_member_info info = SHMQ_MEMBER_INFO_INIT;

		must_be(shmq_stat_member(scene->q, i, &info), 0);
	}
	shmq_close(scene->q);
	shared_free(scene, sizeof(*scene));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(
			a_reader_stopped_at_random_gets_or_counts_every_message),
		TEST_IN_DIRECTORY(
			a_tap_stopped_at_random_gets_or_counts_every_message),
		TEST_IN_DIRECTORY(
			a_flight_recorder_tells_the_end_when_all_are_killed),
		TEST_IN_DIRECTORY(whoever_is_killed_holds_up_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
