/* SPDX-License-Identifier: MIT */
/*
 * What is in a message: its number, and words that follow from it. Every word
 * is written and every word is checked, by every transport in the same way, in
 * strides that the compiler turns into vector instructions.
 */
#ifndef BENCH_CONTENT_H
#define BENCH_CONTENT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BENCH_INLINE static inline __attribute__((always_inline, unused))

#define CONTENT_STEP UINT64_C(0x9e3779b97f4a7c15)
#define CONTENT_WORDS 8 /* a stride */

typedef uint64_t content_vector
	__attribute__((vector_size(16), aligned(8), may_alias));
typedef uint64_t content_word __attribute__((may_alias));

/* The words from word on; word + 1 is the second of a message. */
BENCH_INLINE void content_fill_rest(void *to, uint64_t number, size_t word,
				    size_t words)
{
	content_word *p = (content_word *)to;
	uint64_t value = number + word * CONTENT_STEP;

	if (words - word >= CONTENT_WORDS) {
		const content_vector stride = { 2 * CONTENT_STEP,
						2 * CONTENT_STEP };
		content_vector v = { value, value + CONTENT_STEP };

		for (; words - word >= CONTENT_WORDS; word += CONTENT_WORDS) {
			for (size_t k = 0; k < CONTENT_WORDS; k += 2) {
				*(content_vector *)(p + word + k) = v;
				v += stride;
			}
		}
		value = v[0];
	}
	for (; word < words; word++) {
		p[word] = value;
		value += CONTENT_STEP;
	}
}

BENCH_INLINE int content_rest_is_right(const void *from, uint64_t number,
				       size_t word, size_t words)
{
	const content_word *p = (const content_word *)from;
	uint64_t value = number + word * CONTENT_STEP, wrong = 0;

	if (words - word >= CONTENT_WORDS) {
		const content_vector stride = { 2 * CONTENT_STEP,
						2 * CONTENT_STEP };
		content_vector v = { value, value + CONTENT_STEP };
		content_vector differ = { 0, 0 };

		for (; words - word >= CONTENT_WORDS; word += CONTENT_WORDS) {
			for (size_t k = 0; k < CONTENT_WORDS; k += 2) {
				differ |= *(const content_vector *)(p + word +
								    k) ^
					  v;
				v += stride;
			}
		}
		wrong = differ[0] | differ[1];
		value = v[0];
	}
	for (; word < words; word++) {
		wrong |= p[word] ^ value;
		value += CONTENT_STEP;
	}
	return !wrong;
}

/* len is a multiple of 8. */
BENCH_INLINE void content_fill(void *to, uint64_t number, size_t len)
{
	content_fill_rest(to, number, 0, len / 8);
}

/* The number of a message, or no if it is not whole. */
BENCH_INLINE int content_check(const void *from, size_t len, uint64_t *number)
{
	*number = *(const content_word *)from;
	return content_rest_is_right(from, *number, 1, len / 8);
}

#endif /* BENCH_CONTENT_H */
