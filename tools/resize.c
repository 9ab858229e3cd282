/* SPDX-License-Identifier: MIT */
/*
 * shmq resize: another capacity for a queue that may be in use.
 */
#include <stdbool.h>

#include <shmq.h>

#include "facts.h"
#include "fault.h"
#include "option.h"

enum {
	OPT_JSON = 256
};

static const struct option options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	OPTION_HELP,
	OPTION_END,
};

static int report(const struct verb *verb, struct shmq *q, const char *name)
{
	struct facts facts;
	int error = facts_get(&facts, q, name);

	if (!error)
		error = facts_json_print(facts_json(&facts));
	return error ? fault(verb, name, error) : STATUS_DONE;
}

static int run(const struct verb *verb, int argc, char **argv)
{
	bool json = false;
	uint64_t capacity;
	int value, status = STATUS_DONE, error;
	struct shmq *q;
	char **words;

	while ((value = option_next(verb, argc, argv, options)) != -1)
		json |= value == OPT_JSON;
	words = option_words(verb, argc, argv, 2, 2);
	capacity = option_size(verb, "SIZE", words[1]);
	error = shmq_open(&q, words[0], 0, 0, NULL);
	if (error)
		return fault_open(verb, words[0], error);
	error = shmq_resize(q, capacity);
	if (error)
		status = fault_open(verb, words[0], error);
	else if (json)
		status = report(verb, q, words[0]);
	shmq_close(q);
	return status;
}

const struct verb verb_resize = {
	.name = "resize",
	.summary = "change a queue's capacity while it is in use",
	.run = run,
	.help = "usage: shmq resize NAME SIZE [--json]\n"
		"\n"
		"Gives a queue another capacity: SIZE bytes of ring, rounded "
		"up to a power of two\n"
		"(K, M, G). Whoever sends or receives goes on. The old "
		"memory is given back when\n"
		"everything in it has been received, and only then can the "
		"queue be resized again.\n"
		"\n"
		"  --json      print what the queue is like\n"
		"  -h, --help  this text\n"
		"\n"
		"Exit status: 0 it has that capacity, 1 refused, and all is "
		"as it was, 2 wrong\n"
		"usage, 3 that file is damaged, or not a queue.\n"
		"\n"
		"Examples:\n"
		"  shmq resize jobs 64M\n"
		"  shmq resize jobs 1M --json\n",
};
