/* SPDX-License-Identifier: MIT */
/*
 * One stream, three groups of two consumers each and two taps, while consumers
 * are killed and replaced: each group gets every message, once unless it is
 * flagged; the taps' received and lost are what was sent. SHMQ_KILLS is how
 * many are killed.
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

#define GROUPS 3
#define CONSUMERS 2 /* of each */
#define TAPS 2
#define SENDERS 2
#define READERS (GROUPS * CONSUMERS)
#define MESSAGES (UINT64_C(1) << 22) /* at most, all told */

struct scene {
	struct shmq *q;
	_Atomic bool stop, all_sent, all_received;
	step ready; /* taps */
	_Atomic uint64_t sent[SENDERS];
	_Atomic uint64_t received[TAPS], lost[TAPS], restarts;
	/* By group and number of the record. */
	_Atomic uint8_t seen[GROUPS][MESSAGES];
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
	uint8_t buf[300];

	for (uint64_t n = 0; !load_relaxed(&s->scene->stop); n++) {
		size_t len = LETTER_MIN + chance_below(&s->chance, 290);

		letter_write(buf, len, (struct letter){ s->me, n });
		must_be(shmq_send(p, buf, len, PATIENCE_NS), 0);
		store_release(&s->scene->sent[s->me], n + 1);
		if (n + 1 == MESSAGES / SENDERS)
			break;
	}
	shmq_producer_close(p);
}

/* A message is noted before it is released: a death in between flags it. */
static void keep_receiving(void *arg)
{
	struct player *s = arg;
	struct scene *scene = s->scene;
	unsigned g = s->me / CONSUMERS;
	char name[] = { 'a', (char)('a' + g), '\0' };
	struct shmq_consumer *c;
	struct shmq_msg msgs[8];

	must_be(shmq_consumer_open(&c, scene->q, name, 0), 0);
	for (;;) {
		bool over = load_acquire(&scene->all_received);
		unsigned max = 1 + (unsigned)chance_below(&s->chance, 8);
		int n = shmq_receive(c, msgs, max, 1000000);

		if (n == -ETIMEDOUT && over)
			break;
		must(n > 0 || n == -ETIMEDOUT);
		for (int i = 0; i < n; i++) {
			_Atomic uint8_t *seen;

			letter_read(msgs[i].data, msgs[i].len);
			must(msgs[i].seq < MESSAGES);
			must_be(msgs[i].lost, 0);
			seen = &scene->seen[g][msgs[i].seq];
			if (msgs[i].flags & SHMQ_REDELIVERED)
				store_relaxed(seen, 1);
			else
				must_be(atomic_fetch_add(seen, 1), 0);
		}
		must_be(shmq_release(c), 0);
	}
	must_be(shmq_consumer_lost(c), 0);
	shmq_consumer_close(c);
}

static void keep_looking_on(void *arg)
{
	struct player *s = arg;
	struct scene *scene = s->scene;
	struct shmq_consumer *tap = consumer_join(scene->q, SHMQ_TAP);
	uint64_t received = 0, next = 0;
	struct shmq_msg msgs[8];

	atomic_fetch_add(&scene->ready, 1);
	for (;;) {
		bool over = load_acquire(&scene->all_sent);
		int n = shmq_receive(tap, msgs, 8, over ? 0 : 1000000);

		if (n == -EAGAIN && over)
			break;
		must(n > 0 || n == -ETIMEDOUT);
		for (int i = 0; i < n; i++) {
			letter_read(msgs[i].data, msgs[i].len);
			must_be(msgs[i].seq, next + msgs[i].lost);
			next = msgs[i].seq + 1;
			received++;
		}
		if (n > 0)
			must_be(received + shmq_consumer_lost(tap), next);
		must_be(shmq_release(tap), 0);
		if (!chance_below(&s->chance, 1000))
			usleep(2000);
	}
	store_relaxed(&scene->received[s->me], received);
	store_relaxed(&scene->lost[s->me], shmq_consumer_lost(tap));
	shmq_consumer_close(tap);
}

static bool all_seen(struct scene *scene, uint64_t sent)
{
	for (unsigned g = 0; g < GROUPS; g++)
		for (uint64_t i = 0; i < sent; i++)
			if (!load_relaxed(&scene->seen[g][i]))
				return false;
	return true;
}

static void kill_and_replace(struct player *readers, pid_t *reading,
			     struct chance *chance, unsigned kills)
{
	for (unsigned k = 0; k < kills; k++) {
		unsigned i = (unsigned)chance_below(chance, READERS);

		usleep((useconds_t)chance_below(chance, 15000));
		child_kill(reading[i]);
		readers[i].chance = chance_of(chance_next(chance), i);
		reading[i] = child_start(keep_receiving, &readers[i]);
	}
}

static void the_end(struct scene *scene, const pid_t *sending,
		    const pid_t *reading, const pid_t *looking)
{
	int64_t deadline = clock_now_ns() + PATIENCE_NS;
	uint64_t sent = 0;

	store_release(&scene->stop, true);
	for (unsigned i = 0; i < SENDERS; i++) {
		child_join(sending[i]);
		sent += scene->sent[i];
	}
	must_be(stat_of(scene->q).sent_messages, sent);
	store_release(&scene->all_sent, true);
	for (unsigned i = 0; i < TAPS; i++) {
		child_join(looking[i]);
		must_be(scene->received[i] + scene->lost[i], sent);
	}
	while (!all_seen(scene, sent)) {
		must(clock_now_ns() < deadline);
		nap();
	}
	store_release(&scene->all_received, true);
	for (unsigned i = 0; i < READERS; i++)
		child_join(reading[i]);
	printf("%" PRIu64 " sent; taps received %" PRIu64 " and %" PRIu64
	       ", lost %" PRIu64 " and %" PRIu64 "\n",
	       sent, scene->received[0], scene->received[1], scene->lost[0],
	       scene->lost[1]);
}

static void
groups_get_all_and_taps_count_all_while_consumers_are_killed(void **state)
{
	const char *text = getenv("SHMQ_KILLS");
	unsigned kills = text ? (unsigned)strtoul(text, NULL, 10) : 200;
	uint64_t seed = chance_seed();
	struct chance chance = chance_of(seed, 99);
	struct scene *scene = shared_memory(sizeof(*scene));
	struct player readers[READERS], senders[SENDERS], taps[TAPS];
	pid_t reading[READERS], sending[SENDERS], looking[TAPS];

	(void)state;
	scene->q = queue_anonymous(65536, SHMQ_TOPIC);
	for (unsigned g = 0; g < GROUPS; g++) {
		char name[] = { 'a', (char)('a' + g), '\0' };

		must_be(shmq_group_add(scene->q, name, 0), 0);
	}
	for (unsigned i = 0; i < TAPS; i++) {
		taps[i] = (struct player){ scene, i, chance_of(seed, 50 + i) };
		looking[i] = child_start(keep_looking_on, &taps[i]);
	}
	step_wait(&scene->ready, TAPS);
	for (unsigned i = 0; i < READERS; i++) {
		readers[i] = (struct player){ scene, i, chance_of(seed, i) };
		reading[i] = child_start(keep_receiving, &readers[i]);
	}
	for (unsigned i = 0; i < SENDERS; i++) {
		senders[i] = (struct player){ scene, i,
					      chance_of(seed, 70 + i) };
		sending[i] = child_start(keep_sending, &senders[i]);
	}
	kill_and_replace(readers, reading, &chance, kills);
	the_end(scene, sending, reading, looking);
	must_be(shmq_recover(scene->q), 0);
	must_be(stat_of(scene->q).members, 0);
	must_be(stat_of(scene->q).depth_messages, 0);
	shmq_close(scene->q);
	shared_free(scene, sizeof(*scene));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(
			groups_get_all_and_taps_count_all_while_consumers_are_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
