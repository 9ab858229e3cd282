/* SPDX-License-Identifier: MIT */
/*
 * Copying messages. Most are small, and a call of memcpy costs as much as the
 * copy: up to 64 bytes go in two to four overlapping moves that the compiler
 * turns into plain loads and stores.
 */
#ifndef SHMQI_COPY_H
#define SHMQI_COPY_H

#include <string.h>

static inline void copy_bytes(void *to, const void *from, size_t n)
{
	char *d = to;
	const char *s = from;

	if (n > 64) {
		memcpy(d, s, n);
	} else if (n >= 16) {
		memcpy(d, s, 16);
		if (n > 32) {
			memcpy(d + 16, s + 16, 16);
			memcpy(d + n - 32, s + n - 32, 16);
		}
		memcpy(d + n - 16, s + n - 16, 16);
	} else if (n >= 8) {
		memcpy(d, s, 8);
		memcpy(d + n - 8, s + n - 8, 8);
	} else if (n >= 4) {
		memcpy(d, s, 4);
		memcpy(d + n - 4, s + n - 4, 4);
	} else {
		while (n--)
			*d++ = *s++;
	}
}

#endif
