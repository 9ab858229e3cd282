/* SPDX-License-Identifier: MIT */
/*
 * A process that writes anything anywhere into the mapping while others send,
 * receive, look and recover: whatever they are told, they do not crash, they
 * touch nothing outside of their mappings, and each call comes back. SHMQ_FUZZ
 * is how many milliseconds each kind of queue and of scribbling lasts.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "atomic.h"
#include "consumer.h"
#include "handle.h"
#include "support.h"
#include "variants.h"
#include "views.h"

#define CAPACITY 4096
#define VICTIMS 5
#define SHORT_NS INT64_C(2000000)

/* One game: a queue, who scribbles, and how. */
struct game {
	struct shmq *q;
	const struct kind *kind;
	unsigned manner;
	uint64_t seed;
	size_t bytes; /* of the file */
	/* Calls made by each victim: a hanging one does not count on. */
	_Atomic uint64_t calls[VICTIMS];
};

struct victim {
	struct game *game;
	unsigned me;
	struct chance chance;
};

/* --------------------------------------------------------------- scribbling */

/* Beside those of variants.h. */
static const struct kind more_kinds[] = {
	{ "overwriting", SHMQ_OVERWRITE, 0, true, true },
	{ "overwriting, taps", SHMQ_OVERWRITE, SHMQ_TAP, true, true },
	{ "shared, taps", 0, SHMQ_TAP, true, true },
	{ "both single, taps", SHMQ_SINGLE_PRODUCER | SHMQ_SINGLE_CONSUMER,
	  SHMQ_TAP, true, false },
};
#define GAMES (KINDS + sizeof(more_kinds) / sizeof(more_kinds[0]))

static const uint64_t boundaries[] = {
	0,
	1,
	63,
	64,
	4095,
	4096,
	UINT32_MAX,
	UINT64_C(1) << 32,
	(UINT64_C(1) << 57) - 1,
	UINT64_C(1) << 62,
	(UINT64_C(1) << 62) - 64,
	UINT64_MAX >> 1,
	UINT64_C(1) << 63,
	UINT64_MAX - 63,
	UINT64_MAX,
};
#define BOUNDARIES (sizeof(boundaries) / sizeof(boundaries[0]))

/* Where: the words that everybody meets at more often than the others. */
static size_t anywhere(struct chance *chance, size_t bytes)
{
	switch (chance_below(chance, 4)) {
	case 0:
		return chance_below(chance, bytes);
	case 1:
		return SH_CONTROL_OFF + chance_below(chance, 416);
	case 2:
		return SH_GROUPS_OFF + chance_below(chance, 160);
	default:
		return SH_GROUPS_OFF + chance_below(chance, 12000);
	}
}

static void scribble_once(char *map, const char *old, const struct game *game,
			  struct chance *chance)
{
	size_t at = anywhere(chance, game->bytes), n;
	uint64_t word;

	if (at > game->bytes - 64)
		at = game->bytes - 64;
	switch (game->manner) {
	case 0:
		map[at] = (char)chance_next(chance);
		return;
	case 1:
		word = boundaries[chance_below(chance, BOUNDARIES)];
		if (chance_below(chance, 2))
			word += chance_below(chance, 3) - 1;
		memcpy(map + (at & ~(size_t)7), &word, 8);
		return;
	default:
		/* What was there once, a word or a line or more of it. */
		n = (size_t)8 << chance_below(chance, 8);
		at &= ~(n - 1);
		if (at + n <= game->bytes)
			memcpy(map + at, old + at, n);
	}
}

static void scribble(void *arg)
{
	struct victim *v = arg;
	struct game *game = v->game;
	char *map = mmap(NULL, game->bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			 shmq_fd(game->q), 0);
	char *old = malloc(game->bytes);

	must(map != MAP_FAILED && old);
	for (;;) {
		memcpy(old, map, game->bytes);
		for (int i = 0; i < 1000; i++) {
			scribble_once(map, old, game, &v->chance);
			if (chance_below(&v->chance, 4) == 0)
				nap();
		}
	}
}

/* ------------------------------------------------------------------ victims */

static void count(struct victim *v)
{
	atomic_fetch_add(&v->game->calls[v->me], 1);
}

static int64_t patience(struct victim *v)
{
	return chance_below(&v->chance, 4) ? SHMQ_NOWAIT : SHORT_NS;
}

static volatile char sink;

/* In one of the rings that this process has mapped. */
static bool is_mapped(const struct segment *seg, const char *data, size_t len)
{
	for (const struct view *view = seg->views; view; view = view->next)
		if (view->read && data >= view->read &&
		    data + len <= view->read + 2 * view->place.capacity)
			return true;
	return false;
}

static void read_all(struct victim *v, const struct shmq_consumer *c,
		     const struct shmq_msg *msg)
{
	const char *data = msg->data;

	must(msg->len <= CAPACITY / 4);
	/* Else it is a private copy, of which the sanitizers know the size:
	 * also of queues that were switched by a scribbled word. */
	if (!c->copies)
		must(is_mapped(v->game->q->seg, data, msg->len));
	for (size_t i = 0; i < msg->len; i++)
		sink = ((const char *)msg->data)[i];
}

static void receive(struct victim *v)
{
	static char buf[CAPACITY];
	struct shmq_consumer *c;
	struct shmq_msg msgs[4];
	int n;

	count(v);
	if (shmq_consumer_open(&c, v->game->q, NULL,
			       v->game->kind->consumer_flags))
		return;
	for (int i = 0; i < 50; i++) {
		count(v);
		n = shmq_receive(c, msgs, 4, patience(v));
		must(n <= 4);
		for (int k = 0; k < n; k++)
			read_all(v, c, &msgs[k]);
		count(v);
		if (chance_below(&v->chance, 4))
			shmq_release(c);
		count(v);
		must(shmq_recv(c, buf, sizeof(buf), patience(v)) <=
		     CAPACITY / 4);
		count(v);
		shmq_tap_skip(c, NULL, NULL);
	}
	count(v);
	shmq_consumer_close(c);
}

static void send_things(struct victim *v)
{
	static char buf[CAPACITY / 4];
	struct iovec batch[3] = { { buf, 40 }, { buf, 100 }, { NULL, 0 } };
	struct shmq_producer *p;
	void *out;

	count(v);
	if (shmq_producer_open(&p, v->game->q, 0))
		return;
	for (int i = 0; i < 50; i++) {
		count(v);
		shmq_send(p, buf, chance_below(&v->chance, sizeof(buf) + 1),
			  patience(v));
		count(v);
		must(shmq_send_batch(p, batch, 3, patience(v)) <= 3);
		count(v);
		if (shmq_reserve(p, 200, &out, patience(v)) == 0) {
			memset(out, 1, 200);
			shmq_commit(p, 100);
		}
	}
	count(v);
	shmq_producer_close(p);
}

static void look(struct victim *v)
{
	struct shmq_stat st = SHMQ_STAT_INIT;
	struct shmq *q = v->game->q;

	count(v);
	shmq_stat(q, &st);
	for (uint32_t i = 0; i < shmq_member_entries(q); i++) {
		struct shmq_member_info info = SHMQ_MEMBER_INFO_INIT;

		shmq_stat_member(q, i, &info);
	}
	for (uint32_t i = 0; i < shmq_group_entries(q); i++) {
		struct shmq_group_info info = SHMQ_GROUP_INFO_INIT;

		shmq_stat_group(q, i, &info);
	}
	count(v);
	shmq_recover(q);
	count(v);
	if (shmq_open(&q, "q", chance_below(&v->chance, 2) ? SHMQ_RDONLY : 0, 0,
		      NULL) == 0)
		shmq_close(q);
}

/* cmocka's handlers would make an exit of it. */
static void die_of_signals(void)
{
	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
	signal(SIGFPE, SIG_DFL);
	signal(SIGILL, SIG_DFL);
}

static void suffer(void *arg)
{
	static void (*const roles[VICTIMS])(struct victim *) = {
		send_things, send_things, receive, receive, look
	};
	struct victim *v = arg;

	die_of_signals();
	for (;;)
		roles[v->me](v);
}

/* -------------------------------------------------------------------- games */

static void say_and_fail(const struct game *game, unsigned who,
			 const char *what)
{
	print_message("%s, scribbling in manner %u: victim %u %s\n",
		      game->kind->name, game->manner, who, what);
	must(!"victims live and their calls return");
}

static void must_run(const struct game *game, unsigned who, pid_t pid)
{
	int status;

	if (waitpid(pid, &status, WNOHANG) == 0)
		return;
	print_message("status %#x: ", (unsigned)status);
	say_and_fail(game, who, "has ended");
}

/* While the scribbler is at it, and until each call has come to its end. */
static void watch(struct game *game, const pid_t *pids, int64_t until_ns)
{
	int64_t moved[VICTIMS];
	uint64_t calls[VICTIMS];
	unsigned waiting = 0;

	for (unsigned i = 0; i < VICTIMS; i++) {
		moved[i] = clock_now_ns();
		calls[i] = load_acquire(&game->calls[i]);
		waiting |= 1u << i;
	}
	while (waiting || clock_now_ns() < until_ns) {
		nap();
		for (unsigned i = 0; i < VICTIMS; i++) {
			uint64_t now = load_acquire(&game->calls[i]);

			must_run(game, i, pids[i]);
			if (now != calls[i]) {
				moved[i] = clock_now_ns();
				waiting &= ~(1u << i);
			}
			calls[i] = now;
			if (clock_now_ns() - moved[i] > PATIENCE_NS)
				say_and_fail(game, i, "hangs");
		}
	}
}

static pid_t start(struct game *game, unsigned who, void (*body)(void *))
{
	struct victim v = { game, who, chance_of(game->seed, who) };

	return child_start(body, &v);
}

static void play(const struct kind *kind, unsigned manner, uint64_t seed,
		 int64_t while_ns)
{
	struct game *game = shared_memory(sizeof(*game));
	pid_t pids[VICTIMS], scribbler;
	char path[4200];

	game->q = queue_create("q", CAPACITY, kind->flags);
	game->kind = kind;
	game->manner = manner;
	game->seed = seed;
	game->bytes = game->q->seg->geo.file_bytes;
	/* What they read is mapped before they are there, to compare with. */
	shmq_consumer_close(consumer_join(game->q, kind->consumer_flags));
	for (unsigned i = 0; i < VICTIMS; i++)
		pids[i] = start(game, i, suffer);
	scribbler = start(game, VICTIMS, scribble);
	watch(game, pids, clock_now_ns() + while_ns);
	child_kill(scribbler);
	watch(game, pids, 0);
	for (unsigned i = 0; i < VICTIMS; i++)
		child_kill(pids[i]);
	shmq_close(game->q);
	/* By hand: what is in it may be anything. */
	snprintf(path, sizeof(path), "%s/q", shmq_runtime_dir());
	unlink(path);
	shared_free(game, sizeof(*game));
}

static void nobody_is_hurt_by_a_scribbler(void **state)
{
	const char *text = getenv("SHMQ_FUZZ");
	int64_t ms = text ? atoll(text) : 150;
	uint64_t seed = chance_seed();

	(void)state;
	alarm((unsigned)(3 * GAMES * (ms / 1000 + 4 * PATIENCE_S)));
	for (unsigned i = 0; i < 3 * GAMES; i++)
		play(i / 3 < KINDS ? &kinds[i / 3] : &more_kinds[i / 3 - KINDS],
		     i % 3, seed + i, ms * 1000000);
}

/* What an entry says of its owner is for others: the owner knows. */
static void an_owner_does_not_believe_its_own_entry(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0);

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		struct sh_member *member = member_at(q->seg, i);

		store_relaxed(&member->group, UINT32_MAX / 2);
		store_relaxed(&member->state,
			      SH_MEMBER_PRODUCER + SH_MEMBER_CONSUMER -
				      load_relaxed(&member->state));
	}
	shmq_consumer_close(c);
	shmq_producer_close(p);
	/* And their places are free again. */
	c = consumer_join(q, SHMQ_EXCLUSIVE);
	shmq_consumer_close(c);
	shmq_close(q);
}

/* --------------------------------------------------------------- truncation */

static void send_on(void *arg)
{
	struct shmq_producer *p;

	die_of_signals();
	p = producer_join(arg);
	for (;;)
		shmq_send(p, "x", 1, SHMQ_NOWAIT);
}

/*
 * Who touches the mapping of a truncated file gets SIGBUS: that is the
 * kernel's, and a library installs no handler into its host. Who opens the
 * file then is told, and nobody else is concerned.
 */
static void a_truncated_file_hurts_only_who_has_it_mapped(void **state)
{
	struct shmq *q = queue_create("q", CAPACITY, 0), *again;
	struct shmq *other = queue_create("other", CAPACITY, 0);
	struct shmq_producer *p = producer_join(other);
	struct shmq_consumer *c = consumer_join(other, 0);
	pid_t pid = child_start(send_on, q);
	char byte, path[4200];
	int status;

	(void)state;
	must(ftruncate(shmq_fd(q), 0) == 0);
	status = child_wait(pid);
	must(WIFSIGNALED(status));
	must_be(WTERMSIG(status), SIGBUS);
	shmq_close(q);
	must_be(shmq_open(&again, "q", 0, 0, NULL), -EBADMSG);
	must_be(shmq_open(&again, "q", SHMQ_RDONLY, 0, NULL), -EBADMSG);
	must_be(shmq_unlink("q"), -EBADMSG);
	must_be(shmq_send(p, "y", 1, SHMQ_NOWAIT), 0);
	must_be(shmq_recv(c, &byte, 1, SHMQ_NOWAIT), 1);
	shmq_producer_close(p);
	shmq_consumer_close(c);
	shmq_close(other);
	must_be(shmq_unlink("other"), 0);
	snprintf(path, sizeof(path), "%s/q", shmq_runtime_dir());
	unlink(path);
}

static void nobody_can_truncate_an_anonymous_queue(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);

	(void)state;
	must(ftruncate(shmq_fd(q), 0) < 0 && errno == EPERM);
	shmq_close(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(an_owner_does_not_believe_its_own_entry),
		TEST_IN_DIRECTORY(nobody_is_hurt_by_a_scribbler),
		TEST_IN_DIRECTORY(
			a_truncated_file_hurts_only_who_has_it_mapped),
		TEST_IN_DIRECTORY(nobody_can_truncate_an_anonymous_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
