/* SPDX-License-Identifier: MIT */
/*
 * Whoever cleans up after the dead waits for others who are at it, and not for
 * ever: one of them may be stopped, another one may scribble.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "atomic.h"
#include "handle.h"
#include "layout.h"
#include "support.h"

#define ENTRY 5u

/* Another description takes the lease of an entry, as a rescuer does. */
static int take_lease(struct shmq *q, uint32_t index)
{
	struct flock lock = { .l_type = F_WRLCK,
			      .l_whence = SEEK_SET,
			      .l_start = SH_LEASE_MEMBER + index,
			      .l_len = 1 };
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", shmq_fd(q));
	fd = open(path, O_RDWR | O_CLOEXEC);
	must(fd >= 0);
	must_be(fcntl(fd, F_OFD_SETLK, &lock), 0);
	return fd;
}

/* An entry as somebody left it who died. */
static void leave_entry(struct shmq *q, uint32_t state, uint32_t group)
{
	struct sh_member *member = member_at(q->seg, ENTRY);

	store_relaxed(&q->seg->control->member_top, ENTRY + 1);
	store_relaxed(&member->group, group);
	store_relaxed(&member->slots, 1);
	store_release(&member->state, state);
}

static uint32_t state_of_entry(const struct shmq *q)
{
	return load_acquire(&member_at(q->seg, ENTRY)->state);
}

static void a_stopped_rescuer_keeps_a_group_only_for_a_second(void **state)
{
	static const uint32_t states[] = { SH_MEMBER_RETURNED,
					   SH_MEMBER_CONSUMER };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct shmq *q = queue_anonymous(4096, 0);
		int64_t begin = clock_now_ns();
		int fd;

		must_be(shmq_group_add(q, "g", 0), 0);
		leave_entry(q, states[i], 1);
		fd = take_lease(q, ENTRY);
		must_be(shmq_group_remove(q, "g"), -EBUSY);
		must(clock_now_ns() - begin < PATIENCE_NS);
		must_be(state_of_entry(q), states[i]);
		/* It is not found any more, and its place comes back. */
		close(fd);
		must_be(shmq_group_remove(q, "g"), -ENOENT);
		must_be(state_of_entry(q), SH_MEMBER_FREE);
		must_be(stat_of(q).groups, 1);
		must_be(shmq_group_add(q, "g", 0), 0);
		shmq_close(q);
	}
}

static void a_stopped_rescuer_keeps_a_place_only_for_a_second(void **state)
{
	struct shmq *q = queue_anonymous(4096, SHMQ_SINGLE_CONSUMER);
	int64_t begin = clock_now_ns();
	struct shmq_consumer *c;
	int fd;

	(void)state;
	leave_entry(q, SH_MEMBER_CONSUMER, 0);
	fd = take_lease(q, ENTRY);
	must_be(shmq_consumer_open(&c, q, NULL, 0), -EBUSY);
	must(clock_now_ns() - begin < PATIENCE_NS);
	close(fd);
	must_be(shmq_consumer_open(&c, q, NULL, 0), 0);
	must_be(state_of_entry(q), SH_MEMBER_FREE);
	shmq_consumer_close(c);
	shmq_close(q);
}

struct scribbler {
	struct shmq *q;
	uint32_t state;
	uint32_t group;
	_Atomic bool stop;
};

static void *scribble(void *arg)
{
	struct scribbler *s = arg;

	while (!load_acquire(&s->stop))
		leave_entry(s->q, s->state, s->group);
	return NULL;
}

/* Cleaned up, it is there again; it ends all the same. */
static void one_who_scribbles_keeps_nobody_for_ever(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct scribbler s = {
			.q = queue_anonymous(4096,
					     i ? SHMQ_SINGLE_CONSUMER : 0),
			.state = i ? SH_MEMBER_CONSUMER : SH_MEMBER_RETURNED,
			.group = i ? 0 : 1,
		};
		int64_t begin = clock_now_ns();
		struct shmq_consumer *c;
		pthread_t thread;
		int r;

		must_be(shmq_group_add(s.q, "g", 0), 0);
		must_be(pthread_create(&thread, NULL, scribble, &s), 0);
		while (state_of_entry(s.q) != s.state)
			nap();
		r = i ? shmq_consumer_open(&c, s.q, NULL, 0) :
			shmq_group_remove(s.q, "g");
		must(clock_now_ns() - begin < PATIENCE_NS);
		store_release(&s.stop, true);
		pthread_join(thread, NULL);
		/* It may have looked just when the entry was free. */
		must(r == -EBADMSG || r == -EBUSY || r == 0);
		if (r == 0 && i)
			shmq_consumer_close(c);
		must(shmq_recover(s.q) >= 0);
		shmq_close(s.q);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(
			a_stopped_rescuer_keeps_a_group_only_for_a_second),
		TEST_IN_DIRECTORY(
			a_stopped_rescuer_keeps_a_place_only_for_a_second),
		TEST_IN_DIRECTORY(one_who_scribbles_keeps_nobody_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
