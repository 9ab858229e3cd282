/* SPDX-License-Identifier: MIT */
/*
 * loop_libevent NAME [COUNT]: print the messages of the queue NAME, one a line,
 * from a libevent loop that has other things to do: here, to tick. Ends after
 * COUNT messages, or when the queue is removed.
 */
#include "check.h"

#include <event2/event.h>
#include <inttypes.h>

static struct shmq_consumer *consumer;
static struct event_base *loop;
static uint64_t left = UINT64_MAX, ticks;

/* Take what is there: -EAGAIN arms the descriptor again. */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	char text[1024];
	ssize_t len;

	(void)fd;
	(void)what;
	(void)arg;
	while (left) {
		len = shmq_recv(consumer, text, sizeof(text), SHMQ_NOWAIT);
		if (len == -EAGAIN)
			return;
		if (len == -EIDRM)
			break;
		check(len, "receive");
		printf("%.*s\n", (int)len, text);
		left--;
	}
	event_base_loopbreak(loop);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	ticks++;
}

int main(int argc, char **argv)
{
	const struct timeval tick = { 0, 10000 };
	struct event *readable, *timer;
	struct shmq *queue;
	int fd;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: loop_libevent NAME [COUNT]\n");
		return EXIT_FAILURE;
	}
	if (argc == 3)
		left = strtoull(argv[2], NULL, 10);
	setvbuf(stdout, NULL, _IOLBF, 0);
	check(shmq_open(&queue, argv[1], SHMQ_CREATE, 0600, NULL), argv[1]);
	check(shmq_consumer_open(&consumer, queue, NULL, 0),
	      "become a consumer");
	fd = (int)check(shmq_consumer_fd(consumer), "get a descriptor");

	loop = event_base_new();
	readable = event_new(loop, fd, EV_READ | EV_PERSIST, on_readable, NULL);
	timer = event_new(loop, -1, EV_PERSIST, on_tick, NULL);
	event_add(readable, NULL);
	event_add(timer, &tick);
	event_base_dispatch(loop);
	fprintf(stderr, "%" PRIu64 " ticks\n", ticks);

	/* Out of the loop first: closing the consumer closes its descriptor. */
	event_free(readable);
	event_free(timer);
	event_base_free(loop);
	shmq_consumer_close(consumer);
	shmq_close(queue);
	return EXIT_SUCCESS;
}
