/* SPDX-License-Identifier: MIT */
/* The geometry of a queue: from attributes, into a header, and back. */
#ifndef SHMQI_FORMAT_H
#define SHMQI_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include <shmq.h>

#include "layout.h"

/* A validated private copy; every index and length is checked against it. */
struct geometry {
	/* As created: rings.h has what holds now. */
	uint64_t capacity; /* bytes, a power of two of whole pages; of a
			      journal: of each segment file */
	uint64_t file_bytes;
	uint64_t ring_off;
	uint64_t cookie;
	uint64_t flags; /* SHMQ_SINGLE_PRODUCER and so on */
	uint64_t members_off;
	uint64_t start_pos;
	uint64_t start_seq;
	uint32_t max_members;
	uint32_t member_entries;
	uint32_t max_groups;
	uint32_t page_bytes;
	/* Of a journal. */
	uint32_t durability;  /* SHMQ_DURABLE_ */
	uint32_t interval_ms; /* 0: not at intervals */
	bool drop_unread;
	uint64_t retain_bytes;
	uint64_t retain_seconds;
	uint64_t retain_messages;
};

static inline bool geometry_journal(const struct geometry *geo)
{
	return geo->flags & SHMQ_JOURNAL;
}

/*
 * A serial producer moves the tail by plain stores and has no claim slot: a
 * group that has not passed what it claimed tells its rescuer where that is.
 * In a journal that would be a long way.
 */
static inline bool geometry_serial(const struct geometry *geo)
{
	return geo->flags & SHMQ_SINGLE_PRODUCER &&
	       !(geo->flags & (SHMQ_TOPIC | SHMQ_OVERWRITE | SHMQ_JOURNAL));
}

/*
 * The capacity that is given for one that is asked for. 0, or -EINVAL, with a
 * sentence.
 */
int shmqi_format_capacity(uint64_t *capacity, uint64_t flags);

/* The largest message of a ring, bytes. */
uint64_t shmqi_format_max_message(uint64_t capacity);

/* Where a ring may begin in the file: a multiple of this. */
uint64_t shmqi_format_align(const struct geometry *geo);

/* 0, -EINVAL, -E2BIG or -EOPNOTSUPP, with a sentence. attr may be NULL. */
int shmqi_format_plan(struct geometry *out, const struct shmq_attr *attr);

/* Fill in a header for the plan; magic stays 0, to be stored last. */
void shmqi_format_write(const struct geometry *geo, struct sh_header *h);

/*
 * Check a private copy of a header that was read from a file of file_bytes:
 * that many at least, for a ring may have been added. 0, -EBADMSG or
 * -EPROTONOSUPPORT, with a sentence that says what is wrong.
 */
int shmqi_format_check(struct geometry *out, const struct sh_header *h,
		       uint64_t file_bytes);

#endif
