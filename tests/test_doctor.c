/* SPDX-License-Identifier: MIT */
/* shmq_check(): what is sound, what the dead left, what cannot be. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "atomic.h"
#include "cursor.h"
#include "consumer.h"
#include "handle.h"
#include "producer.h"
#include "ring.h"
#include "support.h"
#include "variants.h"

struct told {
	unsigned of[3];
	char last[240]; /* damage */
};

static void note(void *arg, const struct shmq_finding *finding)
{
	struct told *told = arg;

	must(finding->kind <= SHMQ_FINDING_DAMAGE);
	must_be(finding->size, sizeof(*finding));
	must(memchr(finding->text, '\0', sizeof(finding->text)));
	told->of[finding->kind]++;
	if (finding->kind == SHMQ_FINDING_DAMAGE)
		memcpy(told->last, finding->text, sizeof(told->last));
}

static struct told look(struct shmq *q)
{
	struct told told = { 0 };
	int r = shmq_check(q, note, &told);

	if (told.of[SHMQ_FINDING_DAMAGE])
		print_message("    %s\n", told.last);
	must_be(r, told.of[SHMQ_FINDING_DAMAGE]);
	return told;
}

static void must_be_sound(struct shmq *q)
{
	struct told told = look(q);

	must_be(told.of[SHMQ_FINDING_DAMAGE], 0);
	must_be(told.of[SHMQ_FINDING_LEFT], 0);
}

/* --------------------------------------------------------------- in full use */

struct traffic {
	struct shmq *q;
	const struct kind *kind;
	uint64_t seed;
	_Atomic bool stop;
};

static void send_until_told(void *arg)
{
	struct traffic *t = arg;
	struct shmq_producer *p = producer_join(t->q);
	struct chance chance = chance_of(t->seed, (uint64_t)getpid());
	char buf[1000] = { 0 };

	while (!load_acquire(&t->stop)) {
		void *out;
		int r = shmq_send(p, buf, chance_below(&chance, sizeof(buf)),
				  1000000);

		must(r == 0 || r == -ETIMEDOUT);
		if (chance_below(&chance, 8) ||
		    shmq_reserve(p, 100, &out, SHMQ_NOWAIT))
			continue;
		if (chance_below(&chance, 2))
			nap();
		must_be(shmq_commit(p, 10), 0);
	}
	shmq_producer_close(p);
}

static void receive_until_told(void *arg)
{
	struct traffic *t = arg;
	struct shmq_consumer *c = consumer_join(t->q, t->kind->consumer_flags);
	struct chance chance = chance_of(t->seed, (uint64_t)getpid());
	struct shmq_msg msgs[5];

	while (!load_acquire(&t->stop)) {
		int n = shmq_receive(c, msgs, 5, 1000000);

		must(n > 0 || n == -ETIMEDOUT || n == -ENOBUFS);
		if (!chance_below(&chance, 16))
			nap();
		if (chance_below(&chance, 3))
			must_be(shmq_release(c), 0);
	}
	shmq_consumer_close(c);
}

static void a_queue_in_full_use_is_sound(void **state)
{
	uint64_t seed = chance_seed();

	(void)state;
	for (int i = 0; i < KINDS; i++) {
		struct traffic *t = shared_memory(sizeof(*t));
		pid_t pids[4] = { 0 };

		t->kind = &kinds[i];
		t->seed = seed;
		t->q = queue_anonymous(16384, t->kind->flags);
		pids[0] = child_start(send_until_told, t);
		pids[1] = child_start(receive_until_told, t);
		if (t->kind->producers)
			pids[2] = child_start(send_until_told, t);
		if (t->kind->competing)
			pids[3] = child_start(receive_until_told, t);
		for (int k = 0; k < 25; k++) {
			must_be_sound(t->q);
			nap();
		}
		store_release(&t->stop, true);
		for (int k = 0; k < 4; k++)
			if (pids[k])
				child_join(pids[k]);
		must_be_sound(t->q);
		shmq_close(t->q);
		shared_free(t, sizeof(*t));
	}
}

/* ------------------------------------------------------ what the dead left */

static void reserve_and_end(void *arg)
{
	struct shmq_producer *p = producer_join(arg);
	void *out;

	must_be(shmq_send(p, "x", 1, SHMQ_NOWAIT), 0);
	must_be(shmq_reserve(p, 300, &out, SHMQ_NOWAIT), 0);
}

static void borrow_and_end(void *arg)
{
	struct shmq_consumer *c = consumer_join(arg, 0);
	struct shmq_msg msg;

	must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
}

static void what_the_dead_left_is_told_and_mended(void **state)
{
	(void)state;
	for (int i = 0; i < KINDS; i++) {
		struct shmq *q = queue_anonymous(4096, kinds[i].flags);
		struct told told;

		child_run(reserve_and_end, q);
		child_run(borrow_and_end, q);
		told = look(q);
		must_be(told.of[SHMQ_FINDING_DAMAGE], 0);
		must(told.of[SHMQ_FINDING_LEFT] >= 1);
		must(shmq_recover(q) >= 0);
		must_be_sound(q);
		shmq_close(q);
	}
}

/* --------------------------------------------------------------- what is not */

/* Two messages, one of them borrowed; then something is written over. */
struct patient {
	struct shmq *q;
	struct segment *seg;
	struct shmq_producer *p;
	struct shmq_consumer *c;
	struct ring ring;
	uint64_t pos; /* of the message that waits */
};

static void patient_make(struct patient *t)
{
	struct shmq_msg msg;

	t->q = queue_anonymous(4096, 0);
	t->seg = t->q->seg;
	t->p = producer_join(t->q);
	t->c = consumer_join(t->q, 0);
	for (int i = 0; i < 2; i++)
		must_be(shmq_send(t->p, "12345678", 8, SHMQ_NOWAIT), 0);
	must_be(shmq_receive(t->c, &msg, 1, SHMQ_NOWAIT), 1);
	t->ring = t->p->ring;
	t->pos = cursor_pos(&t->seg->groups[0].cursor);
	must_be_sound(t->q);
}

static void scribble_header(struct patient *t)
{
	((uint8_t *)t->seg->map)[90] ^= 1;
}

static void scribble_bell(struct patient *t)
{
	store_relaxed(&t->seg->control->send.at.lo, UINT64_C(1) << 60);
}

static void scribble_moved(struct patient *t)
{
	store_relaxed(&t->seg->control->moved, 77);
}

static void scribble_top(struct patient *t)
{
	store_relaxed(&t->seg->control->member_top, 100000);
}

static void scribble_tail(struct patient *t)
{
	struct cursor c = { 128, 2, 2000 };

	cursor_init(&t->seg->control->tail, c);
}

static void scribble_group_state(struct patient *t)
{
	store_relaxed(&t->seg->groups[3].state, 9);
}

static void scribble_group_name(struct patient *t)
{
	memset(t->seg->groups[0].name, 'x', 32);
}

static void scribble_two_names(struct patient *t)
{
	t->seg->groups[1] = t->seg->groups[0];
}

static void scribble_group_cursor(struct patient *t)
{
	struct cursor c = { 1 << 20, 2, SH_NOBODY };

	cursor_init(&t->seg->groups[0].cursor, c);
}

static void scribble_member_state(struct patient *t)
{
	store_relaxed(&member_at(t->seg, 5)->state, 17);
}

static void scribble_above_the_top(struct patient *t)
{
	store_relaxed(&member_at(t->seg, 40)->state, SH_MEMBER_RETURNED);
}

static void scribble_member_group(struct patient *t)
{
	store_relaxed(&member_at(t->seg, t->c->ep.index)->group, 5);
}

static void scribble_slots(struct patient *t)
{
	store_relaxed(&member_at(t->seg, t->c->ep.index)->slots, 1000);
}

static void scribble_claim(struct patient *t)
{
	store_relaxed(&t->c->claims[0].end, 0);
}

static void scribble_claim_word(struct patient *t)
{
	store_relaxed(&t->p->claim->word, claim_word(0, 200));
}

static void scribble_chime(struct patient *t)
{
	struct sh_member *member = member_at(t->seg, t->c->ep.index);

	store_relaxed(&member->chime_place, 8);
	store_relaxed(&member->chime_name, 1);
}

static void scribble_stamp(struct patient *t)
{
	store_relaxed(&record_at(&t->ring, t->pos)->stamp, 5);
}

static void scribble_length(struct patient *t)
{
	store_relaxed(&record_at(&t->ring, t->pos)->about, UINT32_MAX);
}

static void scribble_held(struct patient *t)
{
	store_relaxed(
		&record_at(&t->ring, claim_pos(t->c->claims[0].word))->about,
		4000);
}

static const struct {
	void (*scribble)(struct patient *t);
	const char *says;
} scribbles[] = {
	{ scribble_header, "checksum" },
	{ scribble_bell, "bell" },
	{ scribble_moved, "removed name" },
	{ scribble_top, "more member entries" },
	{ scribble_tail, "tail is out of range" },
	{ scribble_group_state, "group 3: its state" },
	{ scribble_group_name, "group 0: its name" },
	{ scribble_two_names, "groups 0 and 1 have one name" },
	{ scribble_group_cursor, "group 0: it is not between" },
	{ scribble_member_state, "member 5: its state" },
	{ scribble_above_the_top, "member 40: its state" },
	{ scribble_member_group, "of no group" },
	{ scribble_slots, "number of claims" },
	{ scribble_claim, "its claim 0" },
	{ scribble_claim_word, "its claim 0" },
	{ scribble_chime, "descriptor" },
	{ scribble_stamp, "nobody is left" },
	{ scribble_length, "length cannot be true" },
	{ scribble_held, "not whole messages" },
};

struct search {
	const char *says;
	bool found;
};

static void search_for(void *arg, const struct shmq_finding *finding)
{
	struct search *search = arg;

	search->found |= finding->kind == SHMQ_FINDING_DAMAGE &&
			 strstr(finding->text, search->says);
}

/* In a child: what is scribbled over need not be left in an orderly way. */
static void scribble_and_look(void *arg)
{
	const unsigned i = *(unsigned *)arg;
	struct search search = { scribbles[i].says, false };
	struct patient t;

	patient_make(&t);
	scribbles[i].scribble(&t);
	must(shmq_check(t.q, search_for, &search) > 0);
	if (!search.found)
		fprintf(stderr, "nothing says \"%s\"\n", search.says);
	must(search.found);
}

static void what_cannot_be_is_told(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(scribbles) / sizeof(scribbles[0]); i++)
		child_run(scribble_and_look, &i);
}

/* ------------------------------------------------------------------- others */

static void scribble_at_random(void *arg)
{
	struct chance *chance = arg;
	struct patient t;
	uint8_t *bytes;
	size_t size;

	patient_make(&t);
	bytes = t.seg->map;
	size = t.seg->geo.ring_off;
	for (int round = 0; round < 12; round++) {
		for (int i = 0; i < 1 << round; i++) {
			uint64_t at = SH_CONTROL_OFF +
				      chance_below(chance,
						   size - SH_CONTROL_OFF - 8);
			uint64_t word = chance_next(chance) >>
					chance_below(chance, 64);

			memcpy(bytes + at, &word, sizeof(word));
			((uint8_t *)t.ring.base)[chance_below(chance, 4096)] =
				(uint8_t)word;
		}
		must(shmq_check(t.q, NULL, NULL) >= 0);
	}
}

static void whatever_is_written_over_it_the_check_ends(void **state)
{
	struct chance chance = chance_of(chance_seed(), 0);

	(void)state;
	for (int i = 0; i < 3; i++) {
		chance_next(&chance);
		child_run(scribble_at_random, &chance);
	}
}

static void read_permission_is_enough(void **state)
{
	struct shmq *q = queue_create("q", 4096, 0), *looker;
	struct told told;

	(void)state;
	must_be(shmq_open(&looker, "q", SHMQ_RDONLY, 0, NULL), 0);
	must_be_sound(looker);
	child_run(reserve_and_end, q);
	told = look(looker);
	must_be(told.of[SHMQ_FINDING_LEFT], 1);
	must_be(told.of[SHMQ_FINDING_DAMAGE], 0);
	must(shmq_recover(q) >= 0);
	must_be_sound(looker);
	must_be(shmq_check(NULL, NULL, NULL), -EINVAL);
	shmq_close(looker);
	shmq_close(q);
	must_be(shmq_unlink("q"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(a_queue_in_full_use_is_sound),
		TEST_IN_DIRECTORY(what_the_dead_left_is_told_and_mended),
		TEST_IN_DIRECTORY(what_cannot_be_is_told),
		TEST_IN_DIRECTORY(whatever_is_written_over_it_the_check_ends),
		TEST_IN_DIRECTORY(read_permission_is_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
