/* SPDX-License-Identifier: MIT */
/* The slow side of the claim: what others find out about one. See cursor.h. */
#include "config.h"

#include "cursor.h"

/* A slot that changes this often under a look is being scribbled at. */
#define LOOKS 1000

bool shmqi_claim_holds(struct sh_cursor *sh, struct sh_claim *claim,
		       uint32_t me, uint64_t *word)
{
	for (int i = 0; i < LOOKS; i++) {
		struct cursor c;

		/* edges ANNOUNCE, DONE */
		*word = load_acquire(&claim->word);
		if (claim_state(*word) != SH_CLAIM_ANNOUNCED)
			return claim_state(*word) == SH_CLAIM_OWNED ||
			       claim_state(*word) == SH_CLAIM_ADOPTING;
		c = cursor_load(sh);
		if (!cursor_unchanged(sh, c))
			continue;
		/*
		 * While the word stays: it has won exactly if the cursor names
		 * this member and has moved on. A loser's later win shows in
		 * the word, and so does a helper's hand.
		 */
		if (load_acquire(&claim->word) == *word)
			return c.owner == me && c.pos != claim_pos(*word);
	}
	return true;
}

void shmqi_claim_settle(struct sh_cursor *sh, struct sh_claim *claim,
			uint32_t me)
{
	uint64_t word;

	if (shmqi_claim_holds(sh, claim, me, &word)) {
		if (claim_state(word) == SH_CLAIM_ANNOUNCED)
			cas64(&claim->word, word,
			      claim_pos(word) | SH_CLAIM_OWNED);
	} else if (claim_state(word) == SH_CLAIM_ANNOUNCED) {
		claim_done(claim);
	}
}

void shmqi_cursor_disown(struct sh_cursor *sh, uint32_t me)
{
	for (int i = 0; i < LOOKS; i++) {
		struct cursor c = cursor_load(sh), to = c;

		to.owner = SH_NOBODY;
		if (!cursor_unchanged(sh, c))
			continue;
		if (c.owner != me || cursor_swap(sh, c, to))
			return;
	}
}
