/* SPDX-License-Identifier: MIT */
/*
 * Complaints on standard error, "shmq VERB: NAME: what is wrong: what to do",
 * and the exit status that belongs to each. Every function returns that status
 * so that a verb can end with `return fault(...)`.
 */
#ifndef FAULT_H
#define FAULT_H

#include "verb.h"

/* A library call on queue `name` returned `error`, negative. */
int fault(const struct verb *verb, const char *name, int error);

/* The same for the open or unlink that failed just now: it knows more. */
int fault_open(const struct verb *verb, const char *name, int error);

/* Something else went wrong with `name`; the text says it all. */
int fault_refused(const struct verb *verb, const char *name, const char *format,
		  ...) __attribute__((format(printf, 3, 4)));

/* A mistake on the command line. */
int fault_usage(const struct verb *verb, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

int fault_status(int error);

#endif /* FAULT_H */
