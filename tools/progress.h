/* SPDX-License-Identifier: MIT */
/*
 * A line on the terminal that says how far a long transfer has come.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool on;
	bool drawn;
	uint64_t messages;
	uint64_t bytes;
	uint64_t expected_bytes; /* 0: not known */
	int64_t drawn_ns;        /* CLOCK_MONOTONIC_COARSE */
	uint64_t drawn_messages;
	uint64_t drawn_bytes;
};

/* Nothing is ever drawn unless on, and standard error is a terminal. */
void progress_init(struct progress *progress, bool on, uint64_t expected_bytes);
void progress_add(struct progress *progress, uint64_t messages, uint64_t bytes);
/* Erase the line. To be called before anything else writes there. */
void progress_fini(struct progress *progress);

#endif /* PROGRESS_H */
