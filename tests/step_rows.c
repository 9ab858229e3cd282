/* SPDX-License-Identifier: MIT */
/* The table, from its parts. */
#include "config.h"

#include <string.h>

#include "step_rows.h"

/* A part of the table. */
struct part {
	const struct row *rows;
	const unsigned *count;
};

static const struct part parts[] = {
	{ step_sending, &step_sending_count },
	{ step_receiving, &step_receiving_count },
	{ step_descriptors, &step_descriptors_count },
	{ step_groups, &step_groups_count },
	{ step_looking, &step_looking_count },
	{ step_members, &step_members_count },
};

const struct row *step_row(unsigned index)
{
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (index < *parts[i].count)
			return &parts[i].rows[index];
		index -= *parts[i].count;
	}
	return NULL;
}

const struct row *step_row_named(const char *name, unsigned *index)
{
	const struct row *row;

	for (*index = 0; (row = step_row(*index)); ++*index)
		if (!strcmp(row->name, name))
			return row;
	return NULL;
}
