/* SPDX-License-Identifier: MIT */
/* Messages between two who are awake need no system call. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "variants.h"

#define ROUNDS 20000
#define NOT_ALLOWED 42

/* From here on everything but ending, and saying why, is deadly. */
static void forbid_system_calls(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_gettid, 2, 0),
		/* the address sanitizer's last look around */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sigaltstack, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { 7, code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		_exit(NOT_ALLOWED);
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
}

static void be_noisy(void *arg)
{
	(void)arg;
	forbid_system_calls();
	getppid();
}

static void the_oracle_notices_a_system_call(void **state)
{
	int status = child_wait(child_start(be_noisy, NULL));

	(void)state;
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_ALLOWED) {
		print_message("no seccomp filters here\n");
		skip();
	}
	must(WIFSIGNALED(status));
	must_be(WTERMSIG(status), SIGSYS);
}

static void two_who_are_awake_need_no_system_call(void **state)
{
	(void)state;
	for (int i = 0; i < 2 * KINDS; i++) {
		const struct kind *kind = &kinds[i / 2];
		struct exchange exchange = {
			queue_anonymous(65536, kind->flags), *kind, i % 2
		};
		int status = child_wait(
			child_start(exchange_silently, &exchange));

		must(shmq_recover(exchange.q) >= 0);
		shmq_close(exchange.q);

		if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_ALLOWED) {
			print_message("no seccomp filters here\n");
			skip();
		}
		must_be(status, 0);
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
