/* SPDX-License-Identifier: MIT */
/* Noting and adding up. See ledger.h. */
#include <inttypes.h>
#include <stdio.h>

#include "atomic.h"
#include "ledger.h"

struct ledger *ledger_make(void)
{
	return shared_memory(sizeof(struct ledger));
}

void ledger_free(struct ledger *ledger)
{
	shared_free(ledger, sizeof(*ledger));
}

struct letter ledger_begin(struct ledger *ledger, unsigned sender)
{
	uint64_t number = load_relaxed(&ledger->next[sender]);
	struct letter letter = { sender, number };

	must(number < LEDGER_NUMBERS);
	ledger_note(ledger, letter, LEDGER_BEGUN);
	store_release(&ledger->next[sender], number + 1);
	return letter;
}

void ledger_note(struct ledger *ledger, struct letter letter, uint8_t state)
{
	store_release(&ledger->state[letter.sender][letter.number], state);
}

static void complain(const char *what, struct letter letter)
{
	fprintf(stderr, "sender %u, number %" PRIu64 ": %s\n", letter.sender,
		letter.number, what);
	must(!"the ledger adds up");
}

void ledger_receive(struct ledger *ledger, const void *buf, size_t len,
		    bool redelivered, uint64_t *last)
{
	struct letter letter = letter_read(buf, len);
	uint64_t number = letter.number;
	unsigned sender = letter.sender;
	uint8_t state;

	must(sender < LEDGER_SENDERS && number < LEDGER_NUMBERS);
	state = load_acquire(&ledger->state[sender][number]);
	if (state == LEDGER_NONE || state == LEDGER_DROPPED)
		complain("received, and was not sent", letter);
	if (redelivered) {
		store_relaxed(&ledger->again[sender][number], 1);
		atomic_fetch_add(&ledger->redelivered, 1);
	} else {
		if (number < last[sender])
			complain("received out of order", letter);
		last[sender] = number + 1;
		if (atomic_exchange(&ledger->fresh[sender][number], 1))
			complain("received twice, not flagged", letter);
	}
	atomic_fetch_add(&ledger->received, 1);
}

void ledger_must_add_up(struct ledger *ledger)
{
	uint64_t missing = 0, acked = 0, doubtful = 0;
	struct letter first = { 0, 0 };

	for (unsigned s = 0; s < LEDGER_SENDERS; s++) {
		for (uint64_t n = 0; n < ledger->next[s]; n++) {
			bool seen = ledger->fresh[s][n] || ledger->again[s][n];

			if (ledger->state[s][n] == LEDGER_BEGUN)
				doubtful++;
			if (ledger->state[s][n] != LEDGER_ACKED)
				continue;
			acked++;
			if (!seen && !missing++)
				first = (struct letter){ s, n };
		}
	}
	print_message("%" PRIu64 " sent, %" PRIu64 " of unknown fate, %" PRIu64
		      " redelivered, %" PRIu64 " of at most %" PRIu64
		      " hidden by their receiver's death\n",
		      acked, doubtful, ledger->redelivered, missing,
		      ledger->hidden);
	must(acked > 0);
	if (missing > ledger->hidden)
		complain("sent, and lost", first);
}
