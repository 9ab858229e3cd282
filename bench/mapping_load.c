/* SPDX-License-Identifier: MIT */
/*
 * What the processes of a case do. Every word is written and every word is
 * checked. Who has written a mapping waits for the others, so that all of them
 * want their memory at the same time.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <shmq.h>

#include "content.h"
#include "mapping.h"

#define PAGE 4096
#define TELL_PAGES 64 /* between two looks at the board */
#define BATCH 16
#define GROUP_NAME 20
#define PATIENCE_NS INT64_C(60000000000)

static void add(_Atomic uint64_t *sum, uint64_t n)
{
	atomic_fetch_add_explicit(sum, n, memory_order_relaxed);
}

static _Noreturn void fail(struct board *board, int error)
{
	atomic_store_explicit(&board->error, -error, memory_order_relaxed);
	_exit(EXIT_FAILURE);
}

static void wait_for_writers(const struct mapping_case *c,
			     const struct board *board)
{
	const struct timespec moment = { 0, 1000000 };

	while (atomic_load_explicit(&board->wrote, memory_order_acquire) +
		       atomic_load_explicit(&board->ended,
					    memory_order_relaxed) <
	       c->writers)
		nanosleep(&moment, NULL);
}

/* ------------------------------------------------------------------- mappings */

static int open_file(const struct mapping_setup *setup,
		     const struct mapping_case *c)
{
	char path[MAPPING_PATH + 32];
	int fd;

	snprintf(path, sizeof(path), "%s/%ld", setup->dir, (long)getpid());
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	unlink(path);
	return ftruncate(fd, (off_t)c->map_bytes) ? -errno : fd;
}

static unsigned char *map(const struct mapping_setup *setup,
			  const struct mapping_case *c, struct board *board)
{
	int flags = c->kind == MAPPING_PRIVATE ? MAP_PRIVATE : MAP_SHARED;
	unsigned char *memory;
	int fd = -1;

	if (c->kind == MAPPING_FILE) {
		fd = open_file(setup, c);
		if (fd < 0)
			fail(board, fd);
	} else {
		flags |= MAP_ANONYMOUS;
	}
	flags |= c->noreserve ? MAP_NORESERVE : 0;
	memory = mmap(NULL, c->map_bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (memory != MAP_FAILED)
		return memory;
	atomic_store_explicit(&board->refused, errno, memory_order_relaxed);
	_exit(EXIT_FAILURE);
}

static void write_and_read(const struct mapping_setup *setup,
			   const struct mapping_case *c, struct board *board)
{
	unsigned char *memory = map(setup, c, board);
	uint64_t pages = c->use_bytes / PAGE, number;

	for (uint64_t i = 0; i < pages; i++) {
		content_fill(memory + i * PAGE, i, PAGE);
		if (i % TELL_PAGES == 0)
			add(&board->written, TELL_PAGES * PAGE);
	}
	atomic_fetch_add_explicit(&board->wrote, 1, memory_order_release);
	wait_for_writers(c, board);
	for (uint64_t i = 0; i < pages; i++) {
		if (!content_check(memory + i * PAGE, PAGE, &number) ||
		    number != i)
			fail(board, -EBADMSG);
		if (i % TELL_PAGES == 0)
			add(&board->got, TELL_PAGES * PAGE);
	}
}

/* --------------------------------------------------------------------- queues */

static void group_name(char name[GROUP_NAME], unsigned int index)
{
	snprintf(name, GROUP_NAME, "reader%u", index);
}

int mapping_load_open(const struct mapping_setup *setup,
		      const struct mapping_case *c, struct shmq **out)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	char path[MAPPING_PATH + 32], group[GROUP_NAME];
	int error;

	*out = NULL;
	if (!mapping_is_queue(c))
		return 0;
	if (c->kind == MAPPING_JOURNAL) {
		attr.flags = SHMQ_JOURNAL;
		attr.segment_bytes = setup->segment_bytes;
	} else {
		attr.flags = SHMQ_TOPIC;
		attr.capacity = c->map_bytes;
	}
	snprintf(path, sizeof(path), "%s/queue", setup->dir);
	error = c->kind == MAPPING_RING ?
			shmq_open_anonymous(out, &attr) :
			shmq_open(out, path, SHMQ_CREATE | SHMQ_EXCL, 0600,
				  &attr);
	/* A ring keeps what its groups have not received, from now on. */
	for (unsigned int i = 0; i < c->readers && !error; i++) {
		group_name(group, c->writers + i);
		error = shmq_group_add(*out, group, 0);
	}
	return error;
}

static void queue_write(const struct mapping_setup *setup,
			const struct mapping_case *c, struct shmq *queue,
			struct board *board)
{
	uint64_t n = c->use_bytes / setup->len;
	struct shmq_producer *p;
	int error = shmq_producer_open(&p, queue, 0);

	for (uint64_t i = 0; i < n && !error; i++) {
		void *to;

		error = shmq_reserve(p, setup->len, &to, PATIENCE_NS);
		if (error)
			break;
		content_fill(to, i, setup->len);
		error = shmq_commit(p, setup->len);
		add(&board->written, setup->len);
	}
	if (error)
		fail(board, error);
	shmq_producer_close(p);
	atomic_fetch_add_explicit(&board->wrote, 1, memory_order_release);
}

static void queue_read(const struct mapping_setup *setup,
		       const struct mapping_case *c, struct shmq *queue,
		       struct board *board, unsigned int index)
{
	uint64_t n = c->use_bytes / setup->len, number;
	struct shmq_consumer *consumer;
	struct shmq_msg msgs[BATCH];
	char group[GROUP_NAME];
	int r;

	group_name(group, index);
	r = shmq_consumer_open(&consumer, queue, group,
			       SHMQ_EXCLUSIVE | SHMQ_OLDEST);
	for (uint64_t i = 0; i < n && r >= 0;) {
		r = shmq_receive(consumer, msgs, BATCH, PATIENCE_NS);
		for (int k = 0; k < r; k++, i++)
			if (msgs[k].len != setup->len ||
			    !content_check(msgs[k].data, setup->len, &number) ||
			    number != i)
				fail(board, -EBADMSG);
		if (r > 0) {
			add(&board->got, (uint64_t)r * setup->len);
			r = shmq_release(consumer);
		}
	}
	if (r < 0)
		fail(board, r);
	shmq_consumer_close(consumer);
}

_Noreturn void mapping_load(const struct mapping_setup *setup,
			    const struct mapping_case *c, struct shmq *queue,
			    struct board *board, unsigned int index)
{
	if (!mapping_is_queue(c)) {
		write_and_read(setup, c, board);
	} else if (index < c->writers) {
		queue_write(setup, c, queue, board);
	} else {
		if (index >= c->writers + c->readers)
			wait_for_writers(c, board);
		queue_read(setup, c, queue, board, index);
	}
	_exit(EXIT_SUCCESS);
}
