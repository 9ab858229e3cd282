/* SPDX-License-Identifier: MIT */
/*
 * Sleeping and waking (lib/wake.c, lib/wait.c, look_around() of lib/consumer.c
 * and of lib/claim.c): whoever may sleep without a bound is woken for
 * everything that it could otherwise miss.
 *
 * Two producers send and may die anywhere. One consumer receives; with GROUP
 * there is another one, which joins at some time, may leave, and may die
 * anywhere, and a third that left a message behind before, without anybody
 * being told. With CAPACITY, producers wait for room.
 *
 * A claim, a recovery and an adoption are one or two steps here; the other
 * models have theirs. A bounded sleep may end by itself where there is
 * something to notice, and NAPS times where there is nothing.
 *
 * With CHIME the consumers wait through descriptors (lib/chime.c): FIFOs that
 * wakers write to one after the other (lib/strike.c), each step on its own.
 *
 * Promised: when nothing can happen any more, every acknowledged message has
 * been received by a consumer that lived to be done with it, and nobody waits
 * for room that is there.
 *
 * Bounds: DEATHS, NAPS, SENDS1, SENDS2.
 */
#ifndef DEATHS
#define DEATHS 2
#endif
#ifndef NAPS
#define NAPS 1
#endif
#ifndef SENDS1
#define SENDS1 1
#endif
#ifndef SENDS2
#define SENDS2 1
#endif
/* Messages that were sent before, and those of them taken. */
#if defined(GROUP)
#define BEFORE 1
#define TAKEN 1
#elif defined(FULL)
#define BEFORE 1
#define TAKEN 0
#else
#define BEFORE 0
#define TAKEN 0
#endif
#define RECORDS (BEFORE + SENDS1 + SENDS2)
#ifdef FULL
#define CAPACITY 1
#else
#define CAPACITY RECORDS
#endif

/* Processes, and the entries of the consumers. */
#define C1 1
#define C2 2
#define C3 3
#define P1 4
#define P2 5
#define PROCESSES 6
bool dead[PROCESSES], asleep[PROCESSES];
byte deaths = 0, naps = 0;

/* Bells count: odd is armed. A sleeper sleeps on the value it armed with. */
#define RECV 0
#define SEND 1
byte bell[2];

byte tail = BEFORE, group = TAKEN;
byte writer[RECORDS];
#define SENT 1
#define SKIPPED 2
byte stamp[RECORDS];
bool received[RECORDS];

#define FREE 0
#define CONSUMER 1
#define RETURNED 2
byte state[4];
byte held[4]; /* the position held, + 1 */
byte returns = 0;

#define STEP(x) \
	if \
	:: atomic { mortal && deaths < DEATHS -> deaths++; goto died } \
	:: x \
	fi

/* shmqi_bell_arm(), shmqi_bell_sleep() */
#define ARMED(b) (bell[b] % 2 == 1)
#ifdef ARMED_BIT
#define ARM(b) bell[b] = 1; value = 1
#define RING(b) bell[b] = 0
#else
#define ARM(b) \
	d_step { \
		bell[b] = (ARMED(b) -> bell[b] : bell[b] + 1); \
		value = bell[b] \
	}
#define RING(b) bell[b]++
#endif
#define SLEEP(b) asleep[me] = (bell[b] == value)

/* bell_look(), shmqi_bell_ring() */
#define WAKE_ALL(b) \
	if \
	:: b == RECV -> asleep[C1] = false; asleep[C2] = false \
	:: b == SEND -> asleep[P1] = false; asleep[P2] = false \
	fi
#ifdef TWO_CALLS
#define LOOK(b) \
	if \
	:: ARMED(b) -> \
		STEP(RING(b)); \
		STEP(d_step { WAKE_ALL(b) }) \
	:: else \
	fi
#else
#define LOOK_BELL(b) \
	if \
	:: ARMED(b) -> STEP(d_step { RING(b); WAKE_ALL(b) }) \
	:: else \
	fi
#ifdef CHIME
#define LOOK(b) \
	if \
	:: b == RECV -> LOOK_CHIMES() \
	:: b == SEND -> LOOK_BELL(b) \
	fi
#else
#define LOOK(b) LOOK_BELL(b)
#endif
#endif

#ifdef CHIME
/*
 * A chime is armed when its number is odd. The bell's bit, and how often a
 * chime was armed, are one word for the swap that takes the bit back.
 */
byte chime[3], armings = 0;
bool fifo[3], chimes = false;

#ifdef STRUCK_BIT
#define EVEN(e) chime[e] = (chime[e] % 2 == 1 -> chime[e] + 1 : chime[e])
#else
#define EVEN(e) chime[e] = (chime[e] == number -> number + 1 : chime[e])
#endif
#ifdef EVEN_FIRST
#define STRIKE_ONE(e) STEP(d_step { EVEN(e) }); STEP(fifo[e] = true)
#else
#define STRIKE_ONE(e) STEP(fifo[e] = true); STEP(d_step { EVEN(e) })
#endif
#define STRIKE(e) \
	number = chime[e]; \
	if \
	:: number % 2 == 1 -> STRIKE_ONE(e) \
	:: else \
	fi
#ifdef NO_COUNT
#define TAKE_BACK() chimes = false
#else
#define TAKE_BACK() chimes = (armings == count -> false : chimes)
#endif
#ifdef GROUP
#define STRIKE_ALL() STRIKE(C1); STRIKE(C2)
#else
#define STRIKE_ALL() STRIKE(C1)
#endif
/* shmqi_strike_all() */
#ifdef TAKEN_BACK_FIRST
#define LOOK_CHIMES() \
	if \
	:: chimes -> \
		count = armings; \
		STEP(d_step { TAKE_BACK() }); \
		STRIKE_ALL(); \
		d_step { number = 0; count = 0 } \
	:: else \
	fi
#else
#define LOOK_CHIMES() \
	if \
	:: chimes -> \
		count = armings; \
		STRIKE_ALL(); \
		STEP(d_step { TAKE_BACK() }); \
		d_step { number = 0; count = 0 } \
	:: else \
	fi
#endif
/* shmqi_chime_arm(): its own last number is the one stored. */
#define ARM_CHIME() \
	STEP(d_step { \
		chime[me] = (chime[me] % 2 == 1 -> chime[me] + 2 : \
						   chime[me] + 1); \
		armed = chime[me] \
	}); \
	STEP(d_step { armings++; chimes = true })
#define AWAKE (fifo[me])
#else
#define AWAKE (!asleep[me])
#endif

/* ------------------------------------------------------------- consumers */

#define DEAD_PEER(e) (e != me && state[e] == CONSUMER && dead[e])
#define DEAD_WRITER \
	(tail > group && stamp[group] == 0 && dead[writer[group]])
#ifdef RETURNS_ONLY
#define LEFT_BEHIND false
#else
#define LEFT_BEHIND (state[C2] == RETURNED || state[C3] == RETURNED)
#endif
#define TO_NOTICE \
	(DEAD_PEER(C1) || DEAD_PEER(C2) || DEAD_WRITER || \
	 LEFT_BEHIND || (group < tail && stamp[group] != 0))

/* shmqi_recover_member() of a consumer */
inline recover(e)
{
	atomic {
		dead[e] = false; /* the lease is the rescuer's */
		if
		:: held[e] != 0 -> state[e] = RETURNED
		:: else -> state[e] = FREE
		fi
	}
	STEP(returns++);
	LOOK(RECV);
	LOOK(SEND)
}

/* shmqi_consumer_adopt() */
inline adopt()
{
	seen = returns;
	if
	:: state[C3] == RETURNED ->
		STEP(d_step {
			if
			:: state[C3] == RETURNED ->
				held[me] = held[C3]; held[C3] = 0;
				state[C3] = FREE
			:: else
			fi
		})
	:: state[C3] != RETURNED && state[C2] == RETURNED ->
		STEP(d_step {
			if
			:: state[C2] == RETURNED ->
				held[me] = held[C2]; held[C2] = 0;
				state[C2] = FREE
			:: else
			fi
		})
	:: else -> returns_seen = seen
	fi;
	seen = 0
}

/* Done with what is held. */
inline release()
{
	STEP(d_step {
		if
		:: stamp[held[me] - 1] == SENT -> received[held[me] - 1] = true
		:: else
		fi;
		held[me] = 0
	});
	LOOK(SEND)
}

/* Take one message; held[me] says whether there was one. */
inline attempt()
{
	if
	:: returns != returns_seen -> adopt()
	:: else
	fi;
	if
	:: held[me] == 0 && group < RECORDS && stamp[group] != 0 ->
		STEP(d_step {
			if
			:: group < RECORDS && stamp[group] != 0 ->
				group++;
				held[me] = group
			:: else
			fi
		})
	:: else
	fi
}

#define OTHER (3 - me)
#define UNBOUNDED 0
#define PEERS 1
#define CLAIM 2
#define RETRY 3

/* look_around_locked() */
inline look_around()
{
	outlook = RETRY;
	if
	:: long_enough && DEAD_PEER(OTHER) -> recover(OTHER)
	:: !(long_enough && DEAD_PEER(OTHER)) ->
		/* has_peers() */
		outlook = UNBOUNDED;
		peer = state[OTHER];
		if
		:: peer != FREE -> outlook = PEERS
		:: else
		fi;
		left = (peer == RETURNED || state[C3] == RETURNED);
		if
		:: left -> outlook = PEERS
		:: else
		fi;
		peer = 0;
		if
#ifndef RETURNS_ONLY
		:: left && returns == returns_seen ->
			returns_seen = returns + 1;
			outlook = RETRY
#endif
		:: else ->
			if
			:: tail == group
			:: tail != group && stamp[group] != 0 -> outlook = RETRY
			:: tail != group && stamp[group] == 0 ->
				outlook = CLAIM;
				if
				:: DEAD_WRITER ->
					STEP(d_step {
						if
						:: DEAD_WRITER ->
							stamp[group] = SKIPPED
						:: else
						fi
					});
					outlook = RETRY
				:: else
				fi
			fi
		fi
	fi;
	d_step { long_enough = false; left = false }
}

inline consumer_waits()
{
#ifdef CHIME
	if
	:: !fifo[me] && chime[me] == armed && !long_enough ->
		/* Still armed, and not struck: as it was. */
		outlook = kept
	:: else ->
		STEP(fifo[me] = false);
		ARM_CHIME();
		attempt();
		if
		:: held[me] == 0 -> look_around()
		:: else -> outlook = RETRY
		fi;
		if
		:: outlook == RETRY ->
			STEP(d_step {
				fifo[me] = true;
				chime[me] = (chime[me] == armed ->
						     armed + 1 :
						     chime[me])
			})
		:: else
		fi;
		kept = outlook
	fi;
#else
#ifdef ARMED_LAST
	attempt();
	if
	:: held[me] == 0 -> look_around()
	:: else -> outlook = RETRY
	fi;
	ARM(RECV);
#else
	ARM(RECV);
	attempt();
	if
	:: held[me] == 0 -> look_around()
	:: else -> outlook = RETRY
	fi;
#endif
#endif
#ifdef CLAIM_UNBOUNDED
	outlook = (outlook == CLAIM -> UNBOUNDED : outlook);
#endif
#ifdef PEERS_UNBOUNDED
	outlook = (outlook == PEERS -> UNBOUNDED : outlook);
#endif
	if
	:: outlook == RETRY
	:: outlook == UNBOUNDED ->
#ifndef CHIME
		STEP(SLEEP(RECV));
#endif
end_unbounded:	STEP(AWAKE)
	:: outlook == CLAIM || outlook == PEERS ->
#ifndef CHIME
		STEP(SLEEP(RECV));
#endif
end_bounded:	if
		:: AWAKE
		:: !AWAKE && TO_NOTICE ->
			asleep[me] = false;
			long_enough = true
		:: atomic { !AWAKE && naps < NAPS -> naps++ };
			asleep[me] = false;
			long_enough = true
		:: atomic { !AWAKE && mortal && deaths < DEATHS ->
			deaths++; goto died }
		fi
	fi;
	d_step { outlook = 0; value = 0 }
}

proctype consumer(byte me; bool mortal)
{
	byte outlook, peer, seen, value;
#ifdef CHIME
	byte kept, number, count, armed;
#endif
	byte returns_seen = returns;
	bool long_enough, left;

#ifdef CHIME
	fifo[me] = true; /* not armed, so readable */
#endif
	/* It joins now, if it does. */
	if
	:: state[me] == CONSUMER
	:: state[me] == FREE ->
		d_step { state[me] = CONSUMER; returns_seen = returns + 1 }
#ifndef JOINS_SILENTLY
		LOOK(SEND);
		LOOK(RECV)
#endif
	:: state[me] == FREE && me == C2 -> goto over
	fi;
	do
	:: attempt();
	   if
	   :: held[me] == 0 -> consumer_waits()
	   :: else
	   fi;
	   if
	   :: held[me] != 0 -> release()
	   :: mortal && held[me] != 0 -> goto leave
	   :: else
	   fi
	od;
leave:
	/* shmq_consumer_close() with something borrowed */
	STEP(state[me] = RETURNED);
	STEP(returns++);
	LOOK(RECV);
	LOOK(SEND);
	goto over;
died:
	skip;
	d_step { dead[me] = true; asleep[me] = false }
over:
	skip
}

/* ------------------------------------------------------------- producers */

#define HELD(e) (state[e] != FREE && held[e] != 0)
#define LOWER(e) (HELD(e) && held[e] - 1 < lowest -> held[e] - 1 : lowest)

inline find_room()
{
	d_step {
		pos = tail;
		lowest = group;
		lowest = LOWER(C1);
		lowest = LOWER(C2);
		lowest = LOWER(C3);
		room = (pos - lowest < CAPACITY);
		lowest = 0
	}
}

inline producer_waits()
{
	ARM(SEND);
	find_room();
	if
	:: room
	:: !room && (state[C1] == CONSUMER || state[C2] == CONSUMER) ->
		STEP(SLEEP(SEND));
end_bounded:	if
		:: !asleep[me]
		:: atomic { asleep[me] && DEAD_PEER(C1) ->
			asleep[me] = false }
		   recover(C1)
		:: atomic { asleep[me] && DEAD_PEER(C2) ->
			asleep[me] = false }
		   recover(C2)
		:: atomic { asleep[me] && naps < NAPS ->
			naps++; asleep[me] = false }
		:: atomic { asleep[me] && mortal && deaths < DEATHS ->
			deaths++; goto died }
		fi
	:: !room && state[C1] != CONSUMER && state[C2] != CONSUMER ->
		STEP(SLEEP(SEND));
end_unbounded:	STEP(!asleep[me])
	fi;
	value = 0
}

proctype producer(byte me; byte sends; bool mortal)
{
	byte pos, lowest, value;
#ifdef CHIME
	byte number, count;
#endif
	bool room;

	do
	:: sends == 0 -> break
	:: sends > 0 ->
		find_room();
		if
		:: !room -> producer_waits()
		:: else
		fi;
		if
		:: room ->
			STEP(d_step {
				if
				:: tail == pos -> writer[pos] = me; tail++
				:: else -> room = false
				fi
			})
		:: else
		fi;
		if
		:: room ->
#ifndef RINGS_LATE
			LOOK(RECV);
#endif
			STEP(stamp[pos] = SENT);
			LOOK(RECV);
			sends--
		:: else
		fi;
		d_step { pos = 0; room = false }
	od;
	goto over;
died:
	skip;
	d_step { dead[me] = true; asleep[me] = false; pos = 0; value = 0 }
over:
	skip
}

/* When nothing can happen any more. */
proctype watcher()
{
	byte i;

	timeout;
	atomic {
		do
		:: i < RECORDS -> assert(stamp[i] != SENT || received[i]); i++
		:: else -> break
		od;
		assert(tail - group >= CAPACITY || !asleep[P1] && !asleep[P2])
	}
}

init {
	atomic {
#ifndef FULL
		state[C1] = CONSUMER;
#endif
		run consumer(C1, false);
#if BEFORE
		stamp[0] = SENT;
#endif
#ifdef GROUP
		state[C3] = RETURNED;
		held[C3] = 1;
		run consumer(C2, true);
#endif
		run producer(P1, SENDS1, true);
		run producer(P2, SENDS2, true);
		run watcher()
	}
}
