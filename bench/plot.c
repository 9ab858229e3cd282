/* SPDX-License-Identifier: MIT */
/*
 * What was measured, as a picture: gnuplot gets the data and what to do with
 * them through a pipe. Latency: percentiles, round trip, of one size. Throughput
 * by size. Growth: one panel for each axis. Journal: one to write, one to read.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "result.h"

#define WIDTH 1000
#define HEIGHT 640
#define AXES_MOST 8

struct plot {
	const struct result *result;
	FILE *to;
};

/* Rows with this name and these labels; NULL: any. */
struct choice {
	const char *name;
	const char *first, *second; /* texts of labels 0 and 1 */
	int size_label;             /* -1: none */
	uint64_t size;
};

static bool is_chosen(const struct result_row *row, const struct choice *c)
{
	return !row->why[0] && (!c->name || !strcmp(row->name, c->name)) &&
	       (!c->first || !strcmp(row->labels[0].text, c->first)) &&
	       (!c->second || !strcmp(row->labels[1].text, c->second)) &&
	       (c->size_label < 0 ||
		row->labels[c->size_label].number == c->size);
}

/* The next row from r on that is first of its name; n: there is none. */
static size_t next_name(const struct result *result, size_t r,
			const struct choice *c)
{
	for (; r < result->n; r++) {
		size_t before = 0;

		if (!is_chosen(&result->rows[r], c))
			continue;
		while (before < r && (!is_chosen(&result->rows[before], c) ||
				      strcmp(result->rows[before].name,
					     result->rows[r].name) != 0))
			before++;
		if (before == r)
			return r;
	}
	return r;
}

/* One line of the picture: its data go into a block of gnuplot's. */
static void begin_line(const struct plot *plot, unsigned int n)
{
	fprintf(plot->to, "$line%u << END\n", n);
}

static void end_line(const struct plot *plot)
{
	fputs("END\n", plot->to);
}

/* Ours are thick, bare memory is dashed; colours go once round the wheel. */
static void draw_lines(const struct plot *plot, unsigned int first,
		       unsigned int n, const struct result_row *const *rows)
{
	for (unsigned int i = 0; i < n; i++)
		fprintf(plot->to,
			"%s $line%u using 1:2 with linespoints pointsize 0.6 "
			"linecolor rgb hsv2rgb(%.3f,0.9,0.8) linewidth %d "
			"dashtype %d title \"%s\"",
			i ? "," : "plot", first + i, (double)i / n,
			rows[i]->flags & BENCH_OURS ? 3 : 1,
			rows[i]->flags & BENCH_FLOOR ? 2 : 1, rows[i]->name);
	fputs(n ? "\n" : "", plot->to);
}

#define LINES_MOST 64

/* Metric `metric` over label `label`, one line for each name. */
static void lines_over(const struct plot *plot, struct choice c, int label,
		       int metric, unsigned int *used)
{
	const struct result *result = plot->result;
	const struct result_row *rows[LINES_MOST];
	unsigned int first = *used, n = 0;
	size_t r = 0;

	while (n < LINES_MOST && (r = next_name(result, r, &c)) < result->n) {
		struct choice one = c;

		one.name = result->rows[r].name;
		rows[n] = &result->rows[r];
		begin_line(plot, first + n++);
		for (size_t i = 0; i < result->n; i++) {
			const struct result_row *row = &result->rows[i];

			if (is_chosen(row, &one))
				fprintf(plot->to, "%" PRIu64 " %.6g\n",
					row->labels[label].number,
					row->metrics[metric]);
		}
		end_line(plot);
		r++;
	}
	draw_lines(plot, first, n, rows);
	*used = first + n;
}

/* ------------------------------------------------------------------ the verbs */

static void plot_latency(const struct plot *plot)
{
	static const char *const parts[] = { "min",   "p50",    "p90", "p99",
					     "p99.9", "p99.99", "max" };
	const struct result *result = plot->result;
	struct choice c = { .first = "round trip", .size_label = 2 };
	const struct result_row *rows[LINES_MOST];
	unsigned int n = 0;
	size_t r = 0;

	c.second = result->rows[0].labels[1].text;
	c.size = result->rows[0].labels[2].number;
	fprintf(plot->to,
		"set title \"round trip, %s, %" PRIu64 " bytes\"\n"
		"set ylabel \"ns\"\nset logscale y\nset xtics (",
		c.second, c.size);
	for (int i = 0; i < 7; i++)
		fprintf(plot->to, "%s\"%s\" %d", i ? ", " : "", parts[i], i);
	fputs(")\nset xrange [-0.2:6.2]\n", plot->to);
	while (n < LINES_MOST && (r = next_name(result, r, &c)) < result->n) {
		rows[n] = &result->rows[r];
		begin_line(plot, n++);
		for (int i = 0; i < 7; i++)
			fprintf(plot->to, "%d %.6g\n", i,
				result->rows[r].metrics[i]);
		end_line(plot);
		r++;
	}
	draw_lines(plot, 0, n, rows);
}

static void plot_throughput(const struct plot *plot)
{
	struct choice c = { .size_label = -1 };
	unsigned int used = 0;

	c.first = plot->result->rows[0].labels[0].text;
	fprintf(plot->to,
		"set title \"messages a second by size, %s\"\n"
		"set xlabel \"bytes a message\"\nset ylabel \"messages/s\"\n"
		"set logscale x 2\nset logscale y\n",
		c.first);
	lines_over(plot, c, 1, 0, &used);
}

static void plot_growth(const struct plot *plot)
{
	const struct result *result = plot->result;
	const char *axes[AXES_MOST];
	unsigned int n = 0, used = 0;

	for (size_t r = 0; r < result->n && n < AXES_MOST; r++) {
		const char *axis = result->rows[r].labels[0].text;

		if (!n || strcmp(axes[n - 1], axis) != 0)
			axes[n++] = axis;
	}
	fprintf(plot->to,
		"set multiplot layout %u,2\nset logscale x 2\n"
		"set logscale y\nset ylabel \"ns a message\"\n"
		"set key font \",8\"\n",
		(n + 1) / 2);
	for (unsigned int i = 0; i < n; i++) {
		const struct choice c = { .first = axes[i], .size_label = -1 };

		fprintf(plot->to, "set title \"%s\"\n", axes[i]);
		lines_over(plot, c, 1, 0, &used);
	}
	fputs("unset multiplot\n", plot->to);
}

static void plot_journal(const struct plot *plot)
{
	static const char *const passes[] = { "append", "read" };
	unsigned int used = 0;

	fputs("set multiplot layout 1,2\nset logscale x 2\nset logscale y\n"
	      "set xlabel \"bytes a message\"\nset ylabel \"ns a message\"\n"
	      "set key bottom right font \",8\"\n",
	      plot->to);
	for (int i = 0; i < 2; i++) {
		const struct choice c = { .first = passes[i],
					  .size_label = -1 };

		fprintf(plot->to, "set title \"%s\"\n", passes[i]);
		lines_over(plot, c, 1, 0, &used);
	}
	fputs("unset multiplot\n", plot->to);
}

static void begin_picture(const struct plot *plot, const char *path)
{
	const char *dot = strrchr(path, '.');
	int tall = !strcmp(plot->result->form->verb, "growth") ? 2 : 1;

	fprintf(plot->to, "set terminal %s size %d,%d\nset output \"",
		!strcmp(dot, ".png") ? "pngcairo" : "svg background \"white\"",
		WIDTH, HEIGHT * tall);
	for (; *path; path++) {
		if (*path == '"' || *path == '\\')
			fputc('\\', plot->to);
		fputc(*path, plot->to);
	}
	/* 4 Ki and not 4096, or the ticks of an axis run into each other. */
	fputs("\"\nset grid\nset key outside right noenhanced\n"
	      "set format x \"%.0b%B\"\nset xtics font \",8\"\n",
	      plot->to);
}

int result_plot(const struct result *result, const char *path)
{
	struct plot plot = { .result = result };
	int status;

	plot.to = popen("gnuplot", "we");
	if (!plot.to)
		return -errno;
	begin_picture(&plot, path);
	if (!result->n)
		;
	else if (!strcmp(result->form->verb, "latency"))
		plot_latency(&plot);
	else if (!strcmp(result->form->verb, "throughput"))
		plot_throughput(&plot);
	else if (!strcmp(result->form->verb, "journal"))
		plot_journal(&plot);
	else
		plot_growth(&plot);
	status = pclose(plot.to);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return -ENOPKG;
	return status ? -EIO : 0;
}
