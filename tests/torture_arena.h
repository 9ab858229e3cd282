/* SPDX-License-Identifier: MIT */
/*
 * An arena of the torture: one queue from its creation to its removal, with
 * its players and their books. The driver disturbs it, and watches that it
 * goes on.
 */
#ifndef TESTS_TORTURE_ARENA_H
#define TESTS_TORTURE_ARENA_H

#include "torture_player.h"

#define ARENA_SENDERS LEDGER_SENDERS
#define ARENA_RECEIVERS LEDGER_RECEIVERS
#define ARENA_PLAYERS (ARENA_SENDERS + ARENA_RECEIVERS + 1)

/* Where its storage is. */
enum arena_store {
	ARENA_NAMED,     /* a name in SHMQ_DIR */
	ARENA_FILE,      /* a path */
	ARENA_ANONYMOUS, /* no name at all */
};

/* What all arenas together have been through. */
struct torture_sums {
	uint64_t messages, kills, stops, redelivered, lives;
	int64_t longest_ns; /* without progress, and without a stopped one */
};

struct seat {
	pid_t pid; /* 0: dead, or it has left */
	bool stopped;
	int64_t until_ns; /* stopped, or without a player */
};

struct arena {
	unsigned place;
	const struct kind *kind;
	enum arena_store store;
	uint64_t capacity;
	char name[4200];
	struct shmq *q;
	struct ledger *ledger;
	struct chance chance;
	bool copies;
	bool journal;

	struct seat seats[ARENA_PLAYERS];
	unsigned senders, receivers;
	bool removed; /* unlinked while players were at it */
	int64_t ends_ns;

	uint64_t seen, seen_again; /* messages, as far as they were counted */
	int64_t seen_ns;           /* when something last happened */
};

/* What is wrong, if anything is: a sentence, or NULL. */

/* Create the queue in dir and start its players. */
const char *arena_begin(struct arena *arena, const char *dir, unsigned kind,
			struct chance chance);

/* Wake who has slept, replace who has died, disturb somebody; look around. */
const char *arena_disturb(struct arena *arena, struct torture_sums *sums);

/* Whoever has ended is one of ours, perhaps. False: it is not. */
bool arena_reap(struct arena *arena, pid_t pid);

/* Take the name away, whoever is at it. */
const char *arena_remove_name(struct arena *arena);

/* Let all end, receive what is left, add up, look for what stays behind. */
const char *arena_end(struct arena *arena, struct torture_sums *sums);

/* Something is wrong: end all, and leave the queue for a look, in dir. */
void arena_abandon(struct arena *arena, const char *dir);

#endif
