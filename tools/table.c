/* SPDX-License-Identifier: MIT */
/*
 * Text in columns. Cells may come from shared memory or from a directory that
 * others write to, so nothing in them reaches a terminal as a control.
 */
#include "table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void table_init(struct table *table, const char *const *heads,
		unsigned int columns)
{
	*table = (struct table){ .columns = columns };
	for (unsigned int i = 0; i < columns; i++)
		table->heads[i] = heads[i];
}

void table_fini(struct table *table)
{
	for (unsigned int i = 0; i < table->n_cells; i++)
		free(table->cells[i]);
	free(table->cells);
	table->cells = NULL;
	table->n_cells = 0;
}

static void defuse(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

void table_add(struct table *table, const char *format, ...)
{
	char **cells;
	va_list args;
	char *text;
	int len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	if (len < 0) {
		table->failed = true;
		return;
	}
	defuse(text);
	cells = reallocarray(table->cells, table->n_cells + 1, sizeof(*cells));
	if (!cells) {
		free(text);
		table->failed = true;
		return;
	}
	cells[table->n_cells++] = text;
	table->cells = cells;
}

/* Characters, not bytes: continuation bytes of UTF-8 do not count. */
static int width_of(const char *text)
{
	int width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static void print_cell(const struct table *table, unsigned int column,
		       const char *text, int width)
{
	int pad = width - width_of(text);

	if (table->heads[column][0] == '>')
		printf("%*s%s", pad, "", text);
	else if (column + 1 < table->columns)
		printf("%s%*s", text, pad, "");
	else
		fputs(text, stdout);
	fputs(column + 1 < table->columns ? "  " : "\n", stdout);
}

void table_print(const struct table *table, int indent)
{
	int widths[TABLE_COLUMNS] = { 0 };
	unsigned int i, column;

	for (column = 0; column < table->columns; column++) {
		widths[column] = width_of(table->heads[column] + 1);
		for (i = column; i < table->n_cells; i += table->columns) {
			int width = width_of(table->cells[i]);

			if (widths[column] < width)
				widths[column] = width;
		}
	}
	printf("%*s", indent, "");
	for (column = 0; column < table->columns; column++)
		print_cell(table, column, table->heads[column] + 1,
			   widths[column]);
	for (i = 0, column = 0; i < table->n_cells; i++) {
		if (column == 0)
			printf("%*s", indent, "");
		print_cell(table, column, table->cells[i], widths[column]);
		column = column + 1 < table->columns ? column + 1 : 0;
	}
}
