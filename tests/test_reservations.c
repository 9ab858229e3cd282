/* SPDX-License-Identifier: MIT */
/* Reserve, write in place, commit or discard. */
#include <errno.h>
#include <string.h>

#include "variants.h"

static void reserve(struct setting *s, size_t len, uint64_t number)
{
	void *out = NULL;

	must_be(shmq_reserve(s->p, len, &out, SHMQ_NOWAIT), 0);
	must((uintptr_t)out % 64 == 16);
	pattern_fill(out, len, number);
}

static void what_was_reserved_is_sent_by_the_commit(struct setting *s)
{
	static const size_t sizes[] = {
		0, 1, 47, 48, 49, 500, 4096, VARIANT_MAX
	};

	for (size_t i = 0; i < 8; i++) {
		struct shmq_msg msg;

		reserve(s, sizes[i], i);
		must_be(shmq_receive(s->c, &msg, 1, SHMQ_NOWAIT), -EAGAIN);
		must_be(shmq_commit(s->p, sizes[i]), 0);
		setting_receive(s, sizes[i], i);
	}
	setting_is_empty(s);
}

static void less_than_was_reserved_can_be_committed(struct setting *s)
{
	static const size_t sizes[] = { 1, 47, 48, 49, 64, 111, 112, 113, 200 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (size_t len = 0; len <= sizes[i]; len++) {
			reserve(s, sizes[i], len);
			must_be(shmq_commit(s->p, len), 0);
			setting_send(s, 3, i);
			setting_receive(s, len, len);
			setting_receive(s, 3, i);
		}
	}
	setting_is_empty(s);
	must_be(stat_of(s->q).sent_messages, s->seq);
}

static void all_but_nothing_of_the_largest_can_be_given_up(struct setting *s)
{
	for (size_t len = 0; len < VARIANT_MAX; len = len * 3 + 1) {
		reserve(s, VARIANT_MAX, len);
		must_be(shmq_commit(s->p, len), 0);
		setting_receive(s, len, len);
	}
	reserve(s, VARIANT_MAX, 1);
	must_be(shmq_commit(s->p, VARIANT_MAX - 1), 0);
	setting_receive(s, VARIANT_MAX - 1, 1);
	setting_is_empty(s);
}

static void what_is_discarded_uses_up_its_number(struct setting *s)
{
	static const size_t sizes[] = { 0, 48, 49, 4000, VARIANT_MAX };

	for (size_t i = 0; i < 5; i++) {
		struct shmq_msg msg;

		reserve(s, sizes[i], i);
		must_be(shmq_discard(s->p), 0);
		must_be(shmq_receive(s->c, &msg, 1, SHMQ_NOWAIT), -EAGAIN);
		s->seq++;
		setting_send(s, 5, i);
		setting_receive(s, 5, i);
		/* In front of a message it is skipped too. */
		reserve(s, sizes[i], i);
		must_be(shmq_discard(s->p), 0);
		setting_send(s, 6, i);
		s->seq++;
		setting_receive(s, 6, i);
	}
	setting_is_empty(s);
}

static void discarded_room_comes_back(struct setting *s)
{
	for (int round = 0; round < 5; round++) {
		void *out;
		int r;

		while ((r = shmq_reserve(s->p, 200, &out, SHMQ_NOWAIT)) == 0) {
			must_be(shmq_discard(s->p), 0);
			s->seq++;
		}
		must_be(r, -EAGAIN);
		/* Whoever looks for messages makes room on the way. */
		must_be(shmq_recv(s->c, s->buf, 8, SHMQ_NOWAIT), -EAGAIN);
		setting_send(s, 200, 1);
		setting_receive(s, 200, 1);
		setting_is_empty(s);
	}
}

static void discarded_room_comes_back_behind_a_loan(struct setting *s)
{
	struct shmq_msg msg;
	void *out;

	setting_send(s, 10, 1);
	must_be(shmq_receive(s->c, &msg, 1, SHMQ_NOWAIT), 1);
	while (shmq_reserve(s->p, 200, &out, SHMQ_NOWAIT) == 0)
		must_be(shmq_discard(s->p), 0);
	must_be(shmq_receive(s->c, &msg, 1, SHMQ_NOWAIT), -EAGAIN);
	must_be(shmq_release(s->c), 0);
	must_be(shmq_receive(s->c, &msg, 1, SHMQ_NOWAIT), -EAGAIN);
	must_be(shmq_release(s->c), 0);
	setting_send(s, 4000, 2);
	must_be(shmq_recv(s->c, s->buf, 4000, SHMQ_NOWAIT), 4000);
}

static void one_reservation_at_a_time(struct setting *s)
{
	struct iovec part = { s->buf, 1 };
	void *out = NULL;

	reserve(s, 10, 1);
	must_be(shmq_send(s->p, s->buf, 1, SHMQ_NOWAIT), -EBUSY);
	must_be(shmq_sendv(s->p, &part, 1, SHMQ_NOWAIT), -EBUSY);
	must_be(shmq_send_batch(s->p, &part, 1, SHMQ_NOWAIT), -EBUSY);
	must_be(shmq_reserve(s->p, 1, &out, SHMQ_NOWAIT), -EBUSY);
	must(!out);
	must_be(shmq_commit(s->p, 10), 0);
	setting_receive(s, 10, 1);
	setting_is_empty(s);
}

static void a_wrong_commit_leaves_the_reservation(struct setting *s)
{
	must_be(shmq_commit(s->p, 0), -EINVAL);
	must_be(shmq_discard(s->p), -EINVAL);
	reserve(s, 10, 1);
	must_be(shmq_commit(s->p, 11), -EINVAL);
	must_be(shmq_commit(s->p, 48), -EINVAL);
	must_be(shmq_commit(s->p, SIZE_MAX), -EINVAL);
	must_be(shmq_commit(s->p, 10), 0);
	must_be(shmq_commit(s->p, 10), -EINVAL);
	must_be(shmq_discard(s->p), -EINVAL);
	setting_receive(s, 10, 1);
	setting_is_empty(s);
}

static void closing_discards_a_reservation(struct setting *s)
{
	reserve(s, 1000, 1);
	shmq_producer_close(s->p);
	s->p = producer_join(s->q);
	setting_send(s, 10, 2);
	s->seq++;
	setting_receive(s, 10, 2);
	setting_is_empty(s);
	must_be(stat_of(s->q).recoveries, 0);
}

static void others_go_on_behind_a_reservation(struct setting *s)
{
	struct shmq_producer *other;
	struct shmq_msg msg;

	if (!s->kind->producers)
		return;
	other = producer_join(s->q);
	reserve(s, 100, 1);
	pattern_fill(s->buf, 50, 2);
	for (int i = 0; i < 20; i++)
		must_be(shmq_send(other, s->buf, 50, SHMQ_NOWAIT), 0);
	/* Order is a promise: nothing passes the reservation. */
	must_be(shmq_receive(s->c, &msg, 1, SHMQ_NOWAIT), -EAGAIN);
	must_be(shmq_receive(s->c, &msg, 1, 3000000), -ETIMEDOUT);
	must(stat_of(s->q).stalls > 0);
	must_be(shmq_commit(s->p, 100), 0);
	setting_receive(s, 100, 1);
	for (int i = 0; i < 20; i++)
		setting_receive(s, 50, 2);
	setting_is_empty(s);
	shmq_producer_close(other);
}

static void a_reservation_is_not_sent_before_its_commit(struct setting *s)
{
	reserve(s, VARIANT_MAX, 1);
	/* The table tells who holds what. */
	for (uint32_t i = 0; i < shmq_member_entries(s->q); i++) {
		struct shmq_member_info info = SHMQ_MEMBER_INFO_INIT;

		if (!s->kind->producers ||
		    shmq_stat_member(s->q, i, &info) != 1 ||
		    info.role != SHMQ_ROLE_PRODUCER)
			continue;
		must_be(info.claims, 1);
		must_be(info.held_seq, s->seq);
		must_be(info.held_bytes, VARIANT_MAX + 64);
		must(info.noticed_ns > 0);
	}
	must_be(shmq_commit(s->p, VARIANT_MAX), 0);
	setting_receive(s, VARIANT_MAX, 1);
}

int main(void)
{
	static const struct body bodies[] = {
		BODY(what_was_reserved_is_sent_by_the_commit),
		BODY(less_than_was_reserved_can_be_committed),
		BODY(all_but_nothing_of_the_largest_can_be_given_up),
		BODY(what_is_discarded_uses_up_its_number),
		BODY(discarded_room_comes_back),
		BODY(discarded_room_comes_back_behind_a_loan),
		BODY(one_reservation_at_a_time),
		BODY(a_wrong_commit_leaves_the_reservation),
		BODY(closing_discards_a_reservation),
		BODY(others_go_on_behind_a_reservation),
		BODY(a_reservation_is_not_sent_before_its_commit),
	};

	return variants_run("reservations", bodies,
			    sizeof(bodies) / sizeof(bodies[0]));
}
