/* SPDX-License-Identifier: MIT */
/*
 * consumer NAME [COUNT]: receive what demo/producer.c sends to the queue NAME,
 * until COUNT messages have come, the queue is removed, or Ctrl-C. Checks that
 * the messages of each sender come in order, and prints a summary.
 *
 * Several consumers share the messages: each message goes to one of them.
 */
#include "check.h"

#include <inttypes.h>
#include <signal.h>

#define SENDERS 64          /* the most that are told apart */
#define SECOND 1000000000LL /* times are nanoseconds */

struct message {
	int64_t sender;
	uint64_t number;
};

static struct message last[SENDERS]; /* of each sender seen so far */
static unsigned senders, out_of_order;
static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

/* Others may receive some, so numbers may be missing here, never go back. */
static void check_order(const struct message *message)
{
	unsigned i = 0;

	while (i < senders && last[i].sender != message->sender)
		i++;
	if (i < senders && message->number <= last[i].number)
		out_of_order++;
	if (i == senders && senders < SENDERS)
		senders++;
	if (i < SENDERS)
		last[i] = *message;
}

int main(int argc, char **argv)
{
	/* Without SA_RESTART; a wait inside the library ends with -EINTR. */
	struct sigaction action = { .sa_handler = interrupt };
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq_consumer *consumer;
	struct shmq_msg lent;
	struct shmq *queue;
	uint64_t received = 0, again = 0, count = UINT64_MAX;
	int result;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: consumer NAME [COUNT]\n");
		return EXIT_FAILURE;
	}
	if (argc == 3)
		count = strtoull(argv[2], NULL, 10);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);

	attr.capacity = 65536;
	check(shmq_open(&queue, argv[1], SHMQ_CREATE, 0600, &attr), argv[1]);
	check(shmq_consumer_open(&consumer, queue, NULL, 0),
	      "become a consumer");

	while (received < count && !interrupted) {
		/* The timeout is for a signal just before the call. */
		result = shmq_receive(consumer, &lent, 1, SECOND);
		if (result == -ETIMEDOUT || result == -EINTR)
			continue;
		if (result == -EIDRM)
			break;
		check(result, "receive");
		if (lent.len != sizeof(struct message))
			fprintf(stderr, "not of demo/producer: ignored\n");
		else if (lent.flags & SHMQ_REDELIVERED)
			again++; /* was held by a consumer that died */
		else
			check_order(lent.data);
		received++;
		check(shmq_release(consumer), "release");
	}
	printf("received %" PRIu64 " messages of %u senders: %u out of order, "
	       "%" PRIu64 " redelivered\n",
	       received, senders, out_of_order, again);

	shmq_consumer_close(consumer);
	shmq_close(queue);
	return out_of_order ? EXIT_FAILURE : EXIT_SUCCESS;
}
