/* SPDX-License-Identifier: MIT */
/*
 * The loops of a transport. They are written once, here, and compiled anew in
 * each transport's file with its operations in line: a call through a pointer
 * for every message would cost as much as some transports do.
 *
 * A file defines NAME_put() and NAME_take() and says BENCH_LOOPS(NAME). If it
 * copies messages, NAME_send() and NAME_recv() and BENCH_COPIES(NAME) first.
 */
#ifndef BENCH_LOOPS_H
#define BENCH_LOOPS_H

#include <errno.h>
#include <sched.h>

#include "bench.h"
#include "clock.h"
#include "content.h"

#define BENCH_RESTS 32 /* before a crowded process gives way */

typedef int bench_put_fn(struct bench_channel *ch, uint64_t number);
typedef int bench_take_fn(struct bench_channel *ch, uint64_t *number);

BENCH_INLINE void bench_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* Between two looks. */
BENCH_INLINE void bench_rest(struct bench_channel *ch)
{
	bench_pause();
	if (ch->crowded && ++ch->rests % BENCH_RESTS == 0)
		sched_yield();
}

BENCH_INLINE int bench_put(struct bench_channel *ch, uint64_t number,
			   bench_put_fn *put)
{
	int error;

	while ((error = put(ch, number)) == -EAGAIN)
		bench_rest(ch);
	return error;
}

BENCH_INLINE int bench_take(struct bench_channel *ch, uint64_t *number,
			    bench_take_fn *take)
{
	int error;

	while ((error = take(ch, number)) == -EAGAIN)
		bench_rest(ch);
	return error;
}

BENCH_INLINE int bench_expect(struct bench_channel *ch, uint64_t number,
			      bench_take_fn *take)
{
	uint64_t got = 0;
	int error = bench_take(ch, &got, take);

	return error ? error : got == number ? 0 : -EBADMSG;
}

BENCH_INLINE int bench_ping(struct bench_channel *out, struct bench_channel *in,
			    const struct bench_trips *trips, bench_put_fn *put,
			    bench_take_fn *take)
{
	for (uint64_t i = 0; i < trips->n; i++) {
		int error;

		if (trips->out)
			trips->out[i] = bench_ticks();
		error = bench_put(out, trips->first + i, put);
		if (!error)
			error = bench_expect(in, trips->first + i, take);
		if (error)
			return error;
		trips->back[i] = bench_ticks();
	}
	return 0;
}

/* Looks at the clock only if it is to note when each message arrived. */
BENCH_INLINE int bench_echo(struct bench_channel *in, struct bench_channel *out,
			    const struct bench_trips *trips, bench_put_fn *put,
			    bench_take_fn *take)
{
	for (uint64_t i = 0; i < trips->n; i++) {
		int error = bench_expect(in, trips->first + i, take);

		if (trips->back)
			trips->back[i] = bench_ticks();
		if (!error)
			error = bench_put(out, trips->first + i, put);
		if (error)
			return error;
	}
	return 0;
}

BENCH_INLINE int bench_produce(struct bench_channel *out, uint64_t first,
			       uint64_t n, bench_put_fn *put)
{
	int error = 0;

	for (uint64_t i = 0; i < n && !error; i++)
		error = bench_put(out, first + i, put);
	return error;
}

BENCH_INLINE int bench_consume(struct bench_channel *in, uint64_t first,
			       uint64_t n, bench_take_fn *take)
{
	int error = 0;

	for (uint64_t i = 0; i < n && !error; i++)
		error = bench_expect(in, first + i, take);
	return error;
}

/* A producer's messages reach one consumer in order, maybe not all of them. */
static inline int bench_count(const struct bench_channel *ch,
			      struct bench_tally *tally, uint64_t number)
{
	uint64_t producer = number >> BENCH_PRODUCER_SHIFT;

	if (producer >= ch->producers || number <= tally->last[producer])
		return -EBADMSG;
	tally->last[producer] = number;
	tally->taken++;
	return 0;
}

BENCH_INLINE int bench_drain(struct bench_channel *in,
			     struct bench_tally *tally, bench_take_fn *take)
{
	for (;;) {
		uint64_t number = 0;
		int error = bench_take(in, &number, take);

		if (!error && number == BENCH_END)
			return 0;
		if (!error)
			error = bench_count(in, tally, number);
		if (error)
			return error;
	}
}

/* From NAME_send(ch, buf, len) and NAME_recv(ch, buf, len), 0 or -errno. */
#define BENCH_COPIES(name)                                                     \
	BENCH_INLINE int name##_put(struct bench_channel *ch, uint64_t number) \
	{                                                                      \
		content_fill(ch->buf, number, ch->len);                        \
		return name##_send(ch, ch->buf, ch->len);                      \
	}                                                                      \
	BENCH_INLINE int name##_take(struct bench_channel *ch,                 \
				     uint64_t *number)                         \
	{                                                                      \
		int error = name##_recv(ch, ch->buf, ch->len);                 \
                                                                               \
		if (error)                                                     \
			return error;                                          \
		return content_check(ch->buf, ch->len, number) ? 0 : -EBADMSG; \
	}

/* One function of each kind for the table, NAME_ping and so on. */
#define BENCH_UNUSED __attribute__((unused))
#define BENCH_LOOPS(name)                                                      \
	BENCH_UNUSED static int name##_ping(struct bench_channel *out,         \
					    struct bench_channel *in,          \
					    const struct bench_trips *trips)   \
	{                                                                      \
		return bench_ping(out, in, trips, name##_put, name##_take);    \
	}                                                                      \
	BENCH_UNUSED static int name##_echo(struct bench_channel *in,          \
					    struct bench_channel *out,         \
					    const struct bench_trips *trips)   \
	{                                                                      \
		return bench_echo(in, out, trips, name##_put, name##_take);    \
	}                                                                      \
	BENCH_UNUSED static int name##_produce(struct bench_channel *out,      \
					       uint64_t first, uint64_t n)     \
	{                                                                      \
		return bench_produce(out, first, n, name##_put);               \
	}                                                                      \
	BENCH_UNUSED static int name##_consume(struct bench_channel *in,       \
					       uint64_t first, uint64_t n)     \
	{                                                                      \
		return bench_consume(in, first, n, name##_take);               \
	}                                                                      \
	BENCH_UNUSED static int name##_drain(struct bench_channel *in,         \
					     struct bench_tally *tally)        \
	{                                                                      \
		return bench_drain(in, tally, name##_take);                    \
	}

/* For the table. */
#define BENCH_OPERATIONS(name)                                                 \
	.put = name##_put, .take = name##_take,                                \
	.loops = { name##_ping, name##_echo, name##_produce, name##_consume,   \
		   name##_drain }

#endif /* BENCH_LOOPS_H */
