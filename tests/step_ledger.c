/* SPDX-License-Identifier: MIT */
/* The promises, message by message. See step_ledger.h. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <shmq.h>

#include "step_ledger.h"

/* Every fourth message takes one line of the ring, the others two or three. */
size_t message_size(uint32_t id)
{
	return id % 4 == 0 ? 40 : 60 + id * 53 % 110;
}

static uint8_t content(uint32_t id, size_t i)
{
	return (uint8_t)((id * 167 + i * 13 + (i >> 3)) ^ 0x5a);
}

void message_write(uint32_t id, void *buf)
{
	size_t size = message_size(id);
	uint8_t *bytes = buf;

	memcpy(buf, &id, sizeof(id));
	for (size_t i = sizeof(id); i < size; i++)
		bytes[i] = content(id, i);
}

int message_read(const void *data, size_t len)
{
	const uint8_t *bytes = data;
	uint32_t id;

	if (len < sizeof(id))
		return -1;
	memcpy(&id, data, sizeof(id));
	if (id >= LEDGER_IDS || len != message_size(id))
		return -1;
	for (size_t i = sizeof(id); i < len; i++)
		if (bytes[i] != content(id, i))
			return -1;
	return (int)id;
}

void ledger_break(struct ledger *l, const char *format, ...)
{
	va_list args;

	if (l->broken[0])
		return;
	va_start(args, format);
	vsnprintf(l->broken, sizeof(l->broken), format, args);
	va_end(args);
}

void ledger_note(struct ledger *l, uint32_t id, uint64_t seq, uint32_t flags,
		 bool copied)
{
	struct entry *e;

	if (id >= LEDGER_IDS) {
		ledger_break(l, "a message with the number %u was received",
			     id);
		return;
	}
	e = &l->entries[id];
	if (l->unrung && id == l->unrung)
		ledger_break(l, "message %u was there, and a sleeper slept on",
			     id);
	if (e->sent == ENTRY_UNSENT)
		ledger_break(l, "message %u was received and never sent", id);
	if (e->done)
		ledger_break(l,
			     "message %u was received again after its "
			     "consumer had finished with it",
			     id);
	if (copied) {
		e->copied++;
		return;
	}
	if (flags & SHMQ_REDELIVERED)
		e->flagged++;
	else
		e->plain++;
	if (e->plain > 1)
		ledger_break(l, "message %u was delivered twice unflagged", id);
	if (!(flags & SHMQ_REDELIVERED) && e->held)
		ledger_break(l,
			     "message %u had been held, and came again "
			     "unflagged",
			     id);
	if (flags & SHMQ_REDELIVERED && !e->held && ++l->surprises > l->takes)
		ledger_break(l, "message %u is flagged, and nobody had held it",
			     id);
	if (e->number && e->number != seq + 1)
		ledger_break(l, "message %u had the number %ju, then %ju", id,
			     (uintmax_t)e->number - 1, (uintmax_t)seq);
	e->number = seq + 1;
}

void ledger_deliver(struct ledger *l, const void *data, size_t len,
		    uint64_t seq, uint32_t flags, bool copied)
{
	int id = message_read(data, len);

	if (id < 0) {
		ledger_break(l, "%zu bytes were received that nobody sent",
			     len);
		return;
	}
	ledger_note(l, (uint32_t)id, seq, flags, copied);
	l->entries[id].done = 1;
}

/* What comes later does not fill the ring. */
static bool may_be_lost(const struct ledger *l, uint32_t id)
{
	return l->overwritten && id < LEDGER_OTHERS;
}

unsigned ledger_owed(const struct ledger *l)
{
	unsigned n = 0;

	for (uint32_t id = 0; id < LEDGER_IDS; id++) {
		const struct entry *e = &l->entries[id];

		n += e->sent == ENTRY_SENT && !e->done && !e->loose &&
		     !may_be_lost(l, id);
	}
	return n;
}

void ledger_forget(struct ledger *l)
{
	if (l->forgotten)
		return;
	l->forgotten = true;
	memset(l->entries, 0, sizeof(l->entries));
	l->first_seq = 0;
	l->takes = l->skips = 0;
}

static uint32_t producer_of(uint32_t id)
{
	return id < LEDGER_OTHERS ? 0 : id / LEDGER_EACH;
}

static bool was_delivered(const struct entry *e)
{
	return e->done || e->plain || e->flagged || e->copied;
}

/* Ids ascend with the numbers, and none is left out before a later one. */
static void check_order(struct ledger *l)
{
	uint64_t last = 0;
	bool gap = false;

	for (uint32_t id = 0; id < LEDGER_IDS; id++) {
		const struct entry *e = &l->entries[id];

		if (id && producer_of(id) != producer_of(id - 1)) {
			last = 0;
			gap = false;
		}
		if (gap && was_delivered(e))
			ledger_break(l,
				     "message %u was delivered, an earlier "
				     "one of its sender was not",
				     id);
		if (e->sent == ENTRY_TRIED && !was_delivered(e) && !e->loose)
			gap = true;
		if (!e->number)
			continue;
		if (e->number <= last)
			ledger_break(l,
				     "message %u has the number %ju, an "
				     "earlier one of its sender %ju",
				     id, (uintmax_t)e->number - 1,
				     (uintmax_t)last - 1);
		last = e->number;
	}
}

/* No two messages share a number, and all numbers but the skipped are used. */
static void check_numbers(struct ledger *l, uint64_t numbers)
{
	bool used[2 * LEDGER_IDS] = { false };
	unsigned messages = 0, loose = 0;
	uint64_t n = numbers - l->first_seq;

	for (uint32_t id = 0; id < LEDGER_IDS; id++) {
		const struct entry *e = &l->entries[id];
		uint64_t i = e->number - 1 - l->first_seq;

		messages += was_delivered(e);
		loose += (e->loose || may_be_lost(l, id)) &&
			 e->sent != ENTRY_UNSENT && !was_delivered(e);
		if (!e->number)
			continue;
		if (e->number <= l->first_seq || i >= n ||
		    i >= 2 * LEDGER_IDS) {
			ledger_break(l,
				     "message %u has the number %ju, of "
				     "%ju",
				     id, (uintmax_t)e->number - 1,
				     (uintmax_t)numbers);
			continue;
		}
		if (used[i])
			ledger_break(l, "two messages have the number %ju",
				     (uintmax_t)e->number - 1);
		used[i] = true;
	}
	if (n < messages || n > messages + loose + l->skips)
		ledger_break(l,
			     "%ju numbers were given out to %u messages, "
			     "%u may be missing",
			     (uintmax_t)n, messages, loose + l->skips);
}

void ledger_close(struct ledger *l, uint64_t numbers)
{
	for (uint32_t id = 0; id < LEDGER_IDS; id++) {
		const struct entry *e = &l->entries[id];

		if (e->sent == ENTRY_SENT && !e->done && !e->loose &&
		    !may_be_lost(l, id))
			ledger_break(l, "message %u was acknowledged and lost",
				     id);
		if (e->copied + e->plain > 1 && !e->held && !l->takes)
			ledger_break(l, "message %u was delivered twice", id);
	}
	check_order(l);
	check_numbers(l, numbers);
}
