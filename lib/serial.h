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

static inline void serial_release(struct shmq_consumer *c)
{
	serial_note(c->claims, c->turn++, c->pos, c->seq);
	/* edge CURSOR: carries that we are done reading */
	cursor_move(&c->group->cursor, c->pos);
	c->released_pos = c->pos;
	bell_look(&c->control->send);
}

/* Read the record at c->pos. 1: there; 0: not yet; -EBADMSG. */
static inline int serial_next(struct shmq_consumer *c, struct found *found)
{
	if (!record_published(&c->ring, c->pos, c->seq))
		return 0;
	return likely(record_read(&c->ring, c->pos, found)) ? 1 : -EBADMSG;
}

static inline void serial_pass(struct shmq_consumer *c,
			       const struct found *found)
{
	c->pos += found->span;
	c->seq += found->count;
}

/* Nothing but skipped records was there: nobody else makes room of them. */
static inline int64_t serial_nothing(struct shmq_consumer *c, int r,
				     bool skipped, bool on_loan)
{
	if (unlikely(skipped && !on_loan))
		serial_release(c);
	return r < 0 ? r : -EAGAIN;
}

static inline int64_t serial_borrow(struct shmq_consumer *c,
				    struct shmq_msg *msgs, unsigned max)
{
	bool on_loan = c->pos != c->released_pos;
	uint64_t pos = c->pos;
	struct found found;
	unsigned n = 0;
	int r = 0;

	while (n < max && (r = serial_next(c, &found)) > 0) {
		if (likely(!(found.flags & SH_RECORD_SKIP)))
			msg_fill(&msgs[n++], &found, c->seq,
				 c->pos < c->redelivered_pos);
		serial_pass(c, &found);
	}
	if (unlikely(!n))
		return serial_nothing(c, r, c->pos != pos, on_loan);
	/* edge DONE: pairs with settle_serial */
	store_release(&c->claims[0].end, c->pos);
	return n;
}

static inline int64_t serial_copy(struct shmq_consumer *c, void *buf,
				  size_t size)
{
	bool on_loan = c->pos != c->released_pos;
	uint64_t pos = c->pos;
	struct found found;
	int r;

	while ((r = serial_next(c, &found)) > 0 &&
	       unlikely(found.flags & SH_RECORD_SKIP))
		serial_pass(c, &found);
	if (unlikely(r <= 0))
		return serial_nothing(c, r, c->pos != pos, on_loan);
	if (unlikely(found.size > size))
		return serial_nothing(c, -EMSGSIZE, c->pos != pos, on_loan);
	copy_bytes(buf, record_payload(found.record), found.size);
	serial_pass(c, &found);
	/* Behind something on loan it can only be released with that. */
	if (likely(!on_loan))
		serial_release(c);
	else
		store_release(&c->claims[0].end, c->pos);
	return found.size;
}

#endif
