/* SPDX-License-Identifier: MIT */
/* Message contents that tell who sent them, and whether they are whole. */
#ifndef TESTS_PATTERN_H
#define TESTS_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "support.h"

/* Bytes that depend on a number and on their place. */
void pattern_fill(void *buf, size_t len, uint64_t number);
bool pattern_matches(const void *buf, size_t len, uint64_t number);

/* A letter begins with its sender and number; a pattern follows. */
#define LETTER_MIN 8
#define LETTER_SENDERS 256
#define LETTER_END UINT64_C(0xffffffffffff) /* number of one that ends things */

struct letter {
	unsigned sender;
	uint64_t number;
};

void letter_write(void *buf, size_t len, struct letter letter);
/* Fails unless it is whole. */
struct letter letter_read(const void *buf, size_t len);

/* A length: mostly small, now and then up to max. */
size_t letter_length(struct chance *chance, size_t max);

#endif
