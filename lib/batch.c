/* SPDX-License-Identifier: MIT */
/* Batches: many messages, as few claims as can be. */
#include "config.h"

#include <limits.h>

#include "copy.h"
#include "producer.h"
#include "turn.h"

/* How many messages fit into room bytes, and the bytes they take. */
static unsigned fit(const struct shmq_producer *p, const struct iovec *messages,
		    unsigned n, uint64_t room, uint64_t *span)
{
	unsigned k;

	*span = 0;
	for (k = 0; k < n; k++) {
		uint64_t next = message_span(p, messages[k].iov_len);

		if (next > room - *span)
			break;
		*span += next;
	}
	return k;
}

static void write_messages(struct shmq_producer *p,
			   const struct iovec *messages, unsigned n,
			   const struct span *open)
{
	uint64_t pos = open->pos;

	for (unsigned k = 0; k < n; k++) {
		struct sh_record *record = record_at(&p->ring, pos);
		size_t len = messages[k].iov_len;

		copy_bytes(record_payload(record), messages[k].iov_base, len);
		publish_any(p, record, len, open->seq + k);
		pos += message_span(p, len);
	}
	claim_finish(p, open->seq + n);
}

/*
 * Claim for as many of the messages as one claim may take and there is room
 * for. How many, or an error; waits only for the first.
 */
static int claim_some(struct shmq_producer *p, const struct iovec *messages,
		      unsigned n, bool wait, int64_t timeout_ns,
		      struct span *open)
{
	uint64_t most, span, tail;
	unsigned k;
	int r;

	do {
		most = message_span(p, p->ring.max_message);
		k = fit(p, messages, n, most, &span);
		r = k ? claim_now(p, span, k, open) : -EMSGSIZE;
		/* Perhaps it was too much for a ring that it came to. */
	} while (r == -EMSGSIZE && k);
	if (r == -EAGAIN) {
		tail = p->single ? p->at.pos : cursor_pos(&p->control->tail);
		if (tail < p->limit && p->limit - tail < most)
			most = p->limit - tail;
		k = tail < p->limit ? fit(p, messages, n, most, &span) : 0;
		if (k)
			r = claim_now(p, span, k, open);
	}
	if (r == -EAGAIN && wait) {
		k = fit(p, messages, 1, UINT64_MAX, &span);
		r = claim(p, span, k, timeout_ns, open);
	}
	return r ? r : (int)k;
}

int shmq_send_batch(struct shmq_producer *p, const struct iovec *messages,
		    unsigned n, int64_t timeout_ns)
{
	struct span open = { 0 };
	uint64_t last = 0;
	unsigned sent = 0;
	int r = producer_check(p);

	if (r < 0)
		return r;
	r = 0;
	if ((!messages && n) || !timeout_valid(timeout_ns))
		return -EINVAL;
	if (n > INT_MAX)
		n = INT_MAX;
	for (unsigned k = 0; k < n; k++) {
		if (!messages[k].iov_base && messages[k].iov_len)
			return -EINVAL;
		if (messages[k].iov_len > p->ring.max_message)
			r = shmqi_turn_outgrown(p, messages[k].iov_len);
		if (r)
			return r;
	}
	while (sent < n) {
		r = claim_some(p, messages + sent, n - sent, !sent, timeout_ns,
			       &open);
		if (r < 0)
			break;
		write_messages(p, messages + sent, (unsigned)r, &open);
		last = open.end;
		sent += (unsigned)r;
	}
	if (!sent)
		return n ? r : 0;
	r = made_durable(p, last, timeout_ns);
	return r ? r : (int)sent;
}
