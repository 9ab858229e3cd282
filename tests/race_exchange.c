/* SPDX-License-Identifier: MIT */
/*
 * Many producers and many consumers, as processes and as threads, with all
 * operations mixed: every message arrives once, whole, and those of a producer
 * in their order at each consumer. SHMQ_MESSAGES is how many each one sends.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "atomic.h"
#include "pattern.h"
#include "variants.h"

#define CAPACITY UINT64_C(65536)
#define MAX (CAPACITY / 4)
#define PEOPLE 4 /* of each kind, where several are allowed */
#define BATCH 8
#define SMALL 100 /* a buffer that is often too small */

/* Shared by all, and nothing else is. */
struct market {
	const char *name; /* of the queue, or NULL: through handle */
	struct shmq *handle;
	const struct kind *kind;
	uint64_t seed;
	uint64_t messages; /* of each producer */
	unsigned producers, consumers;
	_Atomic unsigned people;   /* gives each one a number */
	_Atomic uint64_t received; /* letters */
	_Atomic uint8_t seen[];    /* of each producer, each number */
};

static struct shmq *market_queue(struct market *market)
{
	return market->name ? queue_open(market->name) : market->handle;
}

static void market_leave(struct market *market, struct shmq *q)
{
	if (market->name)
		shmq_close(q);
}

/* --------------------------------------------------------------- producers */

struct seller {
	struct market *market;
	struct shmq_producer *p;
	struct chance chance;
	unsigned me;
	uint64_t next;
	uint8_t bufs[BATCH][MAX];
};

static size_t write_next(struct seller *s, void *buf, size_t len)
{
	letter_write(buf, len, (struct letter){ s->me, s->next++ });
	return len;
}

static void send_gathered(struct seller *s)
{
	size_t len = letter_length(&s->chance, MAX);
	size_t cut = chance_below(&s->chance, len + 1);
	struct iovec parts[2] = { { s->bufs[0], cut },
				  { s->bufs[0] + cut, len - cut } };

	write_next(s, s->bufs[0], len);
	must_be(shmq_sendv(s->p, parts, 2, PATIENCE_NS), 0);
}

static void send_batch(struct seller *s, unsigned n)
{
	struct iovec messages[BATCH];
	unsigned sent = 0;

	for (unsigned i = 0; i < n; i++) {
		size_t len = letter_length(&s->chance, MAX);

		write_next(s, s->bufs[i], len);
		messages[i] = (struct iovec){ s->bufs[i], len };
	}
	while (sent < n) {
		int r = shmq_send_batch(s->p, messages + sent, n - sent,
					PATIENCE_NS);

		must(r > 0 && (unsigned)r <= n - sent);
		sent += (unsigned)r;
	}
}

static void send_in_place(struct seller *s)
{
	size_t len = letter_length(&s->chance, MAX);
	size_t more = chance_below(&s->chance, MAX - len + 1);
	void *out;

	if (chance_below(&s->chance, 2))
		more = 0;
	must_be(shmq_reserve(s->p, len + more, &out, PATIENCE_NS), 0);
	if (chance_below(&s->chance, 8) == 0) {
		memset(out, 0xee, len);
		must_be(shmq_discard(s->p), 0);
		return;
	}
	write_next(s, out, len);
	must_be(shmq_commit(s->p, len), 0);
}

static void sell(struct market *market, unsigned me)
{
	struct seller *s = calloc(1, sizeof(*s));
	struct shmq *q = market_queue(market);

	must(s);
	s->market = market;
	s->me = me;
	s->chance = chance_of(market->seed, 100 + me);
	s->p = producer_join(q);
	while (s->next < market->messages) {
		unsigned left = market->messages - s->next < BATCH ?
					(unsigned)(market->messages - s->next) :
					BATCH;
		size_t len = letter_length(&s->chance, MAX);

		switch (chance_below(&s->chance, 8)) {
		case 0:
			send_gathered(s);
			break;
		case 1:
			send_batch(s, 1 + (unsigned)chance_below(&s->chance,
								 left));
			break;
		case 2:
			send_in_place(s);
			break;
		default:
			write_next(s, s->bufs[0], len);
			must_be(shmq_send(s->p, s->bufs[0], len, PATIENCE_NS),
				0);
		}
	}
	shmq_producer_close(s->p);
	market_leave(market, q);
	free(s);
}

/* --------------------------------------------------------------- consumers */

struct buyer {
	struct market *market;
	struct shmq_consumer *c;
	struct chance chance;
	uint64_t last[PEOPLE]; /* number of each producer's last letter, and 1 */
	uint64_t seq;          /* of the last message borrowed, and 1 */
	uint8_t buf[MAX];
};

/* False: it was the end. */
static bool take(struct buyer *b, const void *buf, size_t len)
{
	struct letter letter = letter_read(buf, len);
	struct market *market = b->market;

	if (letter.number == LETTER_END)
		return false;
	must(letter.sender < market->producers);
	must(letter.number < market->messages);
	must(letter.number + 1 > b->last[letter.sender]);
	b->last[letter.sender] = letter.number + 1;
	must_be(atomic_exchange(&market->seen[letter.sender * market->messages +
					      letter.number],
				1),
		0);
	atomic_fetch_add(&market->received, 1);
	return true;
}

static bool copy(struct buyer *b)
{
	size_t size = chance_below(&b->chance, 4) ? MAX : SMALL;
	ssize_t n = shmq_recv(b->c, b->buf, size, PATIENCE_NS);

	if (n == -EMSGSIZE && size == SMALL)
		n = shmq_recv(b->c, b->buf, MAX, PATIENCE_NS);
	must(n >= 0);
	return take(b, b->buf, (size_t)n);
}

/* Borrow once or twice, look at everything before it goes back. */
static bool borrow(struct buyer *b)
{
	struct shmq_msg msgs[2 * BATCH];
	unsigned max = 1 + (unsigned)chance_below(&b->chance, BATCH);
	int n = shmq_receive(b->c, msgs, max, PATIENCE_NS), more = 0;
	bool going_on = true;

	must(n > 0 && (unsigned)n <= max);
	if (chance_below(&b->chance, 4) == 0)
		more = shmq_receive(b->c, msgs + n, BATCH, SHMQ_NOWAIT);
	must(more > 0 || more == 0 || more == -EAGAIN);
	for (int i = 0; i < n + (more > 0 ? more : 0); i++) {
		must_be(msgs[i].flags, 0);
		must(msgs[i].seq + 1 > b->seq);
		b->seq = msgs[i].seq + 1;
		going_on &= take(b, msgs[i].data, msgs[i].len);
	}
	must_be(shmq_release(b->c), 0);
	return going_on;
}

static void buy(struct market *market, unsigned me)
{
	struct buyer *b = calloc(1, sizeof(*b));
	struct shmq *q = market_queue(market);

	must(b);
	b->market = market;
	b->chance = chance_of(market->seed, 200 + me);
	b->c = consumer_join(q, market->kind->consumer_flags);
	while (chance_below(&b->chance, 2) ? copy(b) : borrow(b))
		;
	shmq_consumer_close(b->c);
	market_leave(market, q);
	free(b);
}

/* ------------------------------------------------------------------- rounds */

static void take_part(void *arg)
{
	struct market *market = arg;
	unsigned me = atomic_fetch_add(&market->people, 1);

	if (me < market->producers)
		sell(market, me);
	else
		buy(market, me);
}

static void *take_part_as_thread(void *arg)
{
	take_part(arg);
	return NULL;
}

/* A single producer may be on its way out. */
static struct shmq_producer *join_when_there_is_a_place(struct shmq *q)
{
	int64_t deadline = clock_now_ns() + PATIENCE_NS;
	struct shmq_producer *p;
	int r;

	while ((r = shmq_producer_open(&p, q, 0)) == -EBUSY) {
		must(clock_now_ns() < deadline);
		nap();
	}
	must_be(r, 0);
	return p;
}

/* Every consumer gets one of these, however many the others take at once. */
static void send_the_end(struct market *market, struct shmq *q)
{
	int64_t deadline = clock_now_ns() + 5 * PATIENCE_NS;
	uint8_t end[LETTER_MIN];
	struct shmq_producer *p;

	while (load_acquire(&market->received) <
	       market->producers * market->messages) {
		must(clock_now_ns() < deadline);
		nap();
	}
	letter_write(end, sizeof(end), (struct letter){ 0, LETTER_END });
	p = join_when_there_is_a_place(q);
	for (unsigned i = 0; i < market->consumers * 2 * BATCH; i++)
		must_be(shmq_send(p, end, sizeof(end), PATIENCE_NS), 0);
	shmq_producer_close(p);
}

static void run_as_processes(struct market *market, struct shmq *q)
{
	unsigned n = market->producers + market->consumers;
	pid_t pids[2 * PEOPLE];

	for (unsigned i = 0; i < n; i++)
		pids[i] = child_start(take_part, market);
	send_the_end(market, q);
	for (unsigned i = 0; i < n; i++)
		child_join(pids[i]);
}

static void run_as_threads(struct market *market, struct shmq *q)
{
	unsigned n = market->producers + market->consumers;
	pthread_t threads[2 * PEOPLE];

	for (unsigned i = 0; i < n; i++)
		must_be(pthread_create(&threads[i], NULL, take_part_as_thread,
				       market),
			0);
	send_the_end(market, q);
	for (unsigned i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

static uint64_t messages_wanted(void)
{
	const char *text = getenv("SHMQ_MESSAGES");

	return text ? strtoull(text, NULL, 0) : 8000;
}

static void exchange(const struct kind *kind, bool named, bool threads,
		     uint64_t seed)
{
	uint64_t messages = messages_wanted();
	unsigned producers = kind->producers ? PEOPLE : 1;
	size_t bytes = sizeof(struct market) + producers * messages;
	struct market *market = shared_memory(bytes);
	struct shmq *q = named ? queue_create("q", CAPACITY, kind->flags) :
				 queue_anonymous(CAPACITY, kind->flags);

	market->name = named ? "q" : NULL;
	market->handle = q;
	market->kind = kind;
	market->seed = seed;
	market->messages = messages;
	market->producers = producers;
	market->consumers = kind->competing ? PEOPLE : 1;
	print_message("%s, %s\n", kind->name, named ? "named" : "anonymous");
	if (threads)
		run_as_threads(market, q);
	else
		run_as_processes(market, q);
	must_be(market->received, producers * messages);
	must_be(stat_of(q).members, 0);
	must_be(stat_of(q).recoveries, 0);
	shmq_close(q);
	if (named)
		must_be(shmq_unlink("q"), 0);
	shared_free(market, bytes);
}

static void every_message_arrives_once_between_processes(void **state)
{
	uint64_t seed = chance_seed();

	(void)state;
	for (int i = 0; i < 2 * KINDS; i++)
		exchange(&kinds[i / 2], i % 2, false, seed + (uint64_t)i);
}

static void every_message_arrives_once_between_threads(void **state)
{
	uint64_t seed = chance_seed();

	(void)state;
	for (int i = 0; i < 2 * KINDS; i++)
		exchange(&kinds[i / 2], i % 2, true, seed + (uint64_t)i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(every_message_arrives_once_between_processes),
		TEST_IN_DIRECTORY(every_message_arrives_once_between_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
