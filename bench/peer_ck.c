/* SPDX-License-Identifier: MIT */
/*
 * ck-spsc, ck-mpmc: the ring of Concurrency Kit, with messages in it by value.
 * The inner functions, of which its macros are made, take their size.
 */
#include <stdlib.h>

#include <ck_ring.h>

#include "loops.h"
#include "shared.h"

struct queue {
	struct ck_ring *ring;
	unsigned char *slots;
	size_t bytes;
};

static int queue_create(struct bench_channel *ch)
{
	struct queue *queue = calloc(1, sizeof(*queue));
	size_t slots = bench_slots(ch->room, ch->len);
	size_t head = bench_round_up(sizeof(*queue->ring), 4096);
	void *memory;

	if (!queue)
		return -ENOMEM;
	ch->state = queue;
	queue->bytes = head + slots * ch->len;
	memory = bench_shared_create(queue->bytes);
	if (!memory)
		return -ENOMEM;
	queue->ring = memory;
	queue->slots = (unsigned char *)memory + head;
	ck_ring_init(queue->ring, (unsigned int)slots);
	return 0;
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

BENCH_INLINE int one_send(struct bench_channel *ch, const void *buf, size_t len)
{
	const struct queue *queue = ch->state;
	unsigned int size;

	return _ck_ring_enqueue_sp(queue->ring, queue->slots, buf,
				   (unsigned int)len, &size) ?
		       0 :
		       -EAGAIN;
}

BENCH_INLINE int one_recv(struct bench_channel *ch, void *buf, size_t len)
{
	const struct queue *queue = ch->state;

	return _ck_ring_dequeue_sc(queue->ring, queue->slots, buf,
				   (unsigned int)len) ?
		       0 :
		       -EAGAIN;
}

BENCH_COPIES(one)
BENCH_LOOPS(one)

BENCH_INLINE int many_send(struct bench_channel *ch, const void *buf,
			   size_t len)
{
	const struct queue *queue = ch->state;
	unsigned int size;

	return _ck_ring_enqueue_mp(queue->ring, queue->slots, buf,
				   (unsigned int)len, &size) ?
		       0 :
		       -EAGAIN;
}

BENCH_INLINE int many_recv(struct bench_channel *ch, void *buf, size_t len)
{
	const struct queue *queue = ch->state;

	return _ck_ring_dequeue_mc(queue->ring, queue->slots, buf,
				   (unsigned int)len) ?
		       0 :
		       -EAGAIN;
}

BENCH_COPIES(many)
BENCH_LOOPS(many)

#define FLAGS (BENCH_PEER | BENCH_POLLS | BENCH_TRIPS | BENCH_STREAMS)

static const struct bench_transport spsc = {
	.name = "ck-spsc",
	.about = "Concurrency Kit, ck_ring, one to one",
	.flags = FLAGS,
	.create = queue_create,
	.attach = queue_attach,
	.destroy = queue_destroy,
	BENCH_OPERATIONS(one),
};

static const struct bench_transport mpmc = {
	.name = "ck-mpmc",
	.about = "Concurrency Kit, ck_ring, many to many",
	.flags = FLAGS | BENCH_MANY,
	.create = queue_create,
	.attach = queue_attach,
	.destroy = queue_destroy,
	BENCH_OPERATIONS(many),
};

BENCH_EXPORT extern const struct bench_transport *const bench_peers[];
const struct bench_transport *const bench_peers[] = { &spsc, &mpmc, NULL };
