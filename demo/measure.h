/* SPDX-License-Identifier: MIT */
/*
 * Two processes hand a small message to and fro, over one transport after the
 * other, round by round, so that whatever disturbs the machine disturbs all.
 */
#ifndef DEMO_MEASURE_H
#define DEMO_MEASURE_H

#include <stdint.h>

/* A way to hand a small message to another process and back. */
struct transport {
	const char *name;
	unsigned rarely; /* does one trip where others do so many */
	void *state;     /* argument of the functions */
	/* Once in each process, after the fork. Side 0 gives first. */
	void (*open)(void *state, int side);
	void (*give)(void *state);
	void (*take)(void *state); /* returns when it is there */
};

/* What reading the clock takes has been taken off all times. */
struct times {
	unsigned trips;
	uint32_t *trips_ns; /* of all rounds, sorted */
	uint32_t median_ns; /* half of the rounds had a lower median */
};

/*
 * Fork the other side, give each process its own processor if there are two,
 * and make n round trips, or as many as each does, over count transports.
 * Returns in the calling process only.
 */
void measure(const struct transport *transports, struct times *times,
	     unsigned count, unsigned n);

/* Between two looks of a loop that polls. */
void measure_pause(void);

#endif /* DEMO_MEASURE_H */
