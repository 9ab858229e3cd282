/* SPDX-License-Identifier: MIT */
/*
 * dpdk-sp, dpdk-mp, dpdk-rts, dpdk-hts: the ring of DPDK in its four ways of
 * keeping several apart, with messages in it by value. It needs no set-up of
 * DPDK's environment and no huge pages: the memory is ours.
 */
#include <stdlib.h>

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "loops.h"
#include "shared.h"

struct queue {
	struct rte_ring *ring;
	size_t bytes;
};

static int create(struct bench_channel *ch, unsigned int flags)
{
	struct queue *queue = calloc(1, sizeof(*queue));
	unsigned int slots = (unsigned int)bench_slots(ch->room, ch->len);
	ssize_t bytes = rte_ring_get_memsize_elem((unsigned int)ch->len, slots);

	if (!queue)
		return -ENOMEM;
	ch->state = queue;
	if (bytes < 0)
		return (int)bytes;
	queue->bytes = (size_t)bytes;
	queue->ring = bench_shared_create(queue->bytes);
	return queue->ring ? rte_ring_init(queue->ring, "bench", slots, flags) :
			     -ENOMEM;
}

static int sp_create(struct bench_channel *ch)
{
	return create(ch, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static int mp_create(struct bench_channel *ch)
{
	return create(ch, 0);
}

static int rts_create(struct bench_channel *ch)
{
	return create(ch, RING_F_MP_RTS_ENQ | RING_F_MC_RTS_DEQ);
}

static int hts_create(struct bench_channel *ch)
{
	return create(ch, RING_F_MP_HTS_ENQ | RING_F_MC_HTS_DEQ);
}

static int queue_attach(struct bench_channel *ch)
{
	const struct queue *queue = ch->state;

	bench_shared_touch(queue->ring, queue->bytes);
	return 0;
}

static void queue_destroy(struct bench_channel *ch)
{
	struct queue *queue = ch->state;

	if (queue && queue->ring)
		munmap(queue->ring, queue->bytes);
	free(queue);
}

BENCH_INLINE int queue_send(struct bench_channel *ch, void *buf, size_t len)
{
	const struct queue *queue = ch->state;

	return rte_ring_enqueue_elem(queue->ring, buf, (unsigned int)len) ?
		       -EAGAIN :
		       0;
}

BENCH_INLINE int queue_recv(struct bench_channel *ch, void *buf, size_t len)
{
	const struct queue *queue = ch->state;

	return rte_ring_dequeue_elem(queue->ring, buf, (unsigned int)len) ?
		       -EAGAIN :
		       0;
}

BENCH_COPIES(queue)
BENCH_LOOPS(queue)

#define FLAGS (BENCH_PEER | BENCH_POLLS | BENCH_TRIPS | BENCH_STREAMS)
#define RING(kind, words, more)                                                \
	static const struct bench_transport kind = {                           \
		.name = "dpdk-" #kind,                                         \
		.about = "DPDK, rte_ring, " words,                             \
		.flags = FLAGS | (more),                                       \
		.create = kind##_create,                                       \
		.attach = queue_attach,                                        \
		.destroy = queue_destroy,                                      \
		BENCH_OPERATIONS(queue),                                       \
	}

RING(sp, "one to one", 0);
RING(mp, "many to many", BENCH_MANY);
RING(rts, "many to many, relaxed tail", BENCH_MANY);
RING(hts, "many to many, head and tail as one", BENCH_MANY);

BENCH_EXPORT extern const struct bench_transport *const bench_peers[];
const struct bench_transport *const bench_peers[] = { &sp, &mp, &rts, &hts,
						      NULL };
