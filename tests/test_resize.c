/* SPDX-License-Identifier: MIT */
/*
 * A queue that changes its capacity while messages are in it: on every kind of
 * queue, and from several places of the stream.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handle.h"
#include "variants.h"

#define SMALL (VARIANT_CAPACITY / 4)
#define LARGE (VARIANT_CAPACITY * 4)
#define PIECE 1000 /* bytes of a message */

struct progress {
	struct setting *s;
	uint64_t sent, received;
	uint64_t seq;
};

static struct progress begin(struct setting *s)
{
	return (struct progress){ s, 1, 1, 0 };
}

/* Send until there is no room; how many. */
static uint64_t fill(struct progress *p)
{
	struct setting *s = p->s;
	uint64_t first = p->sent;
	int r;

	do {
		letter_write(s->buf, PIECE, (struct letter){ 1, p->sent });
		r = shmq_send(s->p, s->buf, PIECE, SHMQ_NOWAIT);
	} while (r == 0 && ++p->sent);
	must_be(r, -EAGAIN);
	return p->sent - first;
}

static void send_some(struct progress *p, unsigned n)
{
	for (; n; n--) {
		letter_write(p->s->buf, PIECE, (struct letter){ 1, p->sent++ });
		must_be(shmq_send(p->s->p, p->s->buf, PIECE, SHMQ_NOWAIT), 0);
	}
}

static void take_some(struct progress *p, unsigned n)
{
	for (; n; n--) {
		struct shmq_msg msg;

		must_be(shmq_receive(p->s->c, &msg, 1, SHMQ_NOWAIT), 1);
		must_be(msg.len, PIECE);
		must_be(letter_read(msg.data, msg.len).number, p->received++);
		must(!p->seq || msg.seq > p->seq);
		p->seq = msg.seq;
		must_be(msg.flags, 0);
		must_be(shmq_release(p->s->c), 0);
	}
}

static void take_all(struct progress *p)
{
	take_some(p, (unsigned)(p->sent - p->received));
	setting_is_empty(p->s);
}

static void resize(struct progress *p, uint64_t capacity)
{
	must_be(shmq_resize(p->s->q, capacity), 0);
	must_be(stat_of(p->s->q).capacity_bytes, capacity);
	must_be(shmq_max_message(p->s->q), capacity / 4);
}

static uint64_t blocks(struct shmq *q)
{
	struct stat st;

	must_be(fstat(shmq_fd(q), &st), 0);
	return (uint64_t)st.st_blocks;
}

/* All that is in use has left the ring before. */
static void settle(struct progress *p)
{
	take_all(p);
	fill(p);
	take_all(p);
	must_be(shmq_recover(p->s->q), 0);
}

/* ------------------------------------------------------------------ bodies */

static void a_full_queue_that_grows_has_room_at_once(struct setting *s)
{
	struct progress p = begin(s);
	uint64_t room = fill(&p);

	resize(&p, LARGE);
	must(fill(&p) >= 4 * room - 1);
	take_all(&p);
	for (int lap = 0; lap < 3; lap++) {
		must(fill(&p) >= 4 * room - 1);
		take_all(&p);
	}
}

static void a_queue_that_shrinks_keeps_what_it_has(struct setting *s)
{
	struct progress p = begin(s);
	uint64_t room = fill(&p);

	resize(&p, SMALL);
	take_all(&p);
	for (int lap = 0; lap < 3; lap++) {
		fill(&p);
		take_all(&p);
	}
	must(fill(&p) <= room / 4);
	take_all(&p);
}

static void order_is_kept_across_many_changes(struct setting *s)
{
	static const uint64_t capacity[] = { LARGE, SMALL, VARIANT_CAPACITY,
					     4096, VARIANT_CAPACITY };
	struct progress p = begin(s);

	for (int i = 0; i < 10; i++) {
		send_some(&p, 3);
		resize(&p, capacity[i % 5]);
		send_some(&p, 2);
		take_some(&p, 3);
		settle(&p);
	}
}

static void the_memory_goes_back(struct setting *s)
{
	uint64_t before = blocks(s->q);
	struct progress p = begin(s);

	for (int i = 0; i < 5; i++) {
		fill(&p);
		resize(&p, i % 2 ? SMALL : LARGE);
		settle(&p);
		must(blocks(s->q) * 512 <=
		     before * 512 - VARIANT_CAPACITY +
			     stat_of(s->q).capacity_bytes);
	}
	resize(&p, VARIANT_CAPACITY);
	settle(&p);
	must_be(blocks(s->q), before);
}

static void what_is_on_loan_stays_where_it_is(struct setting *s)
{
	struct progress p = begin(s);
	struct shmq_msg msgs[8];
	int n;

	fill(&p);
	n = shmq_receive(s->c, msgs, 4, SHMQ_NOWAIT);
	must_be(n, 4);
	resize(&p, LARGE);
	fill(&p);
	/* The stream cannot leave a ring in which something is on loan. */
	must_be(shmq_resize(s->q, SMALL), -EBUSY);
	must(*shmq_errdetail());
	p.received += 4;
	while (p.received < p.sent) {
		struct shmq_msg msg;

		must_be(shmq_receive(s->c, &msg, 1, SHMQ_NOWAIT), 1);
		must_be(letter_read(msg.data, msg.len).number, p.received++);
	}
	for (int i = 0; i < n; i++)
		must_be(letter_read(msgs[i].data, msgs[i].len).number, i + 1);
	must_be(shmq_recover(s->q), 0);
	for (int i = 0; i < n; i++)
		must_be(letter_read(msgs[i].data, msgs[i].len).number, i + 1);
	must_be(shmq_release(s->c), 0);
	resize(&p, SMALL);
	settle(&p);
}

static void what_is_given_back_from_both_rings_comes_again(struct setting *s)
{
	struct progress p = begin(s);
	struct shmq_msg msg;
	uint64_t n;

	fill(&p);
	resize(&p, LARGE);
	send_some(&p, 20);
	for (n = 1; n < p.sent; n++) {
		must_be(shmq_receive(s->c, &msg, 1, SHMQ_NOWAIT), 1);
		must_be(letter_read(msg.data, msg.len).number, n);
	}
	shmq_consumer_close(s->c);
	s->c = consumer_join(s->q, s->kind->consumer_flags);
	for (n = 1; n < p.sent; n++) {
		must_be(shmq_receive(s->c, &msg, 1, SHMQ_NOWAIT), 1);
		must_be(letter_read(msg.data, msg.len).number, n);
		must_be(msg.flags, SHMQ_REDELIVERED);
		/* Some at once, some later: from either ring. */
		if (n % 7 == 0)
			must_be(shmq_release(s->c), 0);
	}
	must_be(shmq_release(s->c), 0);
	p.received = p.sent;
	settle(&p);
}

static void the_largest_message_changes(struct setting *s)
{
	static uint8_t buf[LARGE / 4 + 1];
	const struct iovec parts[2] = { { buf, LARGE / 8 },
					{ buf, LARGE / 8 } };
	struct progress p = begin(s);
	void *out;

	must_be(shmq_send(s->p, buf, VARIANT_MAX + 1, SHMQ_NOWAIT), -EMSGSIZE);
	send_some(&p, 2);
	resize(&p, LARGE);
	must_be(shmq_send(s->p, buf, LARGE / 4 + 1, SHMQ_NOWAIT), -EMSGSIZE);
	must_be(shmq_send(s->p, buf, LARGE / 4, SHMQ_NOWAIT), 0);
	must_be(shmq_sendv(s->p, parts, 2, SHMQ_NOWAIT), 0);
	take_some(&p, 2);
	for (int i = 0; i < 2; i++)
		must_be(shmq_recv(s->c, buf, sizeof(buf), SHMQ_NOWAIT),
			LARGE / 4);
	must_be(shmq_reserve(s->p, LARGE / 4, &out, SHMQ_NOWAIT), 0);
	must_be(shmq_discard(s->p), 0);
	settle(&p);
	resize(&p, SMALL);
	fill(&p);
	take_all(&p);
	fill(&p);
	must_be(shmq_send(s->p, buf, SMALL / 4 + 1, SHMQ_NOWAIT), -EMSGSIZE);
	must_be(shmq_reserve(s->p, SMALL / 4 + 1, &out, SHMQ_NOWAIT),
		-EMSGSIZE);
	take_all(&p);
	must_be(shmq_send(s->p, buf, SMALL / 4, SHMQ_NOWAIT), 0);
	must_be(shmq_recv(s->c, buf, sizeof(buf), SHMQ_NOWAIT), SMALL / 4);
	settle(&p);
}

static void a_batch_goes_on_in_the_next_ring(struct setting *s)
{
	enum {
		N = 40
	};
	static uint8_t bytes[N][PIECE];
	struct iovec messages[N];
	struct progress p = begin(s);

	for (int round = 0; round < 4; round++) {
		resize(&p, round % 2 ? VARIANT_CAPACITY : LARGE);
		for (int i = 0; i < N; i++) {
			letter_write(bytes[i], PIECE,
				     (struct letter){ 1, p.sent++ });
			messages[i] = (struct iovec){ bytes[i], PIECE };
		}
		must_be(shmq_send_batch(s->p, messages, N, SHMQ_NOWAIT), N);
		settle(&p);
	}
}

static void a_reservation_stays_in_its_ring(struct setting *s)
{
	struct progress p = begin(s);
	void *out;

	must_be(shmq_reserve(s->p, PIECE, &out, SHMQ_NOWAIT), 0);
	resize(&p, LARGE);
	letter_write(out, PIECE, (struct letter){ 1, p.sent++ });
	must_be(shmq_commit(s->p, PIECE), 0);
	send_some(&p, 10);
	take_all(&p);
	settle(&p);
	resize(&p, VARIANT_CAPACITY);
	settle(&p);
}

/* Whoever was killed with a claim in either ring is cleaned up. */
static void reserve_and_die(void *arg)
{
	struct setting *s = arg;
	void *out;

	must_be(shmq_reserve(producer_join(s->q), PIECE, &out, SHMQ_NOWAIT), 0);
	_exit(0);
}

static void a_dead_producer_in_the_old_ring_is_cleaned_up(struct setting *s)
{
	struct progress p = begin(s);

	send_some(&p, 2);
	shmq_producer_close(s->p);
	child_run(reserve_and_die, s);
	s->p = NULL;
	resize(&p, LARGE);
	s->p = producer_join(s->q);
	send_some(&p, 2);
	take_all(&p);
	settle(&p);
	shmq_producer_close(s->p);
	child_run(reserve_and_die, s);
	s->p = producer_join(s->q);
	send_some(&p, 2);
	/* Who only polls would find it by itself within a moment. */
	must(shmq_recover(s->q) >= 0);
	take_all(&p);
}

static void groups_leave_the_old_ring_one_by_one(struct setting *s)
{
	struct setting other = *s;
	struct progress p = begin(s), late = begin(&other);

	must_be(shmq_consumer_open(&other.c, s->q, "late", 0), 0);
	fill(&p);
	resize(&p, LARGE);
	fill(&p);
	take_some(&p, (unsigned)(p.sent - 1));
	must_be(shmq_resize(s->q, SMALL), -EBUSY);
	late.sent = p.sent;
	take_all(&late);
	resize(&p, SMALL);
	shmq_consumer_close(other.c);
	must_be(shmq_group_remove(s->q, "late"), 0);
	settle(&p);
}

int main(void)
{
	static const struct body bodies[] = {
		BODY(a_full_queue_that_grows_has_room_at_once),
		BODY(a_queue_that_shrinks_keeps_what_it_has),
		BODY(order_is_kept_across_many_changes),
		BODY(the_memory_goes_back),
		BODY(what_is_on_loan_stays_where_it_is),
		BODY(what_is_given_back_from_both_rings_comes_again),
		BODY(the_largest_message_changes),
		BODY(a_batch_goes_on_in_the_next_ring),
		BODY(a_reservation_stays_in_its_ring),
		BODY(a_dead_producer_in_the_old_ring_is_cleaned_up),
		BODY(groups_leave_the_old_ring_one_by_one),
	};

	return variants_run("resize", bodies,
			    sizeof(bodies) / sizeof(bodies[0]));
}
