/* SPDX-License-Identifier: MIT */
/*
 * Control groups are directories whose files are words to the kernel. Version 1
 * has a hierarchy for memory alone; in version 2 the parent must hand the
 * controller down, which it cannot while it has processes of its own, unless it
 * is the topmost of the machine.
 *
 * Swap would let anonymous memory grow beyond the limit: it is limited too, or
 * where that cannot be said, not used.
 */
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define REMOVE_TRIES 200
#define REMOVE_WAIT_NS 10000000

static int write_word(const char *dir, const char *file, const char *word)
{
	char path[CGROUP_PATH + 64];
	ssize_t wrote;
	int fd, error = 0;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	wrote = write(fd, word, strlen(word));
	if (wrote < 0)
		error = -errno;
	close(fd);
	return error;
}

/* The number in a file; if key is given, of the line that begins with it. */
static uint64_t read_number(const char *dir, const char *file, const char *key)
{
	char path[CGROUP_PATH + 64], line[128];
	uint64_t number = 0;
	FILE *from;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	from = fopen(path, "re");
	while (from && fgets(line, sizeof(line), from)) {
		size_t len = key ? strlen(key) : 0;

		if (key && (strncmp(line, key, len) != 0 || line[len] != ' '))
			continue;
		number = strtoull(line + len, NULL, 10);
		break;
	}
	if (from)
		fclose(from);
	return number;
}

static bool has_file(const char *dir, const char *file)
{
	char path[CGROUP_PATH + 64];

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	return access(path, F_OK) == 0;
}

/* ----------------------------------------------------------------- the parent */

/* Of a line of mountinfo: where, of what type, with which options. */
static bool parse_mount(char *line, char **where, char **type, char **options)
{
	char *rest = strstr(line, " - "), *word = line;

	if (!rest)
		return false;
	*rest = '\0';
	rest += 3;
	for (int i = 0; word && i < 5; i++)
		*where = strsep(&word, " ");
	*type = strsep(&rest, " ");
	/* What was mounted. */
	(void)!strsep(&rest, " ");
	*options = strsep(&rest, "\n");
	return word && *type && *options;
}

static bool has_option(char *options, const char *wanted)
{
	char *option;

	while ((option = strsep(&options, ",")))
		if (!strcmp(option, wanted))
			return true;
	return false;
}

static bool hands_down_memory(const char *dir)
{
	char path[CGROUP_PATH + 64], line[256] = "";
	FILE *from;
	char *words = line, *word;
	bool found = false;

	snprintf(path, sizeof(path), "%s/cgroup.controllers", dir);
	from = fopen(path, "re");
	if (from && fgets(line, sizeof(line), from))
		while ((word = strsep(&words, " \n")))
			found |= !strcmp(word, "memory");
	if (from)
		fclose(from);
	return found;
}

/* The topmost that memory can be limited below. */
static bool find_parent(char parent[CGROUP_PATH])
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char line[4096], *where, *type, *options;
	bool found = false;

	while (!found && mounts && fgets(line, sizeof(line), mounts)) {
		if (!parse_mount(line, &where, &type, &options))
			continue;
		if (!strcmp(type, "cgroup"))
			found = has_option(options, "memory");
		else if (!strcmp(type, "cgroup2"))
			found = hands_down_memory(where);
		if (found && strlen(where) < CGROUP_PATH - 64)
			snprintf(parent, CGROUP_PATH, "%s", where);
	}
	if (mounts)
		fclose(mounts);
	return found;
}

/* ------------------------------------------------------------------ the group */

static int limit_swap(const struct cgroup *group, const char *limit)
{
	if (group->unified)
		return has_file(group->path, "memory.swap.max") ?
			       write_word(group->path, "memory.swap.max", "0") :
			       0;
	if (has_file(group->path, "memory.memsw.limit_in_bytes") &&
	    !write_word(group->path, "memory.memsw.limit_in_bytes", limit))
		return 0;
	return write_word(group->path, "memory.swappiness", "0");
}

static int limit_all(const struct cgroup *group, uint64_t limit_bytes)
{
	char limit[32];
	int error;

	snprintf(limit, sizeof(limit), "%" PRIu64, limit_bytes);
	error = write_word(group->path,
			   group->unified ? "memory.max" :
					    "memory.limit_in_bytes",
			   limit);
	return error ? error : limit_swap(group, limit);
}

int cgroup_make(struct cgroup *group, const char *parent, uint64_t limit_bytes,
		char *why, unsigned int why_size)
{
	static unsigned int number;
	char top[CGROUP_PATH];
	int error = 0;

	if (!parent && !find_parent(top)) {
		snprintf(why, why_size,
			 "no control group that limits memory is mounted");
		return -EOPNOTSUPP;
	}
	parent = parent ? parent : top;
	group->unified = has_file(parent, "cgroup.controllers");
	if (strlen(parent) >= CGROUP_PATH - 64)
		error = -ENAMETOOLONG;
	else
		snprintf(group->path, sizeof(group->path),
			 "%.400s/shmq-mapping.%ld.%u", parent, (long)getpid(),
			 number++);
	if (!error && group->unified)
		error = write_word(parent, "cgroup.subtree_control", "+memory");
	if (!error && mkdir(group->path, 0755))
		error = -errno;
	if (!error) {
		error = limit_all(group, limit_bytes);
		if (error)
			rmdir(group->path);
	}
	if (error)
		snprintf(why, why_size, "no control group below %.300s: %s",
			 parent, strerror(-error));
	return error;
}

int cgroup_enter(const struct cgroup *group)
{
	return write_word(group->path, "cgroup.procs", "0");
}

uint64_t cgroup_peak(const struct cgroup *group)
{
	return read_number(group->path,
			   group->unified ? "memory.peak" :
					    "memory.max_usage_in_bytes",
			   NULL);
}

uint64_t cgroup_kills(const struct cgroup *group)
{
	return read_number(group->path,
			   group->unified ? "memory.events" :
					    "memory.oom_control",
			   "oom_kill");
}

/* The kernel takes a moment to let go of processes that have ended. */
int cgroup_remove(const struct cgroup *group)
{
	const struct timespec moment = { 0, REMOVE_WAIT_NS };

	for (int i = 0; i < REMOVE_TRIES; i++) {
		if (!rmdir(group->path))
			return 0;
		if (errno != EBUSY)
			break;
		nanosleep(&moment, NULL);
	}
	return -errno;
}
