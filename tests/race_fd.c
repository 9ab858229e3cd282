/* SPDX-License-Identifier: MIT */
/*
 * One process waits for many queues, through an epoll of their descriptors or
 * with shmq_wait(), while producers that send to any of them are killed at
 * random and replaced. Whatever was acknowledged comes, once, and soon: also
 * the last, after which nobody sends any more. SHMQ_KILLS is how many die.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "atomic.h"
#include "support.h"

#define QUEUES 40
#define SENDERS 4
#define LETTERS (1 << 20) /* of one sender, at most */
#define LATE_NS INT64_C(5000000000)

enum way {
	LEVEL,
	EDGE,
	ONE_BY_ONE,
	WAIT,
	WAYS
};
static const char *const ways[] = { "level", "edge", "one by one", "wait" };

struct letter {
	uint32_t sender;
	uint32_t number;
	int64_t sent_ns;
};

struct arena {
	struct shmq *q[QUEUES];
	enum way way;
	uint64_t seed;
	_Atomic bool stop;              /* sending */
	_Atomic bool end;               /* receiving */
	_Atomic uint32_t next[SENDERS]; /* number to be sent */
	_Atomic uint64_t sent, received, sleeps;
	_Atomic int64_t longest_ns;
	_Atomic uint8_t came[SENDERS][LETTERS];
	_Atomic uint8_t acked[SENDERS][LETTERS];
};

/* -------------------------------------------------------------- producers */

struct sender {
	struct arena *arena;
	uint32_t me;
	struct chance chance;
};

static void send_until_told(void *arg)
{
	struct sender *s = arg;
	struct arena *arena = s->arena;
	struct shmq_producer *p[QUEUES];

	for (int i = 0; i < QUEUES; i++)
		p[i] = producer_join(arena->q[i]);
	while (!load_acquire(&arena->stop)) {
		uint64_t k = chance_below(&s->chance, QUEUES);
		uint32_t number = atomic_fetch_add(&arena->next[s->me], 1);
		struct letter letter = { s->me, number, clock_now_ns() };

		must(number < LETTERS);
		must_be(shmq_send(p[k], &letter, sizeof(letter), PATIENCE_NS),
			0);
		store_release(&arena->acked[s->me][number], 1);
		atomic_fetch_add(&arena->sent, 1);
		/* The receiver gets to sleep, or does not. */
		if (chance_below(&s->chance, 4) == 0)
			nap();
	}
	for (int i = 0; i < QUEUES; i++)
		shmq_producer_close(p[i]);
}

/* --------------------------------------------------------------- consumer */

static bool take(struct arena *arena, struct shmq_consumer *c)
{
	struct letter letter;
	ssize_t n = shmq_recv(c, &letter, sizeof(letter), 0);
	int64_t late;

	if (n == -EAGAIN)
		return false;
	must_be(n, sizeof(letter));
	must(letter.sender < SENDERS && letter.number < LETTERS);
	must_be(atomic_fetch_add(&arena->came[letter.sender][letter.number], 1),
		0);
	late = clock_now_ns() - letter.sent_ns;
	if (late > load_relaxed(&arena->longest_ns))
		store_relaxed(&arena->longest_ns, late);
	atomic_fetch_add(&arena->received, 1);
	return true;
}

static void receive_from_epoll(struct arena *arena, struct shmq_consumer **c)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	must(epoll >= 0);
	for (uint32_t i = 0; i < QUEUES; i++) {
		struct epoll_event event = { .data.u32 = i };

		event.events = EPOLLIN | (arena->way == EDGE ? EPOLLET : 0u);
		must_be(epoll_ctl(epoll, EPOLL_CTL_ADD, shmq_consumer_fd(c[i]),
				  &event),
			0);
	}
	while (!load_acquire(&arena->end)) {
		struct epoll_event ready[8];
		int n = epoll_wait(epoll, ready, 8, -1);

		atomic_fetch_add(&arena->sleeps, 1);
		must(n > 0 || errno == EINTR);
		for (int i = 0; i < n; i++)
			while (take(arena, c[ready[i].data.u32]) &&
			       arena->way != ONE_BY_ONE)
				;
	}
	close(epoll);
}

static void receive_all(void *arg)
{
	struct arena *arena = arg;
	struct shmq_consumer *c[QUEUES];

	for (int i = 0; i < QUEUES; i++)
		c[i] = consumer_join(arena->q[i], 0);
	if (arena->way != WAIT)
		receive_from_epoll(arena, c);
	while (!load_acquire(&arena->end)) {
		int k = shmq_wait(c, QUEUES, SHMQ_FOREVER);

		atomic_fetch_add(&arena->sleeps, 1);
		must(k >= 0);
		take(arena, c[k]);
	}
	for (int i = 0; i < QUEUES; i++)
		shmq_consumer_close(c[i]);
}

/* ------------------------------------------------------------- the deaths */

static pid_t sender_start(struct arena *arena, uint32_t me,
			  struct chance *chance)
{
	struct sender sender = { arena, me,
				 chance_of(chance_next(chance), me) };

	return child_start(send_until_told, &sender);
}

static void kill_senders(struct arena *arena, unsigned kills)
{
	struct chance chance = chance_of(arena->seed, arena->way);
	pid_t pids[SENDERS];

	for (uint32_t i = 0; i < SENDERS; i++)
		pids[i] = sender_start(arena, i, &chance);
	for (; kills; kills--) {
		uint32_t i = (uint32_t)chance_below(&chance, SENDERS);
		int64_t until = clock_now_ns() +
				(int64_t)chance_below(&chance, 8000000);

		while (clock_now_ns() < until)
			nap();
		child_kill(pids[i]);
		pids[i] = sender_start(arena, i, &chance);
	}
	store_release(&arena->stop, true);
	for (uint32_t i = 0; i < SENDERS; i++)
		child_join(pids[i]);
}

static bool all_came(struct arena *arena)
{
	for (uint32_t i = 0; i < SENDERS; i++)
		for (uint32_t k = 0; k < load_relaxed(&arena->next[i]); k++)
			if (load_acquire(&arena->acked[i][k]) &&
			    !load_acquire(&arena->came[i][k]))
				return false;
	return true;
}

static void survive(enum way way, uint64_t seed, unsigned kills)
{
	struct arena *arena = shared_memory(sizeof(*arena));
	struct letter last = { 0, LETTERS - 1, 0 };
	int64_t begin;
	pid_t reader;

	arena->way = way;
	arena->seed = seed;
	for (int i = 0; i < QUEUES; i++)
		arena->q[i] = queue_anonymous(16384, 0);
	reader = child_start(receive_all, arena);
	kill_senders(arena, kills);
	begin = clock_now_ns();
	while (!all_came(arena)) {
		must(clock_now_ns() - begin < LATE_NS);
		nap();
	}
	print_message("%s: %u kills, %" PRIu64 " sent, %" PRIu64
		      " received, %" PRIu64 " sleeps, longest %" PRId64 " us\n",
		      ways[way], kills, load_relaxed(&arena->sent),
		      load_relaxed(&arena->received),
		      load_relaxed(&arena->sleeps),
		      load_relaxed(&arena->longest_ns) / 1000);
	must(load_relaxed(&arena->longest_ns) < LATE_NS);
	/* Wake it up for the end. */
	store_release(&arena->end, true);
	last.sent_ns = clock_now_ns();
	{
		struct shmq_producer *p = producer_join(arena->q[0]);

		must_be(shmq_send(p, &last, sizeof(last), 0), 0);
		shmq_producer_close(p);
	}
	child_join(reader);
	for (int i = 0; i < QUEUES; i++) {
		must(shmq_recover(arena->q[i]) >= 0);
		shmq_close(arena->q[i]);
	}
	must_be(directory_entries(), 0);
	shared_free(arena, sizeof(*arena));
}

static void whoever_is_killed_nothing_is_missed(void **state)
{
	const char *text = getenv("SHMQ_KILLS");
	unsigned kills = text ? (unsigned)strtoul(text, NULL, 0) : 150;
	uint64_t seed = chance_seed();

	(void)state;
	for (int way = 0; way < WAYS; way++)
		survive((enum way)way, seed, kills);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(whoever_is_killed_nothing_is_missed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
