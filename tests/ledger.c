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

/* A holder: which receiver, in which of its lives; 0 is nobody. */
static uint16_t holder_of(unsigned receiver, uint32_t life)
{
	return (uint16_t)(1 + receiver + LEDGER_RECEIVERS * (life % 16000));
}

void ledger_hold(struct ledger *ledger, unsigned receiver, uint32_t life,
		 struct letter letter)
{
	store_release(&ledger->holder[letter.sender][letter.number],
		      holder_of(receiver, life));
}

void ledger_let_go(struct ledger *ledger, struct letter letter)
{
	store_release(&ledger->holder[letter.sender][letter.number], 0);
}

/* A message came again: then whoever held it has not lived on. */
static void must_not_be_robbed(struct ledger *ledger, struct letter letter)
{
	_Atomic uint16_t *at = &ledger->holder[letter.sender][letter.number];
	uint16_t holder = load_acquire(at);
	unsigned receiver = (holder - 1u) % LEDGER_RECEIVERS;
	uint32_t life = load_acquire(&ledger->life[receiver]);

	if (holder && holder == holder_of(receiver, life))
		complain("taken from a living receiver", letter);
}

struct letter ledger_receive(struct ledger *ledger, const void *buf, size_t len,
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
		must_not_be_robbed(ledger, letter);
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
	return letter;
}

struct balance ledger_balance(struct ledger *ledger)
{
	struct balance b = { 0 };

	for (unsigned s = 0; s < LEDGER_SENDERS; s++) {
		for (uint64_t n = 0; n < ledger->next[s]; n++) {
			bool seen = ledger->fresh[s][n] || ledger->again[s][n];

			if (ledger->state[s][n] == LEDGER_BEGUN)
				b.doubtful++;
			if (ledger->state[s][n] != LEDGER_ACKED)
				continue;
			b.acked++;
			if (!seen && !b.missing++)
				b.first_missing = (struct letter){ s, n };
		}
	}
	return b;
}

void ledger_must_add_up(struct ledger *ledger)
{
	struct balance b = ledger_balance(ledger);

	print_message("%" PRIu64 " sent, %" PRIu64 " of unknown fate, %" PRIu64
		      " redelivered, %" PRIu64 " of at most %" PRIu64
		      " hidden by their receiver's death\n",
		      b.acked, b.doubtful, ledger->redelivered, b.missing,
		      ledger->hidden);
	must(b.acked > 0);
	if (b.missing > ledger->hidden)
		complain("sent, and lost", b.first_missing);
}
