/* SPDX-License-Identifier: MIT */
/*
 * Each step may be the last one. A sender notes a record as sent after it was
 * sent, so its successor may send that one again. A receiver notes a record as
 * arrived after its data is there, and releases it after that, so it may be
 * delivered again, flagged. Whoever brings the last part of an object releases
 * it only after the object's digest is there.
 */
#include "delivery.h"

#include "check.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/* In front of the data in each message. */
struct header {
	uint64_t record;
	uint64_t offset; /* of the part in its object */
	uint32_t object;
	uint32_t len;
};

static void *map(size_t bytes)
{
	void *at = mmap(NULL, bytes ? bytes : 1, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	check_errno(at == MAP_FAILED ? -1 : 0, "map memory");
	return at;
}

static void unmap(void *at, size_t bytes)
{
	munmap(at, bytes ? bytes : 1);
}

/* An object without bytes is one part too. */
static uint64_t parts_of(const struct tree_object *object)
{
	if (!object->len)
		return 1;
	return (object->len - 1) / DELIVERY_PART_BYTES + 1;
}

static void cut(struct delivery *d)
{
	const struct tree_object *object = d->tree->objects;
	struct delivery_part *part;

	d->first = calloc(d->tree->count + 1ul, sizeof(*d->first));
	check(d->first ? 0 : -ENOMEM, "cut a tree into parts");
	for (unsigned i = 0; i < d->tree->count; i++)
		d->first[i + 1] = d->first[i] + parts_of(&object[i]);
	d->parts = d->first[d->tree->count];
	d->part = calloc(d->parts, sizeof(*d->part));
	check(d->part ? 0 : -ENOMEM, "cut a tree into parts");
	for (unsigned i = 0; i < d->tree->count; i++) {
		for (uint64_t n = d->first[i]; n < d->first[i + 1]; n++) {
			part = &d->part[n];
			part->object = i;
			part->offset = (n - d->first[i]) * DELIVERY_PART_BYTES;
			part->len = object[i].len - part->offset;
			if (part->len > DELIVERY_PART_BYTES)
				part->len = DELIVERY_PART_BYTES;
		}
	}
}

void delivery_init(struct delivery *d, const char *queue,
		   const struct tree *tree, unsigned copies)
{
	memset(d, 0, sizeof(*d));
	d->queue = queue;
	d->tree = tree;
	d->copies = copies;
	d->objects = tree->count * copies;
	d->bytes = (uint64_t)tree->bytes * copies;
	cut(d);
	d->records = d->parts * copies;
	d->resumed = calloc(d->records, 1);
	check(d->resumed ? 0 : -ENOMEM, "count the dead");
	d->shared = map(sizeof(*d->shared));
	for (unsigned i = 0; i < DELIVERY_SENDERS; i++)
		d->shared->next[i] = i;
	d->arrived = map(d->records);
	d->plain = map(d->records);
	d->digested = map(d->objects);
	d->digest = map(d->objects * sizeof(*d->digest));
	d->data = map(d->bytes);
}

void delivery_fini(struct delivery *d)
{
	unmap(d->shared, sizeof(*d->shared));
	unmap(d->arrived, d->records);
	unmap(d->plain, d->records);
	unmap(d->digested, d->objects);
	unmap(d->digest, d->objects * sizeof(*d->digest));
	unmap(d->data, d->bytes);
	free(d->resumed);
	free(d->first);
	free(d->part);
}

_Noreturn void delivery_send(struct delivery *d, unsigned sender)
{
	const struct tree_object *object;
	const struct delivery_part *part;
	struct shmq_producer *producer;
	struct header header;
	struct iovec iov[2];
	struct shmq *queue;
	uint64_t n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	check(shmq_open(&queue, d->queue, 0, 0, NULL), d->queue);
	check(shmq_producer_open(&producer, queue, 0), "become a producer");
	for (n = d->shared->next[sender]; n < d->records;
	     n += DELIVERY_SENDERS) {
		part = &d->part[n % d->parts];
		object = &d->tree->objects[part->object];
		header.record = n;
		header.offset = part->offset;
		header.object = n / d->parts * d->tree->count + part->object;
		header.len = part->len;
		iov[0].iov_base = &header;
		iov[0].iov_len = sizeof(header);
		iov[1].iov_base = d->tree->data + object->offset + part->offset;
		iov[1].iov_len = part->len;
		check(shmq_sendv(producer, iov, 2, SHMQ_FOREVER), "send");
		d->shared->next[sender] = n + DELIVERY_SENDERS;
	}
	shmq_producer_close(producer);
	shmq_close(queue);
	_exit(EXIT_SUCCESS);
}

/* Whether the header describes a record of this delivery. */
static int is_record(const struct delivery *d, const struct shmq_msg *msg)
{
	const struct header *header = msg->data;
	const struct delivery_part *part;

	if (msg->len < sizeof(*header) || header->record >= d->records)
		return 0;
	part = &d->part[header->record % d->parts];
	return header->object / d->tree->count == header->record / d->parts &&
	       header->object % d->tree->count == part->object &&
	       header->offset == part->offset && header->len == part->len &&
	       msg->len == sizeof(*header) + header->len;
}

/*
 * The stores to arrived are sequentially consistent: of two receivers that
 * bring the last two parts at least one sees both.
 */
static void complete(struct delivery *d, uint32_t object)
{
	const struct tree_object *of =
		&d->tree->objects[object % d->tree->count];
	uint64_t copy = object / d->tree->count;
	uint64_t n = d->first[object % d->tree->count];
	uint64_t end = d->first[object % d->tree->count + 1];

	for (; n < end; n++)
		if (!d->arrived[copy * d->parts + n])
			return;
	tree_digest(d->digest[object],
		    d->data + copy * d->tree->bytes + of->offset, of->len);
	d->digested[object] = 1;
}

/* last: the highest record of each sender that this process has seen. */
static void take(struct delivery *d, const struct shmq_msg *msg, uint64_t *last)
{
	const struct header *header = msg->data;
	unsigned char *place;

	if (!is_record(d, msg)) {
		d->shared->wrong++;
		return;
	}
	if (msg->flags & SHMQ_REDELIVERED) {
		d->shared->redelivered++;
	} else {
		d->plain[header->record]++;
		last += header->record % DELIVERY_SENDERS;
		if (header->record < *last)
			d->shared->out_of_order++;
		*last = header->record;
	}
	place = d->data + header->object / d->tree->count * d->tree->bytes +
		d->tree->objects[header->object % d->tree->count].offset +
		header->offset;
	if (!d->arrived[header->record])
		memcpy(place, header + 1, header->len);
	else if (memcmp(place, header + 1, header->len) != 0)
		d->shared->wrong++;
	d->arrived[header->record] = 1;
	if (!d->digested[header->object])
		complete(d, header->object);
}

_Noreturn void delivery_receive(struct delivery *d)
{
	struct shmq_msg msgs[DELIVERY_BORROW];
	uint64_t last[DELIVERY_SENDERS] = { 0 };
	struct shmq_consumer *consumer;
	struct shmq *queue;
	int result, got;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	result = shmq_open(&queue, d->queue, 0, 0, NULL);
	if (result == -ENOENT) /* the others have received all meanwhile */
		_exit(EXIT_SUCCESS);
	check(result, d->queue);
	check(shmq_consumer_open(&consumer, queue, NULL, 0),
	      "become a consumer");
	for (;;) {
		got = shmq_receive(consumer, msgs, DELIVERY_BORROW,
				   SHMQ_FOREVER);
		if (got == -EIDRM) /* empty and removed: that was all */
			break;
		check(got, "receive");
		for (int i = 0; i < got; i++)
			take(d, &msgs[i], last);
		check(shmq_release(consumer), "release");
	}
	shmq_consumer_close(consumer);
	shmq_close(queue);
	_exit(EXIT_SUCCESS);
}

uint64_t delivery_arrived(const struct delivery *d)
{
	uint64_t count = 0;

	for (uint64_t n = 0; n < d->records; n++)
		count += atomic_load_explicit(&d->arrived[n],
					      memory_order_relaxed);
	return count;
}

unsigned delivery_complete(const struct delivery *d)
{
	unsigned count = 0;

	for (unsigned i = 0; i < d->objects; i++)
		count += d->digested[i];
	return count;
}
