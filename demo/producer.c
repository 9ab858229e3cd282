/* SPDX-License-Identifier: MIT */
/*
 * producer NAME [COUNT]: send numbered messages to the queue NAME, for ever or
 * COUNT of them. demo/consumer.c receives them.
 *
 * Start any number of producers and consumers, in any order. Kill one and start
 * it again: the others go on, and what was sent is received. The queue keeps
 * its messages when nobody is there; `shmq rm NAME` removes it.
 */
#include "check.h"

#include <inttypes.h>
#include <unistd.h>

/* A message is bytes; what they mean is up to both sides. */
struct message {
	int64_t sender; /* process id */
	uint64_t number;
};

int main(int argc, char **argv)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *queue;
	struct shmq_producer *producer;
	struct message message = { .sender = getpid() };
	uint64_t count = UINT64_MAX;
	int result;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: producer NAME [COUNT]\n");
		return EXIT_FAILURE;
	}
	if (argc == 3)
		count = strtoull(argv[2], NULL, 10);

	/* Whoever comes first creates it; then attr is not looked at. */
	attr.capacity = 65536;
	check(shmq_open(&queue, argv[1], SHMQ_CREATE, 0600, &attr), argv[1]);
	check(shmq_producer_open(&producer, queue, 0), "become a producer");

	while (message.number < count) {
		/* Sleeps while the queue is full, until somebody receives. */
		result = shmq_send(producer, &message, sizeof(message),
				   SHMQ_FOREVER);
		if (result == -EIDRM) {
			printf("the queue has been removed\n");
			break;
		}
		check(result, "send");
		message.number++;
	}
	printf("sender %" PRId64 ": sent %" PRIu64 " messages\n",
	       message.sender, message.number);

	shmq_producer_close(producer);
	shmq_close(queue);
	return EXIT_SUCCESS;
}
