/* SPDX-License-Identifier: MIT */
/* The slow side of the claim: what others find out about one. See cursor.h. */
#include "config.h"

#include "cursor.h"

#define LOOKS 1000

enum claim_fate shmqi_claim_look(struct sh_cursor *sh, struct sh_claim *claim,
				 uint32_t me, uint64_t *word)
{
	for (int i = 0; i < LOOKS; i++) {
		struct cursor c;
		uint32_t state;

		/* edges ANNOUNCE, DONE */
		*word = load_acquire(&claim->word);
		state = claim_state(*word);
		if (state < SH_CLAIM_ANNOUNCED)
			return state == SH_CLAIM_OWNED ? CLAIM_HELD :
							 CLAIM_NONE;
		c = cursor_load(sh);
		if (!cursor_unchanged(sh, c))
			continue;
		/*
		 * While the word stays: it has won exactly if the cursor names
		 * this member and has moved on. A loser's later win shows in
		 * the word, and so does a helper's hand.
		 */
		if (load_acquire(&claim->word) == *word)
			return c.owner == me && c.pos != claim_pos(*word) ?
				       CLAIM_HELD :
				       CLAIM_NONE;
	}
	return CLAIM_UNSURE;
}

void shmqi_claim_settle(struct sh_cursor *sh, struct sh_claim *claim,
			uint32_t me)
{
	uint64_t word;
	enum claim_fate fate = shmqi_claim_look(sh, claim, me, &word);

	if (claim_state(word) < SH_CLAIM_ANNOUNCED)
		return;
	/*
	 * Unsure: the cursor went on all the time and nobody said OWNED, as
	 * the first of them had to if this claim had won.
	 */
	if (fate == CLAIM_HELD)
		cas64(&claim->word, word,
		      claim_word(claim_pos(word), SH_CLAIM_OWNED));
	else
		cas64(&claim->word, word, SH_CLAIM_NONE);
}
