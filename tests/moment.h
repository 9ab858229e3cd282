/* SPDX-License-Identifier: MIT */
/*
 * A moment of the library's: just before it takes a certain lease. And some
 * who act then, and die.
 */
#ifndef TESTS_MOMENT_H
#define TESTS_MOMENT_H

#include "support.h"

/*
 * When this process is next about to take the lease of byte, a child acts, and
 * dies; then it goes on. Programs that use this wrap fcntl().
 */
void moment_begin(struct shmq *q, int64_t byte, void (*act)(struct shmq *q));

/* It has come. */
void moment_end(void);

/* When the lease of q's rings is next dropped, arm its senders' bell. */
void moment_arm_at_resize(struct shmq *q);

/* Has that been done? */
bool moment_was_armed(void);

/* A child acts, and dies. */
void dies_after(void (*act)(struct shmq *q), struct shmq *q);

/* Send these numbers. */
void send_numbers(struct shmq *q, int from, int to);

/* A consumer that has borrowed n messages. */
struct shmq_consumer *borrower(struct shmq *q, unsigned n);

void borrow_one(struct shmq *q);
void take_one_and_leave(struct shmq *q);
void reserve(struct shmq *q);

/* Numbers once each, in any order; these, and no more. flagged: a bit each. */
void must_come(struct shmq *q, unsigned numbers, unsigned flagged);

/* Another description of the queue, as another process has one. */
int other_description(struct shmq *q);

#endif
