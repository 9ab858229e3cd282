/* SPDX-License-Identifier: MIT */
/*
 * Reading the command line of a verb. Mistakes and --help end the program
 * here: no queue is open yet.
 */
#ifndef OPTION_H
#define OPTION_H

#include <getopt.h>
#include <stdint.h>

#include "verb.h"

/*
 * Long options only, so that a one-letter option means the same in every verb:
 * -h is help. Values of struct option start at 256.
 */
#define OPTION_HELP                                                            \
	{                                                                      \
		"help", no_argument, NULL, 'h'                                 \
	}
#define OPTION_END                                                             \
	{                                                                      \
		NULL, 0, NULL, 0                                               \
	}

/* The value of the next option, -1 after the last; optind and optarg are set. */
int option_next(const struct verb *verb, int argc, char **argv,
		const struct option *options);

/* What is left must be min to max words. Returns the first of them. */
char **option_words(const struct verb *verb, int argc, char **argv, int min,
		    int max);

/* The argument of an option, in bytes, nanoseconds, as a count, a mode. */
uint64_t option_size(const struct verb *verb, const char *option,
		     const char *text);
int64_t option_seconds(const struct verb *verb, const char *option,
		       const char *text);
uint64_t option_count(const struct verb *verb, const char *option,
		      const char *text, uint64_t max);
/* From 0 on; a count begins at 1. */
uint64_t option_number(const struct verb *verb, const char *option,
		       const char *text, uint64_t max);
unsigned int option_mode(const struct verb *verb, const char *option,
			 const char *text);

#endif /* OPTION_H */
