/* SPDX-License-Identifier: MIT */
/*
 * Queues larger than the machine's memory, or than files may be: refused, where
 * the kernel would kill processes. A limit on the size of files keeps it from
 * killing others here if the library should forget to look at the memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format.h"
#include "layout.h"
#include "rings.h"
#include "support.h"

#define TOO_MUCH (UINT64_C(1) << 40)
#define LIMIT (UINT64_C(1) << 26)

static void limit_files(void)
{
	struct rlimit limit = { LIMIT, LIMIT };

	must_be(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void ask_for_too_much(void *arg)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *q;

	(void)arg;
	limit_files();
	attr.capacity = TOO_MUCH;
	must_be(shmq_open_anonymous(&q, &attr), -ENOMEM);
	must(*shmq_errdetail());
}

static void an_anonymous_queue_beyond_memory_is_refused(void **state)
{
	(void)state;
	child_run(ask_for_too_much, NULL);
}

/* The kernel's own answer would be SIGXFSZ. */
static void ask_for_more_than_the_limit(void *arg)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *q;

	(void)arg;
	limit_files();
	attr.capacity = 4 * LIMIT;
	must_be(shmq_open_anonymous(&q, &attr), -EFBIG);
	must(*shmq_errdetail());
	must_be(shmq_open(&q, "q", SHMQ_CREATE, 0600, &attr), -EFBIG);
	must_be(directory_entries(), 0);
	attr.capacity = LIMIT / 4;
	must_be(shmq_open_anonymous(&q, &attr), 0);
	shmq_close(q);
}

static void a_queue_beyond_the_limit_on_files_is_refused(void **state)
{
	(void)state;
	child_run(ask_for_more_than_the_limit, NULL);
}

/* A queue whose header is right and whose bytes are holes. */
static void open_a_hollow_queue(void *arg)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	union {
		struct sh_header header;
		struct {
			char page[SH_CONTROL_OFF];
			struct sh_control control;
		};
		char bytes[2 * SH_CONTROL_OFF];
	} first = { .bytes = { 0 } };
	struct geometry geo;
	struct stat st;
	struct shmq *q;
	int fd = memfd_create("hollow", MFD_CLOEXEC);

	(void)arg;
	attr.capacity = TOO_MUCH;
	must_be(shmqi_format_plan(&geo, &attr), 0);
	shmqi_format_write(&geo, &first.header);
	first.header.magic = SH_MAGIC;
	shmqi_rings_format(&geo, &first.control);
	must_be(pwrite(fd, &first, sizeof(first), 0), sizeof(first));
	must_be(ftruncate(fd, (off_t)geo.file_bytes), 0);
	limit_files();
	must_be(shmq_open_fd(&q, fd, 0), -ENOMEM);
	must(*shmq_errdetail());
	must_be(fstat(fd, &st), 0);
	must(st.st_blocks < 1024);
}

static void a_hollow_queue_beyond_memory_is_not_filled(void **state)
{
	(void)state;
	child_run(open_a_hollow_queue, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(an_anonymous_queue_beyond_memory_is_refused),
		TEST_IN_DIRECTORY(a_queue_beyond_the_limit_on_files_is_refused),
		TEST_IN_DIRECTORY(a_hollow_queue_beyond_memory_is_not_filled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
