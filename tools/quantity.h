/* SPDX-License-Identifier: MIT */
/*
 * Sizes, counts and times as people read them.
 */
#ifndef QUANTITY_H
#define QUANTITY_H

#include <stddef.h>
#include <stdint.h>

/* Large enough for every function here. */
#define QUANTITY_SIZE 32

struct quantity {
	char text[QUANTITY_SIZE];
};

/* "640 B", "1.5 MiB"; three digits or so. */
struct quantity quantity_bytes(double bytes);

/* "950", "12.3 k", "1.25 M": for rates, where the last digits are noise. */
struct quantity quantity_rough(double count);

/* "3.2 s", "5 min", "2 h", "4 days" */
struct quantity quantity_duration(int64_t ns);

/* How long ago a CLOCK_REALTIME moment was: "5 min ago". */
struct quantity quantity_ago(uint64_t realtime_ns);

#endif /* QUANTITY_H */
