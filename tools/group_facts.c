/* SPDX-License-Identifier: MIT */
/*
 * The groups of a queue.
 */
#include "group_facts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fault.h"
#include "quantity.h"
#include "table.h"

int groups_print(struct shmq *q, const struct facts *facts, int indent)
{
	static const char *const heads[] = {
		"<GROUP", ">CONSUMERS", ">NEXT", ">LAG", ">LAG BYTES", ">HELD",
	};
	struct table table;
	int rc = 0;

	table_init(&table, heads, sizeof(heads) / sizeof(heads[0]));
	for (uint32_t i = 0; i < facts->group_entries && rc >= 0; i++) {
		struct shmq_group_info info = SHMQ_GROUP_INFO_INIT;

		rc = shmq_stat_group(q, i, &info);
		if (rc <= 0)
			continue;
		table_add(&table, "%.*s", (int)sizeof(info.name), info.name);
		table_add(&table, "%u", info.consumers);
		table_add(&table, "%llu", (unsigned long long)info.next_seq);
		table_add(&table, "%llu",
			  (unsigned long long)info.lag_messages);
		table_add(&table, "%s",
			  quantity_bytes((double)info.lag_bytes).text);
		table_add(&table, "%s",
			  quantity_bytes((double)info.held_bytes).text);
	}
	if (table.failed)
		rc = -ENOMEM;
	if (rc >= 0 && table.n_cells)
		table_print(&table, indent);
	else if (rc >= 0)
		printf("%*sno groups: nothing is kept\n", indent, "");
	table_fini(&table);
	return rc < 0 ? rc : 0;
}

static json_t *group_json(const struct shmq_group_info *info)
{
	return json_pack("{s:o,s:i,s:I,s:I,s:I,s:I}", "name",
			 facts_json_text(info->name, sizeof(info->name)),
			 "consumers", (int)info->consumers, "next_seq",
			 (json_int_t)info->next_seq, "lag_messages",
			 (json_int_t)info->lag_messages, "lag_bytes",
			 (json_int_t)info->lag_bytes, "held_bytes",
			 (json_int_t)info->held_bytes);
}

json_t *groups_json(struct shmq *q, const struct facts *facts)
{
	json_t *groups = json_array();
	int rc = 0;

	for (uint32_t i = 0; i < facts->group_entries && rc >= 0; i++) {
		struct shmq_group_info info = SHMQ_GROUP_INFO_INIT;

		rc = shmq_stat_group(q, i, &info);
		if (rc > 0 && json_array_append_new(groups, group_json(&info)))
			rc = -ENOMEM;
	}
	if (rc >= 0)
		return groups;
	json_decref(groups);
	return NULL;
}

int groups_fault(const struct verb *verb, const char *name, int error)
{
	const char *detail = shmq_errdetail();

	switch (error) {
	case -ENOENT:
		return fault_refused(verb, name,
				     "there is no group of that name: 'shmq "
				     "group ls' lists them");
	case -EEXIST:
		return fault_refused(verb, name, "that group exists already");
	case -EBUSY:
		return fault_refused(verb, name,
				     "it has receivers: 'shmq stat' lists "
				     "them");
	case -EPERM:
	case -EUSERS:
		return fault_refused(verb, name, "%s", detail);
	default:
		return *detail ? fault_open(verb, name, error) :
				 fault(verb, name, error);
	}
}
