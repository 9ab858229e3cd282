/* SPDX-License-Identifier: MIT */
/*
 * lines: a ring of cache lines. Message n lies in slot n modulo the slots; its
 * number, stored last, says that it is there. The consumer says now and then
 * how far it has come. Less cannot move a stream of messages through memory.
 *
 * memcpy: the same, from private memory to private memory.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "loops.h"
#include "shared.h"
#include "transports.h"

/*
 * A consumer that has caught up looks away for so long: two that tread on each
 * other's lines are several times slower than one after the other.
 */
#define LOOK_AWAY 16

struct ring {
	_Atomic uint64_t taken; /* by the consumer, at least */
	char pad[4096 - sizeof(uint64_t)];
	unsigned char slots[];
};

struct lines {
	struct ring *ring;
	size_t bytes;  /* of the ring, mapped */
	size_t stride; /* bytes of a slot */
	uint64_t mask;
	uint64_t next;  /* message to put or take */
	uint64_t limit; /* first that may not be put yet */
};

static int lines_create(struct bench_channel *ch)
{
	struct lines *lines = calloc(1, sizeof(*lines));

	if (!lines)
		return -ENOMEM;
	ch->state = lines;
	lines->stride = bench_round_up(ch->len, BENCH_LINE);
	lines->mask = bench_slots(ch->room, lines->stride) - 1;
	lines->bytes = sizeof(struct ring) + (lines->mask + 1) * lines->stride;
	lines->next = 1;
	lines->limit = lines->mask + 2;
	lines->ring = bench_shared_create(lines->bytes);
	return lines->ring ? 0 : -ENOMEM;
}

static int lines_attach(struct bench_channel *ch)
{
	const struct lines *lines = ch->state;

	bench_shared_touch(lines->ring, lines->bytes);
	return 0;
}

static void lines_destroy(struct bench_channel *ch)
{
	struct lines *lines = ch->state;

	if (lines && lines->ring)
		munmap(lines->ring, lines->bytes);
	free(lines);
}

/* Where the next message goes, or NULL: the ring is full. */
BENCH_INLINE uint64_t *room_for_next(struct lines *lines)
{
	struct ring *ring = lines->ring;

	if (lines->next == lines->limit) {
		lines->limit = atomic_load_explicit(&ring->taken,
						    memory_order_acquire) +
			       lines->mask + 2;
		if (lines->next == lines->limit)
			return NULL;
	}
	return (uint64_t *)(ring->slots +
			    (lines->next & lines->mask) * lines->stride);
}

BENCH_INLINE int lines_put(struct bench_channel *ch, uint64_t number)
{
	struct lines *lines = ch->state;
	uint64_t *slot = room_for_next(lines);

	if (!slot)
		return -EAGAIN;
	content_fill_rest(slot, number, 1, ch->len / 8);
	__atomic_store_n(slot, number, __ATOMIC_RELEASE);
	lines->next++;
	return 0;
}

/* The next message, or NULL: it is not there. */
BENCH_INLINE const uint64_t *next_one(struct lines *lines)
{
	const uint64_t *slot = (const uint64_t *)(lines->ring->slots +
						  (lines->next & lines->mask) *
							  lines->stride);

	if (__atomic_load_n(slot, __ATOMIC_ACQUIRE) != lines->next)
		return NULL;
	return slot;
}

/* A quarter of the ring at a time, so that this costs nothing. */
BENCH_INLINE void one_taken(struct lines *lines)
{
	if ((lines->next & lines->mask >> 2) == 0)
		atomic_store_explicit(&lines->ring->taken, lines->next,
				      memory_order_release);
	lines->next++;
}

BENCH_INLINE int lines_take(struct bench_channel *ch, uint64_t *number)
{
	struct lines *lines = ch->state;
	const uint64_t *slot = next_one(lines);
	int right;

	if (!slot)
		return -EAGAIN;
	*number = lines->next;
	right = content_rest_is_right(slot, *number, 1, ch->len / 8);
	one_taken(lines);
	return right ? 0 : -EBADMSG;
}

BENCH_LOOPS(lines)

static int lines_gather(struct bench_channel *in, uint64_t first, uint64_t n)
{
	uint64_t number;
	int error = 0;

	for (uint64_t i = 0; i < n && !error; i++) {
		while ((error = lines_take(in, &number)) == -EAGAIN)
			for (int k = 0; k < LOOK_AWAY; k++)
				bench_rest(in);
		if (!error && number != first + i)
			error = -EBADMSG;
	}
	return error;
}

const struct bench_transport bench_lines = {
	.name = "lines",
	.about = "bare stream: memory in a ring of cache lines",
	.flags = BENCH_FLOOR | BENCH_POLLS | BENCH_TRIPS | BENCH_STREAMS |
		 BENCH_IN_PLACE,
	.create = lines_create,
	.attach = lines_attach,
	.destroy = lines_destroy,
	.put = lines_put,
	.take = lines_take,
	.loops = { lines_ping, lines_echo, lines_produce, lines_gather,
		   lines_drain },
};

/* -------------------------------------------------- from and to private memory */

BENCH_INLINE int memcpy_put(struct bench_channel *ch, uint64_t number)
{
	struct lines *lines = ch->state;
	uint64_t *slot = room_for_next(lines);

	if (!slot)
		return -EAGAIN;
	content_fill(ch->buf, number, ch->len);
	memcpy(slot + 1, ch->buf + 1, ch->len - 8);
	__atomic_store_n(slot, number, __ATOMIC_RELEASE);
	lines->next++;
	return 0;
}

BENCH_INLINE int memcpy_take(struct bench_channel *ch, uint64_t *number)
{
	struct lines *lines = ch->state;
	const uint64_t *slot = next_one(lines);

	if (!slot)
		return -EAGAIN;
	memcpy(ch->buf, slot, ch->len);
	one_taken(lines);
	return content_check(ch->buf, ch->len, number) ? 0 : -EBADMSG;
}

BENCH_LOOPS(memcpy)

const struct bench_transport bench_memcpy = {
	.name = "memcpy",
	.about = "the same, copied in and copied out",
	.flags = BENCH_FLOOR | BENCH_POLLS | BENCH_TRIPS | BENCH_STREAMS,
	.create = lines_create,
	.attach = lines_attach,
	.destroy = lines_destroy,
	BENCH_OPERATIONS(memcpy),
};
