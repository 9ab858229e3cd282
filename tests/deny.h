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

/* Calls may fail on purpose, from here on. False: no filters here. */
static inline bool deny_set(unsigned call, unsigned error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { 4, code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static inline void deny(unsigned call, unsigned error)
{
	must(deny_set(call, error));
}

static inline void try_to_deny(void *arg)
{
	(void)arg;
	if (!deny_set(SYS_futex_waitv, ENOSYS))
		_exit(NOT_ALLOWED);
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
