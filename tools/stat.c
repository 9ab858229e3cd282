/* SPDX-License-Identifier: MIT */
/*
 * shmq stat: a queue, its groups and its members, at about one moment.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <shmq.h>

#include "facts.h"
#include "fault.h"
#include "group_facts.h"
#include "option.h"
#include "process.h"
#include "table.h"

static const char *role_word(uint32_t role)
{
	switch (role) {
	case SHMQ_ROLE_PRODUCER:
		return "producer";
	case SHMQ_ROLE_CONSUMER:
		return "consumer";
	case SHMQ_ROLE_RETURNED:
		return "returned";
	default:
		return "unknown";
	}
}

static bool is_stopped(const struct shmq_member_info *info)
{
	return info->alive && info->role != SHMQ_ROLE_RETURNED &&
	       process_stopped(info->pid, info->start_ticks);
}

static const char *state_word(const struct shmq_member_info *info)
{
	if (info->role == SHMQ_ROLE_RETURNED)
		return "gone";
	if (!info->alive)
		return "dead";
	return is_stopped(info) ? "stopped" : "alive";
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* ------------------------------------------------------------ for people */

static void print_queue(const struct facts *facts)
{
	const struct shmq_stat *st = &facts->st;
	char kind[FACTS_KIND_SIZE];
	double percent = st->capacity_bytes ?
				 100.0 * (double)st->depth_bytes /
					 (double)st->capacity_bytes :
				 0;

	facts_kind(facts, kind);
	printf("%s: %s\n", facts->name, facts->path);
	if (facts->label[0])
		printf("  label       %s\n", facts->label);
	printf("  capacity    %s, messages up to %s\n",
	       quantity_bytes((double)st->capacity_bytes).text,
	       quantity_bytes((double)facts->max_message_bytes).text);
	printf("  kind        %s\n", kind);
	printf("  spin        up to %s looks before a sleep\n", facts->spin);
	printf("  depth       %llu message%s, %s",
	       (unsigned long long)st->depth_messages,
	       plural(st->depth_messages),
	       quantity_bytes((double)st->depth_bytes).text);
	/* A journal has as much room as the disk. */
	if (!(st->flags & SHMQ_JOURNAL))
		printf(", %.0f %% full", percent);
	putchar('\n');
	printf("  sent        %llu message%s\n",
	       (unsigned long long)st->sent_messages,
	       plural(st->sent_messages));
	printf("  stalls      %llu, sleeps behind an unfinished send\n",
	       (unsigned long long)st->stalls);
	printf("  recoveries  %llu, dead members cleaned up\n",
	       (unsigned long long)st->recoveries);
}

static void add_member(struct table *table, const struct shmq_member_info *info)
{
	table_add(table, "%u", info->index);
	table_add(table, "%s", role_word(info->role));
	if (info->group[0])
		table_add(table, "%.*s", (int)sizeof(info->group), info->group);
	else
		table_add(table, "-");
	if (info->tid && info->tid != info->pid)
		table_add(table, "%d/%d", info->pid, info->tid);
	else
		table_add(table, "%d", info->pid);
	table_add(table, "%.*s", (int)sizeof(info->command), info->command);
	table_add(table, "%s", state_word(info));
	table_add(table, "%s", quantity_ago(info->joined_ns).text);
	if (!info->claims)
		table_add(table, info->reads   ? "reads the attributes" :
				 info->pending ? "has not followed overwrite" :
						 "nothing");
	else
		table_add(table, "%s in %u span%s from message %llu, %s%s",
			  quantity_bytes((double)info->held_bytes).text,
			  info->claims, plural(info->claims),
			  (unsigned long long)info->held_seq,
			  info->noticed_ns ? "noticed " : "not noticed",
			  info->noticed_ns ?
				  quantity_ago(info->noticed_ns).text :
				  "");
}

static int print_members(struct shmq *q, const struct facts *facts)
{
	static const char *const heads[] = {
		">MEMBER",  "<ROLE",  "<GROUP",  ">PROCESS",
		"<COMMAND", "<STATE", ">JOINED", "<HOLDS",
	};
	struct table table;
	int rc = 0;

	table_init(&table, heads, sizeof(heads) / sizeof(heads[0]));
	for (uint32_t i = 0; i < facts->member_entries; i++) {
		struct shmq_member_info info = SHMQ_MEMBER_INFO_INIT;

		if (shmq_stat_member(q, i, &info) > 0)
			add_member(&table, &info);
	}
	putchar('\n');
	if (table.failed)
		rc = -ENOMEM;
	else if (table.n_cells)
		table_print(&table, 2);
	else
		puts("  no members");
	table_fini(&table);
	return rc;
}

static int print(struct shmq *q, const struct facts *facts)
{
	int error;

	print_queue(facts);
	putchar('\n');
	error = groups_print(q, facts, 2);
	return error ? error : print_members(q, facts);
}

/* ---------------------------------------------------------- for programs */

static json_t *number_or_null(bool known, uint64_t number)
{
	return known ? json_integer((json_int_t)number) : json_null();
}

static json_t *member_json(const struct shmq_member_info *info)
{
	json_t *group = info->group[0] ? facts_json_text(info->group,
							 sizeof(info->group)) :
					 json_null();

	return json_pack(
		"{s:i,s:s,s:o,s:i,s:i,s:o,s:s,s:b,s:I,s:I,s:i,s:o,s:I,s:o,s:b,s:b}",
		"member", (int)info->index, "role", role_word(info->role),
		"group", group, "pid", info->pid, "tid", info->tid, "command",
		facts_json_text(info->command, sizeof(info->command)), "state",
		state_word(info), "alive", info->alive != 0, "start_ticks",
		(json_int_t)info->start_ticks, "joined_ns",
		(json_int_t)info->joined_ns, "claims", (int)info->claims,
		"held_seq", number_or_null(info->claims, info->held_seq),
		"held_bytes", (json_int_t)info->held_bytes, "noticed_ns",
		number_or_null(info->noticed_ns, info->noticed_ns), "reads",
		info->reads != 0, "pending", info->pending != 0);
}

static int print_json(struct shmq *q, const struct facts *facts)
{
	json_t *queue = facts_json(facts);
	json_t *groups = groups_json(q, facts);
	json_t *members = json_array();
	int rc = 0;

	for (uint32_t i = 0; i < facts->member_entries && rc >= 0; i++) {
		struct shmq_member_info info = SHMQ_MEMBER_INFO_INIT;

		if (shmq_stat_member(q, i, &info) > 0 &&
		    json_array_append_new(members, member_json(&info)))
			rc = -ENOMEM;
	}
	if (json_object_set_new(queue, "groups", groups) ||
	    json_object_set_new(queue, "members", members))
		rc = rc < 0 ? rc : -ENOMEM;
	if (rc >= 0)
		return facts_json_print(queue);
	json_decref(queue);
	return rc;
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
	struct facts facts;
	const char *name;
	struct shmq *q;
	bool json = false;
	int error;

	while (option_next(verb, argc, argv, options) != -1)
		json = true;
	name = option_words(verb, argc, argv, 1, 1)[0];
	error = shmq_open(&q, name, 0, 0, NULL);
	if (error == -EACCES || error == -EPERM || error == -EROFS)
		error = shmq_open(&q, name, SHMQ_RDONLY, 0, NULL);
	if (error)
		return fault_open(verb, name, error);
	error = facts_get(&facts, q, name);
	if (!error)
		error = json ? print_json(q, &facts) : print(q, &facts);
	shmq_close(q);
	return error ? fault(verb, name, error) : STATUS_DONE;
}

const struct verb verb_stat = {
	.name = "stat",
	.summary = "show a queue, its groups and its members",
	.run = run,
	.help = "usage: shmq stat NAME [--json]\n"
		"\n"
		"Shows capacity and depth of a queue, each group with its lag, "
		"and each member\n"
		"with its process, whether it is alive, stopped or dead, what "
		"it holds, and\n"
		"since when that has been in somebody's way.\n"
		"\n"
		"  --json      as a JSON object\n"
		"  -h, --help  this text\n"
		"\n"
		"Exit status: 0 shown, 1 no such queue or another refusal, 2 "
		"wrong usage,\n"
		"3 damaged, or not a queue.\n"
		"\n"
		"Examples:\n"
		"  shmq stat jobs\n"
		"  shmq stat --json jobs | jq .depth_messages\n"
		"  watch shmq stat jobs\n",
};
