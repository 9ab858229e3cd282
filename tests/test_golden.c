/* SPDX-License-Identifier: MIT */
/*
 * A queue that the first library of layout version 1 left behind: it must
 * open, recover and drain for ever. How it was made is in make-golden.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format.h"
#include "golden/v1.inc"
#include "layout.h"
#include "pattern.h"

#define MAX 1024

/* The letters in it, by their numbers. */
static const size_t lengths[] = { 950, 950, 950, 46, 47,  48,
				  49,  50,  8,   20, 700, 200 };
#define LETTERS 12
#define OUT 3   /* from here on with a dead consumer, or given back */
#define FRESH 8 /* from here on never out */

/*
 * The layout is the same on all architectures; a queue only says where it
 * comes from. To read this one elsewhere, give it another origin.
 */
static void naturalize(struct sh_header *h)
{
	struct geometry geo = { .capacity = h->capacity };
	struct sh_header here;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	shmqi_format_write(&geo, &here);
	if (h->architecture == here.architecture)
		return;
	h->architecture = here.architecture;
	for (size_t i = 8; i < offsetof(struct sh_header, check); i++)
		hash = (hash ^ ((uint8_t *)h)[i]) * UINT64_C(0x100000001b3);
	h->check = hash;
}

static void golden_write(void)
{
	uint8_t *bytes = calloc(1, GOLDEN_BYTES);
	char path[PATH_MAX];
	int fd;

	must(bytes);
	for (size_t i = 0; i < sizeof(golden_words) / sizeof(golden_words[0]);
	     i++)
		memcpy(bytes + golden_words[i].at, &golden_words[i].word, 8);
	naturalize((struct sh_header *)(void *)bytes);
	snprintf(path, sizeof(path), "%s/golden", shmq_runtime_dir());
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	must(fd >= 0);
	must(write(fd, bytes, GOLDEN_BYTES) == GOLDEN_BYTES);
	close(fd);
	free(bytes);
}

static struct shmq *golden_open(void)
{
	if (sysconf(_SC_PAGESIZE) != 4096) {
		print_message("it was made for pages of 4096 bytes\n");
		skip();
	}
	golden_write();
	return queue_open("golden");
}

static void must_receive(struct shmq_consumer *c, uint64_t number,
			 uint32_t flags)
{
	struct shmq_msg msg;
	struct letter letter;

	must_be(shmq_receive(c, &msg, 1, PATIENCE_NS), 1);
	must_be(msg.len, lengths[number]);
	must_be(msg.flags, flags);
	letter = letter_read(msg.data, msg.len);
	must_be(letter.number, number);
	must_be(shmq_release(c), 0);
}

static void version_1_drains(void **state)
{
	struct shmq *q = golden_open();
	struct shmq_consumer *c = consumer_join(q, 0);
	uint8_t buf[MAX];

	(void)state;
	must(shmq_recover(q) >= 0);
	must_be(stat_of(q).recoveries, 2);
	for (uint64_t i = OUT; i < FRESH; i++)
		must_receive(c, i, SHMQ_REDELIVERED);
	for (uint64_t i = FRESH; i < LETTERS; i++)
		must_receive(c, i, 0);
	must_be(shmq_recv(c, buf, MAX, SHMQ_NOWAIT), -EAGAIN);
	must_be(stat_of(q).depth_messages, 0);
	/* 12 letters, one discarded, one of a dead producer. */
	must_be(stat_of(q).sent_messages, LETTERS + 2);
	shmq_consumer_close(c);
	must_be(stat_of(q).members, 0);
	shmq_close(q);
}

static void version_1_drains_by_itself(void **state)
{
	struct shmq *q = golden_open();
	struct shmq_consumer *c = consumer_join(q, SHMQ_EXCLUSIVE);
	bool seen[LETTERS] = { false };
	uint8_t buf[MAX];

	(void)state;
	for (int i = OUT; i < LETTERS; i++) {
		ssize_t n = shmq_recv(c, buf, MAX, PATIENCE_NS);
		struct letter letter;

		must(n > 0);
		letter = letter_read(buf, (size_t)n);
		must(letter.number < LETTERS && !seen[letter.number]);
		must_be(n, lengths[letter.number]);
		seen[letter.number] = true;
	}
	must_be(shmq_recv(c, buf, MAX, SHMQ_NOWAIT), -EAGAIN);
	shmq_consumer_close(c);
	shmq_close(q);
}

static void version_1_goes_on(void **state)
{
	struct shmq *q = golden_open();
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0);
	uint8_t buf[MAX] = { 0 };
	int n = 0;

	(void)state;
	must_be(stat_of(q).capacity_bytes, 4096);
	must_be(shmq_member_entries(q) > 4, 1);
	must_be(shmq_group_entries(q), 1);
	for (int i = 0; i < 1000; i++) {
		int64_t r = shmq_send(p, buf, 100, SHMQ_NOWAIT);

		must(r == 0 || r == -EAGAIN);
		n += r == 0;
		r = shmq_recv(c, buf, MAX, SHMQ_NOWAIT);
		must(r > 0 || r == -EAGAIN);
	}
	must(n > 500);
	shmq_producer_close(p);
	shmq_consumer_close(c);
	shmq_close(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(version_1_drains),
		TEST_IN_DIRECTORY(version_1_drains_by_itself),
		TEST_IN_DIRECTORY(version_1_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
