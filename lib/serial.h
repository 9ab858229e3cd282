/* SPDX-License-Identifier: MIT */
/*
 * The serial consumer: the only one of its group. The group's cursor is what
 * it has released, its claim slot 0 what it has taken; both are plain stores
 * to lines that nobody else reads while there is room.
 *
 * What a death leaves: cursor <= taken. All before the cursor is done with;
 * what is between goes to the next consumer, flagged; the rest was never out.
 * What is copied is not taken but released: until the call returns, nobody has
 * had it.
 */
#ifndef SHMQI_SERIAL_H
#define SHMQI_SERIAL_H

#include <errno.h>

#include "consumer.h"
#include "copy.h"
#include "group.h"
#include "wake.h"

/* Set up a new member's claim slots, or say -EBADMSG. */
int shmqi_serial_begin(struct shmq_consumer *c);

/* Done with everything on loan. */
void shmqi_serial_release(struct shmq_consumer *c);

static inline void serial_release(struct shmq_consumer *c, uint64_t pos,
				  uint64_t seq)
{
	serial_note(c->claims, c->turn++, pos, seq);
	/* edge CURSOR: carries that we are done reading */
	cursor_move(&c->group->cursor, pos);
	c->released_pos = pos;
	bell_look(&c->ep, &c->control->send);
}

/* Read the record at pos, number seq. 1: there; 0: not yet; -EBADMSG. */
static inline int serial_look(const struct shmq_consumer *c, uint64_t pos,
			      uint64_t seq, struct found *found)
{
	if (!record_published(&c->ring, pos, seq))
		return 0;
	return likely(record_read(&c->ring, pos, found)) ? 1 : -EBADMSG;
}

/* The next record is at pos, number seq. */
static inline void serial_go_on(struct shmq_consumer *c, uint64_t pos,
				uint64_t seq)
{
	c->pos = pos;
	c->seq = seq;
}

/*
 * There was no message, but perhaps skipped records, up to pos: with nothing
 * on loan nobody else would make room of them.
 */
static inline int64_t serial_nothing(struct shmq_consumer *c, int r,
				     uint64_t pos, uint64_t seq)
{
	bool on_loan = c->pos != c->released_pos;

	if (unlikely(c->pos != pos)) {
		serial_go_on(c, pos, seq);
		if (!on_loan)
			serial_release(c, pos, seq);
	}
	return r < 0 ? r : -EAGAIN;
}

/* Is there a message? Skipped records before it are done with. */
static inline int64_t serial_peek(struct shmq_consumer *c)
{
	uint64_t pos = c->pos, seq = c->seq;
	struct found found;
	int r;

	while ((r = serial_look(c, pos, seq, &found)) > 0 &&
	       found.flags & SH_RECORD_SKIP) {
		pos += found.span;
		seq += found.count;
	}
	return r > 0 ? 1 : serial_nothing(c, r, pos, seq);
}

static inline int64_t serial_borrow(struct shmq_consumer *c,
				    struct shmq_msg *msgs, unsigned max)
{
	uint64_t pos = c->pos, seq = c->seq;
	struct found found;
	unsigned n = 0;
	int r = 0;

	while (n < max && (r = serial_look(c, pos, seq, &found)) > 0) {
		if (likely(!(found.flags & SH_RECORD_SKIP)))
			msg_fill(&msgs[n++], &found, seq,
				 pos < c->redelivered_pos);
		pos += found.span;
		seq += found.count;
	}
	if (unlikely(!n))
		return serial_nothing(c, r, pos, seq);
	serial_go_on(c, pos, seq);
	/* edge DONE: pairs with settle_serial */
	store_release(&c->claims[0].end, pos);
	return n;
}

static __attribute__((always_inline)) inline int64_t
serial_copy(struct shmq_consumer *c, void *buf, size_t size)
{
	uint64_t pos = c->pos, seq = c->seq;
	bool on_loan = pos != c->released_pos;
	struct found found;
	int r;

	while ((r = serial_look(c, pos, seq, &found)) > 0 &&
	       unlikely(found.flags & SH_RECORD_SKIP)) {
		pos += found.span;
		seq += found.count;
	}
	if (unlikely(r <= 0))
		return serial_nothing(c, r, pos, seq);
	if (unlikely(found.size > size))
		return serial_nothing(c, -EMSGSIZE, pos, seq);
	record_fetch(&found);
	copy_bytes(buf, record_payload(found.record), found.size);
	pos += found.span;
	seq += found.count;
	serial_go_on(c, pos, seq);
	/* Behind something on loan it can only be released with that. */
	if (likely(!on_loan))
		serial_release(c, pos, seq);
	else
		store_release(&c->claims[0].end, pos);
	return found.size;
}

#endif
