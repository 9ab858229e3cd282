/* SPDX-License-Identifier: MIT */
/*
 * A consumer's descriptor in an io_uring loop, by the bare system calls: a poll
 * once, and a poll that stays. Skipped where io_uring is denied or missing.
 */
#include <errno.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "atomic.h"
#include "support.h"

#define ENTRIES 8
#define ROUNDS 300

#ifndef IORING_POLL_ADD_MULTI
#define IORING_POLL_ADD_MULTI 1u /* Linux 5.13 */
#endif
#ifndef IORING_CQE_F_MORE
#define IORING_CQE_F_MORE 2u
#endif

/* --------------------------------------------------------------- a ring */

struct uring {
	int fd;
	struct io_uring_params params;
	char *sq, *cq;
	size_t sq_bytes, cq_bytes;
	struct io_uring_sqe *sqes;
};

static void *map(const struct uring *u, size_t bytes, off_t what)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_POPULATE, u->fd, what);

	must(at != MAP_FAILED);
	return at;
}

/* 0, or why there is none. */
static int uring_open(struct uring *u)
{
	memset(u, 0, sizeof(*u));
	u->fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &u->params);
	if (u->fd < 0)
		return -errno;
	u->sq_bytes = u->params.sq_off.array +
		      u->params.sq_entries * sizeof(uint32_t);
	u->cq_bytes = u->params.cq_off.cqes +
		      u->params.cq_entries * sizeof(struct io_uring_cqe);
	u->sq = map(u, u->sq_bytes, (off_t)IORING_OFF_SQ_RING);
	u->cq = map(u, u->cq_bytes, (off_t)IORING_OFF_CQ_RING);
	u->sqes = map(u, u->params.sq_entries * sizeof(*u->sqes),
		      (off_t)IORING_OFF_SQES);
	return 0;
}

static void uring_close(struct uring *u)
{
	munmap(u->sq, u->sq_bytes);
	munmap(u->cq, u->cq_bytes);
	munmap(u->sqes, u->params.sq_entries * sizeof(*u->sqes));
	close(u->fd);
}

static _Atomic uint32_t *word(char *ring, uint32_t offset)
{
	return (void *)(ring + offset);
}

static void enter(const struct uring *u, unsigned submit, unsigned wait)
{
	long r;

	do
		r = syscall(SYS_io_uring_enter, u->fd, submit, wait,
			    wait ? IORING_ENTER_GETEVENTS : 0, NULL, 0);
	while (r < 0 && errno == EINTR);
	must_be(r, submit);
}

/* Ask to be told, once or from now on, that fd is readable. */
static void uring_poll(const struct uring *u, int fd, bool stays)
{
	uint32_t tail = load_relaxed(word(u->sq, u->params.sq_off.tail));
	uint32_t at = tail & (u->params.sq_entries - 1);
	struct io_uring_sqe *sqe = &u->sqes[at];

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_POLL_ADD;
	sqe->fd = fd;
	sqe->poll32_events = POLLIN;
	sqe->len = stays ? IORING_POLL_ADD_MULTI : 0;
	store_relaxed(word(u->sq, u->params.sq_off.array) + at, at);
	store_release(word(u->sq, u->params.sq_off.tail), tail + 1);
	enter(u, 1, 0);
}

/* An answer that is there; what it says. False: there is none. */
static bool uring_take(const struct uring *u, struct io_uring_cqe *out)
{
	uint32_t head = load_relaxed(word(u->cq, u->params.cq_off.head));
	const struct io_uring_cqe *cqes = (void *)(u->cq +
						   u->params.cq_off.cqes);

	if (head == load_acquire(word(u->cq, u->params.cq_off.tail)))
		return false;
	*out = cqes[head & (u->params.cq_entries - 1)];
	store_release(word(u->cq, u->params.cq_off.head), head + 1);
	return true;
}

static struct io_uring_cqe uring_wait(const struct uring *u)
{
	struct io_uring_cqe cqe = { 0 };

	while (!uring_take(u, &cqe))
		enter(u, 0, 1);
	return cqe;
}

/* At the beginning of a test. */
static struct uring uring_or_skip(void)
{
	struct uring u;
	int r = uring_open(&u);

	if (r) {
		print_message("no io_uring here: %s\n", strerror(-r));
		skip();
	}
	return u;
}

/* ------------------------------------------------------------- messages */

/* One message each time that the last one has been received. */
struct ticking {
	struct shmq *q;
	step received;
};

static void send_ticks(void *arg)
{
	struct ticking *t = arg;
	struct shmq_producer *p = producer_join(t->q);

	for (int i = 0; i < ROUNDS; i++) {
		step_wait(&t->received, i);
		must_be(shmq_send(p, &i, sizeof(i), SHMQ_NOWAIT), 0);
	}
	shmq_producer_close(p);
}

/* All that is there. How many, and the last of them. */
static int receive_all(struct shmq_consumer *c, int *last)
{
	int n = 0;
	ssize_t r;

	while ((r = shmq_recv(c, last, sizeof(*last), SHMQ_NOWAIT)) >= 0)
		n++;
	must_be(r, -EAGAIN);
	return n;
}

static void exchange(const struct uring *u, struct shmq *q, bool stays)
{
	struct ticking *t = shared_memory(sizeof(*t));
	struct shmq_consumer *c = consumer_join(q, 0);
	int fd = shmq_consumer_fd(c), got = 0, last = -1;
	bool watched = false;
	pid_t pid;

	must(fd >= 0);
	t->q = q;
	pid = child_start(send_ticks, t);
	while (got < ROUNDS) {
		struct io_uring_cqe cqe;

		if (!watched)
			uring_poll(u, fd, stays);
		cqe = uring_wait(u);
		/* A kernel older than polls that stay. */
		stays &= cqe.res != -EINVAL;
		if (cqe.res == -EINVAL)
			continue;
		must_be(cqe.res & POLLIN, POLLIN);
		watched = cqe.flags & IORING_CQE_F_MORE;
		got += receive_all(c, &last);
		must_be(last, got - 1);
		step_to(&t->received, got);
	}
	child_join(pid);
	shmq_consumer_close(c);
	shared_free(t, sizeof(*t));
}

/* ----------------------------------------------------------------- tests */

static void a_poll_says_when_a_message_waits(void **state)
{
	struct uring u = uring_or_skip();
	struct shmq *q = queue_anonymous(4096, 0);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0);
	struct io_uring_cqe cqe;
	int number = 7;

	(void)state;
	uring_poll(&u, shmq_consumer_fd(c), false);
	for (int i = 0; i < 20; i++)
		nap();
	must(!uring_take(&u, &cqe));
	must_be(shmq_send(p, &number, sizeof(number), SHMQ_NOWAIT), 0);
	cqe = uring_wait(&u);
	must(cqe.res & POLLIN);
	/* Level: still there for who asks again. */
	uring_poll(&u, shmq_consumer_fd(c), false);
	cqe = uring_wait(&u);
	must(cqe.res & POLLIN);
	must_be(receive_all(c, &number), 1);
	uring_poll(&u, shmq_consumer_fd(c), false);
	for (int i = 0; i < 20; i++)
		nap();
	must(!uring_take(&u, &cqe));
	shmq_producer_close(p);
	shmq_consumer_close(c);
	shmq_close(q);
	uring_close(&u);
}

static void a_loop_of_polls_misses_nothing(void **state)
{
	struct uring u = uring_or_skip();

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct shmq *q = i ? queue_create("q", 4096, 0) :
				     queue_anonymous(4096, 0);

		exchange(&u, q, false);
		shmq_close(q);
	}
	must_be(shmq_unlink("q"), 0);
	uring_close(&u);
}

/* It answers at each edge, as an edge-triggered epoll does. */
static void a_poll_that_stays_misses_nothing(void **state)
{
	struct uring u = uring_or_skip();
	struct shmq *q = queue_anonymous(4096, 0);

	(void)state;
	exchange(&u, q, true);
	shmq_close(q);
	uring_close(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(a_poll_says_when_a_message_waits),
		TEST_IN_DIRECTORY(a_loop_of_polls_misses_nothing),
		TEST_IN_DIRECTORY(a_poll_that_stays_misses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
