/* SPDX-License-Identifier: MIT */
/*
 * Sizes, counts and times as people read them.
 */
#include "quantity.h"

#include <stdio.h>
#include <time.h>

#define NS_PER_S 1000000000

static struct quantity scaled(double value, double step,
			      const char *const *units, size_t n)
{
	struct quantity out;
	size_t i = 0;
	int digits;

	/* 999.5 would be printed as 1000 of the smaller unit. */
	while (i + 1 < n && value >= step - 0.5) {
		value /= step;
		i++;
	}
	/* Whole numbers of a unit, "64 KiB", look best without a fraction. */
	if (value == (double)(uint64_t)value || value >= 99.95)
		digits = 0;
	else
		digits = value >= 9.995 ? 1 : 2;
	snprintf(out.text, sizeof(out.text), "%.*f%s%s", digits, value,
		 *units[i] ? " " : "", units[i]);
	return out;
}

struct quantity quantity_bytes(double bytes)
{
	static const char *const units[] = { "B",   "KiB", "MiB",
					     "GiB", "TiB", "PiB" };

	return scaled(bytes, 1024, units, sizeof(units) / sizeof(units[0]));
}

struct quantity quantity_rough(double count)
{
	static const char *const units[] = { "", "k", "M", "G", "T" };

	return scaled((double)(uint64_t)(count + 0.5), 1000, units,
		      sizeof(units) / sizeof(units[0]));
}

struct quantity quantity_duration(int64_t ns)
{
	struct quantity out;
	int64_t s = ns / NS_PER_S;

	if (s < 10)
		snprintf(out.text, sizeof(out.text), "%.1f s",
			 (double)ns / NS_PER_S);
	else if (s < 120)
		snprintf(out.text, sizeof(out.text), "%lld s", (long long)s);
	else if (s < 120 * 60)
		snprintf(out.text, sizeof(out.text), "%lld min",
			 (long long)s / 60);
	else if (s < 48 * 3600)
		snprintf(out.text, sizeof(out.text), "%lld h",
			 (long long)s / 3600);
	else
		snprintf(out.text, sizeof(out.text), "%lld days",
			 (long long)s / 86400);
	return out;
}

struct quantity quantity_ago(uint64_t realtime_ns)
{
	struct quantity duration, out;
	struct timespec now;
	int64_t ns;

	clock_gettime(CLOCK_REALTIME, &now);
	ns = (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
	/* The clock may have been set back since, or the file scribbled on. */
	ns = realtime_ns < (uint64_t)ns ? ns - (int64_t)realtime_ns : 0;
	duration = quantity_duration(ns);
	snprintf(out.text, sizeof(out.text), "%.*s ago", QUANTITY_SIZE - 5,
		 duration.text);
	return out;
}
