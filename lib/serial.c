/* SPDX-License-Identifier: MIT */
/* The serial consumer: its beginning and its releases. See serial.h. */
#include "config.h"

#include "rings.h"
#include "serial.h"

int shmqi_serial_begin(struct shmq_consumer *c)
{
	struct cursor at = cursor_load(&c->group->cursor);
	uint64_t tail = cursor_pos(&c->control->tail);
	struct reach reach;

	if (shmqi_rings_reach(c->ep.seg, &reach) ||
	    !reach_holds(&reach, at.pos, tail))
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

void shmqi_serial_release(struct shmq_consumer *c)
{
	if (unlikely(c->slots > c->first_slot))
		shmqi_consumer_release_slots(c, c->first_slot);
	if (likely(c->pos != c->released_pos))
		serial_release(c, c->pos, c->seq);
}
