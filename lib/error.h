/* SPDX-License-Identifier: MIT */
/* Errors in words: one sentence a value, and one a thread about its last. */
#ifndef SHMQI_ERROR_H
#define SHMQI_ERROR_H

/*
 * Return error, which is negative, and keep the sentence for shmq_errdetail().
 */
int shmqi_error_say(int error, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Forget the sentence: a call that may say something begins. */
void shmqi_error_clear(void);

#endif
