/* SPDX-License-Identifier: MIT */
/*
 * The accesses that the shipped code makes, each a step; and what mutants make
 * of them. See atomic.h.
 */
#include "memory.h"

uint64_t weave_load(const volatile void *p, unsigned size, memory_order order,
		    const char *where)
{
	struct participant *me = memory_self(p);
	uint64_t value;

	if (!me)
		return memory_get(memory_place(p), size);
	weave_step(where);
	if (mutant_hits(where, WEAVE_DROP) || mutant_silences(where)) {
		weave_learn(4);
		return 0;
	}
	if (mutant_hits(where, WEAVE_RELAX))
		order = memory_order_relaxed;
	value = memory_load(me, memory_place(p), size, order);
	weave_learn(value);
	return value;
}

void weave_store(volatile void *p, unsigned size, uint64_t value,
		 memory_order order, const char *where)
{
	struct store s = { memory_place(p), size, value, order };
	struct participant *me = memory_self(p);

	if (!me) {
		memory_put(s.at, size, value);
		return;
	}
	weave_step(where);
	weave_learn(1);
	if (mutant_hits(where, WEAVE_DROP))
		return;
	if (mutant_hits(where, WEAVE_RELAX))
		s.order = memory_order_relaxed;
	if (mutant_hits(where, WEAVE_DEFER)) {
		me->deferred = s;
		return;
	}
	memory_store(me, &s);
	if (me->deferred.at) {
		s = me->deferred;
		me->deferred.at = NULL;
		weave_step("deferred");
		memory_store(me, &s);
	}
}

uint64_t weave_rmw(volatile void *p, unsigned size, enum weave_rmw what,
		   uint64_t operand, memory_order order, const char *where)
{
	struct participant *me = memory_self(p);
	uint64_t old;

	p = memory_place(p);
	if (me) {
		weave_step(where);
		mutant_silences(where);
		if (mutant_hits(where, WEAVE_DROP) ||
		    mutant_hits(where, WEAVE_LATE)) {
			weave_learn(5);
			return 0;
		}
	}
	old = me ? memory_latest(me, p, size, order) : memory_get(p, size);
	operand = what == WEAVE_ADD ? old + operand : old | operand;
	if (size == 4)
		operand = (uint32_t)operand;
	if (!me) {
		memory_put(p, size, operand);
		return old;
	}
	memory_swap(me, p, size, operand, order);
	weave_learn(old);
	return old;
}

bool weave_cas(volatile void *p, unsigned size, uint64_t *expected,
	       uint64_t desired, const char *where)
{
	struct participant *me = memory_self(p);
	uint64_t wanted = *expected;

	p = memory_place(p);
	if (me) {
		weave_step(where);
		if (mutant_hits(where, WEAVE_DROP)) {
			weave_learn(6);
			return false;
		}
	}
	*expected = me ? memory_latest(me, p, size, memory_order_acquire) :
			 memory_get(p, size);
	if (me)
		weave_learn(*expected);
	if (*expected != wanted)
		return false;
	if (me)
		memory_swap(me, p, size, desired, memory_order_acq_rel);
	else
		memory_put(p, size, desired);
	return true;
}

bool weave_cas128(struct sh_pair *p, struct pair expected, struct pair desired,
		  const char *where)
{
	struct participant *me = memory_self(p);
	uint64_t lo, hi;

	if (me) {
		weave_step(where);
		weave_fence(memory_order_seq_cst);
		lo = memory_latest(me, &p->lo, 8, memory_order_acquire);
		hi = memory_latest(me, &p->hi, 8, memory_order_acquire);
	} else {
		lo = memory_get(&p->lo, 8);
		hi = memory_get(&p->hi, 8);
	}
	if (me)
		weave_learn(weave_mix(lo, hi));
	if (lo != expected.lo || hi != expected.hi)
		return false;
	if (me) {
		memory_swap_pair(me, p, desired);
		weave_fence(memory_order_seq_cst);
	} else {
		memory_put(&p->lo, 8, desired.lo);
		memory_put(&p->hi, 8, desired.hi);
	}
	return true;
}

/* A fence that a mutant may lack. */
void weave_fence_at(memory_order order, const char *where)
{
	if (weave_self() >= 0 && mutant_hits(where, WEAVE_RELAX))
		return;
	weave_fence(order);
}

/* Messages are copied word by word, without any order; their rest bytewise. */
void weave_copy(void *to, const void *from, size_t n)
{
	char *d = to;
	const char *s = from;

	for (; n >= 8; n -= 8, d += 8, s += 8)
		weave_store(d, 8,
			    weave_load(s, 8, memory_order_relaxed, "copy"),
			    memory_order_relaxed, "copy");
	if (n)
		weave_wrong("a message that is not whole words");
}
