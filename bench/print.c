/* SPDX-License-Identifier: MIT */
/*
 * What was measured, as a table for people: one for each group of rows whose
 * labels are the same, after what must be known about all of them.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../tools/quantity.h"
#include "../tools/table.h"
#include "bench.h"
#include "result.h"

static void print_facts(const struct result *result)
{
	const struct machine *m = &result->machine;

	printf("%s\n", result->command);
	printf("  machine   %s, %d processor%s%s\n", m->processor,
	       m->processors, m->processors == 1 ? "" : "s",
	       m->virtual ? ", a virtual machine" : "");
	printf("  kernel    %s\n", m->kernel);
	printf("  compiler  %s, %s\n", m->compiler, m->flags);
	printf("  libshmq   %s, commit %s\n", m->library, m->commit);
	printf("  cores     %s%s\n", m->cores,
	       m->are_siblings ? ": HYPER-THREADS OF ONE CORE" : "");
	printf("  clock     %s, offset between the cores %.0f ns\n", m->clock,
	       m->offset_ns);
	printf("  load      %.2f when it began\n", m->load);
	printf("  figures   medians of %u rounds, interleaved; low and high of "
	       "all rounds\n",
	       result->repeat);
	if (result->floor)
		printf("  ratio     %s, each round beside the floor of that "
		       "round: %s\n",
		       result->form->ratio, result->floor);
	if (result->problems && *result->problems)
		printf("  missing   %s", result->problems);
}

static bool same_group(const struct result_form *form,
		       const struct result_row *a, const struct result_row *b)
{
	for (int i = 0; i < RESULT_LABELS && form->labels[i].key; i++)
		if (a->labels[i].number != b->labels[i].number ||
		    strcmp(a->labels[i].text, b->labels[i].text) != 0)
			return false;
	return true;
}

static void print_group_title(const struct result_form *form,
			      const struct result_row *row)
{
	putchar('\n');
	for (int i = 0; i < RESULT_LABELS && form->labels[i].key; i++) {
		const struct result_label *label = &row->labels[i];
		const char *title = form->labels[i].title;

		if (i)
			fputs(*title ? ", " : " ", stdout);
		if (form->labels[i].text)
			fputs(label->text, stdout);
		else if (form->labels[i].bytes)
			printf("%s %s", title,
			       quantity_bytes((double)label->number).text);
		else
			printf("%s%s%" PRIu64, title, *title ? " " : "",
			       label->number);
	}
	puts(":");
}

static void add_value(struct table *table, enum result_unit unit, double value)
{
	if (isnan(value))
		table_add(table, "-");
	else if (unit == RESULT_NS)
		table_add(table, value < 99.95 ? "%.1f" : "%.0f", value);
	else if (unit == RESULT_PER_S)
		table_add(table, "%s", quantity_rough(value).text);
	else if (unit == RESULT_BYTES_S)
		table_add(table, "%s", quantity_bytes(value).text);
	else if (unit == RESULT_PERCENT)
		table_add(table, "%.2f %%", 100 * value);
	else
		table_add(table, "%.2f", value);
}

static void add_row(struct table *table, const struct result_form *form,
		    const struct result_row *row)
{
	enum result_unit unit = form->metrics[form->main].unit;

	table_add(table, "%s", row->name);
	for (int i = 0; i < RESULT_METRICS && form->metrics[i].key; i++)
		add_value(table, form->metrics[i].unit, row->metrics[i]);
	add_value(table, unit, row->low);
	add_value(table, unit, row->high);
	if (isnan(row->ratio)) {
		table_add(table, "-");
		table_add(table, "-");
	} else {
		table_add(table, "%.*f", row->ratio < 10 ? 2 : 1, row->ratio);
		table_add(table, "%.*f-%.*f", row->ratio_high < 10 ? 2 : 0,
			  row->ratio_low, row->ratio_high < 10 ? 2 : 0,
			  row->ratio_high);
	}
}

/* Returns the first row after the group. */
static size_t print_group(const struct result *result, size_t first)
{
	const struct result_form *form = result->form;
	const char *heads[TABLE_COLUMNS];
	struct table table;
	unsigned int columns = 0;
	size_t r;

	heads[columns++] = "<TRANSPORT";
	for (int i = 0; i < RESULT_METRICS && form->metrics[i].key; i++)
		heads[columns++] = form->metrics[i].title;
	heads[columns++] = ">LOW";
	heads[columns++] = ">HIGH";
	heads[columns++] = ">RATIO";
	heads[columns++] = ">SPREAD";
	table_init(&table, heads, columns);
	print_group_title(form, &result->rows[first]);
	for (r = first; r < result->n && same_group(form, &result->rows[first],
						    &result->rows[r]);
	     r++)
		if (!result->rows[r].why[0])
			add_row(&table, form, &result->rows[r]);
	if (table.n_cells)
		table_print(&table, 2);
	table_fini(&table);
	for (size_t i = first; i < r; i++)
		if (result->rows[i].why[0])
			printf("  %s: %s\n", result->rows[i].name,
			       result->rows[i].why);
	return r;
}

void result_print_table(const struct result *result)
{
	print_facts(result);
	for (size_t r = 0; r < result->n;)
		r = print_group(result, r);
}
