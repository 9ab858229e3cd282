/* SPDX-License-Identifier: MIT */
/*
 * Queues that are told to overwrite, and not to, while they are in use: on
 * every kind of queue, and from several places of the stream.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "consumer.h"
#include "handle.h"
#include "policy.h"
#include "producer.h"
#include "variants.h"

#define PIECE 1000 /* bytes of a message */
#define LAP (VARIANT_CAPACITY / 1024)

/* What was sent, and what one consumer, or several in turn, got of it. */
struct account {
	struct setting *s;
	uint64_t sent, received, lost;
	uint64_t next; /* number */
};

static struct account begin(struct setting *s)
{
	return (struct account){ s, 0, 0, 0, s->seq };
}

static void overwrite(struct account *a, const char *value)
{
	char buf[8];

	must_be(shmq_setattr(a->s->q, "overwrite", value), 0);
	must_be(shmq_getattr(a->s->q, "overwrite", buf, sizeof(buf)),
		strlen(value));
	must(!strcmp(buf, value));
	must_be(!!(stat_of(a->s->q).flags & SHMQ_OVERWRITE),
		!strcmp(value, "on"));
}

static int send_one(struct account *a)
{
	struct setting *s = a->s;
	int r;

	letter_write(s->buf, PIECE, (struct letter){ 1, a->sent });
	r = shmq_send(s->p, s->buf, PIECE, SHMQ_NOWAIT);
	if (!r)
		a->sent++;
	return r;
}

/* As many as there is room for, max at most. How many. */
static uint64_t fill(struct account *a, uint64_t max)
{
	uint64_t n = 0;
	int r = 0;

	while (n < max && (r = send_one(a)) == 0)
		n++;
	must(!r || r == -EAGAIN);
	return n;
}

static void book(struct account *a, const struct shmq_msg *msg)
{
	must_be(msg->seq, a->next + msg->lost);
	must_be(letter_read(msg->data, msg->len).number, msg->seq - a->s->seq);
	a->next = msg->seq + 1;
	a->received++;
	a->lost += msg->lost;
	must_be(a->received + a->lost, a->next - a->s->seq);
}

/* Receive and release up to max messages. How many. */
static unsigned take(struct account *a, unsigned max)
{
	struct shmq_msg msg;
	unsigned n = 0;
	int r = 1;

	for (; n < max; n++) {
		r = shmq_receive(a->s->c, &msg, 1, SHMQ_NOWAIT);
		if (r != 1)
			break;
		book(a, &msg);
		must_be(shmq_release(a->s->c), 0);
	}
	must(r == 1 || r == -EAGAIN);
	return n;
}

static void take_all(struct account *a)
{
	take(a, UINT32_MAX);
	must_be(a->received + a->lost, a->sent);
	must_be(shmq_consumer_lost(a->s->c), a->lost);
}

static uint64_t pending(struct account *a)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < shmq_member_entries(a->s->q); i++) {
		struct shmq_member_info info = SHMQ_MEMBER_INFO_INIT;

		if (shmq_stat_member(a->s->q, i, &info) == 1)
			n += info.pending;
	}
	return n;
}

/* ------------------------------------------------------------------ bodies */

static void switched_on_it_waits_for_who_has_not_seen_it(struct setting *s)
{
	struct account a = begin(s);

	must_be(fill(&a, 10 * LAP), LAP);
	overwrite(&a, "on");
	must_be(pending(&a), 2);
	/* The consumer may be looking at any of them. */
	must_be(fill(&a, 10 * LAP), 0);
	must_be(pending(&a), 1);
	must_be(take(&a, 1), 1);
	must_be(a.lost, 0);
	must_be(pending(&a), 0);
	must(s->c->copies && !s->c->serial);
	must_be(fill(&a, 3 * LAP), 3 * LAP);
	take_all(&a);
	must(a.lost > LAP);
	must_be(fill(&a, 2), 2);
	must_be(take(&a, 2), 2);
	must_be(shmq_check(s->q, NULL, NULL), 0);
}

static void what_is_on_loan_is_not_written_over(struct setting *s)
{
	struct account a = begin(s);
	struct shmq_msg msgs[3];

	fill(&a, 10 * LAP);
	must_be(shmq_receive(s->c, msgs, 2, SHMQ_NOWAIT), 2);
	book(&a, &msgs[0]);
	book(&a, &msgs[1]);
	overwrite(&a, "on");
	must_be(fill(&a, 10 * LAP), 0);
	/* More of the same way, as long as there is something on loan. */
	must_be(shmq_receive(s->c, &msgs[2], 1, SHMQ_NOWAIT), 1);
	book(&a, &msgs[2]);
	must_be(fill(&a, 10 * LAP), 0);
	must_be(pending(&a), 1);
	for (unsigned i = 0; i < 3; i++)
		must_be(letter_read(msgs[i].data, msgs[i].len).number, i);
	must_be(shmq_release(s->c), 0);
	fill(&a, 3);
	must_be(take(&a, 1), 1);
	must_be(fill(&a, 3 * LAP), 3 * LAP);
	take_all(&a);
	must(a.lost);
}

static void switched_off_it_waits_and_loses_no_more(struct setting *s)
{
	struct account a = begin(s);
	uint64_t lost;

	overwrite(&a, "on");
	take_all(&a);
	must_be(fill(&a, 3 * LAP), 3 * LAP);
	overwrite(&a, "off");
	/* The rest of what it had asked for already, perhaps. */
	must(fill(&a, 3 * LAP) <= LAP / 4);
	take_all(&a);
	lost = a.lost;
	must(lost);
	for (int lap = 0; lap < 3; lap++) {
		must_be(fill(&a, 3 * LAP), LAP);
		take_all(&a);
	}
	must_be(a.lost, lost);
	must_be(pending(&a), 0);
	/* In place again, as it was. */
	s->c->returns_seen--;
	take_all(&a);
	must(!s->c->copies);
	must_be(s->c->serial, s->c->alone);
	fill(&a, 3 * LAP);
	take_all(&a);
	must_be(a.lost, lost);
}

static void it_goes_to_and_fro(struct setting *s)
{
	struct account a = begin(s);

	for (int i = 0; i < 8; i++) {
		overwrite(&a, i % 2 ? "off" : "on");
		overwrite(&a, i % 2 ? "off" : "on");
		fill(&a, 2 * LAP);
		take(&a, 5);
		fill(&a, 2 * LAP);
		take_all(&a);
	}
}

/* What was on loan of one that is gone comes again, or counts as lost. */
static void what_was_given_back_is_for_the_next(struct setting *s)
{
	struct account a = begin(s);
	struct shmq_msg msgs[4];

	fill(&a, 10 * LAP);
	must_be(shmq_receive(s->c, msgs, 4, SHMQ_NOWAIT), 4);
	overwrite(&a, "on");
	shmq_consumer_close(s->c);
	s->c = consumer_join(s->q, s->kind->consumer_flags);
	must_be(shmq_receive(s->c, msgs, 2, SHMQ_NOWAIT), 2);
	for (unsigned i = 0; i < 2; i++) {
		must_be(letter_read(msgs[i].data, msgs[i].len).number, i);
		must_be(msgs[i].flags, SHMQ_REDELIVERED);
		must_be(msgs[i].lost, 0);
	}
	shmq_consumer_close(s->c);
	s->c = consumer_join(s->q, s->kind->consumer_flags);
	must_be(fill(&a, 3 * LAP), 3 * LAP);
	a.received = 0;
	while (shmq_receive(s->c, msgs, 1, SHMQ_NOWAIT) == 1) {
		letter_read(msgs[0].data, msgs[0].len);
		a.received++;
		must_be(shmq_release(s->c), 0);
	}
	/* All comes to this one, sooner or later, or is counted. */
	must_be(a.received + shmq_consumer_lost(s->c), a.sent);
}

static void returned_in_place_it_holds_up_no_sender(struct setting *s)
{
	struct account a = begin(s);
	struct shmq_msg msgs[4];

	fill(&a, 10 * LAP);
	must_be(shmq_receive(s->c, msgs, 4, SHMQ_NOWAIT), 4);
	shmq_consumer_close(s->c);
	overwrite(&a, "on");
	letter_write(s->buf, PIECE, (struct letter){ 1, a.sent });
	/* By who waits it is given numbers; polling takes its rounds. */
	must_be(shmq_send(s->p, s->buf, PIECE, PATIENCE_NS), 0);
	a.sent++;
	must_be(fill(&a, 3 * LAP), 3 * LAP);
	s->c = consumer_join(s->q, s->kind->consumer_flags);
	while (shmq_receive(s->c, msgs, 1, SHMQ_NOWAIT) == 1) {
		letter_read(msgs[0].data, msgs[0].len);
		a.received++;
		must_be(shmq_release(s->c), 0);
	}
	must_be(a.received + shmq_consumer_lost(s->c), a.sent);
}

/* Anything in any order, the size too. */
static void all_is_received_or_counted_whatever_comes(struct setting *s)
{
	struct chance chance = chance_of(1, s->start->seq);
	struct account a = begin(s);
	uint64_t lost = 0, resizes = 0, received = 0, next = s->seq;
	struct shmq_msg msg;

	for (int i = 0; i < 3000 && a.sent + resizes * 128 < 5000; i++) {
		switch (chance_below(&chance, 40)) {
		case 0:
			overwrite(&a, chance_below(&chance, 2) ? "on" : "off");
			break;
		case 1:
			resizes += !shmq_resize(s->q,
						UINT64_C(8192)
							<< chance_below(&chance,
									5));
			break;
		case 2:
			must_be(shmq_release(s->c), 0);
			lost += shmq_consumer_lost(s->c);
			shmq_consumer_close(s->c);
			s->c = consumer_join(s->q, s->kind->consumer_flags);
			break;
		case 3:
			must(shmq_recover(s->q) >= 0);
			break;
		case 4 ... 10:
			fill(&a, chance_below(&chance, LAP));
			break;
		case 11 ... 18:
			must_be(shmq_release(s->c), 0);
			break;
		default:
			if (shmq_receive(s->c, &msg, 1, SHMQ_NOWAIT) != 1)
				break;
			letter_read(msg.data, msg.len);
			must_be(msg.flags, 0);
			must(msg.seq >= next + msg.lost);
			next = msg.seq + 1;
			received++;
		}
	}
	must_be(shmq_release(s->c), 0);
	while (shmq_receive(s->c, &msg, 1, SHMQ_NOWAIT) == 1) {
		letter_read(msg.data, msg.len);
		received++;
		must_be(shmq_release(s->c), 0);
	}
	lost += shmq_consumer_lost(s->c);
	/* What was skipped at a turn counts as lost where it was not seen. */
	must(received + lost >= a.sent && received + lost <= a.sent + resizes);
	must_be(shmq_check(s->q, NULL, NULL), 0);
}

static const struct body bodies[] = {
	BODY(switched_on_it_waits_for_who_has_not_seen_it),
	BODY(what_is_on_loan_is_not_written_over),
	BODY(switched_off_it_waits_and_loses_no_more),
	BODY(it_goes_to_and_fro),
	BODY(what_was_given_back_is_for_the_next),
	BODY(returned_in_place_it_holds_up_no_sender),
	BODY(all_is_received_or_counted_whatever_comes),
};

int main(void)
{
	return variants_run("policy", bodies, sizeof(bodies) / sizeof(*bodies));
}
