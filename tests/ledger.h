/* SPDX-License-Identifier: MIT */
/*
 * The ledger: what producers and consumers that may die at any moment have
 * noted, in memory that outlives them, and whether it adds up.
 *
 * A sender counts its numbers up, over all its lives. Before a message is
 * handed to the library its number is BEGUN; after that, ACKED, or DROPPED, if
 * it was not sent and must never be seen. A receiver notes each message before
 * it gives it back. One that copies cannot do that: a death between the
 * library's release and the note hides one message, so these are counted.
 *
 * A receiver may also mark what it holds. Who then gets such a message again,
 * while its holder is in the same life, has robbed a living process.
 */
#ifndef TESTS_LEDGER_H
#define TESTS_LEDGER_H

#include "pattern.h"

#define LEDGER_SENDERS 4
#define LEDGER_RECEIVERS 4
#define LEDGER_NUMBERS (UINT64_C(1) << 21) /* of each sender */

enum {
	LEDGER_NONE,
	LEDGER_BEGUN,
	LEDGER_ACKED,
	LEDGER_DROPPED
};

struct ledger {
	/* of each sender: what comes next */
	_Atomic uint64_t next[LEDGER_SENDERS];

	/* of each receiver: inside a copying receive */
	_Atomic bool copying[LEDGER_RECEIVERS];
	_Atomic uint64_t hidden; /* deaths there */

	/* of each receiver: its life; counted up before it is ended */
	_Atomic uint32_t life[LEDGER_RECEIVERS];

	/* progress, and what the receivers have met */
	_Atomic uint64_t received;
	_Atomic uint64_t redelivered;
	_Atomic bool stop;

	_Atomic uint8_t state[LEDGER_SENDERS][LEDGER_NUMBERS];
	_Atomic uint8_t fresh[LEDGER_SENDERS][LEDGER_NUMBERS];
	_Atomic uint8_t again[LEDGER_SENDERS][LEDGER_NUMBERS];
	_Atomic uint16_t holder[LEDGER_SENDERS][LEDGER_NUMBERS];
};

/* What the books say when all is over. */
struct balance {
	uint64_t acked;
	uint64_t doubtful; /* begun; their sender died in the call */
	uint64_t missing;  /* acknowledged and never seen */
	struct letter first_missing;
};

struct ledger *ledger_make(void);
void ledger_free(struct ledger *ledger);

/* The sender's next letter, BEGUN. */
struct letter ledger_begin(struct ledger *ledger, unsigned sender);
void ledger_note(struct ledger *ledger, struct letter letter, uint8_t state);

/* The receiver, which began in that life, holds it; is about to give it back. */
void ledger_hold(struct ledger *ledger, unsigned receiver, uint32_t life,
		 struct letter letter);
void ledger_let_go(struct ledger *ledger, struct letter letter);

/*
 * A message has come. last: the highest number, and 1, of each sender that
 * this receiver saw fresh; order is checked among those.
 */
struct letter ledger_receive(struct ledger *ledger, const void *buf, size_t len,
			     bool redelivered, uint64_t *last);

struct balance ledger_balance(struct ledger *ledger);

/* All has been drained: nothing acknowledged is missing. */
void ledger_must_add_up(struct ledger *ledger);

#endif
