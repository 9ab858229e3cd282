/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target without libFuzzer: each file of its corpus, then changed
 * ones. SHMQ_SEED replays, SHMQ_FUZZ is the number of runs.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "fuzz_target.h"

#define INPUTS 64
#define INPUT_MAX 8192

static struct {
	uint8_t bytes[INPUT_MAX];
	size_t size;
} inputs[INPUTS];
static unsigned n_inputs;

static uint64_t state;

static uint64_t below(uint64_t n)
{
	uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (z ^ z >> 31) % n;
}

static void read_corpus(void)
{
	const char *top = getenv("top_srcdir");
	struct dirent *entry;
	char path[4500];
	DIR *dir;

	snprintf(path, sizeof(path), "%s/tests/corpus/%s", top ? top : ".",
		 fuzz_name);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)) && n_inputs < INPUTS) {
		char name[4800];
		FILE *file;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		file = fopen(name, "re");
		if (!file)
			continue;
		inputs[n_inputs].size = fread(inputs[n_inputs].bytes, 1,
					      INPUT_MAX, file);
		n_inputs++;
		fclose(file);
	}
	if (dir)
		closedir(dir);
	if (!n_inputs) {
		printf("no corpus in %s\n", path);
		exit(1);
	}
}

/* Some bytes of one input, some of another; some changed. */
static size_t mix(uint8_t *to)
{
	unsigned a = (unsigned)below(n_inputs), b = (unsigned)below(n_inputs);
	size_t size = inputs[a].size, at, n;

	memcpy(to, inputs[a].bytes, size);
	if (below(3) == 0 && inputs[b].size) {
		at = below(size + 1);
		n = below(inputs[b].size) + 1;
		if (n > INPUT_MAX - at)
			n = INPUT_MAX - at;
		memcpy(to + at,
		       inputs[b].bytes + inputs[b].size -
			       (n < inputs[b].size ? n : inputs[b].size),
		       n < inputs[b].size ? n : inputs[b].size);
		n = n < inputs[b].size ? n : inputs[b].size;
		size = at + n > size ? at + n : size;
	}
	for (n = size ? below(8) : 0; n; n--) {
		at = below(size);
		to[at] = below(2) ? (uint8_t)below(256) :
				    (uint8_t)(to[at] ^ 1u << below(8));
	}
	return below(8) ? size : below(size + 1);
}

int main(void)
{
	const char *text = getenv("SHMQ_FUZZ"), *seed = getenv("SHMQ_SEED");
	unsigned runs = text ? (unsigned)atoi(text) : fuzz_runs;
	static uint8_t bytes[INPUT_MAX];

	if (seed)
		state = strtoull(seed, NULL, 0);
	else if (getrandom(&state, sizeof(state), 0) != sizeof(state))
		return 1;
	printf("SHMQ_SEED=%" PRIu64 "\n", state);
	fflush(stdout);
	read_corpus();
	for (unsigned i = 0; i < n_inputs; i++)
		LLVMFuzzerTestOneInput(inputs[i].bytes, inputs[i].size);
	for (unsigned i = 0; i < runs; i++)
		LLVMFuzzerTestOneInput(bytes, mix(bytes));
	printf("%u inputs and %u changed ones\n", n_inputs, runs);
	return 0;
}
