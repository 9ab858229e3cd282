/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: receiving from a ring that may hold anything. The input: which
 * kind of queue (1 byte), how far the tail is (1 byte, in records of 64 bytes),
 * then records: what the stamp is (1 byte: right, or not), size, flags, and
 * the rest of 64 bytes. Positions and numbers begin where the used queue is.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <shmq.h>

#include "fuzz_target.h"
#include "fuzz_use.h"

#define KINDS 2
#define LINE 24 /* bytes of input for a record */

const char fuzz_name[] = "ring";
const unsigned fuzz_runs = 4000;

static struct {
	int fd;
	size_t size;
	char *map, *copy;
} images[KINDS];

static void prepare(void)
{
	for (unsigned i = 0; i < KINDS; i++) {
		uint64_t flags = i ? SHMQ_SINGLE_PRODUCER |
						 SHMQ_SINGLE_CONSUMER :
				     0;

		images[i].fd = fuzz_queue(flags, &images[i].size);
		images[i].map = mmap(NULL, images[i].size,
				     PROT_READ | PROT_WRITE, MAP_SHARED,
				     images[i].fd, 0);
		images[i].copy = malloc(images[i].size);
		if (images[i].map == MAP_FAILED || !images[i].copy)
			abort();
		memcpy(images[i].copy, images[i].map, images[i].size);
	}
}

/* One record in each line, behind the group's cursor. */
static void write_record(char *map, uint64_t line, const uint8_t *data)
{
	const struct sh_header *h = (const void *)map;
	struct sh_group *group = (void *)(map + SH_GROUPS_OFF);
	uint64_t pos = (group->cursor.at.lo & ~UINT64_C(63)) + line * SH_LINE;
	uint64_t seq = (group->cursor.at.hi >> 6) + line + data[0] / 2;
	char *record = map + h->ring_off + (pos & (h->capacity - 1));
	uint64_t stamp = h->cookie + seq * SH_STAMP_STEP;

	if (data[0] & 1)
		memcpy(&stamp, data + 8, 8);
	memcpy(record, &stamp, 8);
	memcpy(record + 8, data + 1, 7);
	memcpy(record + 16, data + 8, LINE - 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sh_control *control;
	struct sh_group *group;
	unsigned kind;
	char *map;

	if (!images[0].map)
		prepare();
	if (size < 2)
		return 0;
	kind = data[0] % KINDS;
	map = images[kind].map;
	memcpy(map, images[kind].copy, images[kind].size);
	control = (void *)(map + SH_CONTROL_OFF);
	group = (void *)(map + SH_GROUPS_OFF);
	control->tail.at.lo = (group->cursor.at.lo & ~UINT64_C(63)) +
			      data[1] % 65 * SH_LINE + (SH_NOBODY & 63);
	control->tail.at.hi = group->cursor.at.hi + ((uint64_t)data[1] << 6);
	for (size_t i = 2, line = 0; i + LINE <= size && line < 64;
	     i += LINE, line++)
		write_record(map, line, data + i);
	fuzz_use(images[kind].fd);
	return 0;
}
