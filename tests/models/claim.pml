/* SPDX-License-Identifier: MIT */
/*
 * The announced claim (lib/cursor.h, lib/cursor.c), its recovery
 * (finish_claimed(), look_for_claim() of lib/recovery.c) and the reuse of
 * member entries.
 *
 * Producers 1 and 2 claim at the tail, write, stamp, and leave; they may die
 * anywhere. (With THREE there are three of them, and nothing else.) The
 * collector, the last entry, is a competing consumer: it takes what is there at
 * the group's cursor, looks for the claim where nothing is, and cleans up after
 * the dead; it may die too, and the next one begins. With REUSE, a joiner
 * becomes a consumer in the first entry that is free, so that one entry claims
 * at both cursors; it may die as well.
 *
 * Promised: only a claim that has won is ever called owned; who stamps a
 * position owns it alone; whoever looks for the claim where nothing is stamped
 * finds one; the collector gets to the end, where every acknowledged message
 * has been received by one consumer, or again after that one's death.
 *
 * Bounds: DEATHS, CLAIMS1, CLAIMS2, SPAN2.
 */
#ifndef DEATHS
#define DEATHS 2
#endif
#ifndef CLAIMS1
#define CLAIMS1 1 /* of producer 1, one record each */
#endif
#ifndef CLAIMS2
#define CLAIMS2 1 /* of producer 2 */
#endif
#ifndef SPAN2
#define SPAN2 2   /* records each */
#endif
#ifdef THREE
#define CLAIMS3 1 /* of producer 3, one record each */
#else
#define CLAIMS3 0
#endif
#define COLLECTOR 3
#define RECORDS (CLAIMS1 + CLAIMS2 * SPAN2 + CLAIMS3)
#define ENTRIES 4 /* entry 0 stands for nobody */

/* Cursors: a position, and who brought it there. The number is the position. */
byte tail = 0, tail_owner = 0;
byte group = 0, group_owner = 0;

#define FREE 0
#define PRODUCER 1
#define CONSUMER 2
byte role[ENTRIES];
byte lease[ENTRIES]; /* which process has it; 0: none */

/* Slot 0 of each entry. */
#define NONE 0
#define OWNED 1
#define AT_TAIL 2 /* announced there */
#ifdef ONE_ANNOUNCED
#define AT_GROUP 2
#else
#define AT_GROUP 3
#endif
#define WORD(pos, what) ((pos) * 4 + (what))
#define WHAT(word) ((word) % 4)
#define POS(word) ((word) / 4)
byte word[ENTRIES], end_pos[ENTRIES];

#define SKIPPED 9
byte stamp[RECORDS];

/* What is really so. */
byte deaths = 0;
byte open[ENTRIES];       /* position + 1 of a claim that has won */
bool acked[RECORDS];      /* its send has returned */
bool received[RECORDS];   /* its receiver is done, or dead and replaced */
byte running;             /* producers and joiners */

#define STEP(x) \
	if \
	:: atomic { deaths < DEATHS -> deaths++; goto dead } \
	:: x \
	fi

#define SAY_OWNED(e) \
	word[e] = WORD(POS(word[e]), OWNED); \
	assert(open[e] == POS(word[e]) + 1)

/* claim_help() at the cursor (at, owner), which was loaded before */
inline help(cursor, cursor_owner, what)
{
	w = word[owner];
	if
	:: WHAT(w) == what && POS(w) != at ->
#ifdef NO_RECHECK
		if
		:: true ->
#else
		if
		:: cursor == at && cursor_owner == owner ->
#endif
			STEP(d_step {
				if
				:: word[owner] == w -> SAY_OWNED(owner)
				:: else
				fi
			})
		:: else
		fi
	:: else
	fi;
	w = 0
}

/* Claim [at, at + span), or find that the cursor has moved. */
inline claim(cursor, cursor_owner, what, span)
{
#ifndef NO_HELP
	if
	:: owner != 0 && owner != me -> help(cursor, cursor_owner, what)
	:: else
	fi;
#endif
#ifndef NO_ANNOUNCE
	STEP(end_pos[me] = at + span);
	STEP(word[me] = WORD(at, what));
#endif
	STEP(d_step {
		if
		:: cursor == at && cursor_owner == owner ->
			cursor = at + span;
			cursor_owner = me;
			open[me] = at + 1;
			won = true
		:: else -> won = false
		fi
	});
	if
	:: won ->
#ifdef NO_ANNOUNCE
		STEP(end_pos[me] = at + span);
#endif
		STEP(d_step { word[me] = WORD(at, what); SAY_OWNED(me) })
	:: else
	fi
}

#define STAMP(pos, what) \
	assert(stamp[pos] == 0); \
	stamp[pos] = what

proctype producer(byte me; byte claims; byte span)
{
	byte at, owner, w, i;
	bool won;

	do
	:: claims == 0 -> break
	:: claims > 0 ->
		d_step { at = tail; owner = tail_owner }
		claim(tail, tail_owner, AT_TAIL, span);
		if
		:: won ->
			i = 0;
			do
			:: i < span ->
				STEP(d_step { STAMP(at + i, me); i++ })
			:: else -> break
			od;
			STEP(d_step { word[me] = NONE; open[me] = 0 });
			atomic {
				i = 0;
				do
				:: i < span -> acked[at + i] = true; i++
				:: else -> break
				od;
				i = 0;
				claims--
			}
		:: else
		fi;
		d_step { at = 0; owner = 0; won = false }
	od;
	STEP(role[me] = FREE);
dead:
	skip;
	d_step {
		lease[me] = 0;
		running--;
		at = 0; owner = 0; w = 0; i = 0; won = false; claims = 0; me = 0
	}
}

/* shmqi_claim_settle(): word[e] becomes OWNED or NONE. Its lease is held. */
inline settle(e, cursor, cursor_owner)
{
	w = word[e];
	if
	:: WHAT(w) > OWNED ->
		won = (cursor_owner == e && cursor != POS(w));
		STEP(d_step {
			if
			:: word[e] == w && won -> SAY_OWNED(e)
			:: word[e] == w && !won -> word[e] = NONE
			:: else
			fi
		});
		won = false
	:: else
	fi;
	w = 0
}

/* finish_claimed() */
inline finish_producer(e)
{
	settle(e, tail, tail_owner);
	if
	:: WHAT(word[e]) == OWNED ->
		i = POS(word[e]);
		do
		:: i < end_pos[e] && stamp[i] != 0 -> i++
		:: else -> break
		od;
		/* One record for the rest. */
		STEP(d_step {
			do
			:: i < end_pos[e] -> STAMP(i, SKIPPED); i++
			:: else -> break
			od
		});
		STEP(d_step { word[e] = NONE; open[e] = 0; i = 0 })
	:: else
	fi
}

/* finish_consumer(); its span is received again at once, see returned.pml. */
inline finish_consumer(e)
{
	settle(e, group, group_owner);
	if
	:: WHAT(word[e]) == OWNED ->
		STEP(d_step {
			assert(open[e] == POS(word[e]) + 1);
			assert(!received[POS(word[e])]);
			received[POS(word[e])] = true;
			word[e] = NONE;
			open[e] = 0
		})
	:: else
	fi
}

/* shmqi_recover_member() */
inline recover()
{
	if
	:: atomic { role[e] != FREE && lease[e] == 0 -> lease[e] = COLLECTOR };
	   if
	   :: role[e] == PRODUCER -> finish_producer(e)
	   :: role[e] == CONSUMER -> finish_consumer(e)
	   :: role[e] == FREE
	   fi;
	   STEP(role[e] = FREE);
	   STEP(lease[e] = 0);
	   recovered = true
	:: lease[e] != 0 || role[e] == FREE
	fi
}

#define WAITS_FOR_RESCUE(e) (role[e] != FREE && lease[e] == 0)
#define ANY_FOR_RESCUE (WAITS_FOR_RESCUE(1) || WAITS_FOR_RESCUE(2))
#define NOTHING_MORE (running == 0 && group == tail && !ANY_FOR_RESCUE)

/* As a member, when it has died: its claim is recovered at once. */
inline replace_collector()
{
	d_step {
		e = 1;
		do
		:: e < COLLECTOR ->
			if
			:: lease[e] == COLLECTOR -> lease[e] = 0
			:: else
			fi;
			e++
		:: else -> break
		od;
		if
		:: open[me] != 0 -> received[open[me] - 1] = true
		:: else
		fi;
		open[me] = 0;
		word[me] = NONE;
		at = 0; owner = 0; w = 0; e = 0; i = 0;
		won = false; found = false; recovered = false
	}
}

proctype collector()
{
	byte me = COLLECTOR, at, owner, w, e, i;
	bool won, found, recovered;

	do
	:: NOTHING_MORE -> break
	:: !NOTHING_MORE ->
again:		atomic { at = group; owner = group_owner };
		if
		:: at < RECORDS && stamp[at] != 0 ->
			claim(group, group_owner, AT_GROUP, 1);
			if
			:: won ->
				STEP(d_step {
					assert(!received[at]);
					received[at] = true;
					word[me] = NONE;
					open[me] = 0
				})
			:: else
			fi
		:: at < RECORDS && stamp[at] == 0 && tail > at && group == at ->
			/* look_for_claim() */
			e = 1;
			do
			:: e == COLLECTOR -> break
			:: e < COLLECTOR && role[e] != PRODUCER -> e++
			:: e < COLLECTOR && role[e] == PRODUCER ->
				w = word[e];
				if
				:: WHAT(w) != NONE && POS(w) <= at &&
				   end_pos[e] > at ->
					found = true;
					w = 0;
					recover()
				:: else -> w = 0
				fi;
				if
				:: recovered -> break
				:: else -> e++
				fi
			od;
			assert(found || group != at || stamp[at] != 0);
			/* A bounded sleep. */
			stamp[at] != 0 || group != at || ANY_FOR_RESCUE
		:: tail <= at || group != at || ANY_FOR_RESCUE ->
			/* A longer one; then it sees who is dead. */
			tail != at || group != at || NOTHING_MORE ||
				ANY_FOR_RESCUE;
			e = 1;
			do
			:: e < COLLECTOR -> recover(); e++
			:: else -> break
			od
		fi;
		atomic {
			at = 0; owner = 0; w = 0; e = 0; won = false;
			found = false; recovered = false
		}
	od;
	i = 0;
	do
	:: i < tail ->
		assert(stamp[i] != 0 && received[i]);
		assert(!acked[i] || stamp[i] != SKIPPED);
		i++
	:: else -> break
	od;
	goto end;
dead:
	skip;
	replace_collector();
	goto again;
end:
	skip
}

#ifdef REUSE
proctype joiner()
{
	byte me, at, owner, w;
	bool won;

	if
	:: atomic { role[1] == FREE && lease[1] == 0 -> me = 1; lease[1] = 1 }
	:: atomic { role[2] == FREE && lease[2] == 0 -> me = 2; lease[2] = 2 }
	:: running == 1 && group == tail -> goto dead
	fi;
	word[me] = NONE;
	STEP(role[me] = CONSUMER);
	do
	:: d_step { at = group; owner = group_owner };
	   if
	   :: at == RECORDS -> break
	   :: at < RECORDS && stamp[at] == 0 -> break
	   :: at < RECORDS && stamp[at] != 0
	   fi;
	   claim(group, group_owner, AT_GROUP, 1);
	   if
	   :: won ->
		STEP(d_step {
			assert(!received[at]);
			received[at] = true;
			word[me] = NONE;
			open[me] = 0
		});
		break
	   :: else
	   fi
	od;
	STEP(word[me] = NONE);
	STEP(role[me] = FREE);
dead:
	skip;
	d_step {
		lease[me] = 0;
		running--;
		me = 0; at = 0; owner = 0; w = 0; won = false
	}
}
#endif

init {
	atomic {
		role[1] = PRODUCER; lease[1] = 1;
		role[2] = PRODUCER; lease[2] = 2;
		run producer(1, CLAIMS1, 1);
		run producer(2, CLAIMS2, SPAN2);
		running = 2;
#ifdef THREE
		role[3] = PRODUCER; lease[3] = 3;
		run producer(3, CLAIMS3, 1);
#else
		run collector();
#ifdef REUSE
		run joiner();
		running++;
#endif
#endif
	}
}
