/* SPDX-License-Identifier: MIT */
/*
 * Returned spans on their way from one member's slot to another's
 * (lib/returned.c), and producers that look for the lowest held position
 * meanwhile (lib/room.c).
 *
 * Member A is gone and has returned a span. B and C adopt parts of it, hand
 * them out and release them, and may die anywhere; C also recovers whoever is
 * dead. D does all that too and lives. The looker is a producer.
 * With MERGED, B is a process that makes room in the member table instead
 * (shmqi_returned_compact()): it moves A's span to the entry E, which has been
 * returned as well.
 *
 * Promised: no message is lost (D ends only when all are released), none is
 * held by two, and the lowest position that the looker finds is never above
 * one that somebody still holds.
 *
 * Each entry has one slot here: the one that A claimed in, the one that the
 * others adopt into. Bounds: DEATHS, MESSAGES.
 */
#ifndef DEATHS
#define DEATHS 2
#endif
#ifndef MESSAGES
#define MESSAGES 2
#endif
#define B 0
#define C 1
#define D 2
#ifdef MERGED
#define E 3
#define A 4
#else
#define A 3
#endif
#define ENTRIES (A + 1)
#define NOBODY 9

#define FREE 0
#define CONSUMER 1
#define RETURNED 2
byte state[ENTRIES];
byte lease[ENTRIES]; /* which process has it */

/* Claim words. */
#define NONE 0
#define OWNED 1
#define ADOPTING 2
#define WORD(pos, what) ((pos) * 4 + (what))
#define WHAT(word) ((word) % 4)
#define POS(word) ((word) / 4)
byte word[ENTRIES], end_pos[ENTRIES], from[ENTRIES];

byte moves = 0;

byte deaths = 0;
bool gone[ENTRIES];      /* that process is dead */
byte holder[MESSAGES];   /* whom it was handed out to last */
bool released[MESSAGES];

#define STEP(x) \
	if \
	:: atomic { mortal && deaths < DEATHS -> deaths++; goto dead } \
	:: x \
	fi

/* Nobody but a holder of a slot's lease, or of its origin's, changes it. */
#define CAS(slot, old, new) \
	d_step { \
		if \
		:: word[slot] == old -> word[slot] = new \
		:: else \
		fi \
	}

/* shmqi_returned_settle() */
inline settle(e)
{
	w = word[e];
	if
	:: WHAT(w) == ADOPTING ->
		there = word[from[e]];
		if
#ifdef SETTLED_AS_WON
		:: false -> skip
#else
		:: there == WORD(POS(w), OWNED) ->
			STEP(CAS(e, w, NONE))
#endif
#ifdef SETTLED_AS_LOST
		:: else -> STEP(CAS(e, w, NONE))
#else
		:: else -> STEP(CAS(e, w, WORD(POS(w), OWNED)))
#endif
		fi
	:: else
	fi;
	d_step { w = 0; there = 0 }
}

/* Holding the lease of e. */
inline void_adoptions(e)
{
	d_step { there = word[e]; i = 0 }
	do
	:: i == ENTRIES -> break
	:: i < ENTRIES && (i == e || i == to) -> i++
	:: i < ENTRIES && i != e && i != to ->
		w = word[i];
		if
		:: WHAT(w) == ADOPTING && POS(w) == POS(there) ->
			if
			:: from[i] == e -> STEP(CAS(i, w, NONE))
			:: else
			fi
		:: else
		fi;
		d_step { w = 0; i++ }
	od;
	atomic { i = 0; there = 0 }
}

/* Holding the lease of e: move [pos, x) from there to the slot of to. */
#define NEW_SLOT \
	STEP(d_step { end_pos[to] = x; from[to] = e }); \
	STEP(word[to] = WORD(pos, ADOPTING))
#define OLD_SLOT \
	STEP(d_step { \
		if \
		:: x < end_pos[e] -> word[e] = WORD(x, OWNED) \
		:: else -> word[e] = NONE \
		fi \
	})

inline span_move(e)
{
#ifndef NO_VOID
	void_adoptions(e);
#endif
#ifdef OLD_FIRST
	OLD_SLOT;
	NEW_SLOT;
	STEP(moves++);
#else
	NEW_SLOT;
#ifdef MOVES_LATE
	OLD_SLOT;
	STEP(moves++);
#else
#ifndef NO_MOVES
	STEP(moves++);
#endif
	OLD_SLOT;
#endif
#endif
	STEP(word[to] = WORD(pos, OWNED))
}

inline hand_out()
{
	STEP(d_step {
		i = pos;
		do
		:: i < x ->
			assert(!released[i]);
			assert(holder[i] == NOBODY || gone[holder[i]]);
			holder[i] = me;
			i++
		:: else -> break
		od;
		i = 0
	});
	STEP(d_step {
		word[me] = NONE;
		i = pos;
		do
		:: i < x -> released[i] = true; i++
		:: else -> break
		od;
		i = 0
	})
}

/* Of an entry that is returned; or dead, and there is somebody to notice. */
#define TAKE_LEASE(entry) \
	atomic { \
		lease[entry] == NOBODY && \
		(state[entry] == RETURNED || \
		 (state[entry] == CONSUMER && me != B && me != entry)) -> \
		lease[entry] = me; \
		e = entry \
	}

/* shmqi_recover_member(), and shmqi_returned_adopt() for one entry. */
inline visit()
{
	if
	:: state[e] != FREE -> settle(e)
	:: else
	fi;
	if
	:: state[e] == CONSUMER && word[e] != NONE -> STEP(state[e] = RETURNED)
	:: state[e] == RETURNED && word[e] != NONE ->
		d_step { pos = POS(word[e]); x = pos + 1 }
		if
		:: x < end_pos[e] -> x = end_pos[e]
		:: skip
		fi;
		span_move(e);
		if
		:: word[e] == NONE -> STEP(state[e] = FREE)
		:: else
		fi
	:: state[e] != FREE && word[e] == NONE -> STEP(state[e] = FREE)
	:: state[e] == FREE
	fi;
	STEP(lease[e] = NOBODY);
	if
	:: x != 0 -> hand_out()
	:: else
	fi;
	d_step { pos = 0; x = 0; e = 0 }
}

inline drop_leases()
{
	i = 0;
	do
	:: i < ENTRIES ->
		if
		:: lease[i] == me -> lease[i] = NOBODY
		:: else
		fi;
		i++
	:: else -> break
	od;
	i = 0
}

proctype consumer(byte me; bool mortal)
{
	byte e, pos, x, i, w, there;
	byte to = me;

	do
	:: released[0] && released[MESSAGES - 1] -> goto out
	:: else ->
		if
		:: TAKE_LEASE(A)
		:: TAKE_LEASE(B)
		:: TAKE_LEASE(C)
#ifdef MERGED
		:: TAKE_LEASE(E)
#endif
		:: released[0] && released[MESSAGES - 1] -> goto out
		fi;
		visit()
	od;
dead:
	skip;
	d_step {
		gone[me] = true;
		drop_leases();
		e = 0; pos = 0; x = 0; w = 0; there = 0; to = 0; me = 0
	}
out:
	skip
}

#ifdef MERGED
/* shmqi_returned_compact(), for A and E */
proctype merger(byte me; bool mortal)
{
	byte e, pos, x, i, w, there;
	byte to = E;

	if
	:: TAKE_LEASE(E)
	:: lease[E] != NOBODY || state[E] == FREE -> goto dead
	fi;
	settle(E);
	if
	:: TAKE_LEASE(A)
	:: lease[A] != NOBODY || state[A] == FREE -> goto dead
	fi;
	if
	:: state[A] == RETURNED && word[A] != NONE && word[E] == NONE ->
		d_step { pos = POS(word[A]); x = end_pos[A] }
		span_move(A);
		STEP(state[A] = FREE)
	:: else
	fi;
dead:
	skip;
	d_step { drop_leases() }
}
#endif

/* shmqi_room_lowest(); the cursor is behind all messages. */
proctype looker()
{
	byte moves_before = moves, lowest = MESSAGES, e, w;

	do
	:: e == ENTRIES -> break
	:: e < ENTRIES && state[e] == FREE -> e++
	:: e < ENTRIES && state[e] != FREE ->
		w = word[e];
		if
		:: WHAT(w) != NONE && POS(w) < lowest -> lowest = POS(w)
		:: else
		fi;
		d_step { e++; w = 0 }
	od;
	if
	:: moves == moves_before ->
		d_step {
			e = 0;
			do
			:: e < lowest -> assert(released[e]); e++
			:: else -> break
			od
		}
	:: else
	fi
}

init {
	byte e;

	atomic {
		do
		:: e < ENTRIES -> lease[e] = NOBODY; e++
		:: else -> break
		od;
		e = 0;
		do
		:: e < MESSAGES -> holder[e] = NOBODY; e++
		:: else -> break
		od;
		state[A] = RETURNED;
		word[A] = WORD(0, OWNED);
		end_pos[A] = MESSAGES;
#ifdef MERGED
		state[E] = RETURNED;
		run merger(B, true);
#else
		state[B] = CONSUMER; lease[B] = B;
		run consumer(B, true);
#endif
#if !defined(LOOKED) || defined(ALL)
		state[C] = CONSUMER; lease[C] = C;
		run consumer(C, true);
#endif
#if defined(LOOKED) || defined(ALL)
		run looker();
#endif
		state[D] = CONSUMER; lease[D] = D;
		run consumer(D, false)
	}
}
