/* SPDX-License-Identifier: MIT */
/*
 * Finishing a dead producer's claim (finish_claim() of lib/recovery.c) while
 * the others go on, for laps.
 *
 * A producer died with a claim of two records, of which it stamped none, one or
 * both. The rescuer, which may die too and be replaced, looks for what is left
 * and turns it into one skipped record. Meanwhile the reader goes as far as
 * there are stamps, and another producer writes as far as there is room, over
 * what has been read.
 *
 * Promised: the rescuer writes only where nothing is stamped that the dead
 * producer or anybody else has put there, and the reader gets to the end.
 *
 * Bounds: DEATHS, RECORDS.
 */
#ifndef DEATHS
#define DEATHS 2
#endif
#ifndef RECORDS
#define RECORDS 7
#endif
#define CAPACITY 2
#define CLAIM 2 /* records of it, from position 0 on; as many numbers */

/* The ring: whose stamp is there, as position + 1; how far its record goes. */
byte stamp[CAPACITY], span[CAPACITY];
byte cursor = 0;
bool claimed = true;
byte deaths = 0;

#define STEP(x) \
	if \
	:: atomic { deaths < DEATHS -> deaths++; goto again } \
	:: x \
	fi

proctype rescuer()
{
	byte rest, place, goes, lowest;
	bool there;

again:
	rest = 0;
	do
	:: !claimed -> break
	:: claimed ->
		/* look_for_rest() */
look:
#ifndef FROM_THE_BEGINNING
		atomic {
			place = cursor;
			rest = (place > rest -> place : rest);
			rest = (rest > CLAIM -> CLAIM : rest)
		}
#endif
		do
		:: rest < CLAIM ->
			there = (stamp[rest % CAPACITY] == rest + 1);
			goes = span[rest % CAPACITY];
			STEP(lowest = cursor);
#if !defined(FROM_THE_BEGINNING) && !defined(BELIEVED_AT_ONCE)
			if
			:: lowest > rest -> goto look
			:: else
			fi;
#endif
			if
			:: there -> rest = rest + goes
			:: else -> break
			fi
		:: else -> break
		od;
		if
		:: rest < CLAIM ->
			assert(stamp[rest % CAPACITY] <= rest);
			STEP(span[rest % CAPACITY] = CLAIM - rest);
			assert(stamp[rest % CAPACITY] <= rest);
			STEP(stamp[rest % CAPACITY] = rest + 1)
		:: else
		fi;
		STEP(claimed = false)
	od
}

proctype reader()
{
	do
	:: cursor == RECORDS -> break
	:: cursor < RECORDS && stamp[cursor % CAPACITY] == cursor + 1 ->
		cursor = cursor + span[cursor % CAPACITY]
	od
}

proctype producer()
{
	byte pos = CLAIM;

	do
	:: pos == RECORDS -> break
	:: pos < RECORDS && pos < cursor + CAPACITY ->
		span[pos % CAPACITY] = 1;
		stamp[pos % CAPACITY] = pos + 1;
		pos++
	od
}

init {
	atomic {
		if
		:: true
		:: stamp[0] = 1; span[0] = 1
		:: stamp[0] = 1; span[0] = 1; stamp[1] = 2; span[1] = 1
		fi;
		run rescuer();
		run reader();
		run producer()
	}
}
