/* SPDX-License-Identifier: MIT */
/*
 * Writes tests/golden/vN.inc, a queue of the layout version of this library with
 * everything in it that may lie in a file: messages of all shapes, around the
 * wrap; what a consumer gave back; what a dead consumer and a dead producer
 * held. Run once for each layout version, before its release:
 *
 *	make tests/make-golden && tests/make-golden >tests/golden/v1.inc
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layout.h"
#include "pattern.h"

#define MAX 1024

static uint64_t number;

static struct shmq *create(void)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *q;

	attr.capacity = 4096;
	attr.max_members = 4;
	attr.max_groups = 1;
	must_be(shmq_open(&q, "golden", SHMQ_CREATE | SHMQ_EXCL, 0600, &attr),
		0);
	return q;
}

static void send_letter(struct shmq_producer *p, size_t len)
{
	uint8_t buf[MAX];

	letter_write(buf, len, (struct letter){ 1, number++ });
	must_be(shmq_send(p, buf, len, SHMQ_NOWAIT), 0);
}

static void reserve_letter(struct shmq_producer *p, size_t room, size_t len)
{
	void *out;

	must_be(shmq_reserve(p, room, &out, SHMQ_NOWAIT), 0);
	letter_write(out, len, (struct letter){ 1, number++ });
	must_be(shmq_commit(p, len), 0);
}

static void discard(struct shmq_producer *p, size_t room)
{
	void *out;

	must_be(shmq_reserve(p, room, &out, SHMQ_NOWAIT), 0);
	must_be(shmq_discard(p), 0);
}

static void borrow_and_die(void *arg)
{
	struct shmq_msg msgs[2];

	must_be(shmq_receive(consumer_join(arg, 0), msgs, 2, SHMQ_NOWAIT), 2);
	raise(SIGKILL);
}

static void reserve_and_die(void *arg)
{
	void *out;

	must_be(shmq_reserve(producer_join(arg), 100, &out, SHMQ_NOWAIT), 0);
	raise(SIGKILL);
}

static void fill(struct shmq *q)
{
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0);
	struct shmq_msg msgs[3];
	uint8_t buf[MAX];

	for (int i = 0; i < 3; i++) {
		send_letter(p, 950);
		must_be(shmq_recv(c, buf, MAX, SHMQ_NOWAIT), 950);
	}
	for (size_t i = 0; i < 5; i++)
		send_letter(p, 46 + i);
	child_must_be_killed(child_start(borrow_and_die, q));
	must_be(shmq_receive(c, msgs, 3, SHMQ_NOWAIT), 3);
	shmq_consumer_close(c);
	send_letter(p, 8);
	reserve_letter(p, 300, 20);
	discard(p, 100);
	send_letter(p, 700);
	child_must_be_killed(child_start(reserve_and_die, q));
	send_letter(p, 200);
	shmq_producer_close(p);
}

static void write_words(const uint8_t *bytes, size_t size)
{
	printf("#define GOLDEN_BYTES %zu\n\n", size);
	printf("static const struct {\n\tuint32_t at;\n\tuint64_t word;\n");
	printf("} golden_words[] = {\n");
	for (size_t at = 0; at < size; at += 8) {
		uint64_t word;

		memcpy(&word, bytes + at, 8);
		if (word)
			printf("\t{ %zu, UINT64_C(0x%016" PRIx64 ") },\n", at,
			       word);
	}
	printf("};\n");
}

static void write_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t *bytes;
	struct stat st;

	must(fd >= 0 && fstat(fd, &st) == 0);
	bytes = malloc((size_t)st.st_size);
	must(bytes && read(fd, bytes, (size_t)st.st_size) == st.st_size);
	write_words(bytes, (size_t)st.st_size);
	free(bytes);
	close(fd);
}

int main(void)
{
	char dir[] = "/tmp/make-golden.XXXXXX";
	char path[64];
	struct shmq *q;

	if (!mkdtemp(dir) || setenv("SHMQ_DIR", dir, 1))
		return 1;
	q = create();
	fill(q);
	printf("/* SPDX-License-Identifier: MIT */\n");
	printf("/* Layout version %u, made by tests/make-golden. Not to be "
	       "changed. */\n",
	       SH_VERSION);
	snprintf(path, sizeof(path), "%s/golden", dir);
	write_file(path);
	must_be(shmq_unlink("golden"), 0);
	shmq_close(q);
	rmdir(dir);
	return 0;
}
