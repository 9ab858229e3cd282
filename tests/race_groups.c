/* SPDX-License-Identifier: MIT */
/*
 * Groups come and go while producers send: whoever subscribes gets every
 * message from where it began, each once, in each producer's order. Some
 * subscribers are killed, wherever they are. SHMQ_KILLS is how many.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "atomic.h"
#include "pattern.h"
#include "support.h"

#define CAPACITY UINT64_C(8192)
#define SENDERS 2
#define READERS 3 /* who come and go */
#define BATCH 8

struct scene {
	struct shmq *q;
	_Atomic bool enough; /* sent */
	_Atomic bool stop;
	_Atomic uint64_t subscriptions, received;
};

struct player {
	struct scene *scene;
	unsigned me;
	struct chance chance;
};

/* --------------------------------------------------------------- senders */

static void keep_sending(void *arg)
{
	struct player *s = arg;
	struct shmq_producer *p = producer_join(s->scene->q);
	uint8_t buf[200];

	for (uint64_t n = 1; !load_acquire(&s->scene->enough); n++) {
		size_t len = LETTER_MIN +
			     chance_below(&s->chance, 200 - LETTER_MIN + 1);

		letter_write(buf, len, (struct letter){ s->me, n });
		must_be(shmq_send(p, buf, len, PATIENCE_NS), 0);
	}
	shmq_producer_close(p);
}

/* --------------------------------------------------------------- readers */

/* Each sender's letters come without a gap, once the first has come. */
static void read_some(struct player *s, struct shmq_consumer *c, uint64_t count)
{
	uint64_t next[SENDERS] = { 0 }, got = 0;
	struct shmq_msg msgs[BATCH];

	while (got < count && !load_acquire(&s->scene->stop)) {
		int n = shmq_receive(c, msgs, BATCH, 1000000);

		must(n > 0 || n == -ETIMEDOUT);
		for (int i = 0; i < n; i++) {
			struct letter l = letter_read(msgs[i].data,
						      msgs[i].len);

			must_be(msgs[i].flags & SHMQ_REDELIVERED, 0);
			if (next[l.sender])
				must_be(l.number, next[l.sender]);
			next[l.sender] = l.number + 1;
			got++;
		}
		must_be(shmq_release(c), 0);
	}
	atomic_fetch_add(&s->scene->received, got);
}

static void remove_if_there(struct shmq *q, const char *name)
{
	int r = shmq_group_remove(q, name);

	must(r == 0 || r == -ENOENT);
}

static void come_and_go(void *arg)
{
	struct player *s = arg;
	struct shmq *q = s->scene->q;
	struct shmq_consumer *c;
	char name[16];

	snprintf(name, sizeof(name), "reader %u", s->me);
	while (!load_acquire(&s->scene->stop)) {
		unsigned flags = 0;

		remove_if_there(q, name);
		flags |= chance_below(&s->chance, 2) ? SHMQ_NEWEST : 0;
		flags |= chance_below(&s->chance, 2) ? SHMQ_EXCLUSIVE : 0;
		must_be(shmq_consumer_open(&c, q, name, flags), 0);
		read_some(s, c, chance_below(&s->chance, 300));
		shmq_consumer_close(c);
		atomic_fetch_add(&s->scene->subscriptions, 1);
	}
	remove_if_there(q, name);
}

static void stay(void *arg)
{
	struct player *s = arg;
	struct shmq_consumer *c = consumer_join(s->scene->q, 0);

	read_some(s, c, UINT64_MAX);
	shmq_consumer_close(c);
}

/* ------------------------------------------------------------- the scene */

static pid_t start(struct scene *scene, struct chance *chance,
		   void (*body)(void *), unsigned me)
{
	struct player player = { scene, me,
				 chance_of(chance_next(chance), me) };

	return child_start(body, &player);
}

static void churn(uint64_t flags, uint64_t seed, uint64_t kills)
{
	struct scene *scene = shared_memory(sizeof(*scene));
	unsigned senders = flags & SHMQ_SINGLE_PRODUCER ? 1 : SENDERS;
	struct chance chance = chance_of(seed, flags);
	pid_t sending[SENDERS], reading[READERS], staying;

	scene->q = queue_anonymous(CAPACITY, flags);
	for (unsigned i = 0; i < senders; i++)
		sending[i] = start(scene, &chance, keep_sending, i);
	for (unsigned i = 0; i < READERS; i++)
		reading[i] = start(scene, &chance, come_and_go, i);
	staying = start(scene, &chance, stay, 0);
	for (uint64_t i = 0; i < kills; i++) {
		unsigned who = (unsigned)chance_below(&chance, READERS);

		for (uint64_t n = chance_below(&chance, 12); n; n--)
			nap();
		child_kill(reading[who]);
		reading[who] = start(scene, &chance, come_and_go, who);
	}
	store_release(&scene->enough, true);
	for (unsigned i = 0; i < senders; i++)
		child_join(sending[i]);
	store_release(&scene->stop, true);
	for (unsigned i = 0; i < READERS; i++)
		child_join(reading[i]);
	child_join(staying);
	print_message("flags %" PRIx64 ": %" PRIu64 " subscriptions, %" PRIu64
		      " messages received by those that lived\n",
		      flags, atomic_load(&scene->subscriptions),
		      atomic_load(&scene->received));
	must_be(shmq_recover(scene->q), 0);
	must_be(stat_of(scene->q).groups, 1);
	must_be(stat_of(scene->q).members, 0);
	shmq_close(scene->q);
	shared_free(scene, sizeof(*scene));
}

static void who_subscribes_misses_nothing(void **state)
{
	static const uint64_t flags[] = { 0, SHMQ_SINGLE_PRODUCER,
					  SHMQ_SINGLE_CONSUMER, SHMQ_TOPIC,
					  SHMQ_TOPIC | SHMQ_SINGLE_PRODUCER };
	const char *text = getenv("SHMQ_KILLS");
	uint64_t kills = text ? strtoull(text, NULL, 0) : 150;
	uint64_t seed = chance_seed();

	(void)state;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		churn(flags[i], seed, kills);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(who_subscribes_misses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
