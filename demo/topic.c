/* SPDX-License-Identifier: MIT */
/*
 * topic NAME [PRICES]: one publisher and three subscribers of different speed.
 * Everybody sees every price that he is fast enough for; the publisher waits
 * for nobody, and each subscriber knows how many he missed.
 *
 * Without SHMQ_OVERWRITE the publisher would wait for the slowest instead. A
 * subscriber in another program needs no more than subscribe() below.
 */
#include "check.h"

#include <inttypes.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SUBSCRIBERS 3

struct price {
	uint64_t number;
	double price;
	uint64_t last; /* 1: the market closes */
};

static void subscribe(const char *name, const char *group, long work_ns)
{
	struct shmq *queue;
	struct shmq_consumer *consumer;
	struct timespec work = { 0, work_ns };
	struct price price = { 0 };
	uint64_t received = 0, lost;

	/* Subscriptions are groups: a name of his own for each subscriber. */
	check(shmq_open(&queue, name, 0, 0, NULL), name);
	check(shmq_consumer_open(&consumer, queue, group, SHMQ_EXCLUSIVE),
	      "subscribe");
	while (!price.last) {
		check(shmq_recv(consumer, &price, sizeof(price), SHMQ_FOREVER),
		      "receive");
		received++;
		if (work_ns)
			nanosleep(&work, NULL);
	}
	lost = shmq_consumer_lost(consumer);
	printf("%s: received %" PRIu64 ", missed %" PRIu64 ": %s\n", group,
	       received, lost,
	       received + lost == price.number + 1 ? "all accounted for" :
						     "wrong");
	shmq_consumer_close(consumer);
	shmq_close(queue);
}

static void publish(struct shmq *queue, uint64_t prices)
{
	struct price price = { .price = 100 };
	struct shmq_producer *producer;

	check(shmq_producer_open(&producer, queue, 0), "become the publisher");
	for (price.number = 0; price.number < prices; price.number++) {
		price.price += (double)(price.number * 7 % 13) - 6;
		price.last = price.number + 1 == prices;
		check(shmq_send(producer, &price, sizeof(price), SHMQ_NOWAIT),
		      "publish");
	}
	printf("published %" PRIu64 " prices\n", prices);
	shmq_producer_close(producer);
}

int main(int argc, char **argv)
{
	static const char *const groups[] = { "quick", "steady", "slow" };
	static const long work_ns[] = { 0, 10000, 1000000 };
	uint64_t prices = argc == 3 ? strtoull(argv[2], NULL, 10) : 200000;
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *queue;

	if (argc < 2 || argc > 3 || !prices) {
		fprintf(stderr, "usage: topic NAME [PRICES]\n");
		return EXIT_FAILURE;
	}
	attr.flags = SHMQ_TOPIC | SHMQ_OVERWRITE | SHMQ_SINGLE_PRODUCER;
	check(shmq_open(&queue, argv[1], SHMQ_CREATE | SHMQ_EXCL, 0600, &attr),
	      argv[1]);
	for (int i = 0; i < SUBSCRIBERS; i++) {
		/* From the first price on, however late the process starts. */
		check(shmq_group_add(queue, groups[i], 0), groups[i]);
		if (!check_errno(fork(), "fork")) {
			subscribe(argv[1], groups[i], work_ns[i]);
			exit(EXIT_SUCCESS);
		}
	}
	publish(queue, prices);
	while (wait(NULL) > 0)
		;
	check(shmq_unlink(argv[1]), "remove the topic");
	shmq_close(queue);
	return EXIT_SUCCESS;
}
