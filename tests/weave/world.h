/* SPDX-License-Identifier: MIT */
/*
 * The world of an execution: a queue's memory, and each participant's own, as
 * processes have them. All of it is put back before the next execution.
 */
#ifndef TESTS_WEAVE_WORLD_H
#define TESTS_WEAVE_WORLD_H

#include <shmq.h>

#include "weave.h"

#include "consumer.h"
#include "handle.h"
#include "layout.h"
#include "producer.h"
#include "segment.h"

#define RING_BYTES UINT64_C(4096)
#define RING_MESSAGE (RING_BYTES / 4)
#define SECOND_BYTES UINT64_C(8192) /* of a ring that comes later */
#define ENTRIES 5u
#define GROUPS 2u
#define SECOND_GROUP "second"
#define RING_OFFSET UINT64_C(65536) /* in a file that there is not */
#define SPARE WEAVE_PARTICIPANTS    /* who looks at what is left */
#define PROCESSES (WEAVE_PARTICIPANTS + 1)
#define ENDPOINTS 3
#define LETTERS 8
#define WORLD_FILLER UINT64_C(0xf111) /* not a letter */

/* A participant's own memory. */
struct process {
	struct segment seg;
	struct shmq q;
	struct endpoint *ours[ENTRIES];
	uint32_t sharers[GROUPS];
	union {
		struct shmq_producer producer;
		struct shmq_consumer consumer;
	} endpoints[ENDPOINTS];
	bool used[ENDPOINTS];
	struct shmq_producer *p;
	struct shmq_consumer *c;
	uint8_t holds; /* letters, a bit each */
};

/* What becomes of one message. */
struct letter_book {
	uint8_t begun, acked, fresh, again, done;
	uint8_t let_go; /* and the release has returned */
};

struct world {
	/* Shared; a ring is mapped twice, and its second half never met. */
	_Alignas(4096) char ring[2 * RING_BYTES];
	char second[2 * SECOND_BYTES];
	struct sh_control control;
	struct sh_group groups[GROUPS];
	_Alignas(64) struct sh_member members[ENTRIES];
	struct sh_bound bounds[SH_BOUNDS];

	_Alignas(64) char private[64];
	struct process processes[PROCESSES];
	struct letter_book letters[LETTERS];
	bool no_membarrier;
	bool rings;         /* there may be a second one: world_rings() */
	bool first_is_gone; /* the first, to the system */
	size_t heap_used;
};

extern struct world world;

/* Empty; as it is to be; and as it was to be, before each execution. */
void world_begin(void);
void world_keep(void);
void world_restore(void);

/* ------------------------------------------- for the scenarios' prepare() */

/* A queue of these flags whose stream begins at a position. */
void world_create(uint64_t flags, uint64_t pos, uint64_t seq);
/* From now on its ring may be followed by another: looking at the table of
 * rings takes steps. */
void world_rings(void);
/* A spare process puts the second ring in place. */
void world_resize(void);
void world_producer(unsigned who);
void world_consumer(unsigned who, unsigned flags);
/* Send without being explored, letter or filler. */
void world_send(unsigned who, unsigned letter);
void world_fill(unsigned who, size_t bytes);

/* -------------------------------------------------- for bodies and checks */

void letter_send(unsigned who, unsigned letter, int64_t timeout_ns);
/* Receive up to max; keep the books. How many, or an error. */
int letters_receive(unsigned who, unsigned max, int64_t timeout_ns);

/* The same of one, copied: it is done with at once. 1, or an error. */
int letter_copy(unsigned who, int64_t timeout_ns);

void letters_release(unsigned who);

/* Who sleeps has nothing to do. */
void world_idle(void);

/*
 * All is over: recover, ask those who still sleep whether they should, receive
 * what is left, and see whether the books add up.
 */
void world_check(void);

#endif
