/* SPDX-License-Identifier: MIT */
/*
 * blackbox NAME [EVENTS]: a flight recorder. It records events in the queue
 * NAME, for ever, or until it crashes after EVENTS of them, as SIGKILL would
 * have it: no handler runs, nothing is flushed. Then
 *
 *	shmq dump NAME
 *
 * shows the last events, in order. Recording never waits: the oldest events
 * give way. Name a file on a disk (./flight.queue) to keep it.
 * Several programs may record into one queue, and `shmq recv --tap --follow
 * NAME` looks on while they fly.
 */
#include "check.h"

#include <inttypes.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

static struct shmq_producer *recorder;

/* Text, so that any tool can read it; a struct would do as well. */
static void record(const char *what, uint64_t number, double value)
{
	char line[100];
	struct timespec now;
	int len;

	clock_gettime(CLOCK_REALTIME, &now);
	len = snprintf(line, sizeof(line),
		       "%lld.%06ld [%d] %s %" PRIu64 ": %.1f",
		       (long long)now.tv_sec, now.tv_nsec / 1000, getpid(),
		       what, number, value);
	/*
	 * A claim that another recorder has not finished holds this one up only
	 * when the ring has gone once round; a dead one's is cleaned up. An
	 * aeroplane does not wait even for that.
	 */
	if (shmq_send(recorder, line, (size_t)len, SHMQ_NOWAIT) == -EAGAIN)
		return;
}

int main(int argc, char **argv)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	uint64_t events = UINT64_MAX;
	struct shmq *queue;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: blackbox NAME [EVENTS]\n");
		return EXIT_FAILURE;
	}
	if (argc == 3)
		events = strtoull(argv[2], NULL, 10);

	attr.capacity = 65536; /* the last 500 events or so */
	attr.flags = SHMQ_OVERWRITE;
	check(shmq_open(&queue, argv[1], SHMQ_CREATE, 0600, &attr), argv[1]);
	check(shmq_producer_open(&recorder, queue, 0), "become a recorder");

	for (uint64_t i = 0; i < events; i++)
		record(i % 3 ? "altitude" : "heading", i,
		       10000 - (double)(i % 1000) / 7);
	raise(SIGKILL);
	return EXIT_FAILURE;
}
