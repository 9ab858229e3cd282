/* SPDX-License-Identifier: MIT */
/* Message contents. See pattern.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pattern.h"

static uint8_t pattern_byte(uint64_t number, size_t at)
{
	return (uint8_t)((number * 167 + at * 31 + (at >> 8) * 7) ^
			 number >> 8);
}

void pattern_fill(void *buf, size_t len, uint64_t number)
{
	uint8_t *bytes = buf;

	for (size_t i = 0; i < len; i++)
		bytes[i] = pattern_byte(number, i);
}

bool pattern_matches(const void *buf, size_t len, uint64_t number)
{
	const uint8_t *bytes = buf;

	for (size_t i = 0; i < len; i++)
		if (bytes[i] != pattern_byte(number, i))
			return false;
	return true;
}

void letter_write(void *buf, size_t len, struct letter letter)
{
	uint64_t head = letter.number << 8 | letter.sender;

	must(len >= LETTER_MIN);
	memcpy(buf, &head, LETTER_MIN);
	pattern_fill((uint8_t *)buf + LETTER_MIN, len - LETTER_MIN, head + len);
}

static void complain(const uint8_t *bytes, size_t len, uint64_t head)
{
	size_t at = 0;

	while (bytes[LETTER_MIN + at] == pattern_byte(head + len, at))
		at++;
	fprintf(stderr,
		"a letter of %zu bytes, sender %u, number %" PRIu64
		", is torn at byte %zu\n",
		len, (unsigned)(head % LETTER_SENDERS), head >> 8,
		LETTER_MIN + at);
	must(!"a letter is whole");
}

struct letter letter_read(const void *buf, size_t len)
{
	uint64_t head;

	must(len >= LETTER_MIN);
	memcpy(&head, buf, LETTER_MIN);
	if (!pattern_matches((const uint8_t *)buf + LETTER_MIN,
			     len - LETTER_MIN, head + len))
		complain(buf, len, head);
	return (struct letter){ head % LETTER_SENDERS, head >> 8 };
}

size_t letter_length(struct chance *chance, size_t max)
{
	uint64_t sort = chance_below(chance, 64);
	size_t most = sort == 0 ? max : sort < 8 ? 1000 : 200;

	return LETTER_MIN +
	       chance_below(chance, (most < max ? most : max) - LETTER_MIN + 1);
}
