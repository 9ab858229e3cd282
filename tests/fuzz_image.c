/* SPDX-License-Identifier: MIT */
/*
 * A queue file with one byte or one word that is not what it was: whatever is
 * done with it, the answer is an error or correct work; never a crash, never a
 * loop. Words that are zero are changed now and then, the others in a few of
 * the ways there are; with SHMQ_FUZZ in the environment all in all ways.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "atomic.h"
#include "layout.h"
#include "support.h"

#define CAPACITY 4096
#define MEMBERS 4
#define CHANGES 5 /* of a word */

static struct {
	uint8_t *bytes;
	size_t size;
} image;

/* What the child is at, for the parent to tell. */
struct place {
	_Atomic size_t at;
	_Atomic unsigned change;
	uint64_t seed;
	size_t begin, end;
};

static char *path_of(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", shmq_runtime_dir(), name);
	return path;
}

/* ------------------------------------------------------------------- image */

static void borrow_and_die(void *arg)
{
	struct shmq_msg msgs[2];

	shmq_receive(consumer_join(arg, 0), msgs, 2, SHMQ_NOWAIT);
	_exit(0);
}

static void reserve_and_die(void *arg)
{
	void *out;

	shmq_reserve(producer_join(arg), 100, &out, SHMQ_NOWAIT);
	_exit(0);
}

/* Messages, loans that came back, dead members: all that there can be. */
static void fill(struct shmq *q)
{
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0);
	struct shmq_msg msgs[2];
	char buf[1024] = { 0 };

	for (int i = 0; i < 3; i++) {
		must_be(shmq_send(p, buf, 950, SHMQ_NOWAIT), 0);
		must_be(shmq_recv(c, buf, 1024, SHMQ_NOWAIT), 950);
	}
	for (size_t i = 0; i < 8; i++)
		must_be(shmq_send(p, buf, 40 + 3 * i, SHMQ_NOWAIT), 0);
	must_be(shmq_receive(c, msgs, 2, SHMQ_NOWAIT), 2);
	shmq_consumer_close(c);
	child_run(borrow_and_die, q);
	shmq_producer_close(p);
	child_run(reserve_and_die, q);
}

static void image_make(uint64_t flags)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq_producer *p;
	struct shmq *q;
	int fd;

	attr.capacity = CAPACITY;
	attr.max_members = MEMBERS;
	attr.max_groups = 1;
	attr.flags = flags;
	must_be(shmq_open(&q, "q", SHMQ_CREATE, 0600, &attr), 0);
	fill(q);
	/* A single producer cleans up after the dead one before it joins. */
	if (!flags) {
		p = producer_join(q);
		must_be(shmq_send(p, "last", 4, SHMQ_NOWAIT), 0);
		shmq_producer_close(p);
	}
	shmq_close(q);
	fd = open(path_of("q"), O_RDONLY | O_CLOEXEC);
	image.size = (size_t)lseek(fd, 0, SEEK_END);
	image.bytes = malloc(image.size);
	must(image.bytes);
	must(pread(fd, image.bytes, image.size, 0) == (ssize_t)image.size);
	close(fd);
	must_be(shmq_unlink("q"), 0);
}

static void image_write(void)
{
	int fd = open(path_of("q"), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC,
		      0600);

	must(fd >= 0);
	must(write(fd, image.bytes, image.size) == (ssize_t)image.size);
	close(fd);
}

/* ---------------------------------------------------------------- exercise */

static void look_at(struct shmq *q)
{
	struct shmq_stat st = SHMQ_STAT_INIT;

	shmq_stat(q, &st);
	for (uint32_t i = 0; i < shmq_member_entries(q); i++) {
		struct shmq_member_info info = SHMQ_MEMBER_INFO_INIT;

		shmq_stat_member(q, i, &info);
	}
	for (uint32_t i = 0; i < shmq_group_entries(q); i++) {
		struct shmq_group_info info = SHMQ_GROUP_INFO_INIT;

		shmq_stat_group(q, i, &info);
	}
}

static volatile char sink;

/* Reads all that it is told is there. */
static void receive_from(struct shmq *q, unsigned flags)
{
	struct shmq_consumer *c;
	struct shmq_msg msgs[3];
	static char buf[CAPACITY];

	if (shmq_consumer_open(&c, q, NULL, flags))
		return;
	for (int i = 0; i < 20; i++) {
		int n = shmq_receive(c, msgs, 3, SHMQ_NOWAIT);

		for (int k = 0; k < n; k++)
			for (size_t at = 0; at < msgs[k].len; at++)
				sink = ((const char *)msgs[k].data)[at];
		if (i % 2)
			shmq_release(c);
		shmq_recv(c, buf, sizeof(buf), i == 10 ? 100000 : SHMQ_NOWAIT);
	}
	shmq_consumer_close(c);
}

static void send_to(struct shmq *q)
{
	struct iovec batch[3] = { { NULL, 0 }, { NULL, 0 }, { NULL, 0 } };
	static const char buf[1000];
	struct shmq_producer *p;
	void *out;

	if (shmq_producer_open(&p, q, 0))
		return;
	for (size_t i = 0; i < 8; i++) {
		shmq_send(p, buf, i * 100, i == 7 ? 100000 : SHMQ_NOWAIT);
		shmq_send_batch(p, batch, 3, SHMQ_NOWAIT);
		if (shmq_reserve(p, 60, &out, SHMQ_NOWAIT) == 0) {
			memset(out, 1, 60);
			shmq_commit(p, 30);
		}
	}
	shmq_producer_close(p);
}

static void exercise(void)
{
	struct shmq *q;

	image_write();
	if (shmq_open(&q, "q", SHMQ_RDONLY, 0, NULL) == 0) {
		look_at(q);
		shmq_close(q);
	}
	if (shmq_open(&q, "q", 0, 0, NULL))
		return;
	send_to(q);
	receive_from(q, 0);
	look_at(q);
	shmq_recover(q);
	send_to(q);
	receive_from(q, SHMQ_EXCLUSIVE);
	shmq_close(q);
	shmq_unlink("q");
}

static uint64_t changed(uint64_t word, unsigned change, struct chance *chance)
{
	switch (change) {
	case 0:
		return word ^ UINT64_C(1) << chance_below(chance, 64);
	case 1:
		return word ^ UINT64_C(0xff) << 8 * chance_below(chance, 8);
	case 2:
		return word + 64;
	case 3:
		return word - 64;
	default:
		return chance_below(chance, 2) ? ~word : chance_next(chance);
	}
}

static void damage_and_exercise(void *arg)
{
	struct place *place = arg;
	bool all = getenv("SHMQ_FUZZ") != NULL;

	for (size_t at = place->begin; at < place->end; at += 8) {
		struct chance chance = chance_of(place->seed, at);
		uint64_t *word = (uint64_t *)(void *)(image.bytes + at);
		uint64_t right = *word;

		for (unsigned change = 0; change < CHANGES; change++) {
			if (!all && chance_below(&chance, right ? 2 : 16))
				continue;
			store_release(&place->at, at);
			store_release(&place->change, change);
			*word = changed(right, change, &chance);
			exercise();
			*word = right;
		}
	}
}

static void no_word_is_trusted(uint64_t flags)
{
	struct place *place = shared_memory(sizeof(*place));
	size_t size;

	image_make(flags);
	place->seed = chance_seed();
	size = image.size;
	for (size_t at = SH_CONTROL_OFF; at < size; at = place->end) {
		int status;

		place->begin = at;
		place->end = at + 1024 < size ? at + 1024 : size;
		status = child_wait(child_start(damage_and_exercise, place));
		if (status)
			print_message("word %zu, change %u: %s %d\n", place->at,
				      place->change,
				      WIFSIGNALED(status) ? "signal" : "exit",
				      WIFSIGNALED(status) ?
					      WTERMSIG(status) :
					      WEXITSTATUS(status));
		must_be(status, 0);
	}
	free(image.bytes);
	shared_free(place, sizeof(*place));
}

static void no_word_of_a_shared_queue_is_trusted(void **state)
{
	(void)state;
	no_word_is_trusted(0);
}

static void no_word_of_a_single_queue_is_trusted(void **state)
{
	(void)state;
	no_word_is_trusted(SHMQ_SINGLE_PRODUCER | SHMQ_SINGLE_CONSUMER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(no_word_of_a_shared_queue_is_trusted),
		TEST_IN_DIRECTORY(no_word_of_a_single_queue_is_trusted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
