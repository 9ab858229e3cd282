/* SPDX-License-Identifier: MIT */
/*
 * shmq rm: remove queues. Each name is tried, whatever became of the others.
 */
#include <shmq.h>

#include "fault.h"
#include "option.h"

#include <limits.h>

static const struct option options[] = {
	OPTION_HELP,
	OPTION_END,
};

static int run(const struct verb *verb, int argc, char **argv)
{
	int status = STATUS_DONE;
	char **names;

	while (option_next(verb, argc, argv, options) != -1)
		;
	names = option_words(verb, argc, argv, 1, INT_MAX);
	for (; *names; names++) {
		int error = shmq_unlink(*names);
		int failed = error ? fault_open(verb, *names, error) : 0;

		if (failed > status)
			status = failed;
	}
	return status;
}

const struct verb verb_rm = {
	.name = "rm",
	.summary = "remove queues",
	.run = run,
	.help = "usage: shmq rm NAME...\n"
		"\n"
		"Removes queues, with what they still hold. Programs that have "
		"one open go on\n"
		"with it; those that wait on it are told that it is gone. A "
		"file that is not a\n"
		"queue is left alone.\n"
		"\n"
		"  -h, --help  this text\n"
		"\n"
		"Exit status: 0 all removed; else the largest of: 1 no such "
		"queue or another\n"
		"refusal, 2 wrong usage, 3 damaged, or not a queue.\n"
		"\n"
		"Examples:\n"
		"  shmq rm jobs\n"
		"  shmq rm ./spool/jobs results\n",
};
