/* SPDX-License-Identifier: MIT */
/*
 * count_calls KIND N: N messages of 40 bytes through a queue, one after the
 * other, for test_instructions.sh, which counts what that takes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shmq.h>

#define BYTES 40

static const struct kind {
	const char *name;
	uint64_t flags;
	unsigned open;
} kinds[] = {
	{ "one-to-one", SHMQ_SINGLE_PRODUCER | SHMQ_SINGLE_CONSUMER,
	  SHMQ_EXCLUSIVE },
	{ "many-to-one", 0, SHMQ_EXCLUSIVE },
	{ "many-to-many", 0, 0 },
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void check(int64_t r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "count_calls: %s: %s\n", what, shmq_strerror((int)r));
	exit(EXIT_FAILURE);
}

static void exchange(const struct kind *kind, unsigned long n)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq_producer *p;
	struct shmq_consumer *c;
	char buf[BYTES] = "";
	struct shmq *q;

	attr.flags = kind->flags;
	check(shmq_open_anonymous(&q, &attr), "open");
	check(shmq_producer_open(&p, q, 0), "producer");
	check(shmq_consumer_open(&c, q, NULL, kind->open), "consumer");
	while (n--) {
		check(shmq_send(p, buf, BYTES, SHMQ_NOWAIT), "send");
		check(shmq_recv(c, buf, BYTES, SHMQ_NOWAIT), "receive");
	}
	shmq_producer_close(p);
	shmq_consumer_close(c);
	shmq_close(q);
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 3 && i < N_KINDS; i++)
		if (!strcmp(argv[1], kinds[i].name)) {
			exchange(&kinds[i], strtoul(argv[2], NULL, 10));
			return EXIT_SUCCESS;
		}
	fputs("usage: count_calls KIND N\n", stderr);
	return 2;
}
