/* SPDX-License-Identifier: MIT */
/* Errors in words: one sentence a value, and one a thread about its last. */
#ifndef SHMQI_ERROR_H
#define SHMQI_ERROR_H

#include <errno.h>

/*
 * Return error, which is negative, and keep the sentence for shmq_errdetail().
 */
int shmqi_error_say(int error, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static inline void shmqi_errno_restore(const int *kept)
{
	errno = *kept;
}

/*
 * First among the declarations of a function: errno is at its end what it was
 * at its beginning, for the interface leaves it alone.
 */
#define KEEP_ERRNO                                                             \
	const int errno_kept                                                   \
		__attribute__((unused, cleanup(shmqi_errno_restore))) = errno

/* Forget the sentence: a call that may say something begins. */
void shmqi_error_clear(void);

#endif
