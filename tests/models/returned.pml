/* SPDX-License-Identifier: MIT */
/*
 * Returned spans on their way from one member's slot to another's
 * (lib/span.c, lib/compact.c), and producers that look for the lowest held position
 * meanwhile (lib/room.c).
 *
 * Member A is gone and has returned a span. B and C adopt parts of it, hand
 * them out and release them, and may die anywhere; C also recovers whoever is
 * dead. D does all that too and lives. With LOOKED, there is a looker, a
 * producer, instead of C.
 * With MERGED, B is a process that makes room in the member table instead
 * (shmqi_returned_compact()): it moves A's span to the entry E, which has
 * returned the span before or behind it, and joins the two.
 *
 * Promised: no message is lost (D ends only when all are released), none is
 * held by two, and the lowest position that the looker finds is never above
 * one that somebody still holds.
 *
 * Each entry has one slot here: the one that A claimed in, the one that the
 * others adopt into; only E has two, 0 and 1. Bounds: DEATHS, MESSAGES.
 */
#ifndef DEATHS
#define DEATHS 2
#endif
#ifdef MERGED
#define MESSAGES 3
#endif
#ifndef MESSAGES
#define MESSAGES 2
#endif

/* Processes and their entries; slots. */
#define B 0
#define C 1
#define D 2
#ifdef MERGED
#define E 3
#define E1 4 /* slot 1 of E */
#define A 5
#define ENTRY(slot) (slot == E1 -> E : slot)
#else
#define A 3
#define ENTRY(slot) (slot)
#endif
#define SLOTS (A + 1)
#define NOBODY 9

#define FREE 0
#define CONSUMER 1
#define RETURNED 2
byte state[SLOTS];
byte lease[SLOTS]; /* which process has it */

/* Claim words. */
#define NONE 0
#define OWNED 1
#define ADOPTING 2
#define WORD(pos, what) ((pos) * 4 + (what))
#define WHAT(word) ((word) % 4)
#define POS(word) ((word) / 4)
byte word[SLOTS], end_pos[SLOTS], from[SLOTS];

byte moves = 0;

byte deaths = 0;
bool gone[SLOTS];       /* that process is dead */
byte holder[MESSAGES];  /* whom it was handed out to last */
bool released[MESSAGES];
byte left = MESSAGES;   /* to be released */

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

/* settle_adoption(), not_moved() */
inline settle(slot)
{
	w = word[slot];
	if
	:: WHAT(w) == ADOPTING ->
		there = word[from[slot]];
		if
		:: state[ENTRY(from[slot])] != RETURNED -> there = NONE
		:: else
		fi;
		if
#ifdef SETTLED_AS_WON
		:: false -> skip
#else
		:: there == WORD(POS(w), OWNED) ->
			STEP(CAS(slot, w, NONE))
#endif
#ifdef SETTLED_AS_LOST
		:: else -> STEP(CAS(slot, w, NONE))
#else
		:: else -> STEP(CAS(slot, w, WORD(POS(w), OWNED)))
#endif
		fi
	:: else
	fi;
	d_step { w = 0; there = 0 }
}

#ifdef MERGED
/* The rest of shmqi_span_settle() for E: is slot 0 a copy? */
inline settle_copies()
{
	if
	:: WHAT(word[E]) == OWNED && WHAT(word[E1]) == OWNED &&
	   POS(word[E1]) <= POS(word[E]) && POS(word[E]) < end_pos[E1] ->
		STEP(word[E] = NONE)
	:: else
	fi
}
#endif

/* Holding the lease of the slot's entry. */
inline void_adoptions(slot)
{
	d_step { there = word[slot]; i = 0 }
	do
	:: i == SLOTS -> break
	:: i < SLOTS && (i == slot || i == to) -> i++
	:: i < SLOTS && i != slot && i != to ->
		w = word[i];
		if
		:: WHAT(w) == ADOPTING && POS(w) == POS(there) ->
			if
			:: from[i] == slot -> STEP(CAS(i, w, NONE))
			:: else
			fi
		:: else
		fi;
		d_step { w = 0; i++ }
	od;
	atomic { i = 0; there = 0 }
}

/* Holding that lease: move [pos, x) from there to the slot to. */
#define NEW_SLOT(slot) \
	STEP(d_step { end_pos[to] = x; from[to] = slot }); \
	STEP(word[to] = WORD(pos, ADOPTING))
#define OLD_SLOT(slot) \
	STEP(d_step { \
		if \
		:: x < end_pos[slot] -> word[slot] = WORD(x, OWNED) \
		:: else -> word[slot] = NONE \
		fi \
	})

inline span_move(slot)
{
#ifndef NO_VOID
	void_adoptions(slot);
#endif
#ifdef OLD_FIRST
	OLD_SLOT(slot);
	NEW_SLOT(slot);
	STEP(moves++);
#else
	NEW_SLOT(slot);
#ifdef MOVES_LATE
	OLD_SLOT(slot);
	STEP(moves++);
#else
#ifndef NO_MOVES
	STEP(moves++);
#endif
	OLD_SLOT(slot);
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
		:: i < x -> released[i] = true; left--; i++
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

#ifdef MERGED
/* lowest_slot() */
#define LOWEST_SLOT(e) \
	(e == E && word[E1] != NONE && \
	 (word[E] == NONE || POS(word[E1]) < POS(word[E])) -> E1 : e)
#else
#define LOWEST_SLOT(e) e
#endif

/* shmqi_recover_member(), and shmqi_returned_adopt() for one entry. */
inline visit()
{
	settle(e);
#ifdef MERGED
	if
	:: e == E ->
		settle(E1);
		settle_copies()
	:: else
	fi;
#endif
	slot = LOWEST_SLOT(e);
	if
	:: state[e] == CONSUMER && word[slot] != NONE ->
		STEP(state[e] = RETURNED)
	:: state[e] == RETURNED && word[slot] != NONE ->
		d_step { pos = POS(word[slot]); x = pos + 1 }
		if
		:: x < end_pos[slot] -> x = end_pos[slot]
		:: skip
		fi;
		span_move(slot);
		slot = LOWEST_SLOT(e);
		if
		:: word[slot] == NONE -> STEP(state[e] = FREE)
		:: else
		fi
	:: state[e] != FREE && word[slot] == NONE -> STEP(state[e] = FREE)
	:: state[e] == FREE
	fi;
	STEP(lease[e] = NOBODY);
	if
	:: x != 0 -> hand_out()
	:: else
	fi;
	d_step { pos = 0; x = 0; e = 0; slot = 0 }
}

inline drop_leases()
{
	i = 0;
	do
	:: i < SLOTS ->
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
	byte e, slot, pos, x, i, w, there;
	byte to = me;

	do
	:: left == 0 -> goto out
	:: else ->
		if
		:: TAKE_LEASE(A)
		:: TAKE_LEASE(B)
		:: TAKE_LEASE(C)
#ifdef MERGED
		:: TAKE_LEASE(E)
#endif
		:: left == 0 -> goto out
		fi;
		visit()
	od;
dead:
	skip;
	d_step {
		gone[me] = true;
		drop_leases();
		e = 0; slot = 0; pos = 0; x = 0; w = 0; there = 0;
		to = 0; me = 0
	}
out:
	skip
}

#ifdef MERGED
/* join_all(): one takes over what the next one names. */
inline join(one, next)
{
	if
	:: WHAT(word[one]) == OWNED && WHAT(word[next]) == OWNED &&
	   end_pos[one] == POS(word[next]) ->
		void_adoptions(next);
		STEP(end_pos[one] = end_pos[next]);
		STEP(word[next] = NONE)
	:: else
	fi
}

/* shmqi_returned_compact(), for A and E */
proctype merger(byte me; bool mortal)
{
	byte e, pos, x, i, w, there;
	byte to = E1;

	if
	:: TAKE_LEASE(E)
	:: lease[E] != NOBODY || state[E] == FREE -> goto dead
	fi;
	settle(E1);
	settle_copies();
	if
	:: TAKE_LEASE(A)
	:: lease[A] != NOBODY || state[A] == FREE -> goto dead
	fi;
	if
	:: state[A] == RETURNED && word[A] != NONE && word[E1] == NONE ->
		d_step { pos = POS(word[A]); x = end_pos[A] }
		span_move(A);
		join(E1, E);
#ifdef JOINED_TO_SLOT_0
		join(E, E1);
#endif
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
	:: e == SLOTS -> break
	:: e < SLOTS && state[ENTRY(e)] == FREE -> e++
	:: e < SLOTS && state[ENTRY(e)] != FREE ->
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
		:: e < SLOTS -> lease[e] = NOBODY; e++
		:: else -> break
		od;
		e = 0;
		do
		:: e < MESSAGES -> holder[e] = NOBODY; e++
		:: else -> break
		od;
		state[A] = RETURNED;
#ifdef MERGED
		state[E] = RETURNED;
		if
		:: word[A] = WORD(0, OWNED); end_pos[A] = 2;
		   word[E] = WORD(2, OWNED); end_pos[E] = 3
		:: word[E] = WORD(0, OWNED); end_pos[E] = 2;
		   word[A] = WORD(2, OWNED); end_pos[A] = 3
		fi;
		run merger(B, true);
#else
		word[A] = WORD(0, OWNED);
		end_pos[A] = MESSAGES;
		state[B] = CONSUMER; lease[B] = B;
		run consumer(B, true);
#endif
#ifndef LOOKED
		state[C] = CONSUMER; lease[C] = C;
		run consumer(C, true);
#else
#ifdef ALL
		state[C] = CONSUMER; lease[C] = C;
		run consumer(C, true);
#endif
		run looker();
#endif
		state[D] = CONSUMER; lease[D] = D;
		run consumer(D, false)
	}
}
