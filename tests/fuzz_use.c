/* SPDX-License-Identifier: MIT */
/* Everything that can be done with a queue. See fuzz_use.h. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <shmq.h>

#include "atomic.h"
#include "fuzz_use.h"

static void must(int good)
{
	if (!good)
		abort();
}

static void send_some(struct shmq *q)
{
	static char buf[FUZZ_CAPACITY / 4];
	struct iovec batch[2] = { { buf, 30 }, { buf, 70 } };
	struct shmq_producer *p;
	void *out;

	if (shmq_producer_open(&p, q, 0))
		return;
	shmq_send(p, buf, 1, SHMQ_NOWAIT);
	shmq_send(p, buf, 200, 1000);
	must(shmq_send_batch(p, batch, 2, SHMQ_NOWAIT) <= 2);
	if (shmq_reserve(p, 300, &out, SHMQ_NOWAIT) == 0) {
		memset(out, 1, 300);
		shmq_commit(p, 10);
	}
	shmq_producer_close(p);
}

static volatile char sink;

static void receive_some(struct shmq *q, unsigned flags)
{
	static char buf[FUZZ_CAPACITY];
	struct shmq_consumer *c;
	struct shmq_msg msgs[3];

	if (shmq_consumer_open(&c, q, NULL, flags))
		return;
	for (int i = 0; i < 6; i++) {
		int n = shmq_receive(c, msgs, 3, i == 3 ? 1000 : SHMQ_NOWAIT);

		must(n <= 3);
		for (int k = 0; k < n; k++) {
			must(msgs[k].len <= FUZZ_CAPACITY / 4);
			for (size_t at = 0; at < msgs[k].len; at++)
				sink = ((const char *)msgs[k].data)[at];
		}
		if (i % 2)
			shmq_release(c);
		must(shmq_recv(c, buf, sizeof(buf), SHMQ_NOWAIT) <=
		     (ssize_t)(FUZZ_CAPACITY / 4));
	}
	shmq_consumer_close(c);
}

static void look(struct shmq *q)
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

void fuzz_use(int fd)
{
	struct shmq *q;

	if (shmq_open_fd(&q, fd, SHMQ_RDONLY) == 0) {
		look(q);
		shmq_close(q);
	}
	if (shmq_open_fd(&q, fd, 0))
		return;
	look(q);
	receive_some(q, 0);
	send_some(q);
	shmq_recover(q);
	receive_some(q, SHMQ_EXCLUSIVE);
	send_some(q);
	look(q);
	shmq_close(q);
}

void fuzz_sign(struct sh_header *header)
{
	const uint8_t *bytes = (const uint8_t *)header;
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = sizeof(header->magic);
	     i < offsetof(struct sh_header, check); i++)
		h = (h ^ bytes[i]) * UINT64_C(0x100000001b3);
	header->check = h;
}

int fuzz_queue(uint64_t flags, size_t *bytes)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *q;
	off_t size;
	char *copy;
	int fd;

	attr.capacity = FUZZ_CAPACITY;
	attr.flags = flags;
	attr.max_members = 3;
	attr.max_groups = 1;
	must(shmq_open_anonymous(&q, &attr) == 0);
	for (int i = 0; i < 3; i++) {
		send_some(q);
		receive_some(q, 0);
	}
	send_some(q);
	/* A copy, which has no seals and no members that are alive. */
	size = lseek(shmq_fd(q), 0, SEEK_END);
	copy = malloc((size_t)size);
	must(copy && pread(shmq_fd(q), copy, (size_t)size, 0) == size);
	fd = memfd_create("fuzz", MFD_CLOEXEC);
	must(fd >= 0 && write(fd, copy, (size_t)size) == size);
	free(copy);
	shmq_close(q);
	*bytes = (size_t)size;
	return fd;
}
