/* SPDX-License-Identifier: MIT */
/*
 * What the unit tests share: failing from wherever one is, a directory for
 * each test, child processes, and waiting with a bound.
 *
 * Nothing here depends on timing. A wait polls for what it waits for and gives
 * up, failing, after PATIENCE_S.
 */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

#include <shmq.h>

/* A wedge shows as a wait of this length. */
#define PATIENCE_S 20
#define PATIENCE_NS (INT64_C(1000000000) * PATIENCE_S)

/* ---------------------------------------------------------------- failing */

/*
 * In the test's own thread a cmocka failure; in a child process or in another
 * thread a line on standard error and the end of that process.
 */
#define must(condition)                                                        \
	((condition) ? (void)0 : must_fail(#condition, __FILE__, __LINE__))
#define must_be(got, want)                                                     \
	must_be_equal((int64_t)(got), (int64_t)(want), #got, __FILE__, __LINE__)

void must_fail(const char *what, const char *file, int line);
void must_be_equal(int64_t got, int64_t want, const char *what,
		   const char *file, int line);

/* ------------------------------------------------------------ directories */

/*
 * cmocka fixtures: SHMQ_DIR is a new directory until the test is over. Then
 * no temporary file may be in it, and no descriptor and no mapping be left.
 */
int directory_enter(void **state);
int directory_leave(void **state);

/* How many files are in SHMQ_DIR. */
unsigned directory_entries(void);

#define TEST_IN_DIRECTORY(body)                                                \
	cmocka_unit_test_setup_teardown(body, directory_enter, directory_leave)

/* ----------------------------------------------------------------- queues */

/* Each fails if the library refuses. */
struct shmq *queue_create(const char *name, uint64_t capacity, uint64_t flags);
struct shmq *queue_anonymous(uint64_t capacity, uint64_t flags);
struct shmq *queue_open(const char *name);
struct shmq_producer *producer_join(struct shmq *q);
struct shmq_consumer *consumer_join(struct shmq *q, unsigned flags);
struct shmq_stat stat_of(struct shmq *q);

/* --------------------------------------------------------------- children */

/* A child runs body and exits with 0; it dies with its parent. */
pid_t child_start(void (*body)(void *arg), void *arg);

/* Wait until it has ended: by itself with 0; or by SIGKILL, sent here. */
void child_join(pid_t pid);
void child_kill(pid_t pid);

/* child_start and child_join. */
void child_run(void (*body)(void *arg), void *arg);

/* Wait for it, whatever happens to it. Its status as waitpid() gives it. */
int child_wait(pid_t pid);

/* The same, for a child that is about to be killed by itself or others. */
void child_must_be_killed(pid_t pid);

/* ---------------------------------------------------------------- meeting */

/* Memory that children share with their parent; zeros. */
void *shared_memory(size_t bytes);
void shared_free(void *memory, size_t bytes);

/* A counter that processes or threads use to wait for each other. */
typedef _Atomic int step;

void step_to(step *s, int value);
void step_wait(step *s, int value);

/*
 * Wait until n members of a role, producers or consumers, sleep in the library.
 * Seen by their counters, and by the state that /proc tells.
 */
void wait_for_sleepers(struct shmq *q, uint32_t role, unsigned n);

/* Such a one uses no processor from now on, for so long. */
void must_stay_asleep(pthread_t thread, int64_t ns);

int64_t clock_now_ns(void);
void nap(void); /* a moment, between two looks */

/* ----------------------------------------------------------------- chance */

struct chance {
	uint64_t state;
};

/* Prints the seed; SHMQ_SEED in the environment sets it. */
uint64_t chance_seed(void);
struct chance chance_of(uint64_t seed, uint64_t stream);
uint64_t chance_next(struct chance *chance);
/* 0 to below - 1. */
uint64_t chance_below(struct chance *chance, uint64_t below);

#endif
