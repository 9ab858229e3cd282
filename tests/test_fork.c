/* SPDX-License-Identifier: MIT */
/* Fork: what a child inherits, what it may use, and whose death is seen. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "atomic.h"
#include "support.h"

/* What a parent has when it forks. */
struct family {
	struct shmq *q;
	struct shmq_producer *p;
	struct shmq_consumer *c;
	step born;   /* the child, or grandchild, has come so far */
	step orphan; /* it may go on: its parent is dead */
	step end;
};

static struct family *family_found(uint64_t flags)
{
	struct family *family = shared_memory(sizeof(*family));

	family->q = queue_anonymous(65536, flags);
	return family;
}

static void family_end(struct family *family)
{
	shmq_close(family->q);
	shared_free(family, sizeof(*family));
}

static void inherited_endpoints_are_refused(struct family *family)
{
	struct iovec part = { NULL, 0 };
	struct shmq_msg msg;
	void *out;
	char buf[8];

	must_be(shmq_send(family->p, "x", 1, SHMQ_NOWAIT), -ESTALE);
	must_be(shmq_sendv(family->p, &part, 1, SHMQ_NOWAIT), -ESTALE);
	must_be(shmq_send_batch(family->p, &part, 1, SHMQ_NOWAIT), -ESTALE);
	must_be(shmq_reserve(family->p, 1, &out, SHMQ_NOWAIT), -ESTALE);
	must_be(shmq_commit(family->p, 1), -ESTALE);
	must_be(shmq_discard(family->p), -ESTALE);
	must_be(shmq_recv(family->c, buf, sizeof(buf), SHMQ_FOREVER), -ESTALE);
	must_be(shmq_receive(family->c, &msg, 1, SHMQ_FOREVER), -ESTALE);
	must_be(shmq_release(family->c), -ESTALE);
	must_be(shmq_consumer_lost(family->c), 0);
}

static void be_a_child(void *arg)
{
	struct family *family = arg;
	struct shmq_producer *p;
	struct shmq_consumer *c;
	char buf[8];

	inherited_endpoints_are_refused(family);
	shmq_producer_close(family->p);
	shmq_consumer_close(family->c);
	must_be(stat_of(family->q).members, 2);
	p = producer_join(family->q);
	must_be(shmq_send(p, "child", 5, SHMQ_NOWAIT), 0);
	c = consumer_join(family->q, 0);
	must_be(shmq_recv(c, buf, sizeof(buf), SHMQ_NOWAIT), 6);
	must_be(memcmp(buf, "parent", 6), 0);
	shmq_producer_close(p);
	shmq_consumer_close(c);
	shmq_close(family->q);
}

static void a_child_opens_its_own_endpoints(void **state)
{
	struct family *family = family_found(0);
	void *out;
	char buf[8];

	(void)state;
	family->p = producer_join(family->q);
	family->c = consumer_join(family->q, 0);
	must_be(shmq_send(family->p, "parent", 6, SHMQ_NOWAIT), 0);
	child_run(be_a_child, family);
	/* Ours have not felt anything. */
	must_be(shmq_recv(family->c, buf, sizeof(buf), SHMQ_NOWAIT), 5);
	must_be(shmq_reserve(family->p, 2, &out, SHMQ_NOWAIT), 0);
	memcpy(out, "ok", 2);
	must_be(shmq_commit(family->p, 2), 0);
	must_be(shmq_recv(family->c, buf, sizeof(buf), SHMQ_NOWAIT), 2);
	must_be(stat_of(family->q).members, 2);
	must_be(shmq_recover(family->q), 0);
	shmq_producer_close(family->p);
	shmq_consumer_close(family->c);
	family_end(family);
}

/* The parent's reservation and loan are not the child's to end. */
static void refuse_and_close(void *arg)
{
	struct family *family = arg;

	inherited_endpoints_are_refused(family);
	shmq_producer_close(family->p);
	shmq_consumer_close(family->c);
	must_be(shmq_recover(family->q), 0);
}

static void what_a_parent_holds_stays_its_own(void **state)
{
	struct family *family = family_found(0);
	struct shmq_msg msg;
	char buf[8];
	void *out;

	(void)state;
	family->p = producer_join(family->q);
	family->c = consumer_join(family->q, 0);
	must_be(shmq_send(family->p, "loan", 4, SHMQ_NOWAIT), 0);
	must_be(shmq_receive(family->c, &msg, 1, SHMQ_NOWAIT), 1);
	must_be(shmq_reserve(family->p, 5, &out, SHMQ_NOWAIT), 0);
	child_run(refuse_and_close, family);
	must_be(memcmp(msg.data, "loan", 4), 0);
	memcpy(out, "whole", 5);
	must_be(shmq_commit(family->p, 5), 0);
	must_be(shmq_recv(family->c, buf, sizeof(buf), SHMQ_NOWAIT), 5);
	must_be(shmq_release(family->c), 0);
	must_be(stat_of(family->q).recoveries, 0);
	shmq_producer_close(family->p);
	shmq_consumer_close(family->c);
	family_end(family);
}

/* ------------------------------------------------------------------ deaths */

static void live_on(void *arg)
{
	struct family *family = arg;

	/* Not bound to the parent's life. */
	prctl(PR_SET_PDEATHSIG, 0);
	step_to(&family->born, 1);
	step_wait(&family->end, 1);
}

/* Holds everything there is to hold, has a child, and waits to be killed. */
static void hold_and_have_a_child(void *arg)
{
	struct family *family = arg;
	struct shmq_msg msg;
	void *out;

	family->p = producer_join(family->q);
	family->c = consumer_join(family->q, 0);
	must_be(shmq_receive(family->c, &msg, 1, SHMQ_NOWAIT), 1);
	must_be(shmq_reserve(family->p, 5, &out, SHMQ_NOWAIT), 0);
	child_start(live_on, family);
	step_wait(&family->end, 1);
}

/* Nobody else waits for the orphans: we are not their parent. */
static void release_orphans(struct family *family)
{
	step_to(&family->end, 1);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static void the_death_of_a_parent_shows_although_its_child_lives(void **state)
{
	static const uint64_t flags[] = { 0, SHMQ_SINGLE_PRODUCER,
					  SHMQ_SINGLE_CONSUMER,
					  SHMQ_SINGLE_PRODUCER |
						  SHMQ_SINGLE_CONSUMER };

	(void)state;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (int i = 0; i < 4; i++) {
		struct family *family = family_found(flags[i]);
		struct shmq_msg msg;
		pid_t pid;

		family->p = producer_join(family->q);
		must_be(shmq_send(family->p, "loan", 4, SHMQ_NOWAIT), 0);
		shmq_producer_close(family->p);
		pid = child_start(hold_and_have_a_child, family);
		step_wait(&family->born, 1);
		must_be(stat_of(family->q).members, 2);
		must_be(shmq_recover(family->q), 0);
		child_kill(pid);
		must_be(stat_of(family->q).members, 0);
		must_be(shmq_recover(family->q), 2);
		family->c = consumer_join(family->q, 0);
		must_be(shmq_receive(family->c, &msg, 1, SHMQ_NOWAIT), 1);
		must_be(msg.flags, SHMQ_REDELIVERED);
		family->p = producer_join(family->q);
		release_orphans(family);
		shmq_producer_close(family->p);
		shmq_consumer_close(family->c);
		family_end(family);
	}
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

/* ------------------------------------------------------------------ nesting */

struct descent {
	struct shmq *q;
	struct shmq_producer *p;
	int depth;
};

static void descend(void *arg)
{
	struct descent *descent = arg;
	struct shmq_producer *inherited = descent->p;
	struct shmq *again;

	must_be(shmq_send(inherited, "x", 1, SHMQ_NOWAIT), -ESTALE);
	shmq_producer_close(inherited);
	descent->p = producer_join(descent->q);
	must_be(shmq_send(descent->p, &descent->depth, sizeof(int),
			  SHMQ_NOWAIT),
		0);
	must_be(shmq_open_fd(&again, shmq_fd(descent->q), 0), 0);
	if (--descent->depth)
		child_run(descend, descent);
	/* Mine is still mine. */
	must_be(shmq_send(descent->p, &descent->depth, sizeof(int),
			  SHMQ_NOWAIT),
		0);
	shmq_producer_close(descent->p);
	must_be(stat_of(again).members > 0, 1);
	shmq_close(again);
	shmq_close(descent->q);
}

static void children_have_children(void **state)
{
	struct descent descent = { queue_anonymous(65536, 0), NULL, 6 };
	struct shmq_consumer *c;
	int number, sum = 0;

	(void)state;
	descent.p = producer_join(descent.q);
	child_run(descend, &descent);
	must_be(stat_of(descent.q).members, 1);
	must_be(stat_of(descent.q).sent_messages, 12);
	c = consumer_join(descent.q, 0);
	for (int i = 0; i < 12; i++) {
		must_be(shmq_recv(c, &number, sizeof(number), SHMQ_NOWAIT),
			sizeof(number));
		sum += number;
	}
	must_be(sum, 6 + 5 + 4 + 3 + 2 + 1 + 5 + 4 + 3 + 2 + 1);
	must_be(stat_of(descent.q).recoveries, 0);
	shmq_consumer_close(c);
	shmq_producer_close(descent.p);
	shmq_close(descent.q);
}

/* A handle is closed, its endpoint inherited: nothing else refers to it. */
static void close_what_is_left(void *arg)
{
	struct family *family = arg;

	shmq_producer_close(family->p);
}

static void an_endpoint_without_its_handle_is_inherited(void **state)
{
	struct family family = { .q = queue_anonymous(4096, 0) };

	(void)state;
	family.p = producer_join(family.q);
	shmq_close(family.q);
	for (int i = 0; i < 10; i++)
		child_run(close_what_is_left, &family);
	must_be(shmq_send(family.p, "x", 1, SHMQ_NOWAIT), 0);
	shmq_producer_close(family.p);
}

/* ------------------------------------------------------------------ threads */

#define THREADS 3
#define FORKS 60

static _Atomic bool stop;

static void *open_and_close(void *arg)
{
	char name[8] = { 'q', (char)('0' + *(int *)arg % 2), '\0' };

	while (!load_relaxed(&stop)) {
		struct shmq *q = queue_open(name);
		struct shmq_producer *p = producer_join(q);

		must_be(shmq_send(p, "x", 1, SHMQ_NOWAIT) <= 0, 1);
		shmq_close(q);
		shmq_producer_close(p);
	}
	return NULL;
}

/* Whatever the threads held at the fork, the child finds it free. */
static void use_everything(void *arg)
{
	struct shmq *q = queue_open("q0"), *other = queue_open("q1");
	struct shmq_producer *p = producer_join(other);
	struct shmq_consumer *c = consumer_join(q, 0);
	char buf[8];

	(void)arg;
	must_be(shmq_send(p, "x", 1, SHMQ_NOWAIT) <= 0, 1);
	must_be(shmq_recv(c, buf, sizeof(buf), SHMQ_NOWAIT) < 2, 1);
	must_be(shmq_recover(q) >= 0, 1);
	shmq_producer_close(p);
	shmq_consumer_close(c);
	shmq_close(q);
	shmq_close(other);
}

static void a_fork_amid_threads_leaves_no_lock_taken(void **state)
{
	pthread_t threads[THREADS];
	int numbers[THREADS];

	(void)state;
	shmq_close(queue_create("q0", 65536, 0));
	shmq_close(queue_create("q1", 65536, 0));
	store_relaxed(&stop, false);
	for (int i = 0; i < THREADS; i++) {
		numbers[i] = i;
		must_be(pthread_create(&threads[i], NULL, open_and_close,
				       &numbers[i]),
			0);
	}
	for (int i = 0; i < FORKS; i++)
		child_run(use_everything, NULL);
	store_relaxed(&stop, true);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(a_child_opens_its_own_endpoints),
		TEST_IN_DIRECTORY(what_a_parent_holds_stays_its_own),
		TEST_IN_DIRECTORY(
			the_death_of_a_parent_shows_although_its_child_lives),
		TEST_IN_DIRECTORY(children_have_children),
		TEST_IN_DIRECTORY(an_endpoint_without_its_handle_is_inherited),
		TEST_IN_DIRECTORY(a_fork_amid_threads_leaves_no_lock_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
