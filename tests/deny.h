/* SPDX-License-Identifier: MIT */
/* System calls that fail from here on, as in a strict container. */
#ifndef TESTS_DENY_H
#define TESTS_DENY_H

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

#define NOT_ALLOWED 42 /* exit status: no filters here */

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

static inline bool deny_filter(struct sock_filter *code, unsigned short n)
{
	struct sock_fprog program = { n, code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

#define DENY_LOAD_CALL                                                         \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))

/* A call fails on purpose, from here on. False: no filters here. */
static inline bool deny_set(unsigned call, unsigned error)
{
	struct sock_filter code[] = {
		DENY_LOAD_CALL,
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	return deny_filter(code, 4);
}

/* The same in a child, which ends if there are no filters. */
static inline void deny(unsigned call, unsigned error)
{
	if (!deny_set(call, error))
		_exit(NOT_ALLOWED);
}

/* From here on every call but these, 1 to 16, is deadly. */
static inline void deny_all_but(const unsigned *calls, unsigned n)
{
	struct sock_filter code[16 + 3] = { DENY_LOAD_CALL };

	must(n >= 1 && n <= 16);
	for (unsigned i = 0; i < n; i++)
		code[1 + i] = (struct sock_filter)
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i],
				 (unsigned char)(n - i), 0);
	code[1 + n] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
						   SECCOMP_RET_KILL_PROCESS);
	code[2 + n] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
						   SECCOMP_RET_ALLOW);
	if (!deny_filter(code, (unsigned short)(n + 3)))
		_exit(NOT_ALLOWED);
}

static inline void try_to_deny(void *arg)
{
	(void)arg;
	deny(SYS_futex_waitv, ENOSYS);
}

/* For the beginning of a test, where nothing has to be cleaned up yet. */
static inline void skip_unless_deniable(void)
{
	int status = child_wait(child_start(try_to_deny, NULL));

	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_ALLOWED) {
		print_message("no seccomp filters here\n");
		skip();
	}
}

#endif
