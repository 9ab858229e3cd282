/* SPDX-License-Identifier: MIT */
/*
 * A queue grows and shrinks fifty times while producers send and two groups
 * receive and taps read along; producers, consumers of one group, a tap and
 * whoever resizes are killed in between, and shmq_check() finds nothing. The
 * books: what was acknowledged comes to both groups, once or
 * flagged; in order to the group whose consumer lives; and in the end the
 * memory is what it was. SHMQ_CHANGES is how many changes there are.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "atomic.h"
#include "pattern.h"
#include "support.h"

#define CAPACITY UINT64_C(16384)
#define SENDERS 2
#define WORKERS 2
#define LETTERS (1u << 20) /* of a sender, at most */
#define BATCH 8
#define LARGEST 900

struct scene {
	struct shmq *q;
	_Atomic bool enough, stop;
	_Atomic uint64_t changes, refused, killed, tapped, lost;
	_Atomic uint64_t next[SENDERS];
	_Atomic uint8_t sent[SENDERS][LETTERS];
	_Atomic uint8_t got[2][SENDERS][LETTERS]; /* by group */
};

struct player {
	struct scene *scene;
	unsigned me;
	struct chance chance;
};

/* ---------------------------------------------------------------- senders */

static void keep_sending(void *arg)
{
	struct player *s = arg;
	struct scene *scene = s->scene;
	struct shmq_producer *p = producer_join(scene->q);
	uint8_t buf[LARGEST];

	while (!load_acquire(&scene->enough)) {
		uint64_t n = atomic_fetch_add(&scene->next[s->me], 1);
		size_t len = letter_length(&s->chance, LARGEST);
		void *out;

		/* The books are full; it stays, for it may be killed. */
		if (n >= LETTERS) {
			nap();
			continue;
		}
		if (len < LETTER_MIN)
			len = LETTER_MIN;
		letter_write(buf, len, (struct letter){ s->me, n });
		if (chance_below(&s->chance, 8)) {
			must_be(shmq_send(p, buf, len, PATIENCE_NS), 0);
		} else {
			must_be(shmq_reserve(p, len, &out, PATIENCE_NS), 0);
			letter_write(out, len, (struct letter){ s->me, n });
			must_be(shmq_commit(p, len), 0);
		}
		store_release(&scene->sent[s->me][n], 1);
	}
	shmq_producer_close(p);
}

/* -------------------------------------------------------------- receivers */

static void mark(struct scene *scene, unsigned group,
		 const struct shmq_msg *msg, uint64_t *last)
{
	struct letter l = letter_read(msg->data, msg->len);
	_Atomic uint8_t *got = &scene->got[group][l.sender][l.number];

	must(!load_acquire(got) || msg->flags & SHMQ_REDELIVERED);
	if (last) {
		must_be(msg->flags, 0);
		must(last[l.sender] <= l.number);
		last[l.sender] = l.number + 1;
	}
	store_release(got, 1);
}

static void keep_receiving(struct player *s, struct shmq_consumer *c,
			   unsigned group, uint64_t *last)
{
	struct shmq_msg msgs[BATCH];

	while (!load_acquire(&s->scene->stop)) {
		unsigned max = 1 + (unsigned)chance_below(&s->chance, BATCH);
		int n = shmq_receive(c, msgs, max, 1000000);

		must(n > 0 || n == -ETIMEDOUT || n == -ENOBUFS);
		for (int i = 0; i < n; i++)
			mark(s->scene, group, &msgs[i], last);
		/* Now and then it keeps more than one batch. */
		if (n == -ENOBUFS || chance_below(&s->chance, 4))
			must_be(shmq_release(c), 0);
	}
	shmq_consumer_close(c);
}

static void read_in_order(void *arg)
{
	struct player *s = arg;
	uint64_t last[SENDERS] = { 0 };

	keep_receiving(s, consumer_join(s->scene->q, 0), 0, last);
}

/*
 * What a consumer marked and had not released when it was killed comes again,
 * flagged: it never comes again otherwise.
 */
static void work(void *arg)
{
	struct player *s = arg;
	struct shmq_consumer *c;

	must_be(shmq_consumer_open(&c, s->scene->q, "workers", 0), 0);
	keep_receiving(s, c, 1, NULL);
}

/* ------------------------------------------------------------------- taps */

/*
 * In order, whole, and all numbers that it missed counted; now and then it
 * sleeps. The marks of a turn have a number too.
 */
static void tap(void *arg)
{
	struct player *s = arg;
	uint64_t last[SENDERS] = { 0 }, seq = UINT64_MAX;
	struct shmq_consumer *c;
	struct shmq_msg msgs[BATCH];

	must_be(shmq_consumer_open(&c, s->scene->q, NULL, SHMQ_TAP), 0);
	while (!load_acquire(&s->scene->stop)) {
		int n = shmq_receive(c, msgs, BATCH, 1000000);

		must(n > 0 || n == -ETIMEDOUT);
		for (int i = 0; i < n; i++) {
			struct letter l = letter_read(msgs[i].data,
						      msgs[i].len);

			must(last[l.sender] <= l.number);
			last[l.sender] = l.number + 1;
			must(seq == UINT64_MAX ||
			     msgs[i].seq - seq > msgs[i].lost);
			seq = msgs[i].seq;
		}
		atomic_fetch_add(&s->scene->tapped, n > 0 ? (uint64_t)n : 0);
		if (!chance_below(&s->chance, 200))
			nap();
	}
	atomic_fetch_add(&s->scene->lost, shmq_consumer_lost(c));
	shmq_consumer_close(c);
}

/* --------------------------------------------------------------- resizers */

static void keep_resizing(void *arg)
{
	struct player *s = arg;
	struct scene *scene = s->scene;

	while (!load_acquire(&scene->enough)) {
		uint64_t capacity = CAPACITY / 4 << chance_below(&s->chance, 6);
		int r = shmq_resize(scene->q, capacity);

		must(r == 0 || r == -EBUSY);
		atomic_fetch_add(r ? &scene->refused : &scene->changes, 1);
		if (chance_below(&s->chance, 2))
			nap();
	}
}

/* ---------------------------------------------------------------- the scene */

enum {
	FIRST_WORKER = SENDERS,
	RESIZER = FIRST_WORKER + WORKERS,
	TAP,
	PLAYERS
};

static pid_t start(struct scene *scene, struct chance *chance, unsigned who)
{
	struct player player = { scene, who,
				 chance_of(chance_next(chance), who) };

	return child_start(who < FIRST_WORKER ? keep_sending :
			   who < RESIZER      ? work :
			   who == TAP         ? tap :
						keep_resizing,
			   &player);
}

static uint64_t bytes_of(struct shmq *q)
{
	struct stat st;

	must_be(fstat(shmq_fd(q), &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void check_books(struct scene *scene, uint64_t flags)
{
	uint64_t sent = 0;

	for (unsigned who = 0; who < SENDERS; who++) {
		for (uint64_t n = 0; n < LETTERS; n++) {
			if (!load_acquire(&scene->sent[who][n]))
				continue;
			sent++;
			must(load_acquire(&scene->got[0][who][n]));
			must(load_acquire(&scene->got[1][who][n]));
		}
	}
	print_message("flags %" PRIx64 ": %" PRIu64 " messages, %" PRIu64
		      " changes, %" PRIu64 " refused, %" PRIu64
		      " killed, taps: %" PRIu64 " and %" PRIu64 " lost\n",
		      flags, sent, atomic_load(&scene->changes),
		      atomic_load(&scene->refused), atomic_load(&scene->killed),
		      atomic_load(&scene->tapped), atomic_load(&scene->lost));
}

static bool everything_received(struct scene *scene)
{
	return stat_of(scene->q).depth_messages == 0;
}

static void change(uint64_t flags, uint64_t seed, uint64_t changes)
{
	struct scene *scene = shared_memory(sizeof(*scene));
	struct chance chance = chance_of(seed, flags);
	unsigned first = flags & SHMQ_SINGLE_PRODUCER ? 1 : 0;
	struct player player = { scene, 0, chance };
	pid_t pids[PLAYERS], reader, second_tap;
	uint64_t before;

	scene->q = queue_anonymous(CAPACITY, flags);
	before = bytes_of(scene->q);
	must_be(shmq_group_add(scene->q, "workers", 0), 0);
	reader = child_start(read_in_order, &player);
	second_tap = child_start(tap, &player);
	for (unsigned i = first; i < PLAYERS; i++)
		pids[i] = start(scene, &chance, i);
	while (atomic_load(&scene->changes) < changes) {
		unsigned who = first +
			       (unsigned)chance_below(&chance, PLAYERS - first);

		for (uint64_t n = chance_below(&chance, 8); n; n--)
			nap();
		child_kill(pids[who]);
		atomic_fetch_add(&scene->killed, 1);
		pids[who] = start(scene, &chance, who);
		if (!chance_below(&chance, 16))
			must_be(shmq_check(scene->q, NULL, NULL), 0);
	}
	store_release(&scene->enough, true);
	for (unsigned i = first; i < FIRST_WORKER; i++)
		child_join(pids[i]);
	child_join(pids[RESIZER]);
	while (!everything_received(scene))
		nap();
	/* What dead workers held comes to those that live. */
	for (int i = 0; i < 200; i++)
		nap();
	store_release(&scene->stop, true);
	child_join(reader);
	child_join(second_tap);
	child_join(pids[TAP]);
	for (unsigned i = FIRST_WORKER; i < RESIZER; i++)
		child_join(pids[i]);
	check_books(scene, flags);
	must_be(shmq_resize(scene->q, CAPACITY), 0);
	must_be(shmq_recover(scene->q), 0);
	must_be(bytes_of(scene->q), before);
	shmq_close(scene->q);
	shared_free(scene, sizeof(*scene));
}

static void nothing_is_lost_and_the_memory_comes_back(void **state)
{
	static const uint64_t flags[] = { 0, SHMQ_SINGLE_PRODUCER };
	const char *text = getenv("SHMQ_CHANGES");
	uint64_t changes = text ? strtoull(text, NULL, 0) : 50;
	uint64_t seed = chance_seed();

	(void)state;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		change(flags[i], seed, changes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(nothing_is_lost_and_the_memory_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
