/* SPDX-License-Identifier: MIT */
/* Kinds of queues and places in the stream. See variants.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blank.h"
#include "format.h"
#include "name.h"
#include "segment.h"
#include "variants.h"

const struct kind kinds[KINDS] = {
	{ "shared", 0, 0, true, true },
	{ "single producer", SHMQ_SINGLE_PRODUCER, 0, true, false },
	{ "single consumer", SHMQ_SINGLE_CONSUMER, 0, false, true },
	{ "both single", SHMQ_SINGLE_PRODUCER | SHMQ_SINGLE_CONSUMER, 0, false,
	  false },
	{ "exclusive", 0, SHMQ_EXCLUSIVE, false, true },
};

/* The last leaves a few MiB of stream: no body may send more. */
static const struct start starts[] = {
	{ "0", 0, 0 },
	{ "before the wrap", VARIANT_CAPACITY - 64, 1023 },
	{ "before 2^32", (UINT64_C(1) << 32) - 4160, (UINT64_C(1) << 32) - 3 },
	{ "before 2^62", (UINT64_C(1) << 62) - (1 << 23),
	  (UINT64_C(1) << 56) - 3 },
};
#define STARTS (sizeof(starts) / sizeof(starts[0]))

struct shmq *queue_create_at(const struct start *start, uint64_t capacity,
			     uint64_t flags)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct geometry geo;
	struct blank blank;
	struct segment *seg;
	struct name name;

	attr.capacity = capacity;
	attr.flags = flags;
	must_be(shmqi_format_plan(&geo, &attr), 0);
	geo.start_pos = start->pos;
	geo.start_seq = start->seq;
	must_be(shmqi_name_resolve(&name, "q"), 0);
	must_be(shmqi_blank_make(&blank, &name, 0600, &geo), 0);
	must_be(shmqi_segment_create(&seg, &blank, &name, &geo), 0);
	shmqi_segment_destroy(seg);
	return queue_open("q");
}

/* --------------------------------------------------------------- settings */

struct variant {
	const struct body *body;
	const struct kind *kind;
	const struct start *start;
	struct setting setting;
};

static int variant_enter(void **state)
{
	struct variant *v = *state;
	struct setting *s = &v->setting;

	directory_enter(state);
	s->kind = v->kind;
	s->start = v->start;
	s->q = queue_create_at(v->start, VARIANT_CAPACITY, v->kind->flags);
	s->p = producer_join(s->q);
	s->c = consumer_join(s->q, v->kind->consumer_flags);
	s->seq = v->start->seq;
	s->buf = malloc(VARIANT_MAX + 64);
	must(s->buf);
	return 0;
}

static int variant_leave(void **state)
{
	struct variant *v = *state;
	struct setting *s = &v->setting;

	free(s->buf);
	shmq_producer_close(s->p);
	shmq_consumer_close(s->c);
	shmq_close(s->q);
	return directory_leave(state);
}

static void variant_run(void **state)
{
	struct variant *v = *state;

	v->body->run(&v->setting);
}

int variants_run(const char *group, const struct body *bodies, size_t n)
{
	size_t all = n * KINDS * STARTS;
	struct CMUnitTest *tests = calloc(all, sizeof(*tests));
	struct variant *variants = calloc(all, sizeof(*variants));
	char(*names)[160] = calloc(all, sizeof(*names));
	int r;

	if (!tests || !variants || !names)
		return 1;
	for (size_t i = 0; i < all; i++) {
		struct variant *v = &variants[i];

		v->body = &bodies[i / STARTS / KINDS];
		v->kind = &kinds[i / STARTS % KINDS];
		v->start = &starts[i % STARTS];
		snprintf(names[i], sizeof(names[i]), "%s (%s, %s)",
			 v->body->name, v->kind->name, v->start->name);
		tests[i] = (struct CMUnitTest){ names[i], variant_run,
						variant_enter, variant_leave,
						v };
	}
	r = _cmocka_run_group_tests(group, tests, all, NULL, NULL);
	free(names);
	free(variants);
	free(tests);
	return r;
}

/* --------------------------------------------------------------- messages */

void setting_send(struct setting *s, size_t len, uint64_t number)
{
	pattern_fill(s->buf, len, number);
	must_be(shmq_send(s->p, s->buf, len, SHMQ_NOWAIT), 0);
}

void setting_receive(struct setting *s, size_t len, uint64_t number)
{
	struct shmq_msg msg;

	must_be(shmq_receive(s->c, &msg, 1, SHMQ_NOWAIT), 1);
	must_be(msg.len, len);
	must_be(msg.seq, s->seq++);
	must_be(msg.lost, 0);
	must_be(msg.flags, 0);
	must((uintptr_t)msg.data % 64 == 16);
	must(pattern_matches(msg.data, len, number));
	must_be(shmq_release(s->c), 0);
}

void setting_is_empty(struct setting *s)
{
	struct shmq_msg msg;

	must_be(shmq_receive(s->c, &msg, 1, SHMQ_NOWAIT), -EAGAIN);
	must_be(shmq_recv(s->c, s->buf, 0, SHMQ_NOWAIT), -EAGAIN);
	must_be(stat_of(s->q).depth_messages, 0);
	must_be(stat_of(s->q).depth_bytes, 0);
}
