/* SPDX-License-Identifier: MIT */
/*
 * vyukov: the textbook queue of many to many. A slot's turn says whose it is:
 * 2 * lap when it is free in that lap, one more when it is full. A ticket is
 * taken by compare-and-swap, and whoever comes to a slot that its last user
 * has not left yet finds the queue full, or empty.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "loops.h"
#include "shared.h"
#include "transports.h"

struct slot {
	_Atomic uint64_t turn;
	unsigned char message[];
};

struct ring {
	_Alignas(2 * BENCH_LINE) _Atomic uint64_t put;
	_Alignas(2 * BENCH_LINE) _Atomic uint64_t taken;
	_Alignas(2 * BENCH_LINE) unsigned char slots[];
};

struct vyukov {
	struct ring *ring;
	size_t bytes, stride;
	uint64_t mask;
	unsigned int shift; /* from a ticket to its lap */
};

static int vyukov_create(struct bench_channel *ch)
{
	struct vyukov *v = calloc(1, sizeof(*v));
	size_t slots;

	if (!v)
		return -ENOMEM;
	ch->state = v;
	v->stride = bench_round_up(sizeof(struct slot) + ch->len, BENCH_LINE);
	slots = bench_slots(ch->room, v->stride);
	v->mask = slots - 1;
	v->shift = (unsigned int)__builtin_ctzl(slots);
	v->bytes = sizeof(struct ring) + slots * v->stride;
	v->ring = bench_shared_create(v->bytes);
	return v->ring ? 0 : -ENOMEM;
}

static int vyukov_attach(struct bench_channel *ch)
{
	const struct vyukov *v = ch->state;

	bench_shared_touch(v->ring, v->bytes);
	return 0;
}

static void vyukov_destroy(struct bench_channel *ch)
{
	struct vyukov *v = ch->state;

	if (v && v->ring)
		munmap(v->ring, v->bytes);
	free(v);
}

/*
 * The slot of the next ticket at `counter`, whose turn is then `*turn` for
 * whoever wants it full (1) or free (0). NULL: it is not.
 */
BENCH_INLINE struct slot *ticket(const struct vyukov *v,
				 _Atomic uint64_t *counter, uint64_t full,
				 uint64_t *turn)
{
	uint64_t mine = atomic_load_explicit(counter, memory_order_relaxed);

	for (;;) {
		struct slot *slot = (struct slot *)(v->ring->slots +
						    (mine & v->mask) *
							    v->stride);
		uint64_t is = atomic_load_explicit(&slot->turn,
						   memory_order_acquire);

		*turn = (mine >> v->shift) * 2 + full;
		if (is == *turn) {
			if (atomic_compare_exchange_weak_explicit(
				    counter, &mine, mine + 1,
				    memory_order_relaxed, memory_order_relaxed))
				return slot;
		} else if (is < *turn) {
			return NULL;
		} else {
			mine = atomic_load_explicit(counter,
						    memory_order_relaxed);
		}
	}
}

BENCH_INLINE int vyukov_send(struct bench_channel *ch, const void *buf,
			     size_t len)
{
	const struct vyukov *v = ch->state;
	uint64_t turn;
	struct slot *slot = ticket(v, &v->ring->put, 0, &turn);

	if (!slot)
		return -EAGAIN;
	memcpy(slot->message, buf, len);
	atomic_store_explicit(&slot->turn, turn + 1, memory_order_release);
	return 0;
}

BENCH_INLINE int vyukov_recv(struct bench_channel *ch, void *buf, size_t len)
{
	const struct vyukov *v = ch->state;
	uint64_t turn;
	struct slot *slot = ticket(v, &v->ring->taken, 1, &turn);

	if (!slot)
		return -EAGAIN;
	memcpy(buf, slot->message, len);
	atomic_store_explicit(&slot->turn, turn + 1, memory_order_release);
	return 0;
}

BENCH_COPIES(vyukov)
BENCH_LOOPS(vyukov)

const struct bench_transport bench_vyukov = {
	.name = "vyukov",
	.about = "textbook queue of many to many",
	.flags = BENCH_POLLS | BENCH_TRIPS | BENCH_STREAMS | BENCH_MANY,
	.create = vyukov_create,
	.attach = vyukov_attach,
	.destroy = vyukov_destroy,
	BENCH_OPERATIONS(vyukov),
};
