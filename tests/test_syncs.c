/* SPDX-License-Identifier: MIT */
/*
 * What reaches the disk, and in which order: each call that syncs, renames or
 * removes a file, or wakes who waits for the disk, is one letter.
 *
 *      D  a segment file is synced (fdatasync)
 *      S  likewise (fsync)
 *      c  the control file is, which does not call itself true yet
 *      C  it does
 *      d  the directory of the journal is
 *      R  the directory that it is in
 *      r  a new journal gets its name
 *      w  who waits for the disk is woken
 *      z  somebody sleeps until the disk has it
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "handle.h"
#include "journal.h"
#include "journal_files.h"
#include "lease.h"
#include "support.h"

#define SEGMENT 65536
#define SPAN 1024
#define LEN 990
#define IN_SEGMENT (SEGMENT / SPAN)
#define CALLS 64

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_renameat2(int from_dir, const char *from, int to_dir, const char *to,
		     unsigned flags);
int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to,
		     unsigned flags);
int __real_unlinkat(int dir, const char *name, int flags);
int __wrap_unlinkat(int dir, const char *name, int flags);
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

static char calls[CALLS];
static struct segment *watched; /* whose wakes and sleeps are noted */
static bool sleeping_is_over;   /* each sleep is, as its time is up */
static char refused;            /* these calls fail */
static uint64_t removed;        /* number of the segment file; and 1 */

static void note(char call)
{
	size_t n = strlen(calls);

	must(n < CALLS - 1);
	calls[n] = call;
}

static void must_have_called(const char *want)
{
	if (strcmp(calls, want))
		fprintf(stderr, "called %s instead of %s\n", calls, want);
	must(!strcmp(calls, want));
	memset(calls, 0, sizeof(calls));
}

static char kind_of(int fd)
{
	char link[64], path[4096] = { 0 };
	uint64_t magic = 0, inode = 0;
	struct stat st;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	must(readlink(link, path, sizeof(path) - 1) > 0);
	must_be(fstat(fd, &st), 0);
	if (S_ISDIR(st.st_mode))
		return !strcmp(path, shmq_runtime_dir()) ? 'R' : 'd';
	must_be(pread(fd, &magic, sizeof(magic), 0), sizeof(magic));
	if (magic != SH_MAGIC)
		return 'S';
	must_be(pread(fd, &inode, sizeof(inode),
		      SH_CONTROL_OFF + offsetof(struct sh_control, inode)),
		sizeof(inode));
	return inode == st.st_ino ? 'C' : 'c';
}

int __wrap_fsync(int fd)
{
	char kind = kind_of(fd);

	note(kind);
	if (kind != refused)
		return __real_fsync(fd);
	errno = EIO;
	return -1;
}

int __wrap_fdatasync(int fd)
{
	note('D');
	return __real_fdatasync(fd);
}

int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to,
		     unsigned flags)
{
	note('r');
	return __real_renameat2(from_dir, from, to_dir, to, flags);
}

/* Upwards, and only what is said to be gone. */
int __wrap_unlinkat(int dir, const char *name, int flags)
{
	unsigned long long number;

	if (watched && sscanf(name, "%16llx.seg", &number) == 1 &&
	    strstr(name, ".seg")) {
		must(number < load_acquire(&watched->control->oldest));
		must(number + 1 > removed);
		removed = number + 1;
	}
	return __real_unlinkat(dir, name, flags);
}

long __wrap_syscall(long number, ...)
{
	long a[6];
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_futex && watched &&
	    (uintptr_t)a[0] == (uintptr_t)&watched->control->synced.lo) {
		note(a[1] == FUTEX_WAKE ? 'w' : 'z');
		if (a[1] != FUTEX_WAKE && sleeping_is_over) {
			errno = ETIMEDOUT;
			return -1;
		}
	}
	return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* Nothing is watched before it is made. */
static struct shmq *create(uint64_t retain_bytes)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *q;

	watched = NULL;
	sleeping_is_over = false;
	memset(calls, 0, sizeof(calls));
	attr.flags = SHMQ_JOURNAL | SHMQ_TOPIC;
	attr.segment_bytes = SEGMENT;
	attr.retain_bytes = retain_bytes;
	must_be(shmq_open(&q, "j", SHMQ_CREATE | SHMQ_EXCL, 0600, &attr), 0);
	return q;
}

static void send_some(struct shmq *q, unsigned n)
{
	struct shmq_producer *p = producer_join(q);
	uint8_t buf[LEN] = { 0 };

	while (n--)
		must_be(shmq_send(p, buf, LEN, SHMQ_NOWAIT), 0);
	shmq_producer_close(p);
}

static void end(struct shmq *q)
{
	watched = NULL;
	shmq_close(q);
}

/* ------------------------------------------------------------------ bodies */

static void a_journal_has_its_name_when_it_is_on_the_disk(void **state)
{
	struct shmq *q = create(0);

	(void)state;
	must_have_called("CdrR");
	end(q);
}

/* The end that was cut, what the control file says; and then that it is true. */
static void mended_is_what_is_on_the_disk(void **state)
{
	struct shmq *q = create(0);

	(void)state;
	send_some(q, 5);
	shmq_close(q);
	copy_journal("j", "copy");
	memset(calls, 0, sizeof(calls));
	q = queue_open("copy");
	must_have_called("ScdCd");
	end(q);
}

static void names_are_synced_with_what_is_new(void **state)
{
	struct shmq *q = create(0);

	(void)state;
	memset(calls, 0, sizeof(calls));
	must_be(shmq_sync(q, SHMQ_NOWAIT), 0);
	must_have_called("C");
	send_some(q, 1);
	must_be(shmq_sync(q, SHMQ_NOWAIT), 0);
	must_have_called("DdC");
	send_some(q, 1);
	must_be(shmq_sync(q, SHMQ_NOWAIT), 0);
	must_have_called("DC");
	/* Two more, the last of them to its end. */
	send_some(q, 3 * IN_SEGMENT - 2);
	must_be(shmq_sync(q, SHMQ_NOWAIT), 0);
	must_have_called("DDDdC");
	/* The next begins where it was synced to. */
	send_some(q, 1);
	must_be(shmq_sync(q, SHMQ_NOWAIT), 0);
	must_have_called("DdC");
	must_be(shmq_sync(q, SHMQ_NOWAIT), 0);
	must_have_called("C");
	end(q);
}

static void who_waits_is_woken_when_it_is_there(void **state)
{
	struct shmq *q = create(0);

	(void)state;
	send_some(q, 1);
	watched = q->seg;
	memset(calls, 0, sizeof(calls));
	must_be(shmq_sync(q, SHMQ_NOWAIT), 0);
	must_have_called("DdwC");
	end(q);
}

/* Files without names are as lost as names without files. */
static void a_directory_that_is_refused_is_a_failure(void **state)
{
	struct shmq *q = create(0);

	(void)state;
	send_some(q, 1);
	memset(calls, 0, sizeof(calls));
	refused = 'd';
	must_be(shmq_sync(q, SHMQ_NOWAIT), -EIO);
	must_have_called("Dd");
	refused = 0;
	must_be(shmq_sync(q, SHMQ_NOWAIT), -EIO);
	must_have_called("");
	end(q);
}

/* --------------------------------------------------------- one of several */

struct holder {
	step now;
	int64_t byte;
};

static void hold_lease(void *arg)
{
	struct holder *holder = arg;
	struct shmq *q;

	watched = NULL;
	q = queue_open("j");
	must_be(shmqi_lease_take(q->seg->lease_fd, holder->byte), 0);
	step_to(&holder->now, 1);
	step_wait(&holder->now, 2);
	shmq_close(q);
}

static pid_t holder_begin(struct holder *holder, int64_t byte)
{
	pid_t pid;

	holder->byte = byte;
	holder->now = 0;
	pid = child_start(hold_lease, holder);
	step_wait(&holder->now, 1);
	return pid;
}

static void holder_end(struct holder *holder, pid_t pid)
{
	step_to(&holder->now, 2);
	child_join(pid);
}

/* A leader that is stopped: his time passes, and then we sync ourselves. */
static void a_leader_is_waited_for_once(void **state)
{
	struct holder *holder = shared_memory(sizeof(*holder));
	struct shmq *q = create(0);
	pid_t pid;

	(void)state;
	send_some(q, 1);
	pid = holder_begin(holder, SH_LEASE_SYNC);
	watched = q->seg;
	sleeping_is_over = true;
	memset(calls, 0, sizeof(calls));
	must_be(shmq_sync(q, PATIENCE_NS), 0);
	must_have_called("zDdwC");
	holder_end(holder, pid);
	/* Leading comes to its end, whoever it was. */
	must_be(pthread_mutex_trylock(&q->seg->journal->sync_lock), 0);
	pthread_mutex_unlock(&q->seg->journal->sync_lock);
	send_some(q, 1);
	must_be(shmq_sync(q, SHMQ_NOWAIT), 0);
	must_have_called("DwC");
	holder_end(holder, holder_begin(holder, SH_LEASE_SYNC));
	end(q);
	shared_free(holder, sizeof(*holder));
}

static void removing_is_for_one_at_a_time(void **state)
{
	struct holder *holder = shared_memory(sizeof(*holder));
	struct shmq *q = create(0);
	struct shmq *other;
	pid_t pid;

	(void)state;
	end(q);
	must_be(shmq_unlink("j"), 0);
	q = create(1);
	pid = holder_begin(holder, SH_LEASE_GROUPS);
	send_some(q, 5 * IN_SEGMENT);
	must_be(shmq_journal_compact(q), 0);
	must_be(lowest_file("j"), 0);
	holder_end(holder, pid);
	watched = q->seg;
	removed = 0;
	must_be(shmq_journal_compact(q), 4);
	must_be(removed, 4);
	must_be(lowest_file("j"), 4);
	for (uint64_t k = 0; k < 4; k++)
		must(!has_file("j", index_name(k)));
	must(has_file("j", index_name(4)));
	/* And it is free again. */
	holder_end(holder, holder_begin(holder, SH_LEASE_GROUPS));
	must_be(shmq_open(&other, "j", SHMQ_RDONLY, 0, NULL), 0);
	must_be(shmq_journal_compact(other), -EBADF);
	shmq_close(other);
	end(q);
	shared_free(holder, sizeof(*holder));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(
			a_journal_has_its_name_when_it_is_on_the_disk),
		TEST_IN_DIRECTORY(mended_is_what_is_on_the_disk),
		TEST_IN_DIRECTORY(names_are_synced_with_what_is_new),
		TEST_IN_DIRECTORY(who_waits_is_woken_when_it_is_there),
		TEST_IN_DIRECTORY(a_directory_that_is_refused_is_a_failure),
		TEST_IN_DIRECTORY(a_leader_is_waited_for_once),
		TEST_IN_DIRECTORY(removing_is_for_one_at_a_time),
	};

	return cmocka_run_group_tests_name("syncs", tests, NULL, NULL);
}
