/* SPDX-License-Identifier: MIT */
/*
 * loop_libuv NAME [COUNT]: print the messages of the queue NAME, one a line,
 * from a libuv loop that has other things to do: here, to tick. Ends after
 * COUNT messages, or when the queue is removed.
 */
#include "check.h"

#include <inttypes.h>
#include <uv.h>

static struct shmq_consumer *consumer;
static uv_poll_t readable;
static uv_timer_t timer;
static uint64_t left = UINT64_MAX, ticks;

/* Take what is there: -EAGAIN arms the descriptor again. */
static void on_readable(uv_poll_t *poll, int status, int events)
{
	char text[1024];
	ssize_t len;

	(void)poll;
	(void)status;
	(void)events;
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
	uv_close((uv_handle_t *)&readable, NULL);
	uv_close((uv_handle_t *)&timer, NULL);
}

static void on_tick(uv_timer_t *unused)
{
	(void)unused;
	ticks++;
}

int main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();
	struct shmq *queue;
	int fd;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: loop_libuv NAME [COUNT]\n");
		return EXIT_FAILURE;
	}
	if (argc == 3)
		left = strtoull(argv[2], NULL, 10);
	setvbuf(stdout, NULL, _IOLBF, 0);
	check(shmq_open(&queue, argv[1], SHMQ_CREATE, 0600, NULL), argv[1]);
	check(shmq_consumer_open(&consumer, queue, NULL, 0),
	      "become a consumer");
	fd = (int)check(shmq_consumer_fd(consumer), "get a descriptor");

	uv_poll_init(loop, &readable, fd);
	uv_poll_start(&readable, UV_READABLE, on_readable);
	uv_timer_init(loop, &timer);
	uv_timer_start(&timer, on_tick, 10, 10);
	uv_run(loop, UV_RUN_DEFAULT);
	fprintf(stderr, "%" PRIu64 " ticks\n", ticks);

	/* Out of the loop before: closing the consumer closes its descriptor. */
	uv_loop_close(loop);
	shmq_consumer_close(consumer);
	shmq_close(queue);
	return EXIT_SUCCESS;
}
