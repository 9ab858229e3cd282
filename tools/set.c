/* SPDX-License-Identifier: MIT */
/*
 * shmq set: attributes of a queue that may be in use. Each is set, whatever
 * became of the others.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <shmq.h>

#include "fault.h"
#include "option.h"

static const struct option options[] = {
	OPTION_HELP,
	OPTION_END,
};

/* KEY=VALUE; the word is cut in two. */
static int set(const struct verb *verb, struct shmq *q, char *word)
{
	char *value = strchr(word, '=');
	int error;

	if (!value || value == word)
		return fault_usage(verb, "'%s' is not key=value", word);
	*value++ = '\0';
	error = shmq_setattr(q, word, value);
	return error ? fault_open(verb, word, error) : STATUS_DONE;
}

static int run(const struct verb *verb, int argc, char **argv)
{
	int status = STATUS_DONE, error;
	struct shmq *q;
	char **words;

	while (option_next(verb, argc, argv, options) != -1)
		;
	words = option_words(verb, argc, argv, 2, INT_MAX);
	error = shmq_open(&q, words[0], 0, 0, NULL);
	if (error)
		return fault_open(verb, words[0], error);
	for (words++; *words; words++) {
		int failed = set(verb, q, *words);

		if (failed > status)
			status = failed;
	}
	shmq_close(q);
	return status;
}

const struct verb verb_set = {
	.name = "set",
	.summary = "change a queue's attributes while it is in use",
	.run = run,
	.help = "usage: shmq set NAME KEY=VALUE...\n"
		"\n"
		"Changes what can change of a queue that is in use; 'shmq "
		"stat' shows it.\n"
		"\n"
		"  label=TEXT  for people, up to 63 bytes\n"
		"  spin=N      how often somebody who waits looks before he "
		"sleeps, 0 to 2048\n"
		"  overwrite=on|off  whether senders write over what was not "
		"received\n"
		"\n"
		"  -h, --help  this text\n"
		"\n"
		"Exit status: 0 all are set; else the largest of: 1 no such "
		"queue or another\n"
		"refusal, 2 wrong usage, 3 damaged, or not a queue.\n"
		"\n"
		"Examples:\n"
		"  shmq set jobs label='thumbnails, ask anna'\n"
		"  shmq set jobs spin=0\n",
};
