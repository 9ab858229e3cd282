/* SPDX-License-Identifier: MIT */
/*
 * What if the system says no? Each call of the kernel and of the allocator
 * that the library makes, while a queue is created, opened, used and removed,
 * fails in turn: the first, the second, and so on. The function that made it
 * says so or does without; nothing is left behind; and the next time all is
 * well. The linker puts the wrappers below in the library's way.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

#define CAPACITY 4096

enum call {
	CALL_NONE,
	CALL_OPEN,
	CALL_FCNTL,
	CALL_MMAP,
	CALL_CALLOC,
	CALL_MALLOC,
	CALL_MEMFD,
	CALL_FALLOCATE,
	CALL_FILL,
	CALL_LINKAT,
	CALL_LINK,
	CALL_FSTAT,
	CALL_PREAD,
	CALL_ACCESS,
	CALL_UNLINK,
};

/* The nth call of one kind fails; or, if it is 0, all of them. */
static enum call armed;
static unsigned nth, seen;
static int with;
static bool fired;

static bool fails(enum call call)
{
	if (call != armed || (nth && ++seen != nth))
		return false;
	fired = true;
	errno = with;
	return true;
}

static void arm(enum call call, unsigned n, int error)
{
	seen = 0;
	nth = n;
	with = error;
	fired = false;
	armed = call;
}

/* ----------------------------------------------------------------- wrappers */

#define WRAPPED(type, name, call, wrong, parameters, arguments)                \
	type __real_##name parameters;                                         \
	type __wrap_##name parameters;                                         \
	type __wrap_##name parameters                                          \
	{                                                                      \
		return fails(call) ? (wrong) : __real_##name arguments;        \
	}

WRAPPED(void *, mmap, CALL_MMAP, MAP_FAILED,
	(void *at, size_t n, int prot, int flags, int fd, off_t off),
	(at, n, prot, flags, fd, off))
WRAPPED(void *, calloc, CALL_CALLOC, NULL, (size_t n, size_t size), (n, size))
WRAPPED(void *, malloc, CALL_MALLOC, NULL, (size_t size), (size))
WRAPPED(int, memfd_create, CALL_MEMFD, -1, (const char *name, unsigned flags),
	(name, flags))
/* What another thread does while storage is allocated; or NULL. */
static void (*meanwhile)(void);

int __real_posix_fallocate(int fd, off_t at, off_t n);
int __wrap_posix_fallocate(int fd, off_t at, off_t n);
int __wrap_posix_fallocate(int fd, off_t at, off_t n)
{
	if (meanwhile)
		meanwhile();
	return fails(CALL_FALLOCATE) ? with : __real_posix_fallocate(fd, at, n);
}

WRAPPED(int, fallocate, CALL_FILL, -1, (int fd, int how, off_t at, off_t n),
	(fd, how, at, n))
WRAPPED(int, linkat, CALL_LINKAT, -1,
	(int d, const char *from, int e, const char *to, int flags),
	(d, from, e, to, flags))
WRAPPED(int, link, CALL_LINK, -1, (const char *from, const char *to),
	(from, to))
WRAPPED(int, fstat, CALL_FSTAT, -1, (int fd, struct stat *st), (fd, st))
WRAPPED(ssize_t, pread, CALL_PREAD, -1, (int fd, void *buf, size_t n, off_t at),
	(fd, buf, n, at))
WRAPPED(int, access, CALL_ACCESS, -1, (const char *path, int how), (path, how))
WRAPPED(int, unlink, CALL_UNLINK, -1, (const char *path), (path))

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, mode_t) : 0;
	va_end(args);
	return fails(CALL_OPEN) ? -1 : __real_open(path, flags, mode);
}

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...)
{
	va_list args;
	void *arg;

	va_start(args, command);
	arg = va_arg(args, void *);
	va_end(args);
	return fails(CALL_FCNTL) ? -1 : __real_fcntl(fd, command, arg);
}

/* ------------------------------------------------------------------- a life */

/* Whether it worked; if not, it must have been the fault that was asked for. */
static bool worked(int64_t r)
{
	if (r >= 0)
		return true;
	must(fired);
	/* What cannot be read is no queue to whoever removes it. */
	if (r != -EBADMSG || armed != CALL_PREAD)
		must_be(r, armed == CALL_CALLOC || armed == CALL_MALLOC ?
				   -ENOMEM :
				   -with);
	return false;
}

/*
 * What has failed before may have left something in the ring before; and who
 * cannot follow to the new one is out of memory, whatever there is none of.
 */
static bool worked_after_all(int64_t r)
{
	return (r == -EBUSY || r == -ENOMEM) && fired ? false : worked(r);
}

static void resize(struct shmq *q, struct shmq_producer *p,
		   struct shmq_consumer *c)
{
	char byte;

	if (worked_after_all(shmq_resize(q, 2 * CAPACITY)) && p && c &&
	    worked_after_all(shmq_send(p, "y", 1, SHMQ_NOWAIT)) &&
	    worked_after_all(shmq_recv(c, &byte, 1, SHMQ_NOWAIT)))
		must(byte == 'y' || fired);
	worked_after_all(shmq_resize(q, CAPACITY));
}

static void use(struct shmq *q, unsigned flags)
{
	struct shmq_stat st = SHMQ_STAT_INIT;
	struct shmq_producer *p = NULL;
	struct shmq_consumer *c = NULL;
	char byte;

	if (worked(shmq_producer_open(&p, q, 0)))
		worked_after_all(shmq_send(p, "x", 1, SHMQ_NOWAIT));
	if (worked(shmq_consumer_open(&c, q, NULL, flags)) && p &&
	    worked_after_all(shmq_recv(c, &byte, 1, SHMQ_NOWAIT)))
		must(byte == 'x' || fired);
	worked(shmq_stat(q, &st));
	resize(q, p, c);
	worked(shmq_recover(q));
	shmq_producer_close(p);
	shmq_consumer_close(c);
}

static void live(void)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *q, *again;
	int copy;

	attr.capacity = CAPACITY;
	if (worked(shmq_open(&q, "q", SHMQ_CREATE, 0600, &attr))) {
		use(q, 0);
		shmq_close(q);
		if (worked(shmq_open(&q, "q", 0, 0, NULL))) {
			use(q, SHMQ_EXCLUSIVE);
			copy = dup(shmq_fd(q));
			if (worked(shmq_open_fd(&again, copy, 0)))
				shmq_close(again);
			close(copy);
			shmq_close(q);
		}
		if (!worked(shmq_unlink("q"))) {
			armed = CALL_NONE;
			must_be(shmq_unlink("q"), 0);
		}
	}
	if (worked(shmq_open_anonymous(&q, &attr))) {
		use(q, 0);
		shmq_close(q);
	}
}

static void fail_each(enum call call, int error)
{
	unsigned n = 0;

	do {
		arm(call, ++n, error);
		live();
	} while (fired && n < 10000);
	must(n > 1);
	arm(CALL_NONE, 1, 0);
	live();
	must_be(directory_entries(), 0);
}

/* -------------------------------------------------------------------- tests */

static void no_more_descriptors(void **state)
{
	(void)state;
	fail_each(CALL_OPEN, EMFILE);
	fail_each(CALL_FCNTL, EMFILE);
	fail_each(CALL_MEMFD, ENFILE);
}

static void no_more_memory(void **state)
{
	(void)state;
	fail_each(CALL_MMAP, ENOMEM);
	fail_each(CALL_CALLOC, ENOMEM);
	fail_each(CALL_MALLOC, ENOMEM);
}

static void no_more_room_on_the_file_system(void **state)
{
	(void)state;
	fail_each(CALL_FALLOCATE, ENOSPC);
	fail_each(CALL_LINKAT, ENOSPC);
}

static void no_more_locks(void **state)
{
	(void)state;
	fail_each(CALL_FCNTL, ENOLCK);
	fail_each(CALL_FCNTL, EINTR);
}

static void input_and_output_fail(void **state)
{
	(void)state;
	fail_each(CALL_FSTAT, EIO);
	fail_each(CALL_PREAD, EIO);
	fail_each(CALL_UNLINK, EIO);
}

/* Interrupted calls are made again: nobody sees anything. */
static void interrupted_calls_are_made_again(void **state)
{
	static const enum call calls[] = { CALL_FALLOCATE, CALL_PREAD };
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *q;

	(void)state;
	attr.capacity = CAPACITY;
	for (unsigned i = 0; i < 2; i++) {
		arm(CALL_NONE, 1, 0);
		q = queue_create("q", CAPACITY, 0);
		shmq_close(q);
		if (calls[i] == CALL_FALLOCATE)
			shmq_unlink("q");
		arm(calls[i], 1, EINTR);
		must_be(shmq_open(&q, "q", SHMQ_CREATE, 0600, &attr), 0);
		must(fired);
		shmq_close(q);
		arm(CALL_NONE, 1, 0);
		must_be(shmq_unlink("q"), 0);
	}
}

/* Without O_TMPFILE, or /proc to name it by, there is a name nobody knows. */
static void a_file_system_without_unnamed_files(void **state)
{
	struct shmq *q;

	(void)state;
	arm(CALL_OPEN, 1, EOPNOTSUPP);
	q = queue_create("q", CAPACITY, 0);
	must(fired);
	must_be(directory_entries(), 1);
	shmq_close(q);
	must_be(shmq_unlink("q"), 0);
	arm(CALL_ACCESS, 1, ENOENT);
	q = queue_create("q", CAPACITY, 0);
	must(fired);
	must_be(directory_entries(), 1);
	shmq_close(q);
	must_be(shmq_unlink("q"), 0);
	/* And if that cannot be given its name, it goes. */
	arm(CALL_ACCESS, 1, ENOENT);
	must_be(shmq_open(&q, "../q/q/q/q", SHMQ_CREATE, 0600, NULL), -ENOENT);
	must_be(directory_entries(), 0);
}

static void without_proc_nobody_can_be_a_member(void **state)
{
	unsigned refused = 0;
	struct shmq *q;

	(void)state;
	/* One of the files that it opens is its own description, anew. */
	for (unsigned n = 1; n < 8; n++) {
		int r;

		arm(CALL_OPEN, n, ENOENT);
		r = shmq_open(&q, "q", SHMQ_CREATE | SHMQ_EXCL, 0600, NULL);
		arm(CALL_NONE, 1, 0);
		if (r == 0) {
			shmq_close(q);
			must_be(shmq_unlink("q"), 0);
			continue;
		}
		must_be(r, -ENOSYS);
		must(strstr(shmq_errdetail(), "/proc"));
		must_be(directory_entries(), 0);
		refused++;
	}
	must(refused > 0);
}

/* A copy that its maker left holes in. */
static void make_sparse(const char *from, const char *to)
{
	static char page[4096], zero[4096];
	char path[4200];
	int in, out;

	arm(CALL_NONE, 1, 0);
	snprintf(path, sizeof(path), "%s/%s", shmq_runtime_dir(), from);
	in = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "%s/%s", shmq_runtime_dir(), to);
	out = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
	must(in >= 0 && out >= 0);
	for (off_t at = 0; pread(in, page, 4096, at) == 4096; at += 4096) {
		must(ftruncate(out, at + 4096) == 0);
		if (memcmp(page, zero, 4096) != 0)
			must(pwrite(out, page, 4096, at) == 4096);
	}
	close(in);
	close(out);
}

/* Its holes are filled when it is opened, or that says why not. */
static void a_sparse_copy_is_filled(void **state)
{
	static const struct {
		int error, result;
	} cases[] = {
		{ EINTR, 0 },
		{ EOPNOTSUPP, 0 },
		{ ENOSPC, -ENOSPC },
	};
	struct shmq *q = queue_create("q", CAPACITY, 0);

	(void)state;
	shmq_close(q);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make_sparse("q", "copy");
		arm(CALL_FILL, 1, cases[i].error);
		must_be(shmq_open(&q, "copy", 0, 0, NULL), cases[i].result);
		must(fired);
		if (!cases[i].result)
			shmq_close(q);
		arm(CALL_NONE, 1, 0);
		must_be(shmq_unlink("copy"), 0);
	}
	must_be(shmq_unlink("q"), 0);
}

/* The directory may be ours while the file is not. */
static void who_may_not_write_a_queue_may_remove_it(void **state)
{
	struct shmq *q = queue_create("q", CAPACITY, 0);

	(void)state;
	shmq_close(q);
	arm(CALL_OPEN, 1, EACCES);
	must_be(shmq_unlink("q"), 0);
	must(fired);
	must_be(directory_entries(), 0);
}

static void run_without_standard_files(void *arg)
{
	struct shmq *q;
	int errors = dup(STDERR_FILENO);

	(void)arg;
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	if (shmq_open_anonymous(&q, NULL) || shmq_fd(q) < 3 ||
	    open("/dev/null", O_RDONLY) != 0)
		_exit(dprintf(errors, "a queue is where a standard file was"));
	shmq_close(q);
}

/* Or what such a program prints would go into the queue. */
static void do_nothing(void *arg)
{
	(void)arg;
}

static void open_another_and_fork(void)
{
	shmq_close(queue_open("another"));
	child_run(do_nothing, NULL);
	fired = true;
}

/* A large queue takes its time: no lock is held over that. */
static void making_a_queue_is_in_nobodys_way(void **state)
{
	(void)state;
	shmq_close(queue_create("another", CAPACITY, 0));
	fired = false;
	meanwhile = open_another_and_fork;
	shmq_close(queue_create("q", CAPACITY, 0));
	shmq_close(queue_anonymous(CAPACITY, 0));
	meanwhile = NULL;
	must(fired);
	must_be(shmq_unlink("q"), 0);
	must_be(shmq_unlink("another"), 0);
}

static void standard_descriptors_are_never_taken(void **state)
{
	(void)state;
	child_run(run_without_standard_files, NULL);
}

/* Only asked for: where there are none, it is an ordinary queue. */
static void huge_pages_and_touched_pages(void **state)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *q;

	(void)state;
	attr.flags = SHMQ_HUGEPAGES | SHMQ_PREFAULT;
	must_be(shmq_open_anonymous(&q, &attr), 0);
	use(q, 0);
	shmq_close(q);
}

static void child_without_a_description(void *arg)
{
	struct shmq *q = arg;
	struct shmq_producer *p;

	must(fired);
	arm(CALL_NONE, 1, 0);
	must_be(shmq_producer_open(&p, q, 0), -ENOSYS);
	must_be(shmq_recover(q), 0);
	must_be(stat_of(q).members, 1);
	shmq_close(q);
}

/* It must not keep its parent's leases, so it has none, and is no member. */
static void a_forked_child_that_cannot_open_its_own_description(void **state)
{
	struct shmq *q = queue_create("q", CAPACITY, 0);
	struct shmq_producer *p = producer_join(q);
	pid_t pid;

	(void)state;
	arm(CALL_OPEN, 0, EMFILE);
	pid = child_start(child_without_a_description, q);
	arm(CALL_NONE, 1, 0);
	child_join(pid);
	shmq_producer_close(p);
	shmq_close(q);
	must_be(shmq_unlink("q"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(no_more_descriptors),
		TEST_IN_DIRECTORY(no_more_memory),
		TEST_IN_DIRECTORY(no_more_room_on_the_file_system),
		TEST_IN_DIRECTORY(no_more_locks),
		TEST_IN_DIRECTORY(input_and_output_fail),
		TEST_IN_DIRECTORY(interrupted_calls_are_made_again),
		TEST_IN_DIRECTORY(a_file_system_without_unnamed_files),
		TEST_IN_DIRECTORY(without_proc_nobody_can_be_a_member),
		TEST_IN_DIRECTORY(a_sparse_copy_is_filled),
		TEST_IN_DIRECTORY(who_may_not_write_a_queue_may_remove_it),
		TEST_IN_DIRECTORY(making_a_queue_is_in_nobodys_way),
		TEST_IN_DIRECTORY(standard_descriptors_are_never_taken),
		TEST_IN_DIRECTORY(huge_pages_and_touched_pages),
		TEST_IN_DIRECTORY(
			a_forked_child_that_cannot_open_its_own_description),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
