/* SPDX-License-Identifier: MIT */
/*
 * The power fails. A disk is simulated: what is synced is copied there at that
 * moment, and nothing else is. At a random moment all processes are killed, and
 * what is left is what the disk has, with some pages that the kernel happened to
 * write back by itself. Every message that was acknowledged as durable must be
 * there, and none torn. SHMQ_POWER is how often.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pattern.h"
#include "support.h"

#define SEGMENT 65536
#define PAGE 4096
#define SENDERS 3
#define MOST 600

int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);

/* ----------------------------------------------------------------- the disk */

static void path_of(char path[4096], const char *dir, const char *file,
		    const char *suffix)
{
	snprintf(path, 4096, "%s/%s/%s%s", shmq_runtime_dir(), dir, file,
		 suffix);
}

/* What a file of a journal is called: also the one that has no name yet. */
static bool base_of(int fd, char base[256])
{
	char link[32], path[4096];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	must(n > 0);
	path[n] = '\0';
	snprintf(base, 256, "%s", strrchr(path, '/') + 1);
	if (strstr(base, "(deleted)") || base[0] == '#')
		strcpy(base, "control");
	return !strcmp(base, "control") || strstr(base, ".seg");
}

static size_t read_all(const char *path, char **data)
{
	int fd = open(path, O_RDONLY);
	struct stat st;

	*data = NULL;
	if (fd < 0)
		return 0;
	must_be(fstat(fd, &st), 0);
	*data = calloc(1, (size_t)st.st_size + 1);
	must(*data);
	must_be(pread(fd, *data, (size_t)st.st_size, 0), st.st_size);
	close(fd);
	return (size_t)st.st_size;
}

static void write_all(const char *path, const char *data, size_t n)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);

	must(fd >= 0);
	must_be(write(fd, data, n), n);
	close(fd);
}

/* One at a time, so that an older copy does not replace a newer one. */
static void keep_file(int fd)
{
	char base[256], lock_path[4096], to[4096], from[64], temporary[4096];
	char *data;
	size_t n;
	int lock;

	if (!base_of(fd, base))
		return;
	path_of(lock_path, "disk", base, ".lock");
	lock = open(lock_path, O_CREAT | O_RDWR, 0600);
	must(lock >= 0 && flock(lock, LOCK_EX) == 0);
	snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
	n = read_all(from, &data);
	path_of(temporary, "disk", base, ".new");
	path_of(to, "disk", base, "");
	write_all(temporary, data, n);
	must_be(rename(temporary, to), 0);
	free(data);
	close(lock);
}

static void keep_names(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY);
	DIR *dir = fdopendir(copy);
	struct dirent *entry;
	char path[4096];

	must(dir);
	while ((entry = readdir(dir))) {
		if (!strstr(entry->d_name, ".seg"))
			continue;
		path_of(path, "disk", entry->d_name, ".named");
		write_all(path, "", 0);
	}
	closedir(dir);
}

int __wrap_fsync(int fd)
{
	struct stat st;

	must_be(fstat(fd, &st), 0);
	if (S_ISDIR(st.st_mode))
		keep_names(fd);
	else
		keep_file(fd);
	return 0;
}

int __wrap_fdatasync(int fd)
{
	keep_file(fd);
	return 0;
}

/* ---------------------------------------------------------------- the senders */

struct arena {
	_Atomic uint64_t acked[SENDERS];
	_Atomic int ready;
};

struct sender {
	struct arena *arena;
	unsigned me;
};

static size_t length_of(uint64_t number)
{
	struct chance chance = chance_of(number, 9);

	return 16 + chance_below(&chance, MOST - 16);
}

static void write_message(uint8_t *buf, uint64_t me, uint64_t number)
{
	memcpy(buf, &me, 8);
	memcpy(buf + 8, &number, 8);
	pattern_fill(buf + 16, length_of(number) - 16, number);
}

static void send_for_ever(void *arg)
{
	const struct sender *s = arg;
	struct shmq *q = queue_open("j");
	struct shmq_producer *p = producer_join(q);
	uint8_t buf[MOST];

	s->arena->ready++;
	for (uint64_t i = 0;; i++) {
		write_message(buf, s->me, i);
		must_be(shmq_send(p, buf, length_of(i), SHMQ_FOREVER), 0);
		s->arena->acked[s->me] = i + 1;
	}
}

/* ----------------------------------------------------------------- the failure */

/* Page by page: as it was synced, or as it is. */
static void mix(char *disk, const char *live, size_t n, struct chance *chance)
{
	for (size_t i = 0; i + PAGE <= n; i += PAGE)
		if (chance_below(chance, 4) == 0)
			memcpy(disk + i, live + i, PAGE);
}

static void come_back(const char *base, struct chance *chance)
{
	char path[4096], *disk, *live;
	size_t n, m;
	struct stat st;

	path_of(path, "disk", base, "");
	n = read_all(path, &disk);
	path_of(path, "j", base, "");
	m = read_all(path, &live);
	if (!disk) {
		/* Never synced: a name, perhaps, and any pages. */
		path_of(path, "disk", base, ".named");
		if (stat(path, &st) && chance_below(chance, 2)) {
			free(live);
			return;
		}
		disk = calloc(1, m);
		n = m;
	}
	must(disk && live && n == m);
	mix(disk, live, n, chance);
	path_of(path, "after", base, "");
	write_all(path, disk, n);
	free(disk);
	free(live);
}

static void power_returns(struct chance *chance)
{
	char path[4096];
	struct dirent *entry;
	DIR *dir;

	path_of(path, "after", "", "");
	must_be(mkdir(path, 0700), 0);
	path_of(path, "j", "", "");
	dir = opendir(path);
	must(dir);
	while ((entry = readdir(dir)))
		if (strstr(entry->d_name, ".seg") ||
		    !strcmp(entry->d_name, "control"))
			come_back(entry->d_name, chance);
	closedir(dir);
}

/* How many messages of those that were acknowledged are gone. */
static uint64_t count_missing(struct arena *arena)
{
	struct shmq *q = queue_open("after");
	struct shmq_consumer *c = consumer_join(q, 0);
	uint64_t next[SENDERS] = { 0 }, missing = 0;
	uint8_t buf[MOST], want[MOST];
	ssize_t n;

	must_be(shmq_journal_verify(q, NULL, NULL), 0);
	must_be(shmq_check(q, NULL, NULL), 0);
	while ((n = shmq_recv(c, buf, sizeof(buf), SHMQ_NOWAIT)) >= 0) {
		uint64_t who;

		memcpy(&who, buf, 8);
		must(who < SENDERS);
		write_message(want, who, next[who]);
		must_be(n, length_of(next[who]));
		must_be(memcmp(buf, want, (size_t)n), 0);
		next[who]++;
	}
	must_be(n, -EAGAIN);
	for (unsigned i = 0; i < SENDERS; i++)
		if (next[i] < arena->acked[i])
			missing += arena->acked[i] - next[i];
	shmq_consumer_close(c);
	shmq_close(q);
	return missing;
}

static void remove_dir(const char *name)
{
	char path[4096];
	struct dirent *entry;
	DIR *dir;

	path_of(path, name, "", "");
	dir = opendir(path);
	must(dir);
	while ((entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	must_be(rmdir(path), 0);
}

/* One life, and what comes after it. */
static uint64_t live_and_fail(uint32_t durability, struct chance *chance)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct arena *arena = shared_memory(sizeof(*arena));
	struct sender senders[SENDERS];
	pid_t pids[SENDERS];
	uint64_t missing;
	struct shmq *q;
	char path[4096];

	path_of(path, "disk", "", "");
	must_be(mkdir(path, 0700), 0);
	attr.flags = SHMQ_JOURNAL;
	attr.segment_bytes = SEGMENT;
	attr.durability = durability;
	must_be(shmq_open(&q, "j", SHMQ_CREATE | SHMQ_EXCL, 0600, &attr), 0);
	for (unsigned i = 0; i < SENDERS; i++) {
		senders[i] = (struct sender){ arena, i };
		pids[i] = child_start(send_for_ever, &senders[i]);
	}
	while (arena->ready < SENDERS)
		nap();
	usleep((unsigned)(1000 + chance_below(chance, 40000)));
	for (unsigned i = 0; i < SENDERS; i++)
		child_kill(pids[i]);
	power_returns(chance);
	missing = count_missing(arena);
	shmq_close(q);
	remove_dir("j");
	remove_dir("disk");
	remove_dir("after");
	shared_free(arena, sizeof(*arena));
	return missing;
}

static unsigned rounds(void)
{
	const char *text = getenv("SHMQ_POWER");

	return text ? (unsigned)strtoul(text, NULL, 0) : 15;
}

static void what_was_acknowledged_is_there(void **state)
{
	struct chance chance = chance_of(chance_seed(), 0);

	(void)state;
	for (unsigned i = 0; i < rounds(); i++)
		must_be(live_and_fail(SHMQ_DURABLE_EACH, &chance), 0);
}

/* The disk of this test loses what nobody synced; and the rest is whole. */
static void without_durability_something_is_lost(void **state)
{
	struct chance chance = chance_of(chance_seed(), 1);
	uint64_t missing = 0;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		missing += live_and_fail(SHMQ_DURABLE_NONE, &chance);
	must(missing > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(what_was_acknowledged_is_there),
		TEST_IN_DIRECTORY(without_durability_something_is_lost),
	};

	return cmocka_run_group_tests_name("power", tests, NULL, NULL);
}
