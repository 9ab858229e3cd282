/* SPDX-License-Identifier: MIT */
/*
 * Claims that a death leaves in a particular shape, made through the library's
 * own inner functions.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "producer.h"
#include "support.h"

#define CAPACITY 4096
#define LINE 64

struct scene {
	struct shmq *q;
	step ready;
	unsigned published; /* of the four records that the child claims */
};

static void claim_four(void *arg)
{
	struct scene *scene = arg;
	struct shmq_producer *p = producer_join(scene->q);
	struct span open = { 0 };

	must_be(claim_now(p, 4 * LINE, 4, &open), 0);
	for (unsigned k = 0; k < scene->published; k++) {
		struct sh_record *record = record_at(&p->ring,
						     open.pos + k * LINE);

		memset(record_payload(record), 'a' + (int)k, 1);
		publish(p, record, 1, open.seq + k);
	}
	step_to(&scene->ready, 1);
	for (;;)
		pause();
}

static void receive_letter(struct shmq_consumer *c, char letter)
{
	char got;

	must_be(shmq_recv(c, &got, 1, PATIENCE_NS), 1);
	must_be(got, letter);
}

/*
 * The groups have received the first records of a batch, or all of them, and
 * their producer has not said that it is done: the next lap leaves all of the
 * claim alone, so that a rescuer can walk it.
 */
static void an_open_claim_is_not_written_over(void **state)
{
	static const unsigned flags[] = { 0, SHMQ_EXCLUSIVE };

	(void)state;
	for (unsigned published = 0; published <= 4; published++) {
		for (int i = 0; i < 2; i++) {
			struct scene *scene = shared_memory(sizeof(*scene));
			struct shmq_consumer *c;
			struct shmq_producer *p;
			unsigned sent = 0;
			pid_t pid;

			scene->q = queue_anonymous(CAPACITY, 0);
			scene->published = published;
			pid = child_start(claim_four, scene);
			step_wait(&scene->ready, 1);
			c = consumer_join(scene->q, flags[i]);
			for (unsigned k = 0; k < published; k++)
				receive_letter(c, (char)('a' + k));
			p = producer_join(scene->q);
			while (shmq_send(p, "z", 1, SHMQ_NOWAIT) == 0)
				sent++;
			must_be(sent, CAPACITY / LINE - 4);
			child_kill(pid);
			for (unsigned k = 0; k < sent; k++)
				receive_letter(c, 'z');
			must_be(shmq_recv(c, NULL, 0, SHMQ_NOWAIT), -EAGAIN);
			must_be(stat_of(scene->q).recoveries, published < 4);
			must_be(shmq_recover(scene->q), published == 4);
			shmq_producer_close(p);
			shmq_consumer_close(c);
			shmq_close(scene->q);
			shared_free(scene, sizeof(*scene));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(an_open_claim_is_not_written_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
