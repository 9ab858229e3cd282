/* SPDX-License-Identifier: MIT */
/* Producers: opening, closing, sending one message at a time. */
#include "config.h"

#include <limits.h>
#include <string.h>

#include "chime.h"
#include "copy.h"
#include "error.h"
#include "handle.h"
#include "index.h"
#include "journal.h"
#include "lease.h"
#include "members.h"
#include "policy.h"
#include "producer.h"
#include "provider.h"
#include "recovery.h"
#include "syncer.h"
#include "turn.h"
#include "views.h"
#include "wait.h"

#define IOV_PARTS_MAX 1024
#define BUSY_LOOKS 4

/* As shmq_send(), of a record with a seal. */
static __attribute__((noinline)) int send_sealed(struct shmq_producer *p,
						 const void *buf, size_t len,
						 int64_t timeout_ns)
{
	struct sh_record *record;
	struct span open;
	int r;

	if (!buf && len)
		return -EINVAL;
	if (len > p->ring.max_message)
		return -EMSGSIZE;
	r = claim(p, sealed_span(len), 1, timeout_ns, &open);
	if (r)
		return r;
	record = record_at(&p->ring, open.pos);
	copy_bytes(record_payload(record), buf, len);
	publish_any(p, record, len, open.seq);
	claim_finish(p, open.seq + 1);
	return made_durable(p, open.end, timeout_ns);
}

int shmq_send(struct shmq_producer *p, const void *buf, size_t len,
	      int64_t timeout_ns)
{
	struct sh_record *record;
	struct span open;
	int r = producer_check(p);

	if (unlikely(r))
		return r == PRODUCER_SEALS ?
			       send_sealed(p, buf, len, timeout_ns) :
			       r;
	if (unlikely(!buf && len))
		return -EINVAL;
	if (unlikely(len > p->ring.max_message)) {
		r = shmqi_turn_outgrown(p, len);
		if (r)
			return r;
	}
	r = claim(p, record_span(len), 1, timeout_ns, &open);
	if (unlikely(r))
		return r;
	record = record_at(&p->ring, open.pos);
	copy_bytes(record_payload(record), buf, len);
	publish(p, record, len, open.seq);
	claim_finish(p, open.seq + 1);
	return 0;
}

/* The sum of the parts; -EINVAL, -EMSGSIZE. */
static int gather_length(struct shmq_producer *p, const struct iovec *iov,
			 int iovcnt, size_t *len)
{
	*len = 0;
	if (iovcnt < 0 || iovcnt > IOV_PARTS_MAX || (!iov && iovcnt))
		return -EINVAL;
	for (int i = 0; i < iovcnt; i++) {
		if (!iov[i].iov_base && iov[i].iov_len)
			return -EINVAL;
		if (iov[i].iov_len > UINT32_MAX - *len)
			return -EMSGSIZE;
		*len += iov[i].iov_len;
	}
	return *len > p->ring.max_message ? shmqi_turn_outgrown(p, *len) : 0;
}

int shmq_sendv(struct shmq_producer *p, const struct iovec *iov, int iovcnt,
	       int64_t timeout_ns)
{
	struct sh_record *record;
	struct span open;
	size_t len, n = 0;
	int r = producer_check(p);

	if (r < 0)
		return r;
	r = gather_length(p, iov, iovcnt, &len);
	if (r)
		return r;
	r = claim(p, message_span(p, len), 1, timeout_ns, &open);
	if (r)
		return r;
	record = record_at(&p->ring, open.pos);
	/* No more and no less, though another thread changes the parts. */
	for (int i = 0; i < iovcnt; i++) {
		size_t part = iov[i].iov_len;

		if (part > len - n)
			part = len - n;
		copy_bytes((char *)record_payload(record) + n, iov[i].iov_base,
			   part);
		n += part;
	}
	memset((char *)record_payload(record) + n, 0, len - n);
	publish_any(p, record, len, open.seq);
	claim_finish(p, open.seq + 1);
	return made_durable(p, open.end, timeout_ns);
}

int shmq_reserve(struct shmq_producer *p, size_t len, void **out,
		 int64_t timeout_ns)
{
	struct sh_record *record;
	int r = producer_check(p);

	if (r < 0)
		return r;
	if (!out)
		return -EINVAL;
	r = len > p->ring.max_message ? shmqi_turn_outgrown(p, len) : 0;
	if (!r)
		r = claim(p, message_span(p, len), 1, timeout_ns, &p->open);
	if (r)
		return r;
	p->reserved = true;
	p->reserved_size = len;
	record = record_at(&p->ring, p->open.pos);
	*out = record_payload(record);
	return 0;
}

static int check_reserved(const struct shmq_producer *p)
{
	int r = producer_check(p);

	return r == -EBUSY ? 0 : r < 0 ? r : -EINVAL;
}

static void describe_reserved(struct shmq_producer *p, struct sh_record *record,
			      size_t len, uint32_t flags)
{
	uint64_t span = p->open.end - p->open.pos;
	const struct sealing sealing = {
		.size = (uint32_t)len,
		.flags = flags,
		.producer = p->ep.index,
		.seq = p->open.seq,
		.span = span == message_span(p, len) ? 0 : span,
		.count = 1,
	};

	if (producer_seals(p)) {
		shmqi_seal(record, &sealing);
		return;
	}
	if (sealing.span) {
		flags |= SH_RECORD_TAIL;
		shmqi_record_extend(record, (uint32_t)len, span, 1);
	}
	record_describe(record, (uint32_t)len, flags, p->ep.index);
}

static void finish_reserved(struct shmq_producer *p, size_t len, uint32_t flags)
{
	struct sh_record *record = record_at(&p->ring, p->open.pos);

	describe_reserved(p, record, len, flags);
	record_stamp(&p->ring, record, p->open.seq);
	p->reserved = false;
	claim_finish(p, p->open.seq + 1);
	/* Others may wait for just this claim to be done. */
	if (p->overwrites)
		bell_look(&p->ep, &p->control->send);
}

int shmq_commit(struct shmq_producer *p, size_t len)
{
	int r = check_reserved(p);

	if (r)
		return r;
	if (len > p->reserved_size)
		return -EINVAL;
	finish_reserved(p, len, 0);
	return made_durable(p, p->open.end, SHMQ_FOREVER);
}

int shmq_discard(struct shmq_producer *p)
{
	int r = check_reserved(p);

	if (!r)
		finish_reserved(p, 0, SH_RECORD_SKIP);
	return r;
}

/* Under lock. */
static int join(struct shmq_producer *p)
{
	struct segment *seg = p->ep.seg;
	struct joining joining = { SH_MEMBER_PRODUCER, 0,
				   seg->geo.flags & SHMQ_SINGLE_PRODUCER };
	int r = shmqi_member_join(&p->ep, &joining);

	if (r)
		return r;
	p->control = seg->control;
	p->claim = &p->ep.member->claims[0];
	shmqi_policy_join(p);
	p->at = cursor_load(&p->control->tail);
	p->spin = WAIT_SPIN_MAX;
	if (seg->journal)
		shmqi_journal_join(p);
	else
		r = shmqi_views_enter(&p->ep, p->at.pos, false, &p->ring);
	if (!r && p->single)
		r = shmqi_recover_check_tail(seg, &p->at);
	shmqi_member_enter(&p->ep, SH_MEMBER_PRODUCER);
	if (r)
		shmqi_member_leave(&p->ep, false);
	return r;
}

/* One attempt. -EAGAIN: whoever resizes the queue may have the place. */
static int join_once(struct shmq_producer *p, bool patient)
{
	struct segment *seg = p->ep.seg;
	bool turning;
	int r;

	patient &= (seg->geo.flags & SHMQ_SINGLE_PRODUCER) != 0;
	pthread_mutex_lock(&seg->lock);
	turning = patient && shmqi_views_turning(seg);
	r = join(p);
	if (r == -EBUSY && patient)
		turning |= shmqi_views_turning(seg);
	pthread_mutex_unlock(&seg->lock);
	return r == -EBUSY && turning ? -EAGAIN : r;
}

/* Another may resize it each time we look: busy is what stays so. */
static int join_patiently(struct shmq_producer *p, bool patient)
{
	int busy = 0, r = -EBUSY;

	for (int look = 0; busy < BUSY_LOOKS; look++) {
		r = join_once(p, patient);
		if (r == -EBUSY)
			busy++;
		else if (r != -EAGAIN)
			return r;
		if (!patient || !shmqi_lease_let_pass(look))
			break;
	}
	return -EBUSY;
}

int shmqi_producer_open(struct shmq_producer **out, struct segment *seg,
			bool patient)
{
	struct shmq_producer *p = shmqi_endpoint_new(seg, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->ep.magic = geometry_journal(&seg->geo) ? ENDPOINT_JOURNAL :
						    ENDPOINT_PRODUCER;
	p->durable = seg->geo.durability == SHMQ_DURABLE_EACH;
	r = shmqi_syncer_start(seg);
	if (!r) {
		r = join_patiently(p, patient);
		if (r)
			shmqi_syncer_stop(seg);
		else
			shmqi_provider_start(seg);
	}
	if (r) {
		shmqi_endpoint_free(&p->ep, sizeof(*p));
		return r;
	}
	*out = p;
	return 0;
}

int shmq_producer_open(struct shmq_producer **out, struct shmq *q,
		       unsigned flags)
{
	KEEP_ERRNO;

	shmqi_error_clear();
	if (!out || !q || flags)
		return -EINVAL;
	if (!q->seg->writable)
		return -EBADF;
	return shmqi_producer_open(out, q->seg, true);
}

void shmq_producer_close(struct shmq_producer *p)
{
	KEEP_ERRNO;
	struct segment *seg;

	if (!p)
		return;
	if (p->ep.magic) {
		seg = p->ep.seg;
		if (p->reserved)
			finish_reserved(p, 0, SH_RECORD_SKIP);
		pthread_mutex_lock(&seg->lock);
		shmqi_chime_close(&p->ep);
		shmqi_member_leave(&p->ep, false);
		if (seg->journal)
			shmqi_index_flush(seg);
		pthread_mutex_unlock(&seg->lock);
		shmqi_provider_stop(seg);
		shmqi_syncer_stop(seg);
	}
	shmqi_endpoint_free(&p->ep, sizeof(*p));
}
