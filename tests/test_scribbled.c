/* SPDX-License-Identifier: MIT */
/* Entries that others have scribbled on while their owners use them. */
#include <errno.h>
#include <stddef.h>

#include "layout.h"
#include "segment.h"
#include "handle.h"
#include "producer.h"
#include "support.h"

static void must_be_alone(void *arg)
{
	struct shmq_consumer *c;

	must_be(shmq_consumer_open(&c, arg, NULL, SHMQ_EXCLUSIVE), 0);
	shmq_consumer_close(c);
}

static struct sh_member *entry_in_use(struct shmq *q, uint32_t role)
{
	for (uint32_t i = 0; i < q->seg->geo.member_entries; i++)
		if (member_at(q->seg, i)->state == role)
			return member_at(q->seg, i);
	must_fail("an entry in use", __FILE__, __LINE__);
	return NULL;
}

/* What is given back is what was taken, not what the entry says. */
static void a_consumer_leaves_its_own_group(void **state)
{
	static const uint32_t groups[] = { 1, 16, 1u << 20, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++) {
		struct shmq *q = queue_anonymous(4096, 0);
		struct shmq_consumer *c = consumer_join(q, 0);

		entry_in_use(q, SH_MEMBER_CONSUMER)->group = groups[i];
		shmq_consumer_close(c);
		child_run(must_be_alone, q);
		shmq_close(q);
	}
}

static void a_consumer_leaves_as_a_consumer(void **state)
{
	struct shmq *q = queue_anonymous(4096, 0);
	struct shmq_consumer *c = consumer_join(q, 0);

	(void)state;
	entry_in_use(q, SH_MEMBER_CONSUMER)->state = SH_MEMBER_PRODUCER;
	shmq_consumer_close(c);
	child_run(must_be_alone, q);
	shmq_close(q);
}

static void a_producer_leaves_as_a_producer(void **state)
{
	struct shmq *q = queue_anonymous(4096, 0);
	struct shmq_producer *p = producer_join(q);
	struct sh_member *member = entry_in_use(q, SH_MEMBER_PRODUCER);

	(void)state;
	member->group = UINT32_MAX;
	member->state = SH_MEMBER_CONSUMER;
	shmq_producer_close(p);
	child_run(must_be_alone, q);
	shmq_close(q);
}

/* Its producer lives, and has said that it is there: nobody will write it. */
static void a_stamp_that_is_gone_is_not_waited_for(void **state)
{
	struct shmq *q = queue_anonymous(4096, SHMQ_SINGLE_PRODUCER);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0);
	char buf[8];

	(void)state;
	must_be(shmq_send(p, "x", 1, SHMQ_NOWAIT), 0);
	store_relaxed((_Atomic uint64_t *)(void *)p->ring.base, 0);
	must_be(shmq_recv(c, buf, sizeof(buf), PATIENCE_NS), -EBADMSG);
	shmq_producer_close(p);
	shmq_consumer_close(c);
	shmq_close(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(a_consumer_leaves_its_own_group),
		TEST_IN_DIRECTORY(a_consumer_leaves_as_a_consumer),
		TEST_IN_DIRECTORY(a_producer_leaves_as_a_producer),
		TEST_IN_DIRECTORY(a_stamp_that_is_gone_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
