/* SPDX-License-Identifier: MIT */
/*
 * A queue that is told to overwrite and not to, again and again, and grows and
 * shrinks, while producers send, a group with one consumer and a group of
 * several receive, and a tap reads along. Producers, the several, the tap and
 * whoever switches are killed in between, the one consumer is stopped at
 * random. Each byte is read; nothing comes twice unflagged; and who lives
 * received, or counted, every message. SHMQ_CHANGES is how many switches there
 * are.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "atomic.h"
#include "pattern.h"
#include "support.h"

#define CAPACITY UINT64_C(16384)
#define SENDERS 2
#define WORKERS 2
#define LETTERS (1u << 22) /* of a sender, at most */
#define BATCH 8
#define LARGEST 900

struct scene {
	struct shmq *q;
	bool sizes; /* change too */
	_Atomic bool enough, stop;
	_Atomic uint64_t changes, resizes, killed, sent;
	_Atomic uint64_t received, lost, told, skipped, next_seq;
	_Atomic uint64_t next[SENDERS];
	_Atomic uint8_t got[SENDERS][LETTERS]; /* by a worker */
};

struct player {
	struct scene *scene;
	unsigned me;
	struct chance chance;
};

static void keep_sending(void *arg)
{
	struct player *s = arg;
	struct scene *scene = s->scene;
	struct shmq_producer *p = producer_join(scene->q);
	uint8_t buf[LARGEST];

	while (!load_acquire(&scene->enough)) {
		uint64_t n = atomic_fetch_add(&scene->next[s->me], 1);
		size_t len = letter_length(&s->chance, LARGEST);
		struct letter letter = { s->me, n };
		void *out;

		if (n >= LETTERS) {
			nap();
			continue;
		}
		len = len < LETTER_MIN ? LETTER_MIN : len;
		letter_write(buf, len, letter);
		if (chance_below(&s->chance, 8)) {
			must_be(shmq_send(p, buf, len, PATIENCE_NS), 0);
		} else {
			must_be(shmq_reserve(p, len, &out, PATIENCE_NS), 0);
			letter_write(out, len, letter);
			must_be(shmq_commit(p, len), 0);
		}
		atomic_fetch_add(&scene->sent, 1);
	}
	shmq_producer_close(p);
}

/* ---------------------------------------------------------------- receivers */

/*
 * In order, and all numbers that it did not get counted as lost, but for those
 * that are no message: of the dead, and of a turn to another ring.
 */
static void read_on(struct player *s, struct shmq_consumer *c, bool tap)
{
	uint64_t last[SENDERS] = { 0 }, next = 0, received = 0, skipped = 0;
	uint64_t told = 0;
	struct shmq_msg msgs[BATCH];
	bool first = tap;

	for (;;) {
		bool stop = load_acquire(&s->scene->stop);
		unsigned max = 1 + (unsigned)chance_below(&s->chance, BATCH);
		int n = shmq_receive(c, msgs, max, 1000000);

		must(n > 0 || n == -ETIMEDOUT || n == -ENOBUFS);
		if (n == -ETIMEDOUT && stop)
			break;
		for (int i = 0; i < n; i++) {
			struct letter l = letter_read(msgs[i].data,
						      msgs[i].len);

			must_be(msgs[i].flags, 0);
			must(last[l.sender] <= l.number);
			last[l.sender] = l.number + 1;
			must(first || msgs[i].seq >= next + msgs[i].lost);
			skipped += first ? 0 :
					   msgs[i].seq - next - msgs[i].lost;
			next = msgs[i].seq + 1;
			told += msgs[i].lost;
			first = false;
			received++;
		}
		if (n == -ENOBUFS || chance_below(&s->chance, 4))
			must_be(shmq_release(c), 0);
	}
	if (!tap) {
		store_relaxed(&s->scene->received, received);
		store_relaxed(&s->scene->skipped, skipped);
		store_relaxed(&s->scene->lost, shmq_consumer_lost(c));
		store_relaxed(&s->scene->told, told);
		store_relaxed(&s->scene->next_seq, next);
	}
	shmq_consumer_close(c);
}

static void read_alone(void *arg)
{
	struct player *s = arg;

	read_on(s, consumer_join(s->scene->q, SHMQ_EXCLUSIVE), false);
}

static void tap(void *arg)
{
	struct player *s = arg;

	read_on(s, consumer_join(s->scene->q, SHMQ_TAP), true);
}

static void work(void *arg)
{
	struct player *s = arg;
	struct shmq_consumer *c;
	struct shmq_msg msgs[BATCH];

	must_be(shmq_consumer_open(&c, s->scene->q, "workers", 0), 0);
	while (!load_acquire(&s->scene->stop)) {
		unsigned max = 1 + (unsigned)chance_below(&s->chance, BATCH);
		int n = shmq_receive(c, msgs, max, 1000000);

		must(n > 0 || n == -ETIMEDOUT || n == -ENOBUFS);
		for (int i = 0; i < n; i++) {
			struct letter l = letter_read(msgs[i].data,
						      msgs[i].len);
			_Atomic uint8_t *got =
				&s->scene->got[l.sender][l.number];

			must(!load_acquire(got) ||
			     msgs[i].flags & SHMQ_REDELIVERED);
			store_release(got, 1);
		}
		if (n == -ENOBUFS || chance_below(&s->chance, 3))
			must_be(shmq_release(c), 0);
	}
	shmq_consumer_close(c);
}

/* ------------------------------------------------------------------ changers */

static void keep_changing(void *arg)
{
	struct player *s = arg;
	struct scene *scene = s->scene;

	while (!load_acquire(&scene->enough)) {
		bool on = chance_below(&s->chance, 2);
		int r = shmq_setattr(scene->q, "overwrite", on ? "on" : "off");

		must_be(r, 0);
		atomic_fetch_add(&scene->changes, 1);
		if (scene->sizes && !chance_below(&s->chance, 4)) {
			/* Before: it may be killed in it. */
			atomic_fetch_add(&scene->resizes, 1);
			r = shmq_resize(scene->q,
					CAPACITY / 4
						<< chance_below(&s->chance, 6));
			must(r == 0 || r == -EBUSY);
		}
		if (chance_below(&s->chance, 2))
			nap();
		/* Long enough for consumers to receive in place again. */
		if (!chance_below(&s->chance, 32))
			usleep((useconds_t)chance_below(&s->chance, 80000));
	}
}

/* ----------------------------------------------------------------- the scene */

enum {
	FIRST_WORKER = SENDERS,
	CHANGER = FIRST_WORKER + WORKERS,
	TAP,
	PLAYERS
};

static pid_t start(struct scene *scene, struct chance *chance, unsigned who)
{
	struct player player = { scene, who,
				 chance_of(chance_next(chance), who) };

	return child_start(who < FIRST_WORKER ? keep_sending :
			   who < CHANGER      ? work :
			   who == TAP         ? tap :
						keep_changing,
			   &player);
}

static uint64_t bytes_of(struct shmq *q)
{
	struct stat st;

	must_be(fstat(shmq_fd(q), &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void play(struct scene *scene, struct chance *chance, unsigned first,
		 pid_t *pids, pid_t reader, uint64_t changes)
{
	while (atomic_load(&scene->changes) < changes) {
		unsigned who = first +
			       (unsigned)chance_below(chance, PLAYERS - first);

		must_be(kill(reader, SIGSTOP), 0);
		for (uint64_t n = chance_below(chance, 4); n; n--)
			nap();
		must_be(kill(reader, SIGCONT), 0);
		for (uint64_t n = chance_below(chance, 8); n; n--)
			nap();
		child_kill(pids[who]);
		atomic_fetch_add(&scene->killed, 1);
		pids[who] = start(scene, chance, who);
		if (!chance_below(chance, 16))
			must_be(shmq_check(scene->q, NULL, NULL), 0);
	}
}

static void end(struct scene *scene, unsigned first, pid_t *pids, pid_t reader)
{
	uint64_t numbers;

	store_release(&scene->enough, true);
	for (unsigned i = first; i < FIRST_WORKER; i++)
		child_join(pids[i]);
	child_join(pids[CHANGER]);
	store_release(&scene->stop, true);
	child_join(reader);
	for (unsigned i = FIRST_WORKER; i < PLAYERS; i++)
		if (i != CHANGER)
			child_join(pids[i]);
	numbers = stat_of(scene->q).sent_messages;
	print_message("%" PRIu64 " sent, %" PRIu64 " received, %" PRIu64
		      " lost, %" PRIu64 " no messages, %" PRIu64
		      " changes, %" PRIu64 " sizes, %" PRIu64 " killed\n",
		      atomic_load(&scene->sent), atomic_load(&scene->received),
		      atomic_load(&scene->lost), atomic_load(&scene->skipped),
		      atomic_load(&scene->changes),
		      atomic_load(&scene->resizes),
		      atomic_load(&scene->killed));
	must_be(scene->received + scene->told + scene->skipped,
		scene->next_seq);
	/* Overtaken at the very end, with no message behind it to tell so. */
	must(scene->next_seq + scene->lost - scene->told <= numbers);
	/* What was killed leaves a skipped number, and a turn does. */
	must(numbers - scene->received - scene->lost <=
	     scene->killed + scene->resizes);
	must(scene->received + scene->lost >= scene->sent);
}

static void change(uint64_t flags, bool sizes, uint64_t seed, uint64_t changes)
{
	struct scene *scene = shared_memory(sizeof(*scene));
	struct chance chance = chance_of(seed, flags + sizes);
	unsigned first = flags & SHMQ_SINGLE_PRODUCER ? 1 : 0;
	struct player player = { scene, 0, chance };
	pid_t pids[PLAYERS], reader;
	uint64_t before;

	scene->q = queue_anonymous(CAPACITY, flags);
	scene->sizes = sizes;
	before = bytes_of(scene->q);
	must_be(shmq_group_add(scene->q, "workers", 0), 0);
	reader = child_start(read_alone, &player);
	for (unsigned i = first; i < PLAYERS; i++)
		pids[i] = start(scene, &chance, i);
	play(scene, &chance, first, pids, reader, changes);
	end(scene, first, pids, reader);
	must_be(shmq_check(scene->q, NULL, NULL), 0);
	must_be(shmq_setattr(scene->q, "overwrite", "on"), 0);
	must_be(shmq_resize(scene->q, CAPACITY), 0);
	{
		struct shmq_producer *p = producer_join(scene->q);
		uint8_t buf[LARGEST] = { 0 };

		/* Once round it, and what was before is gone. */
		for (uint64_t n = 0; n < 64 * CAPACITY; n += LARGEST)
			must_be(shmq_send(p, buf, LARGEST, PATIENCE_NS), 0);
		shmq_producer_close(p);
	}
	must_be(shmq_recover(scene->q), 0);
	must_be(bytes_of(scene->q), before);
	shmq_close(scene->q);
	shared_free(scene, sizeof(*scene));
}

static void every_message_is_received_or_counted(void **state)
{
	static const struct {
		uint64_t flags;
		bool sizes;
	} rows[] = {
		{ 0, false },
		{ SHMQ_SINGLE_PRODUCER, false },
		{ 0, true },
		{ SHMQ_SINGLE_PRODUCER, true },
		{ SHMQ_OVERWRITE, true },
		{ SHMQ_OVERWRITE | SHMQ_SINGLE_PRODUCER, false },
	};
	const char *text = getenv("SHMQ_CHANGES");
	uint64_t changes = text ? strtoull(text, NULL, 0) : 200;
	uint64_t seed = chance_seed();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		change(rows[i].flags, rows[i].sizes, seed, changes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(every_message_is_received_or_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
