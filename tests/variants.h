/* SPDX-License-Identifier: MIT */
/*
 * Running the same bodies on every kind of queue and from several places in
 * the stream: its beginning, and just before boundaries of its numbers.
 */
#ifndef TESTS_VARIANTS_H
#define TESTS_VARIANTS_H

#include "pattern.h"
#include "support.h"

#define VARIANT_CAPACITY UINT64_C(65536)
#define VARIANT_MAX (VARIANT_CAPACITY / 4)
#define VARIANT_LINES (VARIANT_CAPACITY / 64) /* smallest messages that fit */

struct kind {
	const char *name;
	uint64_t flags;
	unsigned consumer_flags;
	bool competing; /* several consumers may be there */
	bool producers; /* several producers may be there */
};

#define KINDS 5
extern const struct kind kinds[KINDS];

struct start {
	const char *name;
	uint64_t pos;
	uint64_t seq;
};

/* What a body gets: a queue with one producer and one consumer. */
struct setting {
	const struct kind *kind;
	const struct start *start;
	struct shmq *q;
	struct shmq_producer *p;
	struct shmq_consumer *c;
	uint64_t seq; /* the number that comes next; bodies may count it up */
	uint8_t *buf; /* of VARIANT_MAX + 64 bytes */
};

struct body {
	const char *name;
	void (*run)(struct setting *s);
};
#define BODY(run)                                                              \
	{                                                                      \
#run, run                                                      \
	}

/* Every body in every setting; what main() is to return. */
int variants_run(const char *group, const struct body *bodies, size_t n);

/* A queue whose stream begins at start; its name is "q". */
struct shmq *queue_create_at(const struct start *start, uint64_t capacity,
			     uint64_t flags);

/* -------------------------------------------------------------- messages */

/* Send message s->seq, and receive it, and count. Each fails on surprises. */
void setting_send(struct setting *s, size_t len, uint64_t number);
void setting_receive(struct setting *s, size_t len, uint64_t number);

/* Nothing is there. */
void setting_is_empty(struct setting *s);

#endif
