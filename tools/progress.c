/* SPDX-License-Identifier: MIT */
/*
 * A line on the terminal that says how far a long transfer has come. It is
 * drawn from the transfer's own loop, so it stands still while that waits.
 */
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "quantity.h"

#define INTERVAL_NS 200000000

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void progress_init(struct progress *progress, bool on, uint64_t expected_bytes)
{
	const char *term = getenv("TERM");

	*progress = (struct progress){
		.on = on && isatty(STDERR_FILENO) && term &&
		      strcmp(term, "dumb") != 0,
		.expected_bytes = expected_bytes,
		.drawn_ns = now_ns(),
	};
}

static void draw(struct progress *progress, int64_t now)
{
	double s = (double)(now - progress->drawn_ns) / 1e9;
	double byte_rate = (double)(progress->bytes - progress->drawn_bytes) /
			   s;
	double message_rate =
		(double)(progress->messages - progress->drawn_messages) / s;
	char part[QUANTITY_SIZE + 16] = "";

	if (progress->expected_bytes)
		snprintf(part, sizeof(part), " of %s (%.0f %%)",
			 quantity_bytes((double)progress->expected_bytes).text,
			 100.0 * (double)progress->bytes /
				 (double)progress->expected_bytes);
	fprintf(stderr, "\r%llu messages, %s%s, %s/s, %s messages/s\033[K",
		(unsigned long long)progress->messages,
		quantity_bytes((double)progress->bytes).text, part,
		quantity_bytes(byte_rate).text,
		quantity_rough(message_rate).text);
	fflush(stderr);
	progress->drawn = true;
	progress->drawn_ns = now;
	progress->drawn_messages = progress->messages;
	progress->drawn_bytes = progress->bytes;
}

void progress_add(struct progress *progress, uint64_t messages, uint64_t bytes)
{
	int64_t now;

	progress->messages += messages;
	progress->bytes += bytes;
	if (!progress->on)
		return;
	now = now_ns();
	if (now - progress->drawn_ns >= INTERVAL_NS)
		draw(progress, now);
}

void progress_fini(struct progress *progress)
{
	if (progress->drawn)
		fputs("\r\033[K", stderr);
	progress->drawn = false;
	progress->on = false;
}
