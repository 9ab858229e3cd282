/* SPDX-License-Identifier: MIT */
/* Messages between two who are awake need no system call. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deny.h"
#include "variants.h"

#define ROUNDS 20000

/* Ending, and saying why, stay possible. */
static void forbid_system_calls(void)
{
	static const unsigned allowed[] = {
		SYS_exit_group, SYS_write, SYS_gettid,
		/* the address sanitizer's last look around */
		SYS_sigaltstack
	};

	deny_all_but(allowed, 4);
}

static void exchange_one(struct shmq_producer *p, struct shmq_consumer *c,
			 unsigned round)
{
	static uint8_t bytes[1000];
	struct iovec parts[3] = { { bytes, 8 }, { bytes, 100 }, { bytes, 0 } };
	struct shmq_msg msgs[4];
	void *out;

	must_be(shmq_send(p, bytes, round % 1000, SHMQ_FOREVER), 0);
	must_be(shmq_recv(c, bytes, 1000, SHMQ_FOREVER), round % 1000);
	must_be(shmq_sendv(p, parts, 3, SHMQ_NOWAIT), 0);
	must_be(shmq_send_batch(p, parts, 3, SHMQ_NOWAIT), 3);
	must_be(shmq_receive(c, msgs, 4, SHMQ_FOREVER), 4);
	must_be(shmq_release(c), 0);
	must_be(shmq_reserve(p, 100, &out, SHMQ_NOWAIT), 0);
	must_be(round % 2 ? shmq_commit(p, 50) : shmq_discard(p), 0);
	must_be(shmq_send(p, bytes, 1, SHMQ_NOWAIT), 0);
	if (round % 2)
		must_be(shmq_recv(c, bytes, 1000, SHMQ_NOWAIT), 50);
	must_be(shmq_recv(c, bytes, 1000, SHMQ_NOWAIT), 1);
}

struct exchange {
	struct shmq *q;
	struct kind kind;
	bool fds; /* both have descriptors, once armed */
};

static void exchange_silently(void *arg)
{
	struct exchange *exchange = arg;
	const struct kind *kind = &exchange->kind;
	struct shmq_consumer *c = consumer_join(exchange->q,
						kind->consumer_flags);
	struct shmq_producer *p = producer_join(exchange->q);

	if (exchange->fds) {
		must(shmq_consumer_fd(c) >= 0);
		must(shmq_producer_fd(p) >= 0);
	}
	exchange_one(p, c, 0);
	forbid_system_calls();
	for (unsigned i = 0; i < ROUNDS; i++)
		exchange_one(p, c, i);
	/* Without a word to anybody, as gcov would say. */
	_exit(0);
}

static void be_noisy(void *arg)
{
	(void)arg;
	forbid_system_calls();
	getppid();
}

static void the_oracle_notices_a_system_call(void **state)
{
	int status;

	(void)state;
	skip_unless_deniable();
	status = child_wait(child_start(be_noisy, NULL));
	must(WIFSIGNALED(status));
	must_be(WTERMSIG(status), SIGSYS);
}

static void two_who_are_awake_need_no_system_call(void **state)
{
	(void)state;
	skip_unless_deniable();
	for (int i = 0; i < 2 * KINDS; i++) {
		const struct kind *kind = &kinds[i / 2];
		struct exchange exchange = {
			queue_anonymous(65536, kind->flags), *kind, i % 2
		};

		child_run(exchange_silently, &exchange);
		must(shmq_recover(exchange.q) >= 0);
		shmq_close(exchange.q);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(the_oracle_notices_a_system_call),
		TEST_IN_DIRECTORY(two_who_are_awake_need_no_system_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
