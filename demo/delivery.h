/* SPDX-License-Identifier: MIT */
/*
 * One pass of demo/stream.c: a tree's objects, cut into numbered records, go
 * from senders through a named queue to receivers.
 *
 * Senders and receivers are processes that may be killed anywhere. What they
 * share besides the queue is what would be on a disk in earnest: how far each
 * sender has come, and what has arrived.
 */
#ifndef DEMO_DELIVERY_H
#define DEMO_DELIVERY_H

#include "tree.h"

#include <stdatomic.h>

#define DELIVERY_SENDERS 4
#define DELIVERY_RECEIVERS 4
#define DELIVERY_BORROW 8        /* messages that a receiver holds at most */
#define DELIVERY_PART_BYTES 4096 /* of data in a record at most */

/* A piece of an object. */
struct delivery_part {
	unsigned object;
	size_t offset; /* in the object */
	size_t len;
};

/* Mapped by all processes. Arrays are counted in records or in objects. */
struct delivery_shared {
	/* Of each sender: the first record it has not seen sent. */
	_Atomic uint64_t next[DELIVERY_SENDERS];
	_Atomic uint64_t redelivered; /* arrivals flagged so */
	_Atomic uint64_t out_of_order;
	_Atomic uint64_t wrong; /* messages that make no sense, or repeat a
				   record with other data */
};

struct delivery {
	const char *queue;
	const struct tree *tree;
	unsigned copies;  /* the tree goes this many times */
	unsigned objects; /* in all copies, like what follows */
	uint64_t bytes;
	uint64_t records;
	uint64_t parts;             /* records of one copy */
	struct delivery_part *part; /* of one copy */
	uint64_t *first; /* of each object of the tree: its first part; and
			    one more */

	uint8_t *resumed; /* of each record: how many senders began there in
			     place of a dead one; of the parent only */

	struct delivery_shared *shared;
	_Atomic uint8_t *arrived;  /* of each record: 1: its data is there */
	_Atomic uint8_t *plain;    /* of each record: unflagged arrivals */
	_Atomic uint8_t *digested; /* of each object: 1: complete, and its
				      digest is there */
	uint8_t (*digest)[TREE_DIGEST_BYTES];
	unsigned char *data; /* what has arrived, copy after copy */
};

void delivery_init(struct delivery *d, const char *queue,
		   const struct tree *tree, unsigned copies);
void delivery_fini(struct delivery *d);

/* The life of a process. Both open the queue by its name. */
_Noreturn void delivery_send(struct delivery *d, unsigned sender);
_Noreturn void delivery_receive(struct delivery *d);

/* How many records have arrived, how many objects are complete. */
uint64_t delivery_arrived(const struct delivery *d);
unsigned delivery_complete(const struct delivery *d);

#endif /* DEMO_DELIVERY_H */
