/* SPDX-License-Identifier: MIT */
/*
 * loop_sdevent NAME [COUNT]: print the messages of the queue NAME, one a line,
 * from an sd-event loop. SIGTERM ends it, as a service manager does; so do
 * COUNT messages, and the removal of the queue.
 */
#include "check.h"

#include <signal.h>
#include <stdint.h>
#include <systemd/sd-event.h>

static struct shmq_consumer *consumer;
static uint64_t left = UINT64_MAX;

/* Take what is there: -EAGAIN arms the descriptor again. */
static int on_readable(sd_event_source *source, int fd, uint32_t events,
		       void *arg)
{
	char text[1024];
	ssize_t len;

	(void)fd;
	(void)events;
	(void)arg;
	while (left) {
		len = shmq_recv(consumer, text, sizeof(text), SHMQ_NOWAIT);
		if (len == -EAGAIN)
			return 0;
		if (len == -EIDRM)
			break;
		check(len, "receive");
		printf("%.*s\n", (int)len, text);
		left--;
	}
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

int main(int argc, char **argv)
{
	sd_event_source *readable = NULL;
	sd_event *loop = NULL;
	struct shmq *queue;
	sigset_t set;
	int fd, result;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: loop_sdevent NAME [COUNT]\n");
		return EXIT_FAILURE;
	}
	if (argc == 3)
		left = strtoull(argv[2], NULL, 10);
	setvbuf(stdout, NULL, _IOLBF, 0);
	check(shmq_open(&queue, argv[1], SHMQ_CREATE, 0600, NULL), argv[1]);
	check(shmq_consumer_open(&consumer, queue, NULL, 0),
	      "become a consumer");
	fd = (int)check(shmq_consumer_fd(consumer), "get a descriptor");

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	result = sd_event_default(&loop);
	if (result >= 0)
		result = sd_event_add_signal(loop, NULL, SIGTERM, NULL, NULL);
	if (result >= 0)
		result = sd_event_add_io(loop, &readable, fd, EPOLLIN,
					 on_readable, NULL);
	if (result >= 0)
		result = sd_event_loop(loop);
	if (result < 0)
		fprintf(stderr, "loop_sdevent: error %d\n", result);

	/* Out of the loop first: closing the consumer closes its descriptor. */
	sd_event_source_unref(readable);
	sd_event_unref(loop);
	shmq_consumer_close(consumer);
	shmq_close(queue);
	return result < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
