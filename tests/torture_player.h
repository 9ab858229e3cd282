/* SPDX-License-Identifier: MIT */
/*
 * The players of the torture: processes that send, receive or look until they
 * are told to end, leave by themselves, or are killed. Each keeps the books
 * that the driver adds up; whatever it finds wrong it says and exits with 1.
 */
#ifndef TESTS_TORTURE_PLAYER_H
#define TESTS_TORTURE_PLAYER_H

#include "ledger.h"
#include "variants.h"

enum player_role {
	PLAYER_SENDER,
	PLAYER_RECEIVER,
	PLAYER_LOOKER,
};

struct player {
	enum player_role role;
	unsigned me;   /* among those of its role */
	uint32_t life; /* of a receiver, when it was started */
	struct shmq *q;
	const char *name; /* to open it by; NULL: it has none */
	const struct kind *kind;
	struct ledger *ledger;
	bool copies;  /* receivers may copy */
	uint64_t max; /* bytes of a message */
	struct chance chance;
};

/* Play; returns when the player leaves of its own accord. */
void player_run(struct player *player);

/* Receive all that is left. Nobody else is there any more. */
void player_drain(struct player *player);

#endif
