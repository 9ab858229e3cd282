/* SPDX-License-Identifier: MIT */
/*
 * How the demos treat errors: a call that fails ends the program with a
 * sentence about it. What a call may return without being wrong is looked at
 * before it is handed to check().
 */
#ifndef DEMO_CHECK_H
#define DEMO_CHECK_H

#include <errno.h>
#include <shmq.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

/* The result of a libshmq call, which is not an error if this returns. */
static inline ssize_t check(ssize_t result, const char *doing)
{
	const char *why, *detail;

	if (result >= 0)
		return result;
	why = shmq_strerror((int)result);
	detail = shmq_errdetail();
	fprintf(stderr, "%s: %s: %s%s%s\n", program_invocation_short_name,
		doing, why, *detail ? ": " : "", detail);
	exit(EXIT_FAILURE);
}

/* The same for calls that return -1 and set errno. */
static inline int check_errno(int result, const char *doing)
{
	if (result >= 0)
		return result;
	fprintf(stderr, "%s: %s: %m\n", program_invocation_short_name, doing);
	exit(EXIT_FAILURE);
}

#endif /* DEMO_CHECK_H */
