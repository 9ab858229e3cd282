/* SPDX-License-Identifier: MIT */
/*
 * What was measured, and its two forms for programs. JSON has no word for what
 * was not measured but null; in CSV it is an empty field.
 */
#include "result.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

struct result_row *result_add(struct result *result, const char *name,
			      unsigned int flags)
{
	struct result_row *row;

	if (result->n == result->room) {
		size_t room = result->room ? 2 * result->room : 64;
		void *rows = realloc(result->rows, room * sizeof(*row));

		if (!rows)
			return NULL;
		result->rows = rows;
		result->room = room;
	}
	row = &result->rows[result->n++];
	memset(row, 0, sizeof(*row));
	snprintf(row->name, sizeof(row->name), "%s", name);
	row->flags = flags;
	for (int i = 0; i < RESULT_METRICS; i++)
		row->metrics[i] = NAN;
	row->low = row->high = NAN;
	row->ratio = row->ratio_low = row->ratio_high = NAN;
	return row;
}

void result_fini(struct result *result)
{
	free(result->rows);
	result->rows = NULL;
	result->n = result->room = 0;
}

void result_label_number(struct result_row *row, int label, uint64_t number)
{
	row->labels[label].number = number;
}

void result_label_text(struct result_row *row, int label, const char *text)
{
	snprintf(row->labels[label].text, sizeof(row->labels[label].text), "%s",
		 text);
}

/* ------------------------------------------------------------------------- CSV */

static void csv_number(double number)
{
	if (isnan(number))
		putchar(',');
	else
		printf(",%.6g", number);
}

static void csv_text(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"')
			putchar('"');
		putchar(*text);
	}
	putchar('"');
}

static void csv_facts(const struct result *result)
{
	const struct machine *m = &result->machine;

	printf("# command: %s\n# machine: %s, %d processors%s\n# kernel: %s\n",
	       result->command, m->processor, m->processors,
	       m->virtual ? ", virtual" : "", m->kernel);
	printf("# compiler: %s %s\n# libshmq: %s, commit %s\n", m->compiler,
	       m->flags, m->library, m->commit);
	printf("# cores: %s%s\n", m->cores,
	       m->are_siblings ? " (hyper-threads of one core)" : "");
}

static void csv_head(const struct result_form *form)
{
	printf("transport");
	for (int i = 0; i < RESULT_LABELS && form->labels[i].key; i++)
		printf(",%s", form->labels[i].key);
	for (int i = 0; i < RESULT_METRICS && form->metrics[i].key; i++)
		printf(",%s", form->metrics[i].key);
	puts(",low,high,ratio,ratio_low,ratio_high,why");
}

void result_print_csv(const struct result *result)
{
	const struct result_form *form = result->form;

	csv_facts(result);
	csv_head(form);
	for (size_t r = 0; r < result->n; r++) {
		const struct result_row *row = &result->rows[r];

		csv_text(row->name);
		for (int i = 0; i < RESULT_LABELS && form->labels[i].key; i++) {
			putchar(',');
			if (form->labels[i].text)
				csv_text(row->labels[i].text);
			else
				printf("%" PRIu64, row->labels[i].number);
		}
		for (int i = 0; i < RESULT_METRICS && form->metrics[i].key; i++)
			csv_number(row->metrics[i]);
		csv_number(row->low);
		csv_number(row->high);
		csv_number(row->ratio);
		csv_number(row->ratio_low);
		csv_number(row->ratio_high);
		putchar(',');
		csv_text(row->why);
		putchar('\n');
	}
}

/* ------------------------------------------------------------------------ JSON */

static void set_number(json_t *object, const char *key, double number)
{
	json_object_set_new(object, key,
			    isnan(number) ? json_null() : json_real(number));
}

static json_t *row_json(const struct result_form *form,
			const struct result_row *row)
{
	json_t *object = json_object();

	json_object_set_new(object, "transport", json_string(row->name));
	json_object_set_new(object, "peer",
			    json_boolean(row->flags & BENCH_PEER));
	for (int i = 0; i < RESULT_LABELS && form->labels[i].key; i++)
		json_object_set_new(
			object, form->labels[i].key,
			form->labels[i].text ?
				json_string(row->labels[i].text) :
				json_integer(
					(json_int_t)row->labels[i].number));
	for (int i = 0; i < RESULT_METRICS && form->metrics[i].key; i++)
		set_number(object, form->metrics[i].key, row->metrics[i]);
	set_number(object, "low", row->low);
	set_number(object, "high", row->high);
	set_number(object, "ratio", row->ratio);
	set_number(object, "ratio_low", row->ratio_low);
	set_number(object, "ratio_high", row->ratio_high);
	json_object_set_new(object, "why",
			    row->why[0] ? json_string(row->why) : json_null());
	return object;
}

static json_t *machine_json(const struct machine *m)
{
	return json_pack("{s:s,s:i,s:b,s:s,s:s,s:s,s:s,s:s,s:b,s:s,s:f,s:f}",
			 "processor", m->processor, "processors", m->processors,
			 "virtual", m->virtual, "kernel", m->kernel, "compiler",
			 m->compiler, "flags", m->flags, "cores", m->cores,
			 "siblings", m->siblings, "cores_are_siblings",
			 m->are_siblings, "clock", m->clock, "clock_offset_ns",
			 m->offset_ns, "load", m->load);
}

int result_print_json(const struct result *result)
{
	json_t *rows = json_array();
	json_t *all;
	int error = 0;

	for (size_t r = 0; r < result->n; r++)
		json_array_append_new(rows,
				      row_json(result->form, &result->rows[r]));
	all = json_pack("{s:s,s:s,s:s,s:s,s:s?,s:i,s:s,s:s,s:o,s:o}", "verb",
			result->form->verb, "command", result->command,
			"version", result->machine.library, "commit",
			result->machine.commit, "floor", result->floor,
			"repeat", (int)result->repeat, "main_metric",
			result->form->metrics[result->form->main].key,
			"problems", result->problems ? result->problems : "",
			"machine", machine_json(&result->machine), "rows",
			rows);
	if (!all || json_dumpf(all, stdout, JSON_INDENT(2)))
		error = -ENOMEM;
	putchar('\n');
	json_decref(all);
	return error;
}
