/* SPDX-License-Identifier: MIT */
/*
 * What is known about a queue as a whole.
 */
#include "facts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	uint64_t flag;
	const char *word;
} words[] = {
	{ SHMQ_SINGLE_PRODUCER, "single-producer" },
	{ SHMQ_SINGLE_CONSUMER, "single-consumer" },
	{ SHMQ_OVERWRITE, "overwrite" },
	{ SHMQ_TOPIC, "topic" },
	{ SHMQ_HUGEPAGES, "hugepages" },
	{ SHMQ_PREFAULT, "prefault" },
	{ SHMQ_JOURNAL, "journal" },
};

int facts_get(struct facts *facts, struct shmq *q, const char *name)
{
	*facts = (struct facts){
		.name = name,
		.max_message_bytes = shmq_max_message(q),
		.member_entries = shmq_member_entries(q),
		.group_entries = shmq_group_entries(q),
		.st = SHMQ_STAT_INIT,
	};
	if (strchr(name, '/'))
		snprintf(facts->path, sizeof(facts->path), "%s", name);
	else
		snprintf(facts->path, sizeof(facts->path), "%s/%s",
			 shmq_runtime_dir(), name);
	/* Damaged attributes do not hide the rest. */
	if (shmq_getattr(q, "label", facts->label, sizeof(facts->label)) < 0)
		facts->label[0] = '\0';
	if (shmq_getattr(q, "spin", facts->spin, sizeof(facts->spin)) < 0)
		facts->spin[0] = '\0';
	return shmq_stat(q, &facts->st);
}

void facts_kind(const struct facts *facts, char kind[FACTS_KIND_SIZE])
{
	uint64_t flags = facts->st.flags;
	size_t used;

	snprintf(kind, FACTS_KIND_SIZE, "%s, %s",
		 flags & SHMQ_SINGLE_PRODUCER ? "single producer" :
						"many producers",
		 flags & SHMQ_SINGLE_CONSUMER ? "single consumer" :
						"many consumers");
	for (size_t i = 2; i < sizeof(words) / sizeof(words[0]); i++) {
		used = strlen(kind);
		if (flags & words[i].flag)
			snprintf(kind + used, FACTS_KIND_SIZE - used, ", %s",
				 words[i].word);
	}
}

json_t *facts_json(const struct facts *facts)
{
	const struct shmq_stat *st = &facts->st;
	json_t *flags = json_array();

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (st->flags & words[i].flag)
			json_array_append_new(flags,
					      json_string(words[i].word));
	/* "o" takes the reference even when packing fails, and fails on NULL. */
	return json_pack(
		"{s:o,s:o,s:o,s:I,s:I,s:I,s:o,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}",
		"name", facts_json_text(facts->name, PATH_MAX), "path",
		facts_json_text(facts->path, PATH_MAX), "label",
		facts_json_text(facts->label, sizeof(facts->label)), "spin",
		(json_int_t)atoi(facts->spin), "capacity_bytes",
		(json_int_t)st->capacity_bytes, "max_message_bytes",
		(json_int_t)facts->max_message_bytes, "flags", flags,
		"depth_messages", (json_int_t)st->depth_messages, "depth_bytes",
		(json_int_t)st->depth_bytes, "sent_messages",
		(json_int_t)st->sent_messages, "stalls", (json_int_t)st->stalls,
		"recoveries", (json_int_t)st->recoveries, "members_alive",
		(json_int_t)st->members, "member_entries",
		(json_int_t)facts->member_entries, "group_entries",
		(json_int_t)facts->group_entries);
}

json_t *facts_json_text(const char *text, size_t max)
{
	size_t len = strnlen(text, max);
	json_t *json = json_stringn(text, len);
	char *copy;

	if (json)
		return json;
	copy = strndup(text, len);
	if (!copy)
		return NULL;
	for (char *p = copy; *p; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	json = json_string(copy);
	free(copy);
	return json;
}

int facts_json_print(json_t *json)
{
	int failed;

	if (!json)
		return -ENOMEM;
	failed = json_dumpf(json, stdout, JSON_INDENT(2));
	json_decref(json);
	return failed || putchar('\n') < 0 ? -EIO : 0;
}
