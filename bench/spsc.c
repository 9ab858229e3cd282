/* SPDX-License-Identifier: MIT */
/*
 * spsc: the usual fast queue between one producer and one consumer, as
 * rigtorp's. Each side owns an index and keeps a copy of the other's, which it
 * renews only when the copy says full or empty.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "loops.h"
#include "shared.h"
#include "transports.h"

struct ring {
	_Alignas(2 * BENCH_LINE) _Atomic uint64_t written;
	_Alignas(2 * BENCH_LINE) _Atomic uint64_t read;
	_Alignas(2 * BENCH_LINE) unsigned char slots[];
};

struct spsc {
	struct ring *ring;
	size_t bytes, stride;
	uint64_t n_slots;
	uint64_t mine;   /* the index that this side writes */
	uint64_t others; /* a copy of the other */
};

static int spsc_create(struct bench_channel *ch)
{
	struct spsc *spsc = calloc(1, sizeof(*spsc));

	if (!spsc)
		return -ENOMEM;
	ch->state = spsc;
	spsc->stride = ch->len;
	spsc->n_slots = bench_slots(ch->room, spsc->stride);
	spsc->bytes = sizeof(struct ring) + spsc->n_slots * spsc->stride;
	spsc->ring = bench_shared_create(spsc->bytes);
	return spsc->ring ? 0 : -ENOMEM;
}

static int spsc_attach(struct bench_channel *ch)
{
	const struct spsc *spsc = ch->state;

	bench_shared_touch(spsc->ring, spsc->bytes);
	return 0;
}

static void spsc_destroy(struct bench_channel *ch)
{
	struct spsc *spsc = ch->state;

	if (spsc && spsc->ring)
		munmap(spsc->ring, spsc->bytes);
	free(spsc);
}

BENCH_INLINE unsigned char *slot_of(const struct spsc *spsc)
{
	return spsc->ring->slots +
	       (spsc->mine & (spsc->n_slots - 1)) * spsc->stride;
}

BENCH_INLINE int spsc_send(struct bench_channel *ch, const void *buf,
			   size_t len)
{
	struct spsc *spsc = ch->state;
	struct ring *ring = spsc->ring;

	if (spsc->mine - spsc->others == spsc->n_slots) {
		spsc->others = atomic_load_explicit(&ring->read,
						    memory_order_acquire);
		if (spsc->mine - spsc->others == spsc->n_slots)
			return -EAGAIN;
	}
	memcpy(slot_of(spsc), buf, len);
	atomic_store_explicit(&ring->written, ++spsc->mine,
			      memory_order_release);
	return 0;
}

BENCH_INLINE int spsc_recv(struct bench_channel *ch, void *buf, size_t len)
{
	struct spsc *spsc = ch->state;
	struct ring *ring = spsc->ring;

	if (spsc->mine == spsc->others) {
		spsc->others = atomic_load_explicit(&ring->written,
						    memory_order_acquire);
		if (spsc->mine == spsc->others)
			return -EAGAIN;
	}
	memcpy(buf, slot_of(spsc), len);
	atomic_store_explicit(&ring->read, ++spsc->mine, memory_order_release);
	return 0;
}

BENCH_COPIES(spsc)
BENCH_LOOPS(spsc)

const struct bench_transport bench_spsc = {
	.name = "spsc",
	.about = "queue of one to one, with copies of the other's index",
	.flags = BENCH_POLLS | BENCH_TRIPS | BENCH_STREAMS,
	.create = spsc_create,
	.attach = spsc_attach,
	.destroy = spsc_destroy,
	BENCH_OPERATIONS(spsc),
};
