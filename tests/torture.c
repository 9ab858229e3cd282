/* SPDX-License-Identifier: MIT */
/*
 * torture [SECONDS [SEED]]: queues of all kinds at once, each with senders,
 * receivers and lookers that are killed, stopped, continued, that fork, leave
 * and come back, until the queue itself is unlinked and made anew. The books
 * of tests/ledger.h say what must have come of it; when a queue ends, its
 * members table, its leases and its storage must be as if nobody had been
 * there. One line a second says what happened.
 *
 * If something is wrong it says what, and the seed, and leaves the queues as
 * they were at that moment in a directory that it names. The seed repeats the
 * choices, not what the kernel's scheduler made of them.
 */
#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "torture_arena.h"

static struct arena arenas[KINDS];
static char dir[4000];
static uint64_t seed;

static void give_up(const char *what, unsigned which)
{
	printf("torture: %s: %s\nSHMQ_SEED=%" PRIu64 "\n", kinds[which].name,
	       what, seed);
	printf("The queues are left in %s:\n", dir);
	for (unsigned i = 0; i < KINDS; i++)
		if (arenas[i].ledger)
			arena_abandon(&arenas[i], dir);
	exit(1);
}

static void begin(unsigned which, struct chance *chance)
{
	struct chance own = chance_of(chance_next(chance), which);
	const char *wrong = arena_begin(&arenas[which], dir, which, own);

	if (wrong)
		give_up(wrong, which);
}

/* Players that left, and children whose parents were killed. */
static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		unsigned i = 0;

		while (i < KINDS && !arena_reap(&arenas[i], pid))
			i++;
		if (!status)
			continue;
		printf("torture: process %d ended with status %#x\n", (int)pid,
		       (unsigned)status);
		give_up(i < KINDS ? "a player has failed" :
				    "a player's child has failed",
			i < KINDS ? i : 0);
	}
}

static void report(int64_t second, const struct torture_sums *sums)
{
	printf("%4" PRId64 " s: %" PRIu64 " messages, %" PRIu64
	       " kills, %" PRIu64 " stops, %" PRIu64 " redelivered, %" PRIu64
	       " queues, longest pause %" PRId64 " ms\n",
	       second, sums->messages, sums->kills, sums->stops,
	       sums->redelivered, sums->lives, sums->longest_ns / 1000000);
}

/* The end of one takes time in which nobody attends to the others. */
static const char *renew(unsigned which, struct chance *chance,
			 struct torture_sums *sums)
{
	int64_t begun_ns = clock_now_ns();
	const char *wrong = arena_end(&arenas[which], sums);

	if (wrong)
		return wrong;
	for (unsigned i = 0; i < KINDS; i++)
		arenas[i].seen_ns += clock_now_ns() - begun_ns;
	begin(which, chance);
	return NULL;
}

static void run(int64_t seconds, struct chance *chance)
{
	int64_t begun_ns = clock_now_ns(), said = 0, now;
	struct torture_sums sums = { 0 };
	const char *wrong = NULL;

	for (unsigned i = 0; i < KINDS; i++)
		begin(i, chance);
	while ((now = clock_now_ns()) - begun_ns < seconds * 1000000000) {
		reap();
		for (unsigned i = 0; i < KINDS && !wrong; i++) {
			wrong = arena_disturb(&arenas[i], &sums);
			if (!wrong && now > arenas[i].ends_ns)
				wrong = renew(i, chance, &sums);
			if (wrong)
				give_up(wrong, i);
		}
		if ((now - begun_ns) / 1000000000 > said)
			report(said = (now - begun_ns) / 1000000000, &sums);
		nap();
	}
	for (unsigned i = 0; i < KINDS; i++) {
		reap();
		wrong = arena_end(&arenas[i], &sums);
		if (wrong)
			give_up(wrong, i);
		arenas[i].ledger = NULL;
	}
	report(seconds, &sums);
}

static unsigned count(const char *path)
{
	DIR *entries = opendir(path);
	unsigned n = 0;

	while (entries && readdir(entries))
		n++;
	if (entries)
		closedir(entries);
	return n;
}

/* Orphans of the last players end within their own short time. */
static void wait_for_all(void)
{
	int64_t deadline = clock_now_ns() + PATIENCE_NS;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) >= 0) {
		if (pid > 0 && status)
			give_up("a child has failed", 0);
		if (clock_now_ns() > deadline)
			give_up("a child does not end", 0);
		nap();
	}
}

int main(int argc, char **argv)
{
	int64_t seconds = argc > 1 ? atoll(argv[1]) : 4;
	struct chance chance;
	unsigned fds;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 2)
		setenv("SHMQ_SEED", argv[2], 1);
	if (argc > 3 || seconds < 1) {
		fprintf(stderr, "usage: torture [SECONDS [SEED]]\n");
		return 2;
	}
	seed = chance_seed();
	chance = chance_of(seed, 0);
	snprintf(dir, sizeof(dir), "%s/shmq-torture.XXXXXX",
		 shmq_runtime_dir());
	if (!mkdtemp(dir) || setenv("SHMQ_DIR", dir, 1)) {
		perror(dir);
		return 1;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	fds = count("/proc/self/fd");
	run(seconds, &chance);
	wait_for_all();
	if (count("/proc/self/fd") != fds)
		give_up("descriptors are left", 0);
	if (count(dir) != 2)
		give_up("files are left", 0);
	return rmdir(dir) != 0;
}
