/* SPDX-License-Identifier: MIT */
/*
 * shmq create: make sure that a queue exists. One that exists already must be
 * what was asked for, as far as anything was asked for.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shmq.h>

#include "facts.h"
#include "fault.h"
#include "option.h"

#define MODE_DEFAULT 0666
/* Hints for the creator's mapping and layout: not worth a refusal. */
#define FLAGS_COMPARED                                                         \
	(SHMQ_SINGLE_PRODUCER | SHMQ_SINGLE_CONSUMER | SHMQ_OVERWRITE |        \
	 SHMQ_TOPIC | SHMQ_JOURNAL)

struct create {
	const struct verb *verb;
	const char *name;
	struct shmq_attr attr;
	mode_t mode;
	bool excl;
	bool json;
	bool created;
};

/*
 * Whether the queue was made here is only known if making it is tried first.
 * Others may create or remove it in between: then the next round decides.
 */
static int open_or_create(struct create *c, struct shmq **q)
{
	int error;

	for (;;) {
		error = shmq_open(q, c->name, SHMQ_CREATE | SHMQ_EXCL, c->mode,
				  &c->attr);
		c->created = !error;
		if (error != -EEXIST || c->excl)
			return error;
		error = shmq_open(q, c->name, 0, 0, NULL);
		if (error != -ENOENT)
			return error;
	}
}

static int check_existing(const struct create *c, const struct facts *facts)
{
	const struct shmq_stat *st = &facts->st;
	char kind[FACTS_KIND_SIZE];

	if (c->attr.capacity > st->capacity_bytes ||
	    (c->attr.capacity && c->attr.capacity <= st->capacity_bytes / 2))
		return fault_refused(
			c->verb, c->name,
			"exists with a capacity of %s: remove it "
			"with 'shmq rm', or leave out --capacity",
			quantity_bytes((double)st->capacity_bytes).text);
	if (c->attr.segment_bytes > st->capacity_bytes ||
	    (c->attr.segment_bytes &&
	     c->attr.segment_bytes <= st->capacity_bytes / 2))
		return fault_refused(
			c->verb, c->name,
			"exists with segments of %s: remove it with 'shmq rm', "
			"or leave out --segment",
			quantity_bytes((double)st->capacity_bytes).text);
	if (c->attr.flags & FLAGS_COMPARED & ~st->flags) {
		facts_kind(facts, kind);
		return fault_refused(c->verb, c->name,
				     "exists with %s: remove it with 'shmq "
				     "rm', or ask for that",
				     kind);
	}
	return STATUS_DONE;
}

static int report(const struct create *c, struct shmq *q)
{
	struct facts facts;
	json_t *json;
	int status = STATUS_DONE;
	int error = facts_get(&facts, q, c->name);

	if (error)
		return fault(c->verb, c->name, error);
	if (!c->created)
		status = check_existing(c, &facts);
	if (status != STATUS_DONE || !c->json)
		return status;
	json = facts_json(&facts);
	json_object_set_new(json, "created", json_boolean(c->created));
	error = facts_json_print(json);
	return error ? fault(c->verb, c->name, error) : STATUS_DONE;
}

enum {
	OPT_CAPACITY = 256,
	OPT_DROP_UNREAD,
	OPT_DURABILITY,
	OPT_DURABLE,
	OPT_EXCL,
	OPT_HUGEPAGES,
	OPT_JOURNAL,
	OPT_JSON,
	OPT_MAX_GROUPS,
	OPT_MAX_MEMBERS,
	OPT_MODE,
	OPT_OVERWRITE,
	OPT_PREFAULT,
	OPT_RETAIN_BYTES,
	OPT_RETAIN_MESSAGES,
	OPT_RETAIN_SECONDS,
	OPT_SEGMENT,
	OPT_SINGLE_CONSUMER,
	OPT_SINGLE_PRODUCER,
	OPT_TOPIC,
};

static const struct option options[] = {
	{ "capacity", required_argument, NULL, OPT_CAPACITY },
	{ "drop-unread", no_argument, NULL, OPT_DROP_UNREAD },
	{ "durability", required_argument, NULL, OPT_DURABILITY },
	{ "durable", no_argument, NULL, OPT_DURABLE },
	{ "excl", no_argument, NULL, OPT_EXCL },
	{ "hugepages", no_argument, NULL, OPT_HUGEPAGES },
	{ "journal", no_argument, NULL, OPT_JOURNAL },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "max-groups", required_argument, NULL, OPT_MAX_GROUPS },
	{ "max-members", required_argument, NULL, OPT_MAX_MEMBERS },
	{ "mode", required_argument, NULL, OPT_MODE },
	{ "overwrite", no_argument, NULL, OPT_OVERWRITE },
	{ "prefault", no_argument, NULL, OPT_PREFAULT },
	{ "retain-bytes", required_argument, NULL, OPT_RETAIN_BYTES },
	{ "retain-messages", required_argument, NULL, OPT_RETAIN_MESSAGES },
	{ "retain-seconds", required_argument, NULL, OPT_RETAIN_SECONDS },
	{ "segment", required_argument, NULL, OPT_SEGMENT },
	{ "single-consumer", no_argument, NULL, OPT_SINGLE_CONSUMER },
	{ "single-producer", no_argument, NULL, OPT_SINGLE_PRODUCER },
	{ "topic", no_argument, NULL, OPT_TOPIC },
	OPTION_HELP,
	OPTION_END,
};

static uint64_t flag_of(int value)
{
	switch (value) {
	case OPT_JOURNAL:
		return SHMQ_JOURNAL;
	case OPT_HUGEPAGES:
		return SHMQ_HUGEPAGES;
	case OPT_OVERWRITE:
		return SHMQ_OVERWRITE;
	case OPT_PREFAULT:
		return SHMQ_PREFAULT;
	case OPT_SINGLE_CONSUMER:
		return SHMQ_SINGLE_CONSUMER;
	case OPT_SINGLE_PRODUCER:
		return SHMQ_SINGLE_PRODUCER;
	case OPT_TOPIC:
		return SHMQ_TOPIC;
	default:
		return 0;
	}
}

/* none, each or interval:MS; the library checks the number. */
static void parse_durability(struct create *c, const char *text)
{
	static const char interval[] = "interval:";
	const size_t len = sizeof(interval) - 1;

	c->attr.interval_ms = 0;
	if (!strcmp(text, "none")) {
		c->attr.durability = SHMQ_DURABLE_NONE;
	} else if (!strcmp(text, "each")) {
		c->attr.durability = SHMQ_DURABLE_EACH;
	} else if (!strncmp(text, interval, len)) {
		c->attr.durability = SHMQ_DURABLE_INTERVAL;
		c->attr.interval_ms = (uint32_t)option_count(c->verb,
							     "--durability",
							     text + len,
							     UINT32_MAX);
	} else {
		exit(fault_usage(c->verb,
				 "--durability is none, interval:MS "
				 "or each, not '%s'",
				 text));
	}
}

/* What only journals have. False: it is something else. */
static bool parse_journal(struct create *c, int value)
{
	switch (value) {
	case OPT_SEGMENT:
		c->attr.segment_bytes = option_size(c->verb, "--segment",
						    optarg);
		return true;
	case OPT_DURABLE:
		parse_durability(c, "each");
		return true;
	case OPT_DURABILITY:
		parse_durability(c, optarg);
		return true;
	case OPT_DROP_UNREAD:
		c->attr.keep_unread = SHMQ_UNREAD_LOST;
		return true;
	case OPT_RETAIN_BYTES:
		c->attr.retain_bytes = option_size(c->verb, "--retain-bytes",
						   optarg);
		return true;
	case OPT_RETAIN_MESSAGES:
		c->attr.retain_messages = option_count(c->verb,
						       "--retain-messages",
						       optarg, UINT64_MAX - 1);
		return true;
	case OPT_RETAIN_SECONDS:
		c->attr.retain_seconds = option_count(c->verb,
						      "--retain-seconds",
						      optarg, UINT64_MAX - 1);
		return true;
	default:
		return false;
	}
}

static void parse_one(struct create *c, int value)
{
	if (parse_journal(c, value))
		return;
	switch (value) {
	case OPT_CAPACITY:
		c->attr.capacity = option_size(c->verb, "--capacity", optarg);
		break;
	case OPT_EXCL:
		c->excl = true;
		break;
	case OPT_JSON:
		c->json = true;
		break;
	case OPT_MAX_GROUPS:
		c->attr.max_groups = (uint32_t)option_count(c->verb,
							    "--max-groups",
							    optarg, UINT32_MAX);
		break;
	case OPT_MAX_MEMBERS:
		c->attr.max_members = (uint32_t)option_count(c->verb,
							     "--max-members",
							     optarg,
							     UINT32_MAX);
		break;
	case OPT_MODE:
		c->mode = option_mode(c->verb, "--mode", optarg);
		break;
	default:
		c->attr.flags |= flag_of(value);
		break;
	}
}

static int run(const struct verb *verb, int argc, char **argv)
{
	struct create c = {
		.verb = verb,
		.attr = SHMQ_ATTR_INIT,
		.mode = MODE_DEFAULT,
	};
	struct shmq *q;
	int value, status, error;

	while ((value = option_next(verb, argc, argv, options)) != -1)
		parse_one(&c, value);
	c.name = option_words(verb, argc, argv, 1, 1)[0];
	error = open_or_create(&c, &q);
	if (error)
		return fault_open(verb, c.name, error);
	status = report(&c, q);
	shmq_close(q);
	return status;
}

const struct verb verb_create = {
	.name = "create",
	.summary = "create a queue",
	.run = run,
	.help = "usage: shmq create NAME [OPTION]...\n"
		"\n"
		"Creates a queue; one that exists already and is as asked for "
		"will do.\n"
		"\n"
		"  --capacity SIZE    bytes of ring, rounded up to a power of "
		"two (K, M, G);\n"
		"                     default 1M. The largest message is a "
		"quarter of it\n"
		"  --single-producer  one sender at a time: faster\n"
		"  --single-consumer  one receiver a group at a time: faster\n"
		"  --overwrite        senders never wait: the oldest messages "
		"give way\n"
		"  --topic            no group to begin with\n"
		"  --journal          a directory: messages stay when they "
		"have been received\n"
		"  --mode OCTAL       permissions, less the umask; default "
		"0666\n"
		"  --excl             fail if it exists already\n"
		"  --max-members N    senders and receivers at a time; default "
		"64\n"
		"  --max-groups N     default 16\n"
		"  --prefault         touch every page when mapping\n"
		"  --hugepages        lay out for, and ask for, huge pages\n"
		"  --json             print what the queue is like\n"
		"  -h, --help         this text\n"
		"\n"
		"Of a journal:\n"
		"  --segment SIZE     bytes of each of its files; default "
		"512M\n"
		"  --durability HOW   none; each: a send returns when the disk "
		"has the message;\n"
		"                     interval:MS: it has it so much later\n"
		"  --durable          the same as --durability each\n"
		"  --retain-bytes SIZE, --retain-messages N, --retain-seconds "
		"N\n"
		"                     its oldest files go when so much is "
		"behind them, or so much\n"
		"                     time has passed; default: they stay\n"
		"  --drop-unread      also what a group has not received\n"
		"\n"
		"Exit status: 0 it exists now, 1 refused, 2 wrong usage, 3 "
		"that file is damaged,\n"
		"or not a queue.\n"
		"\n"
		"Examples:\n"
		"  shmq create jobs\n"
		"  shmq create jobs --capacity 64M --mode 0660 --excl\n"
		"  shmq create ./spool/jobs --single-producer --json\n",
};
