/* SPDX-License-Identifier: MIT */
/*
 * shmq group: the groups of a queue: add, remove, list.
 */
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include <shmq.h>

#include "facts.h"
#include "fault.h"
#include "group_facts.h"
#include "option.h"

enum {
	OPT_JSON = 256,
	OPT_NEWEST
};

static const struct option options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ "newest", no_argument, NULL, OPT_NEWEST },
	OPTION_HELP,
	OPTION_END,
};

struct command {
	const struct verb *verb;
	const char *word; /* add, rm, ls */
	const char *name;
	char **groups;
	bool newest, json;
};

static int change(const struct command *c, struct shmq *q)
{
	int status = STATUS_DONE;

	for (char **group = c->groups; *group; group++) {
		int failed, error;

		error = strcmp(c->word, "add") ?
				shmq_group_remove(q, *group) :
				shmq_group_add(q, *group,
					       c->newest ? SHMQ_NEWEST : 0);
		failed = error ? groups_fault(c->verb, *group, error) : 0;
		if (failed > status)
			status = failed;
	}
	return status;
}

static int list(const struct command *c, struct shmq *q)
{
	struct facts facts;
	int error = facts_get(&facts, q, c->name);

	if (!error)
		error = c->json ? facts_json_print(groups_json(q, &facts)) :
				  groups_print(q, &facts, 0);
	return error ? fault(c->verb, c->name, error) : STATUS_DONE;
}

static int run(const struct verb *verb, int argc, char **argv)
{
	struct command c = { .verb = verb };
	bool lists, adds;
	struct shmq *q;
	char **words;
	int error, status, o;

	while ((o = option_next(verb, argc, argv, options)) != -1) {
		c.json |= o == OPT_JSON;
		c.newest |= o == OPT_NEWEST;
	}
	words = option_words(verb, argc, argv, 2, INT_MAX);
	c.word = words[0];
	c.name = words[1];
	c.groups = words + 2;
	lists = !strcmp(c.word, "ls");
	adds = !strcmp(c.word, "add");
	if (!lists && !adds && strcmp(c.word, "rm") != 0)
		return fault_usage(verb, "'%s' is none of add, rm, ls", c.word);
	if (lists == !!*c.groups)
		return fault_usage(verb, lists ? "ls lists all groups" :
						 "which group?");
	if ((c.json && !lists) || (c.newest && !adds))
		return fault_usage(verb, "%s does not go with %s",
				   c.json ? "--json" : "--newest", c.word);
	error = shmq_open(&q, c.name, lists ? SHMQ_RDONLY : 0, 0, NULL);
	if (error)
		return fault_open(verb, c.name, error);
	status = lists ? list(&c, q) : change(&c, q);
	shmq_close(q);
	return status;
}

const struct verb verb_group = {
	.name = "group",
	.summary = "add, remove or list the groups of a queue",
	.run = run,
	.help = "usage: shmq group add NAME GROUP... [--newest]\n"
		"       shmq group rm NAME GROUP...\n"
		"       shmq group ls NAME [--json]\n"
		"\n"
		"Every group gets every message once; its receivers compete "
		"for them. A group\n"
		"keeps messages from its beginning on, also while nobody "
		"reads it: one that is\n"
		"not needed any more must be removed, or senders will wait "
		"for it.\n"
		"\n"
		"  --newest    begin with the next message, not with the "
		"oldest that is kept\n"
		"  --json      as a JSON array\n"
		"  -h, --help  this text\n"
		"\n"
		"Exit status: 0 done; else the largest of: 1 no such queue or "
		"group, or another\n"
		"refusal (it has receivers, exists already, ...), 2 wrong "
		"usage, 3 damaged.\n"
		"\n"
		"Examples:\n"
		"  shmq group add prices audit archive\n"
		"  shmq recv prices --group audit --follow\n"
		"  shmq group rm prices archive\n",
};
