/* SPDX-License-Identifier: MIT */
/*
 * What was measured, row by row, before anybody has decided how to print it.
 */
#ifndef BENCH_RESULT_H
#define BENCH_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "machine.h"

#define RESULT_LABELS 4
#define RESULT_METRICS 9
#define RESULT_NAME 48

enum result_unit {
	RESULT_NS,      /* nanoseconds */
	RESULT_PER_S,   /* a second */
	RESULT_BYTES_S, /* bytes a second */
	RESULT_NUMBER,
	RESULT_PERCENT,
};

/* The columns of a verb. A label that is not text is a whole number. */
struct result_form {
	const char *verb;
	struct {
		const char *key, *title;
		bool text, bytes;
	} labels[RESULT_LABELS];
	struct {
		const char *key, *title;
		enum result_unit unit;
	} metrics[RESULT_METRICS];
	unsigned int main; /* metric that spread and ratio are about */
	const char *ratio; /* what ratio is */
};

struct result_label {
	char text[RESULT_NAME];
	uint64_t number;
};

struct result_row {
	char name[RESULT_NAME]; /* of the transport */
	unsigned int flags;     /* of the transport */
	struct result_label labels[RESULT_LABELS];
	double metrics[RESULT_METRICS]; /* NAN: not measured */
	double low, high;               /* of the main metric, in all rounds */
	double ratio, ratio_low, ratio_high; /* NAN: no floor */
	char why[160]; /* it was not measured; else empty */
};

struct result {
	const struct result_form *form;
	struct result_row *rows;
	size_t n, room;
	char command[512];
	const char *floor; /* name of a transport, or NULL */
	unsigned int repeat;
	const char *problems; /* modules that would not load */
	struct machine machine;
};

/* A new row, all its metrics NAN; NULL: memory is short. */
struct result_row *result_add(struct result *result, const char *name,
			      unsigned int flags);
void result_fini(struct result *result);
void result_label_number(struct result_row *row, int label, uint64_t number);
void result_label_text(struct result_row *row, int label, const char *text);

/* To standard output. */
void result_print_table(const struct result *result);
void result_print_csv(const struct result *result);
int result_print_json(const struct result *result);

/* A picture, by gnuplot; 0 or a negative errno. */
int result_plot(const struct result *result, const char *path);

#endif /* BENCH_RESULT_H */
