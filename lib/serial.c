/* SPDX-License-Identifier: MIT */
/*
 * The serial consumer: the only one of its group. The group's cursor is what
 * it has released, its claim slot 0 what it has taken; both are plain stores
 * to lines that nobody else reads while there is room.
 *
 * What a death leaves: cursor <= taken. All before the cursor is done with;
 * what is between goes to the next consumer, flagged; the rest was never out.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "group.h"
#include "consumer.h"
#include "wake.h"

int shmqi_serial_begin(struct shmq_consumer *c)
{
	struct cursor at = cursor_load(&c->group->cursor);
	uint64_t tail = cursor_pos(&c->control->tail);

	if (tail < at.pos || tail - at.pos > c->ring.mask + 1)
		return -EBADMSG;
	c->pos = c->released_pos = at.pos;
	c->seq = at.seq;
	c->redelivered_pos = load_acquire(&c->group->redelivered_pos);
	store_relaxed(&c->claims[0].end, at.pos);
	store_relaxed(&c->claims[1].count, UINT64_MAX);
	serial_note(c->claims, 0, at.pos, at.seq);
	store_release(&c->claims[0].word, SH_CLAIM_SERIAL);
	cursor_move(&c->group->cursor, at.pos);
	c->turn = 1;
	c->first_slot = c->slots = 2;
	return 0;
}

static inline void say_taken(struct shmq_consumer *c)
{
	/* edge DONE: pairs with settle_serial */
	store_release(&c->claims[0].end, c->pos);
	bell_look(&c->control->send);
}

static inline void release(struct shmq_consumer *c)
{
	serial_note(c->claims, c->turn++, c->pos, c->seq);
	/* edge CURSOR: carries that we are done reading */
	cursor_move(&c->group->cursor, c->pos);
	c->released_pos = c->pos;
	bell_look(&c->control->send);
}

void shmqi_serial_release(struct shmq_consumer *c)
{
	if (c->slots > c->first_slot)
		shmqi_consumer_release_slots(c, c->first_slot);
	if (c->pos != c->released_pos)
		release(c);
}

/* Read the record at c->pos. 1: there; 0: not yet; -EBADMSG. */
static inline int next(struct shmq_consumer *c, struct found *found)
{
	if (!record_published(&c->ring, c->pos, c->seq))
		return 0;
	return likely(record_read(&c->ring, c->pos, found)) ? 1 : -EBADMSG;
}

static inline void pass(struct shmq_consumer *c, const struct found *found)
{
	c->pos += found->span;
	c->seq += found->count;
}

static int64_t borrow(struct shmq_consumer *c, const struct wanted *w)
{
	struct found found;
	unsigned n = 0;
	int r = 0;

	while (n < w->max && (r = next(c, &found)) > 0) {
		if (likely(!(found.flags & SH_RECORD_SKIP)))
			msg_fill(&w->msgs[n++], &found, c->seq,
				 c->pos < c->redelivered_pos);
		pass(c, &found);
	}
	if (likely(n)) {
		say_taken(c);
		return n;
	}
	return r < 0 ? r : -EAGAIN;
}

static int64_t copy(struct shmq_consumer *c, const struct wanted *w,
		    bool on_loan)
{
	struct found found;
	int r;

	while ((r = next(c, &found)) > 0 && found.flags & SH_RECORD_SKIP)
		pass(c, &found);
	if (r <= 0)
		return r < 0 ? r : -EAGAIN;
	if (unlikely(found.size > w->size))
		return -EMSGSIZE;
	pass(c, &found);
	say_taken(c);
	if (found.size)
		memcpy(w->buf, record_payload(found.record), found.size);
	/* Behind something on loan it can only be released with that. */
	if (!on_loan)
		release(c);
	return found.size;
}

int64_t shmqi_serial_take(struct shmq_consumer *c, const struct wanted *w)
{
	bool on_loan = c->pos != c->released_pos;
	uint64_t pos = c->pos;
	int64_t r;

	if (unlikely(load_acquire(&c->group->returns) != c->returns_seen)) {
		r = shmqi_consumer_adopt(c, w);
		if (r != -EAGAIN)
			return r;
	}
	r = w->msgs ? borrow(c, w) : copy(c, w, on_loan);
	/* Nothing but skipped records: nobody else will make room of them. */
	if (unlikely(r < 0 && c->pos != pos && !on_loan))
		release(c);
	return r;
}
