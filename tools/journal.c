/* SPDX-License-Identifier: MIT */
/*
 * shmq journal: look at a journal as a whole, see to its index and to what is
 * kept, and copy what is in it.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <shmq.h>

#include "dump.h"
#include "facts.h"
#include "fault.h"
#include "findings.h"
#include "import.h"
#include "option.h"
#include "quantity.h"
#include "stop.h"

struct look {
	const struct verb *verb;
	const char *name;
	struct shmq *q;
	bool json;
};

static void tell(void *arg, const struct shmq_finding *finding)
{
	findings_add(arg, FINDING_DAMAGE, "%.*s", (int)sizeof(finding->text),
		     finding->text);
}

static json_t *info_json(const struct look *look,
			 const struct shmq_journal_info *info)
{
	static const char *const levels[] = { "none", "each", "interval" };
	json_t *json =
		json_pack("{s:o,s:s,s:b}", "name",
			  facts_json_text(look->name, PATH_MAX), "durability",
			  info->durability < 3 ? levels[info->durability] :
						 "unknown",
			  "keep_unread", info->keep_unread == SHMQ_UNREAD_KEPT);
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{ "segment_bytes", info->segment_bytes },
		{ "segments", info->segments },
		{ "first_seq", info->first_seq },
		{ "next_seq", info->next_seq },
		{ "bytes", info->bytes },
		{ "mended_ns", info->mended_ns },
		{ "mended_bytes", info->mended_bytes },
		{ "retain_bytes", info->retain_bytes },
		{ "retain_seconds", info->retain_seconds },
		{ "retain_messages", info->retain_messages },
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		json_object_set_new(json, numbers[i].key,
				    json_integer((json_int_t)numbers[i].value));
	return json;
}

static void print_mended(const struct shmq_journal_info *info)
{
	time_t when = (time_t)(info->mended_ns / 1000000000);
	struct tm tm;
	char text[64];

	if (!info->mended_ns || !localtime_r(&when, &tm))
		return;
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	printf("mended on %s: %s were cut off its end\n", text,
	       quantity_bytes((double)info->mended_bytes).text);
}

static void print_info(const struct look *look,
		       const struct shmq_journal_info *info)
{
	printf("%s: numbers %" PRIu64 " to %" PRIu64 ", %s in %" PRIu64
	       " segment%s of %s\n",
	       look->name, info->first_seq, info->next_seq,
	       quantity_bytes((double)info->bytes).text, info->segments,
	       info->segments == 1 ? "" : "s",
	       quantity_bytes((double)info->segment_bytes).text);
	print_mended(info);
}

static int info(struct look *look)
{
	struct shmq_journal_info info = SHMQ_JOURNAL_INFO_INIT;
	int error = shmq_journal_info(look->q, &info);

	if (error)
		return fault_open(look->verb, look->name, error);
	if (!look->json)
		print_info(look, &info);
	else
		error = facts_json_print(info_json(look, &info));
	return error ? fault(look->verb, look->name, error) : STATUS_DONE;
}

static int verify(struct look *look)
{
	struct shmq_journal_info info = SHMQ_JOURNAL_INFO_INIT;
	struct findings findings = { 0 };
	int error = shmq_journal_info(look->q, &info);
	int damages = error ? error :
			      shmq_journal_verify(look->q, tell, &findings);
	json_t *json;

	if (damages < 0) {
		findings_fini(&findings);
		return fault_open(look->verb, look->name, damages);
	}
	if (look->json) {
		json = findings_json(&findings, look->name);
		json_object_set_new(json, "journal", info_json(look, &info));
		error = facts_json_print(json);
	} else {
		print_info(look, &info);
		findings_print(&findings, look->name);
	}
	findings_fini(&findings);
	if (error)
		return fault(look->verb, look->name, error);
	return damages ? STATUS_DAMAGED : STATUS_DONE;
}

static int write_index(struct look *look)
{
	int error = shmq_journal_index(look->q);

	return error ? fault_open(look->verb, look->name, error) : STATUS_DONE;
}

static int compact(struct look *look)
{
	int n = shmq_journal_compact(look->q), error = 0;

	if (n < 0)
		return fault(look->verb, look->name, n);
	if (look->json)
		error = facts_json_print(json_pack("{s:i}", "removed", n));
	else
		printf("%s: %d segment%s removed\n", look->name, n,
		       n == 1 ? "" : "s");
	return error ? fault(look->verb, look->name, error) : STATUS_DONE;
}

static int export(struct look *look)
{
	return dump_objects(look->verb, look->name);
}

static int import(struct look *look)
{
	struct shmq_journal_info info = SHMQ_JOURNAL_INFO_INIT;
	int error = stop_init();

	/* It must be one: other queues have a send for that. */
	if (!error)
		error = shmq_journal_info(look->q, &info);
	if (error)
		return fault_open(look->verb, look->name, error);
	return import_objects(look->verb, look->name, look->q);
}

static const struct {
	const char *word;
	int (*run)(struct look *look);
	int how; /* of opening, if writing is not possible */
} actions[] = {
	{ "info", info, SHMQ_RDONLY },     { "verify", verify, SHMQ_RDONLY },
	{ "index", write_index, 0 },       { "compact", compact, 0 },
	{ "export", export, SHMQ_RDONLY }, { "import", import, 0 },
};
#define N_ACTIONS (sizeof(actions) / sizeof(actions[0]))

/* For writing if we may: then it is mended where it has to be. */
static int open_journal(struct look *look, int how)
{
	int error = shmq_open(&look->q, look->name, 0, 0, NULL);

	if ((error == -EACCES || error == -EROFS || error == -EPERM) && how)
		error = shmq_open(&look->q, look->name, how, 0, NULL);
	return error;
}

enum {
	OPT_JSON = 256
};

static const struct option options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	OPTION_HELP,
	OPTION_END,
};

static int run(const struct verb *verb, int argc, char **argv)
{
	struct look look = { .verb = verb };
	int status = STATUS_USAGE, error;
	size_t action = 0;
	char **words;

	while (option_next(verb, argc, argv, options) != -1)
		look.json = true;
	words = option_words(verb, argc, argv, 2, 2);
	look.name = words[1];
	while (action < N_ACTIONS && strcmp(words[0], actions[action].word))
		action++;
	if (action == N_ACTIONS)
		return fault_usage(verb,
				   "there is no '%s': info, verify, index, "
				   "compact, export or import",
				   words[0]);
	error = open_journal(&look, actions[action].how);
	if (error)
		return fault_open(verb, look.name, error);
	status = actions[action].run(&look);
	shmq_close(look.q);
	return status;
}

const struct verb verb_journal = {
	.name = "journal",
	.summary = "look at a journal as a whole",
	.run = run,
	.help = "usage: shmq journal ACTION NAME [--json]\n"
		"\n"
		"  info        how much it holds, and when it was mended after "
		"a crash\n"
		"  verify      check every message by its checksum\n"
		"  index       write the index files anew\n"
		"  compact     remove what it is not asked to keep any "
		"longer\n"
		"  export      its messages to standard output, JSON objects "
		"one a line\n"
		"  import      send such messages from standard input\n"
		"  --json      print an object\n"
		"  -h, --help  this text\n"
		"\n"
		"A journal is made by 'shmq create --journal'. After the "
		"machine went down it is\n"
		"mended by whoever opens it first, as these do if they may "
		"write.\n"
		"\n"
		"What is imported gets new numbers and times. What 'shmq dump "
		"--json' shows of any\n"
		"queue can be imported, too.\n"
		"\n"
		"Exit status: 0 done, and sound; 1 refused; 2 wrong usage; 3 "
		"damaged.\n"
		"\n"
		"Examples:\n"
		"  shmq journal verify audit\n"
		"  shmq journal info --json audit | jq .segments\n"
		"  shmq journal export audit | ssh there shmq journal import "
		"audit\n",
};
