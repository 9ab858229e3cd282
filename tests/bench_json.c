/* SPDX-License-Identifier: MIT */
/*
 * bench_json VERB KEY...: standard input is what `shmq bench VERB --json`
 * printed. Checks its shape: the facts of the run, and rows that have every
 * KEY, and either the main metric or the reason why not. Prints a line for each
 * row, "NAME measured" or "NAME not measured". No figure is looked at.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int wrong(const char *what, const char *which)
{
	fprintf(stderr, "bench_json: %s: %s\n", what, which);
	return EXIT_FAILURE;
}

static int check_facts(const json_t *all, const char *verb)
{
	static const char *const texts[] = { "verb", "command", "version",
					     "commit", "main_metric" };
	static const char *const facts[] = { "processor", "kernel",
					     "compiler",  "cores",
					     "siblings",  "clock" };
	const json_t *machine = json_object_get(all, "machine");

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (!json_is_string(json_object_get(all, texts[i])))
			return wrong("no such text", texts[i]);
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
		if (!json_is_string(json_object_get(machine, facts[i])))
			return wrong("no such fact", facts[i]);
	if (strcmp(json_string_value(json_object_get(all, "verb")), verb) != 0)
		return wrong("not of this verb", verb);
	if (!json_is_boolean(json_object_get(machine, "cores_are_siblings")))
		return wrong("no such fact", "cores_are_siblings");
	return EXIT_SUCCESS;
}

static int check_row(const json_t *row, const char *metric, char **keys)
{
	const char *name = json_string_value(json_object_get(row, "transport"));
	const json_t *why = json_object_get(row, "why");

	if (!name)
		return wrong("a row has no", "transport");
	for (; *keys; keys++)
		if (!json_object_get(row, *keys))
			return wrong(name, *keys);
	if (json_is_null(why) && !json_is_real(json_object_get(row, metric)))
		return wrong(name, metric);
	if (!json_is_null(why) && !json_is_string(why))
		return wrong(name, "why");
	printf("%s %s\n", name,
	       json_is_null(why) ? "measured" : "not measured");
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	json_error_t error;
	json_t *all, *rows, *row;
	const char *metric;
	size_t i;
	int status;

	if (argc < 2)
		return wrong("usage", "bench_json VERB KEY...");
	all = json_loadf(stdin, 0, &error);
	if (!all)
		return wrong("not JSON", error.text);
	status = check_facts(all, argv[1]);
	rows = json_object_get(all, "rows");
	metric = json_string_value(json_object_get(all, "main_metric"));
	if (!status && !json_array_size(rows))
		status = wrong("empty", "rows");
	json_array_foreach(rows, i, row) {
		if (!status)
			status = check_row(row, metric, argv + 2);
	}
	json_decref(all);
	return status;
}
