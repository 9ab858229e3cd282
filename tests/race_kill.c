/* SPDX-License-Identifier: MIT */
/*
 * Producers and consumers are killed at random moments and replaced, while
 * the others go on. SHMQ_KILLS is how many die for each kind of queue,
 * without receivers that copy, and with them. The same of a journal, whose
 * senders, as nobody makes them wait, wait by themselves.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "atomic.h"
#include "ledger.h"
#include "variants.h"

#define CAPACITY UINT64_C(16384)
#define MAX (CAPACITY / 4)
#define JOURNAL_SEGMENT UINT64_C(65536)
#define BATCH 6
#define PAUSE_NS INT64_C(10000000000) /* too long, on any machine */

struct arena {
	struct shmq *q;
	const struct kind *kind;
	struct ledger *ledger;
	unsigned senders, receivers;
	uint64_t kills;
	bool copies; /* some receivers copy */
	bool paced;  /* senders may be so far ahead, and no more */
	struct chance chance;

	/* The parent's: who is who, and progress. */
	pid_t pids[LEDGER_SENDERS + LEDGER_RECEIVERS];
	uint64_t seen;
	int64_t seen_ns;
	int64_t longest_ns;
};

/* One of the players, in its own process. */
struct player {
	struct arena *arena;
	struct ledger *ledger;
	unsigned me;
	struct chance chance;
	struct shmq_producer *p;
	struct shmq_consumer *c;
	uint64_t last[LEDGER_SENDERS];
};

/* Now and then hold what one holds, so that death finds it held. */
static void linger(struct player *s)
{
	if (chance_below(&s->chance, 16) == 0)
		nap();
}

/* --------------------------------------------------------------- producers */

static size_t write_next(struct player *s, void *buf, size_t len,
			 struct letter *letter)
{
	*letter = ledger_begin(s->ledger, s->me);
	letter_write(buf, len, *letter);
	return len;
}

static void send_one(struct player *s)
{
	size_t len = letter_length(&s->chance, MAX);
	static uint8_t buf[MAX];
	struct letter letter;

	write_next(s, buf, len, &letter);
	must_be(shmq_send(s->p, buf, len, PATIENCE_NS), 0);
	ledger_note(s->ledger, letter, LEDGER_ACKED);
}

static void send_batch(struct player *s)
{
	static uint8_t bufs[BATCH][MAX];
	struct iovec messages[BATCH];
	struct letter letters[BATCH];
	int r;

	for (int i = 0; i < BATCH; i++) {
		size_t len = letter_length(&s->chance, MAX);

		write_next(s, bufs[i], len, &letters[i]);
		messages[i] = (struct iovec){ bufs[i], len };
	}
	r = shmq_send_batch(s->p, messages, BATCH, PATIENCE_NS);
	must(r > 0 && r <= BATCH);
	for (int i = 0; i < BATCH; i++)
		ledger_note(s->ledger, letters[i],
			    i < r ? LEDGER_ACKED : LEDGER_DROPPED);
}

static void send_in_place(struct player *s)
{
	size_t len = letter_length(&s->chance, MAX);
	size_t more = chance_below(&s->chance, MAX - len + 1);
	struct letter letter;
	void *out;

	must_be(shmq_reserve(s->p, len + more, &out, PATIENCE_NS), 0);
	write_next(s, out, len, &letter);
	linger(s);
	if (chance_below(&s->chance, 4)) {
		must_be(shmq_commit(s->p, len), 0);
		ledger_note(s->ledger, letter, LEDGER_ACKED);
	} else {
		ledger_note(s->ledger, letter, LEDGER_DROPPED);
		must_be(shmq_discard(s->p), 0);
	}
}

#define AHEAD 2000

static bool is_ahead(struct player *s)
{
	return stat_of(s->arena->q).depth_messages > AHEAD;
}

static void produce(struct player *s)
{
	s->p = producer_join(s->arena->q);
	while (!load_acquire(&s->ledger->stop)) {
		if (s->arena->paced && is_ahead(s)) {
			nap();
			continue;
		}
		switch (chance_below(&s->chance, 4)) {
		case 0:
			send_batch(s);
			break;
		case 1:
			send_in_place(s);
			break;
		default:
			send_one(s);
		}
	}
	shmq_producer_close(s->p);
}

/* --------------------------------------------------------------- consumers */

static void receive_copy(struct player *s)
{
	static uint8_t buf[MAX];
	ssize_t n;

	store_release(&s->ledger->copying[s->me], true);
	n = shmq_recv(s->c, buf, MAX, PATIENCE_NS);
	must(n >= 0);
	/* A copy does not say whether it is a second delivery. */
	ledger_receive(s->ledger, buf, (size_t)n, true, s->last);
	store_release(&s->ledger->copying[s->me], false);
}

static void receive_in_place(struct player *s)
{
	unsigned max = 1 + (unsigned)chance_below(&s->chance, BATCH);
	struct shmq_msg msgs[2 * BATCH];
	int n = shmq_receive(s->c, msgs, max, PATIENCE_NS), more = 0;

	if (n <= 0)
		must_be(n, 1);
	if (chance_below(&s->chance, 4) == 0)
		more = shmq_receive(s->c, msgs + n, BATCH, SHMQ_NOWAIT);
	must(more >= 0 || more == -EAGAIN);
	for (int i = 0; i < n + (more > 0 ? more : 0); i++)
		ledger_receive(s->ledger, msgs[i].data, msgs[i].len,
			       msgs[i].flags & SHMQ_REDELIVERED, s->last);
	linger(s);
	must_be(shmq_release(s->c), 0);
}

static void consume(struct player *s)
{
	bool copies = s->arena->copies && chance_below(&s->chance, 2);

	s->c = consumer_join(s->arena->q, s->arena->kind->consumer_flags);
	for (;;) {
		if (copies && chance_below(&s->chance, 2))
			receive_copy(s);
		else
			receive_in_place(s);
	}
}

/* -------------------------------------------------------------- the deaths */

static void play(void *arg)
{
	struct player *s = arg;

	if (s->me < s->arena->senders) {
		produce(s);
	} else {
		s->me -= s->arena->senders;
		consume(s);
	}
}

static void player_start(struct arena *arena, unsigned who)
{
	struct player player = {
		.arena = arena,
		.ledger = arena->ledger,
		.me = who,
		.chance = chance_of(chance_next(&arena->chance), who),
	};

	arena->pids[who] = child_start(play, &player);
}

static void player_kill(struct arena *arena, unsigned who)
{
	unsigned receiver = who - arena->senders;

	child_kill(arena->pids[who]);
	if (who < arena->senders)
		return;
	if (atomic_exchange(&arena->ledger->copying[receiver], false))
		atomic_fetch_add(&arena->ledger->hidden, 1);
}

/* For a while; notes how long nobody received anything. */
static void watch(struct arena *arena, int64_t while_ns)
{
	int64_t begin = clock_now_ns(), now;

	do {
		uint64_t received = load_acquire(&arena->ledger->received);

		now = clock_now_ns();
		if (received != arena->seen) {
			arena->seen = received;
			arena->seen_ns = now;
		}
		if (now - arena->seen_ns > arena->longest_ns)
			arena->longest_ns = now - arena->seen_ns;
		must(arena->longest_ns < PAUSE_NS);
		nap();
	} while (now - begin < while_ns);
}

static void kill_and_replace(struct arena *arena)
{
	unsigned n = arena->senders + arena->receivers;

	for (unsigned i = 0; i < n; i++)
		player_start(arena, i);
	arena->seen_ns = clock_now_ns();
	for (uint64_t i = 0; i < arena->kills; i++) {
		unsigned who = (unsigned)chance_below(&arena->chance, n);

		watch(arena, (int64_t)chance_below(&arena->chance, 4000000));
		player_kill(arena, who);
		/* Sometimes two at once. */
		if (chance_below(&arena->chance, 4) == 0 && who + 1 < n) {
			player_kill(arena, who + 1);
			player_start(arena, who + 1);
		}
		player_start(arena, who);
	}
	watch(arena, 20000000);
}

static void drain(struct arena *arena)
{
	uint64_t last[LEDGER_SENDERS] = { 0 };
	struct shmq_consumer *c;
	struct shmq_msg msgs[BATCH];
	int n;

	must(shmq_recover(arena->q) >= 0);
	c = consumer_join(arena->q, arena->kind->consumer_flags);
	while ((n = shmq_receive(c, msgs, BATCH, SHMQ_NOWAIT)) > 0) {
		for (int i = 0; i < n; i++)
			ledger_receive(arena->ledger, msgs[i].data, msgs[i].len,
				       msgs[i].flags & SHMQ_REDELIVERED, last);
		must_be(shmq_release(c), 0);
	}
	must_be(n, -EAGAIN);
	shmq_consumer_close(c);
}

static void must_be_clean(struct shmq *q)
{
	struct shmq_stat st;

	must_be(shmq_recover(q), 0);
	st = stat_of(q);
	must_be(st.members, 0);
	must_be(st.depth_messages, 0);
	must_be(st.depth_bytes, 0);
	for (uint32_t i = 0; i < shmq_member_entries(q); i++) {
		struct shmq_member_info info = SHMQ_MEMBER_INFO_INIT;

		must_be(shmq_stat_member(q, i, &info), 0);
	}
}

static struct shmq *journal(uint64_t flags)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *q;

	attr.flags = SHMQ_JOURNAL | flags;
	attr.segment_bytes = JOURNAL_SEGMENT;
	must_be(shmq_open(&q, "j", SHMQ_CREATE | SHMQ_EXCL, 0600, &attr), 0);
	return q;
}

static void survive(struct shmq *q, const struct kind *kind, bool copies,
		    uint64_t seed, uint64_t kills)
{
	struct arena arena = {
		.q = q,
		.kind = kind,
		.ledger = ledger_make(),
		.senders = kind->producers ? LEDGER_SENDERS : 1,
		.receivers = kind->competing ? LEDGER_RECEIVERS : 1,
		.kills = kills,
		.copies = copies,
		.paced = stat_of(q).flags & SHMQ_JOURNAL,
		.chance = chance_of(seed, 0),
	};

	kill_and_replace(&arena);
	store_release(&arena.ledger->stop, true);
	for (unsigned i = 0; i < arena.senders; i++)
		child_join(arena.pids[i]);
	for (unsigned i = 0; i < arena.receivers; i++)
		player_kill(&arena, arena.senders + i);
	drain(&arena);
	print_message("%s: %" PRIu64 " kills, longest pause %" PRId64 " us, ",
		      kind->name, kills, arena.longest_ns / 1000);
	ledger_must_add_up(arena.ledger);
	must_be_clean(arena.q);
	ledger_free(arena.ledger);
	shmq_close(arena.q);
}

static void nothing_is_lost_however_many_are_killed(void **state)
{
	const char *text = getenv("SHMQ_KILLS");
	uint64_t kills = text ? strtoull(text, NULL, 0) : 100;
	uint64_t seed = chance_seed();

	(void)state;
	for (int i = 0; i < 2 * KINDS; i++)
		survive(queue_anonymous(CAPACITY, kinds[i / 2].flags),
			&kinds[i / 2], i % 2, seed + (uint64_t)i, kills);
}

static void nothing_is_lost_from_a_journal(void **state)
{
	const char *text = getenv("SHMQ_KILLS");
	uint64_t kills = text ? strtoull(text, NULL, 0) : 100;
	uint64_t seed = chance_seed();

	(void)state;
	for (int i = 0; i < 2 * KINDS; i++) {
		survive(journal(kinds[i / 2].flags), &kinds[i / 2], i % 2,
			seed + (uint64_t)i, kills);
		must_be(shmq_unlink("j"), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(nothing_is_lost_however_many_are_killed),
		TEST_IN_DIRECTORY(nothing_is_lost_from_a_journal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
