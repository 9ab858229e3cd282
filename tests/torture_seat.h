/* SPDX-License-Identifier: MIT */
/* The seats of an arena: who plays, who is stopped, who will be replaced. */
#ifndef TESTS_TORTURE_SEAT_H
#define TESTS_TORTURE_SEAT_H

#include "torture_arena.h"

/* 0 to n - 1, of the arena's own chance. */
uint64_t arena_below(struct arena *a, uint64_t n);

/* Seats in use: senders first, then receivers, then one looker. */
unsigned arena_seats(const struct arena *a);
bool arena_receives(const struct arena *a, unsigned seat);
struct player arena_player(struct arena *a, unsigned seat);

void seat_start(struct arena *a, unsigned seat);
void seat_stop(struct arena *a, struct seat *s);
void seat_continue(struct seat *s);

/* NULL, or what is wrong with how it ended. */
const char *seat_kill(struct arena *a, unsigned seat);

/* Replace the dead, wake the stopped. Returns whether any are stopped. */
bool seats_attend(struct arena *a);

#endif
