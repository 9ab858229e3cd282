/* SPDX-License-Identifier: MIT */
/*
 * The serial consumer (lib/serial.h, lib/group.c, settle_serial() of
 * lib/recovery.c): the number of a group's cursor, kept in two pairs by turns.
 *
 * life     consumers of one group, one after the other, each alone: bury the
 *          dead, take an entry, begin, borrow and release, or copy; die
 *          anywhere, or leave
 * looker   shmqi_group_place(), at any time
 * rescuer  with RESCUED, instead of the looker: somebody else who recovers
 *
 * Promised: whoever settles a dead consumer, and whoever looks, finds the
 * number that belongs to the position; what has been out with a dead consumer
 * is flagged when it is handed out again; somebody gets to the end.
 *
 * Bounds: DEATHS, RECORDS, LOOKS.
 */
#ifndef DEATHS
#define DEATHS 2
#endif
#ifndef RECORDS
#define RECORDS 2
#endif
#ifndef LOOKS
#define LOOKS 1
#endif
#define ENTRIES 2
#define NOWHERE 99 /* UINT64_MAX as a position */
#define NONE ENTRIES /* no entry */
#define NUMBER(pos) (10 + 2 * (pos)) /* what belongs to a position */
#define NOBODY 0
#define LIFE 1
#define RESCUER 2

/* The group's cursor: lo and hi, which a serial consumer stores singly. */
byte lo = 0, hi = NUMBER(0);
byte redelivered_pos = 0;

/* Member entries: state, claims[0].word, claims[0].end, two pairs, lease. */
bool consumer[ENTRIES], serial[ENTRIES];
byte taken[ENTRIES];
byte pair_seq[ENTRIES * 2], pair_count[ENTRIES * 2];
byte lease[ENTRIES];

byte deaths = 0;
bool shown[RECORDS]; /* handed out at least once */
bool over = false;   /* there will be no further life */

#define PAIR(e, k) ((e) * 2 + (k))

/* One step, unless death comes before it. */
#define STEP(x) \
	if \
	:: atomic { mortal && deaths < DEATHS -> deaths++; goto dead } \
	:: x \
	fi

/* shmqi_recover_member() of a consumer. */
inline recover(e, who)
{
	if
	:: atomic { lease[e] == NOBODY -> lease[e] = who };
	   if
	   :: consumer[e] ->
		settle(e);
		STEP(consumer[e] = false)
	   :: else
	   fi;
	   STEP(lease[e] = NOBODY)
	:: lease[e] != NOBODY
	fi
}

inline settle(e)
{
	if
	:: serial[e] ->
		d_step {
			/* Nobody but the lease's holder changes any of it. */
			at = lo;
			k = 0;
			if
			:: pair_count[PAIR(e, 0)] != at -> k = 1
			:: else
			fi;
			assert(pair_count[PAIR(e, k)] == at);
			seq = pair_seq[PAIR(e, k)];
			k = 0;
			assert(seq == NUMBER(at))
		}
		STEP(d_step { hi = seq; at = 0; seq = 0 });
		STEP(d_step {
			if
			:: redelivered_pos < taken[e] ->
				redelivered_pos = taken[e]
			:: else
			fi
		});
		STEP(serial[e] = false)
	:: else
	fi
}

/* serial_note() */
#ifdef SINGLE_SLOT
#define SLOT 0
#else
#define SLOT turn
#endif
#ifdef NUMBER_SECOND
#define STORE_PAIR \
	STEP(pair_count[PAIR(me, SLOT)] = pos); \
	STEP(pair_seq[PAIR(me, SLOT)] = NUMBER(pos))
#else
#define STORE_PAIR \
	STEP(pair_seq[PAIR(me, SLOT)] = NUMBER(pos)); \
	STEP(pair_count[PAIR(me, SLOT)] = pos)
#endif

inline release()
{
#ifdef CURSOR_FIRST
	STEP(lo = pos);
	STORE_PAIR;
#else
	STORE_PAIR;
	STEP(lo = pos);
#endif
	turn = 1 - turn;
	released = pos
}

#define HAND_OUT \
	STEP(d_step { \
		assert(!shown[pos - 1] || pos - 1 < flagged_below); \
		shown[pos - 1] = true \
	})

inline borrow()
{
	pos++;
#ifdef SHOWN_FIRST
	HAND_OUT;
	STEP(taken[me] = pos);
#else
	STEP(taken[me] = pos);
	HAND_OUT;
#endif
}

/* With nothing on loan: released before the call returns. */
inline copy()
{
	pos++;
	release();
	HAND_OUT
}

proctype life()
{
	bool mortal = true;
	byte me, pos, released, turn, flagged_below, at, seq, k;

born:
	/* bury_predecessors(): until no dead one is left. */
	do
	:: consumer[0] -> recover(0, LIFE)
	:: !consumer[0] && consumer[1] -> recover(1, LIFE)
	:: !consumer[0] && !consumer[1] -> break
	od;
	/* take_entry(), introduce() */
	if
	:: atomic { lease[0] == NOBODY -> lease[0] = LIFE; me = 0 }
	:: atomic { lease[0] != NOBODY && lease[1] == NOBODY ->
		lease[1] = LIFE; me = 1 }
	fi;

	/* shmqi_serial_begin(); the entry is free: nobody minds its words. */
	d_step {
		pos = lo;
		assert(hi == NUMBER(pos));
		released = pos;
		flagged_below = redelivered_pos;
		taken[me] = pos;
		turn = 0
	}
#ifndef BEGIN_KEEPS_PAIR
	STEP(pair_count[PAIR(me, 1)] = NOWHERE);
#endif
	STORE_PAIR;
	turn = 1;
	serial[me] = true;
	STEP(consumer[me] = true);

	do
	:: pos < RECORDS -> borrow()
	:: pos < RECORDS && pos == released -> copy()
	:: pos != released -> release()
	:: pos == released -> break
	od;

	/* shmq_consumer_close() */
	settle(me);
	STEP(consumer[me] = false);
	atomic {
		lease[me] = NOBODY;
		me = 0; pos = 0; released = 0; turn = 0; flagged_below = 0;
		if
		:: lo < RECORDS -> goto born
		:: else -> goto end
		fi
	}
dead:
	atomic {
		if :: lease[0] == LIFE -> lease[0] = NOBODY :: else fi;
		if :: lease[1] == LIFE -> lease[1] = NOBODY :: else fi;
		me = 0; pos = 0; released = 0; turn = 0; flagged_below = 0;
		at = 0; seq = 0; k = 0;
		goto born
	}
end:
	over = true
}

proctype rescuer()
{
	bool mortal = false;
	byte at, seq, k;

	do
	:: consumer[0] && lease[0] == NOBODY -> recover(0, RESCUER)
	:: consumer[1] && lease[1] == NOBODY -> recover(1, RESCUER)
	:: over -> goto dead
	od;
dead:
	skip
}

/* serial_member() */
inline scan(found)
{
	found = 0;
	do
	:: found < ENTRIES && !consumer[found] -> found++
	:: found < ENTRIES && consumer[found] ->
		if
		:: serial[found] -> break
		:: else -> found++
		fi
	:: found == ENTRIES -> break
	od
}

proctype looker()
{
	byte looks, who, again, at, seq, k;
	bool fits;

	do
	:: looks == LOOKS -> break
	:: looks < LOOKS ->
		looks++;
		scan(who);
		at = lo;
		seq = hi;
		fits = (who == NONE);
		k = 0;
		do
		:: who != NONE && k < 2 && !fits ->
			if
			:: pair_count[PAIR(who, k)] == at ->
				seq = pair_seq[PAIR(who, k)];
#ifdef NO_RECOUNT
				fits = true
#else
				fits = (pair_count[PAIR(who, k)] == at)
#endif
			:: else
			fi;
			k++
		:: else -> break
		od;
		again = who;
#ifndef NO_RESCAN
		if
		:: fits -> scan(again)
		:: else
		fi;
#endif
		fits = (fits && again == who && lo == at);
		if
		:: fits && who == NONE -> fits = (hi == seq)
		:: else
		fi;
		assert(!fits || seq == NUMBER(at));
		d_step { who = 0; again = 0; at = 0; seq = 0; k = 0; fits = 0 }
	od
}

init {
	atomic {
		run life();
#ifdef RESCUED
		run rescuer();
#else
		run looker()
#endif
	}
}
