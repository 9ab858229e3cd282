/* SPDX-License-Identifier: MIT */
/*
 * Reading the command line of a verb: getopt_long with complaints of our own,
 * and the kinds of values that options take.
 */
#include "option.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"

/* Longest --timeout: about 31 years; all sums with it stay far from 2^63. */
#define SECONDS_MAX 1e9

int option_next(const struct verb *verb, int argc, char **argv,
		const struct option *options)
{
	int value;

	opterr = 0;
	value = getopt_long(argc, argv, ":h", options, NULL);
	switch (value) {
	case 'h':
		fputs(verb->help, stdout);
		exit(fflush(stdout) ? STATUS_REFUSED : STATUS_DONE);
	case ':':
		exit(fault_usage(verb, "%s needs a value", argv[optind - 1]));
	case '?':
		/* optopt: a letter; 0 for an unknown long option; the value
		 * of an option that got an argument and takes none. */
		if (optopt > 255)
			exit(fault_usage(verb, "%s takes no value",
					 argv[optind - 1]));
		if (optopt)
			exit(fault_usage(verb, "unknown option -%c", optopt));
		exit(fault_usage(verb, "unknown option %s", argv[optind - 1]));
	default:
		return value;
	}
}

char **option_words(const struct verb *verb, int argc, char **argv, int min,
		    int max)
{
	int words = argc - optind;

	if (words < min)
		exit(fault_usage(verb, "the name of a queue is missing"));
	if (words > max)
		exit(fault_usage(verb, "'%s' is one word too many",
				 argv[optind + max]));
	return argv + optind;
}

/* Digits only: strtoull alone would take signs and blanks too. */
static int parse_digits(const char *text, char **end, int base, uint64_t *out)
{
	if (!isdigit((unsigned char)*text))
		return -1;
	errno = 0;
	*out = strtoull(text, end, base);
	return errno ? -1 : 0;
}

uint64_t option_size(const struct verb *verb, const char *option,
		     const char *text)
{
	static const char units[] = "KMGT";
	uint64_t value;
	char *end;

	if (parse_digits(text, &end, 10, &value))
		goto wrong;
	if (*end) {
		const char *unit = strchr(units, toupper((unsigned char)*end));
		unsigned int shift;

		if (!unit || end[1])
			goto wrong;
		shift = 10 * (unsigned int)(unit - units + 1);
		if (value > UINT64_MAX >> shift)
			goto wrong;
		value <<= shift;
	}
	if (value)
		return value;
wrong:
	exit(fault_usage(verb,
			 "%s '%s' is not a size like 65536, 64K, 16M or 1G",
			 option, text));
}

int64_t option_seconds(const struct verb *verb, const char *option,
		       const char *text)
{
	double seconds;
	char *end;

	/* The first character keeps "nan", "inf" and signs out. */
	if (!isdigit((unsigned char)*text) && *text != '.')
		goto wrong;
	seconds = strtod(text, &end);
	if (end == text || *end || seconds > SECONDS_MAX)
		goto wrong;
	/* Half a nanosecond more: 0.001 must not become 999999. */
	return (int64_t)(seconds * 1e9 + 0.5);
wrong:
	exit(fault_usage(verb, "%s '%s' is not a time in seconds like 2 or 0.5",
			 option, text));
}

static uint64_t number(const struct verb *verb, const char *option,
		       const char *text, uint64_t least, uint64_t max)
{
	uint64_t value;
	char *end;

	if (parse_digits(text, &end, 10, &value) || *end || value < least ||
	    value > max)
		exit(fault_usage(verb,
				 "%s '%s' is not a number from %llu to %llu",
				 option, text, (unsigned long long)least,
				 (unsigned long long)max));
	return value;
}

uint64_t option_count(const struct verb *verb, const char *option,
		      const char *text, uint64_t max)
{
	return number(verb, option, text, 1, max);
}

uint64_t option_number(const struct verb *verb, const char *option,
		       const char *text, uint64_t max)
{
	return number(verb, option, text, 0, max);
}

unsigned int option_mode(const struct verb *verb, const char *option,
			 const char *text)
{
	uint64_t value;
	char *end;

	if (parse_digits(text, &end, 8, &value) || *end || value > 0777)
		exit(fault_usage(verb, "%s '%s' is not an octal mode like 0660",
				 option, text));
	return (unsigned int)value;
}
