/* SPDX-License-Identifier: MIT */
/*
 * libshmq: queues of many to many (shmq) and of one to one (shmq-1), each with
 * messages copied in and out, in batches, or written and read in place; topics
 * of many producers, with a group for each consumer (shmq-topic); a consumer
 * that waits in an event loop (shmq-epoll); a journal (shmq-journal).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include <shmq.h>

#include "epoll.h"
#include "loops.h"
#include "shared.h"
#include "transports.h"

#define BATCH 16
#define SEGMENT_LEAST (16UL << 20)

struct queue {
	struct shmq *handle;
	struct shmq_producer *producer;
	struct shmq_consumer *consumer;
	int64_t timeout;
	int epoll;                 /* of shmq-epoll's consumer */
	uint64_t *words;           /* of the messages of a batch */
	struct iovec parts[BATCH]; /* into words */
};

/* Room for messages that are a quarter of it at most, headers included. */
static size_t capacity_for(const struct bench_channel *ch)
{
	size_t room = ch->room;

	while (room / 4 < ch->len + 4096)
		room *= 2;
	return room;
}

static int queue_create_kind(struct bench_channel *ch, uint64_t flags)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *handle;
	int error;

	attr.capacity = capacity_for(ch);
	attr.flags = flags | SHMQ_PREFAULT;
	attr.max_groups = flags & SHMQ_TOPIC ? ch->consumers + 1 : 0;
	attr.max_members = ch->producers + ch->consumers + 2;
	error = shmq_open(&handle, ch->path, SHMQ_CREATE | SHMQ_EXCL, 0600,
			  &attr);
	/* Each process opens it by its name, as programs do. */
	if (!error)
		shmq_close(handle);
	return error;
}

static int many_create(struct bench_channel *ch)
{
	return queue_create_kind(ch, 0);
}

static int one_create(struct bench_channel *ch)
{
	return queue_create_kind(ch,
				 SHMQ_SINGLE_PRODUCER | SHMQ_SINGLE_CONSUMER);
}

static int topic_create(struct bench_channel *ch)
{
	return queue_create_kind(ch, SHMQ_TOPIC);
}

/* It grows as long as the run lasts, and is gone with it. */
static int journal_create(struct bench_channel *ch)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *handle;
	int error;

	attr.segment_bytes = capacity_for(ch);
	if (attr.segment_bytes < SEGMENT_LEAST)
		attr.segment_bytes = SEGMENT_LEAST;
	attr.flags = SHMQ_JOURNAL;
	attr.max_members = ch->producers + ch->consumers + 2;
	error = shmq_open(&handle, ch->path, SHMQ_CREATE | SHMQ_EXCL, 0600,
			  &attr);
	if (!error)
		shmq_close(handle);
	return error;
}

static void queue_destroy(struct bench_channel *ch)
{
	(void)shmq_unlink(ch->path);
}

static int queue_open(struct bench_channel *ch, struct queue *queue)
{
	struct shmq_stat st = SHMQ_STAT_INIT;
	char group[16];
	int error = shmq_open(&queue->handle, ch->path, 0, 0, NULL);

	if (!error)
		error = shmq_stat(queue->handle, &st);
	if (error)
		return error;
	if (ch->side == BENCH_PRODUCER)
		return shmq_producer_open(&queue->producer, queue->handle, 0);
	snprintf(group, sizeof(group), "%u", ch->index);
	return shmq_consumer_open(&queue->consumer, queue->handle,
				  st.flags & SHMQ_TOPIC ? group : NULL,
				  st.flags & (SHMQ_SINGLE_CONSUMER |
					      SHMQ_TOPIC) ?
					  SHMQ_EXCLUSIVE :
					  0);
}

static int queue_attach(struct bench_channel *ch)
{
	struct queue *queue = calloc(1, sizeof(*queue));

	if (!queue)
		return -ENOMEM;
	ch->state = queue;
	queue->timeout = ch->sleeps ? SHMQ_FOREVER : SHMQ_NOWAIT;
	queue->words = calloc(BATCH, ch->len);
	if (!queue->words)
		return -ENOMEM;
	for (int i = 0; i < BATCH; i++) {
		queue->parts[i].iov_base = queue->words +
					   (size_t)i * ch->len / 8;
		queue->parts[i].iov_len = ch->len;
	}
	return queue_open(ch, queue);
}

static void queue_detach(struct bench_channel *ch)
{
	struct queue *queue = ch->state;

	shmq_producer_close(queue->producer);
	shmq_consumer_close(queue->consumer);
	shmq_close(queue->handle);
	free(queue->words);
	free(queue);
}

/* -------------------------------------------------------------------- copied */

BENCH_INLINE int copied_send(struct bench_channel *ch, const void *buf,
			     size_t len)
{
	const struct queue *queue = ch->state;

	return shmq_send(queue->producer, buf, len, queue->timeout);
}

BENCH_INLINE int copied_recv(struct bench_channel *ch, void *buf, size_t len)
{
	const struct queue *queue = ch->state;
	ssize_t got = shmq_recv(queue->consumer, buf, len, queue->timeout);

	if (got < 0)
		return (int)got;
	return (size_t)got == len ? 0 : -EBADMSG;
}

BENCH_COPIES(copied)
BENCH_LOOPS(copied)

/* ---------------------------------------------------------- in an event loop */

static int looped_attach(struct bench_channel *ch)
{
	int error = queue_attach(ch), fd;
	struct queue *queue = ch->state;

	if (error || ch->side == BENCH_PRODUCER)
		return error;
	fd = shmq_consumer_fd(queue->consumer);
	if (fd < 0)
		return fd;
	queue->epoll = bench_epoll_create(fd);
	return queue->epoll < 0 ? queue->epoll : 0;
}

static void looped_detach(struct bench_channel *ch)
{
	const struct queue *queue = ch->state;

	if (queue->consumer)
		close(queue->epoll);
	queue_detach(ch);
}

BENCH_INLINE int looped_send(struct bench_channel *ch, const void *buf,
			     size_t len)
{
	return copied_send(ch, buf, len);
}

BENCH_INLINE int looped_recv(struct bench_channel *ch, void *buf, size_t len)
{
	const struct queue *queue = ch->state;
	ssize_t got;

	while ((got = shmq_recv(queue->consumer, buf, len, SHMQ_NOWAIT)) ==
	       -EAGAIN) {
		int error = bench_epoll_sleep(queue->epoll);

		if (error)
			return error;
	}
	if (got < 0)
		return (int)got;
	return (size_t)got == len ? 0 : -EBADMSG;
}

BENCH_COPIES(looped)
BENCH_LOOPS(looped)

/* ------------------------------------------------------------------ in place */

BENCH_INLINE int placed_put(struct bench_channel *ch, uint64_t number)
{
	const struct queue *queue = ch->state;
	void *place;
	int error = shmq_reserve(queue->producer, ch->len, &place,
				 queue->timeout);

	if (error)
		return error;
	content_fill(place, number, ch->len);
	return shmq_commit(queue->producer, ch->len);
}

BENCH_INLINE int placed_take(struct bench_channel *ch, uint64_t *number)
{
	const struct queue *queue = ch->state;
	struct shmq_msg msg;
	int got = shmq_receive(queue->consumer, &msg, 1, queue->timeout);
	int error;

	if (got < 0)
		return got;
	error = msg.len == ch->len && content_check(msg.data, ch->len, number) ?
			0 :
			-EBADMSG;
	got = shmq_release(queue->consumer);
	return error ? error : got;
}

BENCH_LOOPS(placed)

/* ---------------------------------------------------------------- in batches */

/* Numbers from first on; returns how many were sent. */
BENCH_INLINE int batch_put(struct bench_channel *ch, uint64_t first,
			   unsigned int n)
{
	struct queue *queue = ch->state;
	int sent;

	for (unsigned int i = 0; i < n; i++)
		content_fill(queue->parts[i].iov_base, first + i, ch->len);
	while ((sent = shmq_send_batch(queue->producer, queue->parts, n,
				       queue->timeout)) == -EAGAIN)
		bench_rest(ch);
	return sent;
}

static int batch_produce(struct bench_channel *out, uint64_t first, uint64_t n)
{
	uint64_t done = 0;

	while (done < n) {
		uint64_t left = n - done;
		int sent = batch_put(out, first + done,
				     left < BATCH ? (unsigned int)left : BATCH);

		if (sent < 0)
			return sent;
		done += (uint64_t)sent;
	}
	return 0;
}

BENCH_INLINE int batch_check(const struct bench_channel *ch,
			     const struct shmq_msg *msgs, int n, uint64_t first)
{
	uint64_t number;

	for (int i = 0; i < n; i++)
		if (msgs[i].len != ch->len ||
		    !content_check(msgs[i].data, ch->len, &number) ||
		    number != first + (uint64_t)i)
			return -EBADMSG;
	return 0;
}

static int batch_consume(struct bench_channel *in, uint64_t first, uint64_t n)
{
	const struct queue *queue = in->state;
	uint64_t done = 0;

	while (done < n) {
		struct shmq_msg msgs[BATCH];
		uint64_t left = n - done;
		int error, got;

		got = shmq_receive(queue->consumer, msgs,
				   left < BATCH ? (unsigned int)left : BATCH,
				   queue->timeout);
		if (got == -EAGAIN) {
			bench_rest(in);
			continue;
		}
		if (got < 0)
			return got;
		error = batch_check(in, msgs, got, first + done);
		done += (uint64_t)got;
		if (!error)
			error = shmq_release(queue->consumer);
		if (error)
			return error;
	}
	return 0;
}

/* --------------------------------------------------------------------- tables */

#define FLAGS (BENCH_OURS | BENCH_POLLS | BENCH_SLEEPS | BENCH_STREAMS)
#define QUEUE(kind)                                                            \
	.create = kind##_create, .attach = queue_attach,                       \
	.detach = queue_detach, .destroy = queue_destroy

const struct bench_transport bench_shmq = {
	.name = "shmq",
	.about = "libshmq, many to many, copied",
	.flags = FLAGS | BENCH_TRIPS | BENCH_MANY,
	QUEUE(many),
	BENCH_OPERATIONS(copied),
};

const struct bench_transport bench_shmq_batch = {
	.name = "shmq-batch",
	.about = "libshmq, many to many, batches of 16",
	.flags = FLAGS | BENCH_BATCH,
	QUEUE(many),
	.loops = { .produce = batch_produce, .consume = batch_consume },
};

const struct bench_transport bench_shmq_place = {
	.name = "shmq-place",
	.about = "libshmq, many to many, in place",
	.flags = FLAGS | BENCH_TRIPS | BENCH_MANY | BENCH_IN_PLACE,
	QUEUE(many),
	BENCH_OPERATIONS(placed),
};

const struct bench_transport bench_shmq_1 = {
	.name = "shmq-1",
	.about = "libshmq, one to one, copied",
	.flags = FLAGS | BENCH_TRIPS,
	QUEUE(one),
	BENCH_OPERATIONS(copied),
};

const struct bench_transport bench_shmq_1_batch = {
	.name = "shmq-1-batch",
	.about = "libshmq, one to one, batches of 16",
	.flags = FLAGS | BENCH_BATCH,
	QUEUE(one),
	.loops = { .produce = batch_produce, .consume = batch_consume },
};

const struct bench_transport bench_shmq_1_place = {
	.name = "shmq-1-place",
	.about = "libshmq, one to one, in place",
	.flags = FLAGS | BENCH_TRIPS | BENCH_IN_PLACE,
	QUEUE(one),
	BENCH_OPERATIONS(placed),
};

const struct bench_transport bench_shmq_topic = {
	.name = "shmq-topic",
	.about = "libshmq, a topic: every consumer gets every message",
	.flags = FLAGS | BENCH_TRIPS | BENCH_MANY | BENCH_TO_ALL,
	QUEUE(topic),
	BENCH_OPERATIONS(copied),
};

const struct bench_transport bench_shmq_journal = {
	.name = "shmq-journal",
	.about = "libshmq, a journal, copied",
	.flags = FLAGS | BENCH_TRIPS | BENCH_MANY,
	QUEUE(journal),
	BENCH_OPERATIONS(copied),
};

const struct bench_transport bench_shmq_epoll = {
	.name = "shmq-epoll",
	.about = "libshmq, many to many, through epoll",
	.flags = BENCH_OURS | BENCH_SLEEPS | BENCH_TRIPS,
	.create = many_create,
	.attach = looped_attach,
	.detach = looped_detach,
	.destroy = queue_destroy,
	BENCH_OPERATIONS(looped),
};
