/* SPDX-License-Identifier: MIT */
/*
 * Ways to write bytes so that they stay, and to read them again. All are files
 * in the runtime directory; none waits for a disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../lib/crc32c.h"
#include "bench.h"
#include "clock.h"
#include "journal.h"

#define BATCH 16

const struct journal_way journal_ways[N_WAYS] = {
	[WAY_CHECKED] = { "mapping, checksum", BENCH_FLOOR },
	[WAY_MAPPED] = { "mapping", BENCH_FLOOR },
	[WAY_COLD] = { "mapping, cold", BENCH_FLOOR },
	[WAY_CALLS] = { "write and read", 0 },
	[WAY_JOURNAL] = { "journal", BENCH_OURS },
	[WAY_PLACED] = { "journal, in place", BENCH_OURS },
};

struct pass {
	int way;
	size_t len, n, bytes;
	int fd;
	unsigned char *memory;
	struct shmq *queue;
	struct shmq_producer *producer;
	struct shmq_consumer *consumer;
	uint32_t sum; /* so that it is computed */
	unsigned char message[JOURNAL_LEN_MOST];
};

static bool is_journal(const struct pass *pass)
{
	return pass->way == WAY_JOURNAL || pass->way == WAY_PLACED;
}

/* A message knows its number by its first and its last byte. */
static void mark(unsigned char *message, size_t len, size_t i)
{
	message[0] = (unsigned char)i;
	message[len - 1] = (unsigned char)i;
}

static int is_marked(const unsigned char *message, size_t len, size_t i)
{
	return message[0] == (unsigned char)i &&
	       message[len - 1] == (unsigned char)i;
}

/* -------------------------------------------------------------- one message */

static int place(struct pass *pass, size_t i)
{
	void *to;
	int error = shmq_reserve(pass->producer, pass->len, &to, SHMQ_NOWAIT);

	if (error)
		return error;
	memcpy(to, pass->message, pass->len);
	mark(to, pass->len, i);
	return shmq_commit(pass->producer, pass->len);
}

static int write_mapped(struct pass *pass, size_t i)
{
	unsigned char *to;

	if (!pass->memory)
		return -EFAULT;
	to = pass->memory + i * pass->len;
	memcpy(to, pass->message, pass->len);
	if (pass->way == WAY_CHECKED)
		pass->sum += shmqi_crc32c(0, to, pass->len);
	return 0;
}

static int write_one(struct pass *pass, size_t i)
{
	if (pass->way == WAY_PLACED)
		return place(pass, i);
	mark(pass->message, pass->len, i);
	switch (pass->way) {
	case WAY_JOURNAL:
		return shmq_send(pass->producer, pass->message, pass->len,
				 SHMQ_NOWAIT);
	case WAY_CALLS:
		return write(pass->fd, pass->message, pass->len) ==
				       (ssize_t)pass->len ?
			       0 :
			       -EIO;
	default:
		return write_mapped(pass, i);
	}
}

static int read_one(struct pass *pass, size_t i)
{
	ssize_t got = (ssize_t)pass->len;

	if (pass->way == WAY_JOURNAL)
		got = shmq_recv(pass->consumer, pass->message, pass->len,
				SHMQ_NOWAIT);
	else if (pass->way == WAY_CALLS)
		got = read(pass->fd, pass->message, pass->len);
	else
		memcpy(pass->message, pass->memory + i * pass->len, pass->len);
	if (got < 0)
		return is_journal(pass) ? (int)got : -errno;
	if ((size_t)got != pass->len || !is_marked(pass->message, pass->len, i))
		return -EBADMSG;
	return 0;
}

static int take_all(struct pass *pass)
{
	struct shmq_msg msgs[BATCH];
	size_t i = 0;

	while (i < pass->n) {
		int r = shmq_receive(pass->consumer, msgs, BATCH, SHMQ_NOWAIT);

		if (r < 0)
			return r;
		for (int k = 0; k < r; k++, i++)
			if (msgs[k].len != pass->len ||
			    !is_marked(msgs[k].data, pass->len, i))
				return -EBADMSG;
		r = shmq_release(pass->consumer);
		if (r)
			return r;
	}
	return 0;
}

/* ------------------------------------------------------------------- the file */

static int map(struct pass *pass)
{
	int flags = MAP_SHARED | (pass->way == WAY_COLD ? 0 : MAP_POPULATE);

	pass->memory = mmap(NULL, pass->bytes, PROT_READ | PROT_WRITE, flags,
			    pass->fd, 0);
	return pass->memory == MAP_FAILED ? -errno : 0;
}

static int begin_file(struct pass *pass, const char *path)
{
	pass->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (pass->fd < 0)
		return -errno;
	unlink(path);
	if (pass->way == WAY_CALLS)
		return 0;
	if (ftruncate(pass->fd, (off_t)pass->bytes))
		return -errno;
	return map(pass);
}

static cpu_set_t both;

void journal_cores(const int cores[2])
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cores[0], &one);
	both = one;
	CPU_SET(cores[1], &both);
	sched_setaffinity(0, sizeof(one), &one);
}

int journal_producer(struct shmq_producer **out, struct shmq *q)
{
	cpu_set_t before;
	int error;

	sched_getaffinity(0, sizeof(before), &before);
	sched_setaffinity(0, sizeof(both), &both);
	error = shmq_producer_open(out, q, 0);
	sched_setaffinity(0, sizeof(before), &before);
	return error;
}

int journal_make(struct shmq **out, const char *path, uint64_t segment_bytes)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;

	attr.flags = SHMQ_JOURNAL;
	attr.segment_bytes = segment_bytes;
	return shmq_open(out, path, SHMQ_CREATE | SHMQ_EXCL, 0600, &attr);
}

static int begin(struct pass *pass, const char *path)
{
	int error;

	if (!is_journal(pass))
		return begin_file(pass, path);
	error = journal_make(&pass->queue, path, JOURNAL_SEGMENT);
	if (!error)
		error = journal_producer(&pass->producer, pass->queue);
	if (!error)
		error = shmq_consumer_open(&pass->consumer, pass->queue, NULL,
					   SHMQ_EXCLUSIVE);
	return error;
}

/* All is written: be at the beginning again. */
static int turn_round(struct pass *pass)
{
	if (pass->way == WAY_CALLS)
		return lseek(pass->fd, 0, SEEK_SET) ? -errno : 0;
	if (pass->way != WAY_COLD)
		return 0;
	munmap(pass->memory, pass->bytes);
	return map(pass);
}

static void end(struct pass *pass, const char *path)
{
	if (pass->memory && pass->memory != MAP_FAILED)
		munmap(pass->memory, pass->bytes);
	if (pass->fd >= 0)
		close(pass->fd);
	if (!pass->queue)
		return;
	shmq_consumer_close(pass->consumer);
	shmq_producer_close(pass->producer);
	shmq_close(pass->queue);
	(void)shmq_unlink(path);
}

static int both_passes(struct pass *pass, double *wrote, double *got)
{
	uint64_t begin_ns = bench_clock_ns();
	int error = 0;

	for (size_t i = 0; i < pass->n && !error; i++)
		error = write_one(pass, i);
	*wrote = (double)(bench_clock_ns() - begin_ns) / (double)pass->n;
	if (!error)
		error = turn_round(pass);
	begin_ns = bench_clock_ns();
	if (!error && pass->way == WAY_PLACED)
		error = take_all(pass);
	for (size_t i = 0; i < pass->n && !error && pass->way != WAY_PLACED;
	     i++)
		error = read_one(pass, i);
	*got = (double)(bench_clock_ns() - begin_ns) / (double)pass->n;
	return error;
}

int journal_way_run(int way, size_t len, size_t n, double *wrote, double *got)
{
	static struct pass pass;
	char path[256];
	int error;

	shmqi_crc32c_init();
	memset(&pass, 0, sizeof(pass));
	pass.way = way;
	pass.len = len;
	pass.n = n;
	pass.bytes = n * len;
	pass.fd = -1;
	job_path(path, sizeof(path));
	error = begin(&pass, path);
	if (!error)
		error = both_passes(&pass, wrote, got);
	end(&pass, path);
	return error;
}
