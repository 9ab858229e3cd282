/* SPDX-License-Identifier: MIT */
/*
 * Borrowing again before releasing (keep_loan() of lib/competing.c, join_last()
 * of lib/span.c), what a rescuer makes of it (shmqi_claim_settle(),
 * shmqi_span_settle()), and what a producer that looks for room sees
 * meanwhile (look_at_member() of lib/room.c).
 *
 * X borrows, borrows more, adopts what Y returned, releases; it may die
 * anywhere. Y takes and releases or returns in single steps. The looker is a
 * producer (with LOOKED), the rescuer cleans up after X.
 *
 * Promised: the rescuer finds each position that X held in exactly one slot
 * and no other position; the looker's lowest position is never above one that
 * somebody still holds.
 *
 * Bounds: MESSAGES, SLOTS.
 */
#ifndef MESSAGES
#define MESSAGES 4
#endif
#ifndef SLOTS
#define SLOTS 4 /* slot 0 is for claiming */
#endif

/* Slots that the rescuer suspects of being copies. */
#if defined(KEPT_TWICE)
#define LAST_COPY -1
#elif defined(JOINED_TWICE)
#define LAST_COPY 0
#else
#define LAST_COPY SLOTS
#endif

#define NONE 0
#define ANNOUNCED 1
#define OWNED 2
#define WORD(pos, what) ((pos) * 4 + (what))
#define WHAT(word) ((word) % 4)
#define POS(word) ((word) / 4)

#define NOBODY 0
#define X 1
#define Y 2
byte cursor = 0, owner = NOBODY; /* one word: swapped together */

byte word[SLOTS], end_pos[SLOTS]; /* the claim slots of X */
byte slots = 1;                   /* in use, as others know it */
byte moves = 0;

byte holder[MESSAGES];   /* who really holds it */
bool released[MESSAGES];
byte returned = MESSAGES; /* a position that Y returned; none */
bool dead = false, over = false;

#ifdef ZERO_IS_NONE
#define NOWHERE 0
#else
#define NOWHERE MESSAGES + 1
#endif

/* Nothing, or death before the step. */
#define STEP(x) \
	if \
	:: goto died \
	:: x \
	fi

#define KEEP \
	if \
	:: lent && mine > 1 && kept_end == lent_pos -> \
		STEP(end_pos[mine - 1] = lent_end); \
		kept_end = lent_end; \
		lent = false \
	:: lent && !(mine > 1 && kept_end == lent_pos) -> \
		end_pos[mine] = lent_end; \
		mine++; \
		STEP(slots = (mine > slots -> mine : slots)); \
		STEP(word[mine - 1] = WORD(lent_pos, OWNED)); \
		kept_end = lent_end; \
		lent = false \
	:: else \
	fi

#define ANNOUNCE \
	STEP(end_pos[0] = at + 1); \
	STEP(word[0] = WORD(at, ANNOUNCED))

/* join_last(): the last slot but one takes over what the last one names. */
#ifdef JOINED_LATE
#define JOIN \
	d_step { at = end_pos[mine - 1]; i = 0 } \
	STEP(word[mine - 1] = NONE); \
	STEP(end_pos[mine - 2] = at); \
	at = 0
#else
#define JOIN \
	STEP(end_pos[mine - 2] = end_pos[mine - 1]); \
	STEP(word[mine - 1] = NONE)
#endif

/* claim_done() of slot k */
#define DONE(k) \
	STEP(d_step { \
		i = POS(word[k]); \
		do \
		:: i < end_pos[k] -> \
			released[i] = true; \
			holder[i] = NOBODY; \
			i++ \
		:: else -> break \
		od; \
		i = 0; \
		word[k] = NONE \
	})

proctype x()
{
	bool lent, won, announced;
	byte lent_pos, lent_end, kept_end = NOWHERE, mine = 1, at, i, k;

	do
	:: cursor < MESSAGES && (!lent || mine < SLOTS) ->
		d_step { won = false; announced = false; at = cursor }
		do
		:: won -> break
		:: !won && at == MESSAGES ->
			/* Nothing is there (any more). */
			if
			:: announced -> STEP(word[0] = NONE)
			:: else
			fi;
			break
		:: !won && at < MESSAGES ->
#ifdef COPIED_LATE
			ANNOUNCE;
			KEEP;
#else
			KEEP;
			ANNOUNCE;
#endif
			announced = true;
			STEP(d_step {
				if
				:: cursor == at ->
					cursor = at + 1;
					owner = X;
					holder[at] = X;
					won = true
				:: else -> at = cursor
				fi
			})
		od;
		if
		:: won ->
			STEP(word[0] = WORD(at, OWNED));
			d_step {
				lent = true;
				lent_pos = at;
				lent_end = at + 1
			}
		:: else
		fi;
		d_step { at = 0; won = false; announced = false }
	:: returned != MESSAGES && mine < SLOTS ->
		/* shmqi_consumer_adopt(); returned.pml has its steps. */
		STEP(d_step {
			word[mine] = WORD(returned, OWNED);
			end_pos[mine] = returned + 1;
			holder[returned] = X;
			returned = MESSAGES;
			mine++;
			slots = (mine > slots -> mine : slots);
			moves++
		});
		kept_end = NOWHERE;
		if
		:: mine > 2 && end_pos[mine - 2] == POS(word[mine - 1]) ->
			JOIN;
			mine--
		:: else
		fi
	:: lent || mine > 1 ->
		k = 1;
		do
		:: k < mine -> DONE(k); k++
		:: else -> break
		od;
		atomic { mine = 1; k = 0 };
		if
		:: lent -> DONE(0); lent = false
		:: else
		fi
	:: cursor == MESSAGES && returned == MESSAGES && !lent && mine == 1 ->
		over = true;
		goto end
	od;
died:
	skip;
	d_step {
		dead = true;
		lent = false; won = false; announced = false;
		lent_pos = 0; lent_end = 0;
		kept_end = 0; mine = 0; at = 0; i = 0; k = 0
	}
end:
	skip
}

/* Y helps, announces, wins and says so: claim.pml has its steps. */
proctype y()
{
	byte i;

	do
	:: d_step {
		cursor < MESSAGES && returned == MESSAGES ->
		if
		:: owner == X && WHAT(word[0]) == ANNOUNCED &&
		   POS(word[0]) != cursor ->
			word[0] = WORD(POS(word[0]), OWNED)
		:: else
		fi;
		holder[cursor] = Y;
		i = cursor;
		cursor++;
		owner = Y
	   }
	   if
	   :: d_step { released[i] = true; holder[i] = NOBODY; i = 0 }
	   :: atomic { returned == MESSAGES -> returned = i; i = 0 }
	   fi
	:: cursor == MESSAGES || dead -> break
	od
}

/* The holder of the dead X's lease. */
proctype rescuer()
{
	byte k, i, n;

	if
	:: over -> goto end
	:: dead
	fi;
	/* shmqi_claim_settle() */
	d_step {
		if
		:: WHAT(word[0]) == ANNOUNCED ->
			word[0] = (owner == X && cursor != POS(word[0]) ->
				   WORD(POS(word[0]), OWNED) : NONE)
		:: else
		fi
	}
	/* shmqi_span_settle(), is_copy() */
	k = 0;
	do
	:: k < slots && k <= LAST_COPY ->
		n = 1;
		do
		:: n < slots ->
			if
			:: n != k && WHAT(word[k]) == OWNED &&
			   WHAT(word[n]) == OWNED &&
			   POS(word[n]) <= POS(word[k]) &&
			   POS(word[k]) < end_pos[n] &&
			   (POS(word[n]) < POS(word[k]) || k < n) ->
				word[k] = NONE
			:: else
			fi;
			n++
		:: else -> break
		od;
		k++
	:: else -> break
	od;
	atomic {
		i = 0;
		do
		:: i < MESSAGES ->
			n = 0;
			k = 0;
			do
			:: k < slots ->
				if
				:: WHAT(word[k]) == OWNED &&
				   POS(word[k]) <= i && end_pos[k] > i -> n++
				:: else
				fi;
				assert(WHAT(word[k]) != OWNED ||
				       POS(word[k]) < end_pos[k]);
				k++
			:: else -> break
			od;
			assert(n == (holder[i] == X -> 1 : 0));
			i++
		:: else -> break
		od
	}
end:
	skip
}

inline lower(pos)
{
	if
	:: pos < lowest -> lowest = pos
	:: else
	fi
}

/* shmqi_claim_holds() of slot 0 */
inline look_at_slot_0()
{
	do
	:: w = word[0];
	   if
	   :: WHAT(w) == NONE -> break
	   :: WHAT(w) == OWNED -> lower(POS(w)); break
	   :: WHAT(w) == ANNOUNCED ->
		d_step { won = (owner == X && cursor != POS(w)) }
		if
		:: word[0] == w ->
			if
			:: won -> lower(POS(w))
			:: else
			fi;
			break
		:: else
		fi
	   fi
	od;
	atomic { w = 0; won = false }
}

inline look_at_others()
{
	n = slots;
	k = 1;
	do
	:: k < n ->
		w = word[k];
		if
		:: WHAT(w) == OWNED -> lower(POS(w))
		:: else
		fi;
		k++
	:: else -> break
	od;
	atomic { w = 0; n = 0; k = 0 }
}

inline look_at_cursor()
{
	lower(cursor)
}

proctype looker()
{
	byte moves_before = moves, lowest = MESSAGES, k, n, w;
	bool won;

#ifdef CURSOR_LAST
	look_at_slot_0();
	look_at_others();
	look_at_cursor();
#else
	look_at_cursor();
#ifdef REVERSED
	look_at_others();
	look_at_slot_0();
#else
	look_at_slot_0();
	look_at_others();
#endif
#endif
	/* What Y holds; and nothing has moved between the two. */
	atomic {
		k = 0;
		do
		:: k < MESSAGES ->
			if
			:: holder[k] == Y -> lower(k)
			:: else
			fi;
			k++
		:: else -> break
		od
	}
	if
	:: moves == moves_before ->
		atomic {
			k = 0;
			do
			:: k < lowest -> assert(released[k]); k++
			:: else -> break
			od
		}
	:: else
	fi
}

init {
	atomic {
		run x();
		run y();
#ifdef LOOKED
		run looker();
#endif
		run rescuer()
	}
}
