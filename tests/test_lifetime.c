/* SPDX-License-Identifier: MIT */
/* A queue appears whole or not at all, and goes when its name is removed. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "atomic.h"
#include "handle.h"
#include "support.h"

#define CREATORS 8
#define ROUNDS 40
#define NOT_ALLOWED 42 /* exit status of a child */

static char *path_of(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", shmq_runtime_dir(), name);
	return path;
}

static void file_write(const char *name, const char *text)
{
	int fd = open(path_of(name), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	must(fd >= 0);
	must(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

/* ------------------------------------------------------------------- room */

static void on_a_mebibyte(void *arg)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	const char *dir = shmq_runtime_dir();
	struct shmq *q;

	(void)arg;
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", dir, "tmpfs", 0, "size=1m") < 0)
		_exit(NOT_ALLOWED);
	attr.capacity = 16 << 20;
	must_be(shmq_open(&q, "q", SHMQ_CREATE, 0600, &attr), -ENOSPC);
	must_be(directory_entries(), 0);
	must_be(shmq_open(&q, "q", 0, 0, NULL), -ENOENT);
	attr.capacity = 65536;
	must_be(shmq_open(&q, "q", SHMQ_CREATE, 0600, &attr), 0);
	shmq_close(q);
}

static void a_full_file_system_is_noticed_at_creation(void **state)
{
	int status = child_wait(child_start(on_a_mebibyte, NULL));

	(void)state;
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_ALLOWED) {
		print_message("mounting is not allowed here\n");
		skip();
	}
	must_be(status, 0);
}

/* ------------------------------------------------------------- appearance */

struct creation {
	step go;
	step ready;
	unsigned round;
};

static void create_send_and_leave(void *arg)
{
	struct creation *creation = arg;
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	int me = creation->ready;
	struct shmq_producer *p;
	struct shmq *q;
	char name[16];

	atomic_fetch_add(&creation->ready, 1);
	snprintf(name, sizeof(name), "q%u", creation->round);
	attr.capacity = UINT64_C(4096) << me;
	while (!load_acquire(&creation->go))
		;
	must_be(shmq_open(&q, name, SHMQ_CREATE, 0600, &attr), 0);
	p = producer_join(q);
	must_be(shmq_send(p, &me, sizeof(me), SHMQ_NOWAIT), 0);
	shmq_producer_close(p);
	shmq_close(q);
}

static void must_have_heard_from_all(const char *name)
{
	struct shmq *q = queue_open(name);
	struct shmq_consumer *c = consumer_join(q, 0);
	unsigned heard = 0;
	int from;

	for (int i = 0; i < CREATORS; i++) {
		must_be(shmq_recv(c, &from, sizeof(from), SHMQ_NOWAIT),
			sizeof(from));
		heard |= 1u << from;
	}
	must_be(heard, (1u << CREATORS) - 1);
	must_be(shmq_recv(c, &from, sizeof(from), SHMQ_NOWAIT), -EAGAIN);
	shmq_consumer_close(c);
	shmq_close(q);
}

static void creators_that_race_all_get_the_same_queue(void **state)
{
	struct creation *creation = shared_memory(sizeof(*creation));
	pid_t children[CREATORS];
	char name[16];

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		creation->round = i;
		creation->go = creation->ready = 0;
		for (int k = 0; k < CREATORS; k++) {
			children[k] = child_start(create_send_and_leave,
						  creation);
			step_wait(&creation->ready, k + 1);
		}
		store_release(&creation->go, 1);
		for (int k = 0; k < CREATORS; k++)
			child_join(children[k]);
		snprintf(name, sizeof(name), "q%u", i);
		must_have_heard_from_all(name);
		must_be(directory_entries(), i + 1);
	}
	shared_free(creation, sizeof(*creation));
}

/* ---------------------------------------------------------------- removal */

static void whoever_has_it_open_goes_on_without_the_name(void **state)
{
	struct shmq *q = queue_create("q", 4096, 0), *other;
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0);
	char buf[8];

	(void)state;
	must_be(shmq_send(p, "before", 6, SHMQ_NOWAIT), 0);
	must_be(shmq_unlink("q"), 0);
	must_be(directory_entries(), 0);
	must_be(shmq_unlink("q"), -ENOENT);
	must_be(shmq_open(&other, "q", 0, 0, NULL), -ENOENT);
	must_be(shmq_send(p, "after", 5, PATIENCE_NS), 0);
	must_be(shmq_recv(c, buf, sizeof(buf), PATIENCE_NS), 6);
	must_be(shmq_recv(c, buf, sizeof(buf), PATIENCE_NS), 5);
	must_be(shmq_recv(c, buf, sizeof(buf), PATIENCE_NS), -EIDRM);
	must_be(shmq_recv(c, buf, sizeof(buf), SHMQ_FOREVER), -EIDRM);
	other = queue_create("q", 8192, 0);
	must_be(stat_of(other).sent_messages, 0);
	shmq_close(other);
	shmq_producer_close(p);
	shmq_consumer_close(c);
	shmq_close(q);
}

static void a_producer_of_a_removed_queue_does_not_wait_for_room(void **state)
{
	struct shmq *q = queue_create("q", 4096, 0);
	struct shmq_producer *p = producer_join(q);

	(void)state;
	must_be(shmq_unlink("q"), 0);
	while (shmq_send(p, NULL, 0, SHMQ_NOWAIT) == 0)
		;
	must_be(shmq_send(p, NULL, 0, PATIENCE_NS), -EIDRM);
	must_be(shmq_send(p, NULL, 0, SHMQ_FOREVER), -EIDRM);
	shmq_producer_close(p);
	shmq_close(q);
}

static void what_is_not_a_queue_is_not_removed(void **state)
{
	char head[16] = { 0 };
	int fd;

	(void)state;
	file_write("text", "a file of somebody else's, longer than a header");
	file_write("empty", "");
	file_write("short", "shmq");
	must_be(mkfifo(path_of("fifo"), 0600), 0);
	must_be(mkdir(path_of("dir"), 0700), 0);
	must_be(shmq_unlink("text"), -EBADMSG);
	must(*shmq_errdetail());
	must_be(shmq_unlink("empty"), -EBADMSG);
	must_be(shmq_unlink("short"), -EBADMSG);
	must_be(shmq_unlink("fifo"), -EBADMSG);
	must_be(shmq_unlink("dir"), -EISDIR);
	must_be(directory_entries(), 5);
	fd = open(path_of("text"), O_RDONLY | O_CLOEXEC);
	must_be(read(fd, head, 6), 6);
	must_be(memcmp(head, "a file", 6), 0);
	close(fd);
}

static void a_damaged_queue_can_be_removed(void **state)
{
	const uint64_t nonsense = 0x5a5a5a5a5a5a5a5a;
	struct shmq *q;
	int fd;

	(void)state;
	shmq_close(queue_create("q", 4096, 0));
	fd = open(path_of("q"), O_RDWR | O_CLOEXEC);
	must_be(pwrite(fd, &nonsense, 8, 32), 8);
	close(fd);
	must_be(shmq_open(&q, "q", 0, 0, NULL), -EBADMSG);
	must_be(shmq_unlink("q"), 0);
	must_be(directory_entries(), 0);
}

/* Somebody died after the mark and before the unlink. */
static void a_removal_that_a_death_interrupted_is_finished(void **state)
{
	struct shmq *q = queue_create("q", 4096, 0), *other;

	(void)state;
	q->seg->control->moved = 1;
	must_be(shmq_open(&other, "q", 0, 0, NULL), -ENOENT);
	must_be(directory_entries(), 0);
	shmq_close(q);

	q = queue_create("q", 4096, 0);
	q->seg->control->moved = 1;
	must_be(shmq_open(&other, "q", SHMQ_CREATE, 0600, NULL), 0);
	must_be(directory_entries(), 1);
	must_be(stat_of(other).capacity_bytes, 1 << 20);
	must(other->seg != q->seg);
	shmq_close(other);
	shmq_close(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(a_full_file_system_is_noticed_at_creation),
		TEST_IN_DIRECTORY(creators_that_race_all_get_the_same_queue),
		TEST_IN_DIRECTORY(whoever_has_it_open_goes_on_without_the_name),
		TEST_IN_DIRECTORY(
			a_producer_of_a_removed_queue_does_not_wait_for_room),
		TEST_IN_DIRECTORY(what_is_not_a_queue_is_not_removed),
		TEST_IN_DIRECTORY(a_damaged_queue_can_be_removed),
		TEST_IN_DIRECTORY(
			a_removal_that_a_death_interrupted_is_finished),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
