/* SPDX-License-Identifier: MIT */
/* Failing, directories, queues and chance. See support.h. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "support.h"

/* A test that does not end fails too. */
#define TEST_S 240

static char *base;    /* SHMQ_DIR as it was */
static char *here;    /* SHMQ_DIR of this test */
static unsigned fds;  /* open before the test */
static unsigned maps; /* likewise */
static pid_t tester;  /* the thread that runs the tests */

void must_fail(const char *what, const char *file, int line)
{
	if (gettid() == tester)
		_fail(file, line);
	fprintf(stderr, "%s:%d: process %d: %s\n", file, line, getpid(), what);
	_exit(1);
}

void must_be_equal(int64_t got, int64_t want, const char *what,
		   const char *file, int line)
{
	if (got == want)
		return;
	fprintf(stderr, "%s:%d: %s is %" PRId64 " (%s), not %" PRId64 "\n",
		file, line, what, got,
		got < 0 && got > -4096 ? shmq_strerror((int)got) : "a number",
		want);
	must_fail(what, file, line);
}

/* ------------------------------------------------------------ directories */

static unsigned count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	must(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* Of queues. */
static unsigned count_maps(void)
{
	FILE *file = fopen("/proc/self/maps", "re");
	char line[8192];
	unsigned n = 0;

	while (file && fgets(line, sizeof(line), file))
		n += strstr(line, base) || strstr(line, "/memfd:shmq");
	if (file)
		fclose(file);
	return n;
}

static void too_long(int sig)
{
	static const char text[] = "this test takes too long\n";

	(void)sig;
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	_exit(1);
}

int directory_enter(void **state)
{
	(void)state;
	tester = gettid();
	if (!base) {
		base = strdup(shmq_runtime_dir());
		setvbuf(stdout, NULL, _IOLBF, 0);
	}
	must(base && asprintf(&here, "%s/XXXXXX", base) > 0 && mkdtemp(here));
	must(setenv("SHMQ_DIR", here, 1) == 0);
	fds = count_fds();
	maps = count_maps();
	signal(SIGALRM, too_long);
	alarm(TEST_S);
	return 0;
}

/* Removes what is in a directory, and it; how many were temporary. */
static unsigned sweep(const char *where)
{
	DIR *dir = opendir(where);
	unsigned temporary = 0;
	struct dirent *entry;
	char *path;

	while (dir && (entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		temporary += !strncmp(entry->d_name, ".shmq-", 6);
		if (asprintf(&path, "%s/%s", where, entry->d_name) > 0) {
			if (entry->d_type == DT_DIR)
				temporary += sweep(path);
			else
				remove(path);
			free(path);
		}
	}
	if (dir)
		closedir(dir);
	rmdir(where);
	return temporary;
}

int directory_leave(void **state)
{
	unsigned temporary, now = count_fds();
	unsigned mapped = count_maps();

	(void)state;
	alarm(0);
	temporary = sweep(here);
	setenv("SHMQ_DIR", base, 1);
	free(here);
	here = NULL;
	must_be(temporary, 0);
	must_be(now, fds);
	must_be(mapped, maps);
	return 0;
}

unsigned directory_entries(void)
{
	DIR *dir = opendir(here);
	unsigned n = 0;

	must(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

/* ----------------------------------------------------------------- queues */

struct shmq *queue_create(const char *name, uint64_t capacity, uint64_t flags)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *q = NULL;

	attr.capacity = capacity;
	attr.flags = flags;
	must_be(shmq_open(&q, name, SHMQ_CREATE | SHMQ_EXCL, 0600, &attr), 0);
	return q;
}

struct shmq *queue_anonymous(uint64_t capacity, uint64_t flags)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *q = NULL;

	attr.capacity = capacity;
	attr.flags = flags;
	must_be(shmq_open_anonymous(&q, &attr), 0);
	return q;
}

struct shmq *queue_open(const char *name)
{
	struct shmq *q = NULL;

	must_be(shmq_open(&q, name, 0, 0, NULL), 0);
	return q;
}

struct shmq_producer *producer_join(struct shmq *q)
{
	struct shmq_producer *p = NULL;

	must_be(shmq_producer_open(&p, q, 0), 0);
	return p;
}

struct shmq_consumer *consumer_join(struct shmq *q, unsigned flags)
{
	struct shmq_consumer *c = NULL;

	must_be(shmq_consumer_open(&c, q, NULL, flags), 0);
	return c;
}

struct shmq_stat stat_of(struct shmq *q)
{
	struct shmq_stat st = SHMQ_STAT_INIT;

	must_be(shmq_stat(q, &st), 0);
	return st;
}

/* ----------------------------------------------------------------- chance */

uint64_t chance_seed(void)
{
	const char *text = getenv("SHMQ_SEED");
	uint64_t seed = 0;

	if (text)
		seed = strtoull(text, NULL, 0);
	else
		must(getrandom(&seed, sizeof(seed), 0) == sizeof(seed));
	printf("SHMQ_SEED=%" PRIu64 "\n", seed);
	return seed;
}

struct chance chance_of(uint64_t seed, uint64_t stream)
{
	return (struct chance){ seed + stream * UINT64_C(0xd1342543de82ef95) };
}

/* The output function is the finalizer of splitmix64. */
uint64_t chance_next(struct chance *chance)
{
	uint64_t z = chance->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint64_t chance_below(struct chance *chance, uint64_t below)
{
	return chance_next(chance) % below;
}
