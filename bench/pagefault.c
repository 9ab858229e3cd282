/* SPDX-License-Identifier: MIT */
/*
 * pagefault: what the first pass over memory costs. Messages are written one
 * after the other into a file or into anonymous memory, and read again, through
 * a mapping whose pages are there, are huge, or are not there yet, and beside
 * that with write(2) and read(2). Files are in the runtime directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "plan.h"

#define HUGE_PAGE (2UL << 20)
#define BYTES_MOST (16UL << 20)
#define MESSAGES_MOST 50000
#define LEN_MOST 10240

static const struct result_form form = {
	.verb = "pagefault",
	.labels = { { "pass", "pass", true, false },
		    { "size_bytes", "message", false, true } },
	.metrics = { { "message_ns", ">NS EACH", RESULT_NS },
		     { "bytes_per_s", ">BYTES/S", RESULT_BYTES_S } },
	.main = 0,
	.ratio = "of times",
};

static const size_t sizes[] = { 1, 100, 512, 1024, 2048, 4096, 8192, 10240 };
#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

enum pages {
	THERE,
	HUGE,
	COLD,
	CALLS
};

/* The first is the floor. */
static const struct way {
	const char *name;
	bool file;
	enum pages pages;
} ways[] = {
	{ "anonymous, prefaulted", false, THERE },
	{ "anonymous, huge pages", false, HUGE },
	{ "anonymous, cold", false, COLD },
	{ "file, prefaulted", true, THERE },
	{ "file, huge pages", true, HUGE },
	{ "file, cold", true, COLD },
	{ "file, write and read", true, CALLS },
};
#define N_WAYS (sizeof(ways) / sizeof(ways[0]))

struct pass {
	const struct way *way;
	size_t len, n, bytes;
	int fd;
	unsigned char *memory, *mapping;
	size_t mapped;
	unsigned char message[LEN_MOST];
};

struct times {
	double value[PLAN_ROUNDS], ratio[PLAN_ROUNDS];
	unsigned int n;
	char why[80];
};

static int map(struct pass *pass)
{
	const struct way *way = pass->way;
	int flags = way->file ? MAP_SHARED : MAP_SHARED | MAP_ANONYMOUS;
	size_t odd;

	if (way->pages == CALLS)
		return 0;
	if (way->pages == THERE)
		flags |= MAP_POPULATE;
	pass->mapped = pass->bytes + HUGE_PAGE;
	pass->mapping = mmap(NULL, pass->mapped, PROT_READ | PROT_WRITE, flags,
			     way->file ? pass->fd : -1, 0);
	if (pass->mapping == MAP_FAILED)
		return -errno;
	odd = (uintptr_t)pass->mapping % HUGE_PAGE;
	pass->memory = pass->mapping + (odd ? HUGE_PAGE - odd : 0);
	if (way->pages != HUGE)
		return 0;
	if (madvise(pass->memory, pass->bytes, MADV_HUGEPAGE))
		return -errno;
	for (size_t i = 0; i < pass->bytes; i += 4096)
		pass->memory[i] = 0;
	return 0;
}

static void unmap(struct pass *pass)
{
	if (pass->mapping && pass->mapping != MAP_FAILED)
		munmap(pass->mapping, pass->mapped);
	pass->mapping = NULL;
}

/* Of the whole pass: ns a message, or a negative errno. */
static double write_all(struct pass *pass)
{
	uint64_t begin = bench_clock_ns();

	for (size_t i = 0; i < pass->n; i++) {
		pass->message[0] = (unsigned char)i;
		pass->message[pass->len - 1] = (unsigned char)i;
		if (pass->way->pages != CALLS)
			memcpy(pass->memory + i * pass->len, pass->message,
			       pass->len);
		else if (write(pass->fd, pass->message, pass->len) !=
			 (ssize_t)pass->len)
			return -errno;
	}
	return (double)(bench_clock_ns() - begin) / (double)pass->n;
}

static double read_all(struct pass *pass)
{
	uint64_t begin = bench_clock_ns();
	unsigned int wrong = 0;

	for (size_t i = 0; i < pass->n; i++) {
		if (pass->way->pages != CALLS)
			memcpy(pass->message, pass->memory + i * pass->len,
			       pass->len);
		else if (read(pass->fd, pass->message, pass->len) !=
			 (ssize_t)pass->len)
			return -errno;
		wrong |= pass->message[0] ^ (unsigned char)i;
		wrong |= pass->message[pass->len - 1] ^ (unsigned char)i;
	}
	if (wrong)
		return -EBADMSG;
	return (double)(bench_clock_ns() - begin) / (double)pass->n;
}

static int open_file(struct pass *pass)
{
	char path[256];

	if (!pass->way->file)
		return 0;
	job_path(path, sizeof(path));
	pass->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (pass->fd < 0)
		return -errno;
	unlink(path);
	if (pass->way->pages == CALLS)
		return 0;
	return ftruncate(pass->fd, (off_t)(pass->bytes + HUGE_PAGE)) ? -errno :
								       0;
}

/*
 * Write, then read: a cold file is mapped anew for reading; cold anonymous
 * memory has been written by then.
 */
static int both_passes(struct pass *pass, double *wrote, double *got)
{
	int error = open_file(pass);

	if (!error)
		error = map(pass);
	if (error)
		return error;
	*wrote = write_all(pass);
	if (pass->way->pages == CALLS) {
		if (lseek(pass->fd, 0, SEEK_SET))
			return -errno;
	} else if (pass->way->file && pass->way->pages == COLD) {
		unmap(pass);
		error = map(pass);
	}
	if (!error)
		*got = read_all(pass);
	if (!error && *wrote < 0)
		error = (int)*wrote;
	if (!error && *got < 0)
		error = (int)*got;
	return error;
}

static int run_way(const struct plan *plan, const struct way *way, size_t len,
		   double *values)
{
	static struct pass pass;
	int error;

	pass.way = way;
	pass.len = len;
	pass.n = plan->messages ? plan->messages : BYTES_MOST / len;
	if (pass.n > MESSAGES_MOST)
		pass.n = MESSAGES_MOST;
	pass.bytes = (pass.n * len + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
	pass.fd = -1;
	pass.mapping = NULL;
	error = both_passes(&pass, &values[0], &values[1]);
	unmap(&pass);
	if (pass.fd >= 0)
		close(pass.fd);
	return error;
}

/* One round of one size: the floor before each. */
static void one_round(struct plan *plan, size_t len, struct times times[][2])
{
	const size_t all = N_WAYS;

	for (size_t w = 0; w < all; w++) {
		double floor[2] = { 1, 1 }, values[2] = { 0 };
		int error;

		meter_draw(&plan->meter, (double)w / (double)all, ways[w].name);
		error = run_way(plan, &ways[0], len, floor);
		if (!error)
			error = run_way(plan, &ways[w], len, values);
		for (int pass = 0; pass < 2; pass++) {
			struct times *t = &times[w][pass];

			if (error) {
				snprintf(t->why, sizeof(t->why), "%s",
					 strerror(-error));
				continue;
			}
			t->value[t->n] = values[pass];
			t->ratio[t->n++] = values[pass] / floor[pass];
		}
	}
}

static int add_row(struct result *result, const struct way *way, int pass,
		   size_t len, struct times *t)
{
	struct result_row *row = result_add(result, way->name, 0);

	if (!row)
		return -ENOMEM;
	result_label_text(row, 0, pass ? "read" : "write");
	result_label_number(row, 1, len);
	if (t->why[0]) {
		snprintf(row->why, sizeof(row->why), "%s", t->why);
		return 0;
	}
	row->metrics[0] = plan_median(t->value, t->n, &row->low, &row->high);
	row->metrics[1] = (double)len * 1e9 / row->metrics[0];
	row->ratio = plan_median(t->ratio, t->n, &row->ratio_low,
				 &row->ratio_high);
	return 0;
}

static int one_size(struct plan *plan, struct result *result, size_t len)
{
	struct times(*times)[2] = calloc(N_WAYS, sizeof(*times));
	int error = times ? 0 : -ENOMEM;

	for (unsigned int r = 0; r < plan->repeat && !error; r++) {
		one_round(plan, len, times);
		plan->meter.done += 1.0 / plan->repeat;
		error = job_stopped();
	}
	for (int pass = 0; pass < 2; pass++)
		for (size_t w = 0; w < N_WAYS && !error; w++)
			error = add_row(result, &ways[w], pass, len,
					&times[w][pass]);
	free(times);
	return error;
}

int bench_pagefault(struct plan *plan, struct result *result)
{
	const size_t sizes_all = N_SIZES;
	cpu_set_t before, one;
	int error = 0;

	result->form = &form;
	result->floor = ways[0].name;
	plan->meter.groups = (double)sizes_all;
	sched_getaffinity(0, sizeof(before), &before);
	CPU_ZERO(&one);
	CPU_SET(plan->cores[0], &one);
	sched_setaffinity(0, sizeof(one), &one);
	for (size_t i = 0; i < N_SIZES && !error; i++)
		error = one_size(plan, result, sizes[i]);
	sched_setaffinity(0, sizeof(before), &before);
	return error;
}
