/* SPDX-License-Identifier: MIT */
/*
 * Text in columns that are as wide as what is in them, for people to read.
 */
#ifndef TABLE_H
#define TABLE_H

#include <stdbool.h>
#include <stddef.h>

#define TABLE_COLUMNS 16

struct table {
	const char *heads[TABLE_COLUMNS]; /* "<NAME" left, ">DEPTH" right */
	unsigned int columns;
	unsigned int n_cells;
	char **cells; /* row by row */
	bool failed;  /* memory was short: cells is incomplete */
};

void table_init(struct table *table, const char *const *heads,
		unsigned int columns);
void table_fini(struct table *table);

/* Append a cell, row by row. Characters that could move a cursor become '?'. */
void table_add(struct table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Write it to standard output, each line after so many blanks. */
void table_print(const struct table *table, int indent);

#endif /* TABLE_H */
