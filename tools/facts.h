/* SPDX-License-Identifier: MIT */
/*
 * What is known about a queue as a whole, for people and for programs.
 */
#ifndef FACTS_H
#define FACTS_H

#include <limits.h>

#include <jansson.h>

#include <shmq.h>

#include "quantity.h"

struct facts {
	const char *name;
	char path[PATH_MAX];
	uint64_t max_message_bytes;
	uint32_t member_entries;
	uint32_t group_entries;
	struct shmq_stat st;
	char label[64];
	char spin[8];
};

/* Returns 0 or a negative errno of shmq_stat(). */
int facts_get(struct facts *facts, struct shmq *q, const char *name);

/* "single producer, many consumers", and what else is special. */
#define FACTS_KIND_SIZE 128
void facts_kind(const struct facts *facts, char kind[FACTS_KIND_SIZE]);

/* A new reference, NULL if memory is short. */
json_t *facts_json(const struct facts *facts);

/* Text of unknown origin, at most max bytes; what is not UTF-8 is masked. */
json_t *facts_json_text(const char *text, size_t max);

/*
 * Print and give up a reference. Returns 0, -ENOMEM (it is NULL) or what
 * standard output said.
 */
int facts_json_print(json_t *json);

#endif /* FACTS_H */
