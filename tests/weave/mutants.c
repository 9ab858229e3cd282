/* SPDX-License-Identifier: MIT */
/* Changes of the shipped code that the search must find out. */
#include <string.h>

#include "scenarios.h"

#define TWO "two producers and their consumer"
#define SLEEPER "a producer and a consumer who sleeps"
#define SERIAL "a producer and a serial consumer"
#define SINGLE "single producer and serial consumer"
#define CONSUMERS "two consumers"
#define BUSY "a consumer that closes and a busy one"
#define ADOPTER "an adopter and a producer"
#define RESCUED "two producers and a rescuer"
#define ASLEEP "a sleeper and a rescuer"
#define FULL_ASLEEP "full, and a rescuer"
#define ADOPTERS "what was returned, and two who adopt"
#define MAKING "a group is made while a loan is released"
#define TURN_AND_TAP "a single producer turns under a tap"
#define OVERTAKEN "an overwriting producer and a reader"

#define FENCED "no membarrier, and fences are asked for"
#define SWITCHED_OFF "overwriting is switched off"
#define SWITCHED_AGAIN "overwriting is switched on again"

const struct mutant mutants[] = {
	{ "the claim is not announced", TWO, WEAVE_STRONG, WEAVE_DROP,
	  "claim_announce", 3, 4, 0 },
	{ "the last winner is not helped", RESCUED, WEAVE_STRONG, WEAVE_DROP,
	  "claim_help", 0, 0, 0 },
	{ "the stamp is not a release store", SINGLE, WEAVE_WEAK, WEAVE_RELAX,
	  "record_stamp", 0, 0, 0 },
	{ "the stamp is not loaded with acquire", SINGLE, WEAVE_WEAK,
	  WEAVE_RELAX, "record_published", 0, 0, 0 },
	{ "the stamp comes before the record's length", SINGLE, WEAVE_STRONG,
	  WEAVE_DEFER, "record_describe", 0, 0, 0 },
	{ "the claim is done before the stamp", TWO, WEAVE_STRONG, WEAVE_DEFER,
	  "record_stamp", 0, 0, 0 },
	{ "the tail is numbered before the stamp", SINGLE, WEAVE_STRONG,
	  WEAVE_DEFER, "record_stamp", 0, 0, 0 },
	{ "the number of the cursor is noted after it", SINGLE, WEAVE_STRONG,
	  WEAVE_DEFER, "serial_note", 1, 2, 0 },
	{ "armed after the last look", SLEEPER, WEAVE_STRONG, WEAVE_LATE,
	  "shmqi_bell_arm", 0, 0, 0 },
	{ "nobody rings before publishing", SLEEPER, WEAVE_STRONG, WEAVE_DROP,
	  "bell_look", 0, 2, 0 },
	{ "nobody rings after publishing", SLEEPER, WEAVE_STRONG, WEAVE_DROP,
	  "bell_look", 1, 2, 0 },
	{ "membarrier does nothing", SLEEPER, WEAVE_TSO, WEAVE_NOTHING,
	  "membarrier", 0, 0, 0 },
	{ "clearing the bell and waking are two steps", TWO, WEAVE_STRONG,
	  WEAVE_HALVES, "futex_wake", 0, 0, 0 },
	{ "a loan that is kept is not named", CONSUMERS, WEAVE_STRONG,
	  WEAVE_DROP, "claim_own", 0, 0, 0 },
	{ "the rescuer does not say how much it skips", RESCUED, WEAVE_STRONG,
	  WEAVE_DROP, "shmqi_record_extend", 0, 0, 0 },
	{ "the claim is announced after the swap", RESCUED, WEAVE_STRONG,
	  WEAVE_DEFER, "claim_announce", 3, 4, 0 },
	{ "the cursor is not loaded with acquire", RESCUED, WEAVE_WEAK,
	  WEAVE_RELAX, "cursor_load", 0, 0, 0 },
	{ "the group's cursor is not loaded with acquire", CONSUMERS,
	  WEAVE_WEAK, WEAVE_RELAX, "cursor_load", 0, 0, 0 },
	{ "a span changes its holder without order", ADOPTER, WEAVE_WEAK,
	  WEAVE_RELAX, "shmqi_span_move", 8, 9, 0 },
	{ "a span changes its holder without counting", ADOPTER, WEAVE_STRONG,
	  WEAVE_DROP, "shmqi_span_move", 8, 10, 3 },
	{ "who closes does not say that it returned something", BUSY,
	  WEAVE_STRONG, WEAVE_DROP, "leave", 0, 0, 0 },
	{ "the count of moves is loaded without acquire", ADOPTER, WEAVE_WEAK,
	  WEAVE_RELAX, "look_for_lowest", 0, 3, 0 },
	{ "the tail is looked at without a fence", OVERTAKEN, WEAVE_WEAK,
	  WEAVE_RELAX, "copies_overtaken", 0, 0, 0 },
	{ "a single producer claims without a fence",
	  "a single producer and a tap", WEAVE_WEAK, WEAVE_RELAX,
	  "claim_single", 0, 0, 0 },
	{ "who has cleaned up does not ring for receivers", ASLEEP,
	  WEAVE_STRONG, WEAVE_SILENT, "shmqi_recover_member", 0, 2, 0 },
	{ "who has cleaned up does not ring for senders", FULL_ASLEEP,
	  WEAVE_STRONG, WEAVE_SILENT, "shmqi_recover_member", 1, 2, 0 },
	{ "an adoption that a death broke off is not voided", ADOPTERS,
	  WEAVE_STRONG, WEAVE_DROP, "shmqi_span_void", 0, 0, 0 },
	{ "a group is made without counting", MAKING, WEAVE_STRONG, WEAVE_DROP,
	  "place_in", 0, 0, 0 },
	{ "who looks for room passes no fence", MAKING, WEAVE_WEAK, WEAVE_RELAX,
	  "look_for_lowest", 1, 3, 0 },
	{ "a single producer turns without a fence", TURN_AND_TAP, WEAVE_WEAK,
	  WEAVE_RELAX, "shmqi_turn_take", 0, 0, 0 },
	{ "who rings passes no fence", FENCED, WEAVE_TSO, WEAVE_RELAX,
	  "shmqi_bell_ring", 0, 0, 0 },
	{ "who receives in place does not ask producers", SWITCHED_OFF,
	  WEAVE_STRONG, WEAVE_DROP, "all_follow", 0, 0, 0 },
	{ "who receives in place passes no fence", SWITCHED_AGAIN, WEAVE_TSO,
	  WEAVE_RELAX, "receive_in_place", 0, 0, 0 },
	{ "a live member's lease can be taken", TWO, WEAVE_STRONG, WEAVE_FREE,
	  "lease_take", 0, 0, 0 },
};
const unsigned n_mutants = sizeof(mutants) / sizeof(mutants[0]);

const struct mutant *weave_mutant;
bool mutant_met;

/* How often each has been there, in this execution. */
static unsigned visits[WEAVE_PARTICIPANTS];
static unsigned silent[WEAVE_PARTICIPANTS]; /* 1 + rings since, or 0 */

void mutant_begin(void)
{
	memset(visits, 0, sizeof(visits));
	memset(silent, 0, sizeof(silent));
}

/*
 * Rings that follow each other are counted, from an access in the function on:
 * the nth of them finds nobody armed.
 */
bool mutant_silences(const char *where)
{
	const struct mutant *m = weave_mutant;
	unsigned *rings;

	if (!m || m->change != WEAVE_SILENT)
		return false;
	rings = &silent[weave_self()];
	if (!strcmp(where, m->where)) {
		*rings = 1;
		return false;
	}
	if (strcmp(where, "shmqi_bell_ring") != 0)
		*rings = 0;
	if (!*rings || (*rings)++ - 1 != m->nth)
		return false;
	return mutant_met = true;
}

bool mutant_hits(const char *where, enum weave_change change)
{
	const struct mutant *m = weave_mutant;

	if (!m || m->change != change)
		return false;
	/* The changes of the bell and of leases are asked for by place. */
	if (change == WEAVE_NOTHING || change == WEAVE_HALVES ||
	    change == WEAVE_FREE ||
	    (change == WEAVE_LATE && !strcmp(where, "futex_wait")))
		return mutant_met = true;
	if (strcmp(where, m->where) != 0)
		return false;
	mutant_met = true;
	return !m->of || visits[weave_self()]++ % m->of == m->nth;
}
