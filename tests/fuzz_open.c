/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: a queue file that has been changed. The input's first byte says
 * which kind of queue, and whether the header is signed again; then come
 * changes: offset (2 bytes, in units of 8; the ring is far behind it), and 8
 * bytes to be there.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <shmq.h>

#include "fuzz_target.h"
#include "fuzz_use.h"

#define KINDS 3

const char fuzz_name[] = "open";
const unsigned fuzz_runs = 4000;

static struct {
	int fd;
	size_t size;
	char *map, *copy;
} images[KINDS];

static void prepare(void)
{
	static const uint64_t flags[KINDS] = { 0, SHMQ_SINGLE_PRODUCER,
					       SHMQ_SINGLE_PRODUCER |
						       SHMQ_SINGLE_CONSUMER };

	for (unsigned i = 0; i < KINDS; i++) {
		images[i].fd = fuzz_queue(flags[i], &images[i].size);
		images[i].map = mmap(NULL, images[i].size,
				     PROT_READ | PROT_WRITE, MAP_SHARED,
				     images[i].fd, 0);
		images[i].copy = malloc(images[i].size);
		if (images[i].map == MAP_FAILED || !images[i].copy)
			abort();
		memcpy(images[i].copy, images[i].map, images[i].size);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned kind;

	if (!images[0].map)
		prepare();
	if (!size)
		return 0;
	kind = data[0] % KINDS;
	memcpy(images[kind].map, images[kind].copy, images[kind].size);
	for (size_t i = 1; i + 10 <= size; i += 10) {
		size_t at = (size_t)(data[i] | data[i + 1] << 8) * 8;

		memcpy(images[kind].map + at % (images[kind].size - 8),
		       data + i + 2, 8);
	}
	if (data[0] & 0x80)
		fuzz_sign((void *)images[kind].map);
	fuzz_use(images[kind].fd);
	return 0;
}
