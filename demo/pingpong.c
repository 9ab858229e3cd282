/* SPDX-License-Identifier: MIT */
/*
 * pingpong [ROUND_TRIPS]: how long a message of 8 bytes takes from one process
 * to another when both poll, each on a processor of its own; in the same run,
 * in turn with the queues, bare cache lines, which nothing beats, and a pipe.
 */
#include "baseline.h"
#include "check.h"
#include "histogram.h"

/* Two queues, one each way. */
struct queues {
	uint64_t flags;
	struct shmq *queue[2];
	struct shmq_producer *producer;
	struct shmq_consumer *consumer;
};

static struct queues many = { 0 };
static struct queues single = { .flags = SHMQ_SINGLE_PRODUCER |
					 SHMQ_SINGLE_CONSUMER };

static void queues_create(struct queues *s)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;

	attr.capacity = 65536;
	attr.flags = s->flags | SHMQ_PREFAULT;
	check(shmq_open_anonymous(&s->queue[0], &attr), "create a queue");
	check(shmq_open_anonymous(&s->queue[1], &attr), "create a queue");
}

static void queues_open(void *state, int side)
{
	struct queues *s = state;
	unsigned flags = s->flags ? SHMQ_EXCLUSIVE : 0;

	check(shmq_producer_open(&s->producer, s->queue[side], 0), "producer");
	check(shmq_consumer_open(&s->consumer, s->queue[!side], NULL, flags),
	      "consumer");
}

static void queues_give(void *state)
{
	struct queues *s = state;
	uint64_t word = 0;

	check(shmq_send(s->producer, &word, sizeof(word), SHMQ_NOWAIT), "send");
}

static void queues_take(void *state)
{
	struct queues *s = state;
	ssize_t got;
	uint64_t word;

	do {
		got = shmq_recv(s->consumer, &word, sizeof(word), SHMQ_NOWAIT);
		if (got == -EAGAIN)
			measure_pause();
	} while (got == -EAGAIN);
	check(got, "receive");
}

int main(int argc, char **argv)
{
	static const unsigned parts[] = { 500, 900, 990, 999, 1000 };
	unsigned n = argc > 1 ? strtoul(argv[1], NULL, 10) : 224400;
	const struct transport all[] = {
		baseline_lines,
		baseline_turns,
		{ "queue", 1, &many, queues_open, queues_give, queues_take },
		{ "queue, one to one", 1, &single, queues_open, queues_give,
		  queues_take },
		baseline_polled_pipes,
		baseline_pipes,
	};
	static struct times times[6], *queue = &times[2];

	baseline_create();
	queues_create(&many);
	queues_create(&single);
	measure(all, times, 6, n);

	printf("%u round trips over the queue:\n", queue->trips);
	histogram_print(queue->trips_ns, queue->trips);
	printf("%-25s%7s%7s%7s%7s%9s%9s\n", "round trips, ns", "p50", "p90",
	       "p99", "p99.9", "max", "one way");
	for (int i = 0; i < 6; i++) {
		printf("%-25s", all[i].name);
		for (int p = 0; p < 5; p++)
			printf(p < 4 ? " %6u" : " %8u",
			       histogram_quantile(times[i].trips_ns,
						  times[i].trips, parts[p]));
		printf("%9.1f%7.2f x\n", times[i].median_ns / 2.0,
		       (double)times[i].median_ns / times[0].median_ns);
	}
	return EXIT_SUCCESS;
}
