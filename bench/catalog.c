/* SPDX-License-Identifier: MIT */
/*
 * The table of transports: those that are always there, then those of modules.
 * A module stays loaded. It is looked for in $SHMQ_BENCH_PEERS, for a program
 * that is run where it was built in that build, and where modules are
 * installed.
 */
#include "catalog.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/built.h"
#include "transports.h"

static const struct bench_transport *const always[] = {
	&bench_line,          &bench_lines,       &bench_memcpy,
	&bench_futex,         &bench_shmq_1,      &bench_shmq_1_batch,
	&bench_shmq_1_place,  &bench_shmq,        &bench_shmq_batch,
	&bench_shmq_place,    &bench_shmq_topic,  &bench_shmq_journal,
	&bench_spsc,          &bench_vyukov,      &bench_pipe,
	&bench_fifo,          &bench_unix_stream, &bench_unix_seqpacket,
	&bench_unix_dgram,    &bench_mq,          &bench_sysv,
	&bench_eventfd,       &bench_tcp,         &bench_shmq_epoll,
	&bench_eventfd_epoll,
};

static void add(struct catalog *catalog, const struct bench_transport *one)
{
	if (catalog->n < CATALOG_MAX)
		catalog->list[catalog->n++] = one;
}

static void problem(struct catalog *catalog, const char *what)
{
	size_t used = strlen(catalog->problems);

	snprintf(catalog->problems + used, sizeof(catalog->problems) - used,
		 "%s\n", what ? what : "unknown");
}

static void load(struct catalog *catalog, const char *path)
{
	const struct bench_transport *const *list;
	void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (!module) {
		problem(catalog, dlerror());
		return;
	}
	list = dlsym(module, BENCH_MODULE_LIST);
	if (!list) {
		problem(catalog, dlerror());
		dlclose(module);
		return;
	}
	while (*list)
		add(catalog, *list++);
}

static int is_module(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return !strncmp(entry->d_name, "peer_", 5) && dot &&
	       !strcmp(dot, ".so");
}

/* All modules of a directory, by name; false: there are none. */
static bool load_from(struct catalog *catalog, const char *dir)
{
	struct dirent **entries;
	int n = scandir(dir, &entries, is_module, alphasort);

	for (int i = 0; i < n; i++) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
		load(catalog, path);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return n > 0;
}

/* BUILD/tools/.libs/shmq has its modules in BUILD/bench/.libs. */
static bool load_from_build(struct catalog *catalog)
{
	static const char below[] = "/tools/.libs/";
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 16);
	char *end;

	if (n <= 0)
		return false;
	path[n] = '\0';
	end = strrchr(path, '/') + 1;
	if (end - path < (ptrdiff_t)sizeof(below) ||
	    strncmp(end - (sizeof(below) - 1), below, sizeof(below) - 1) != 0)
		return false;
	end -= sizeof(below) - 1;
	snprintf(end, sizeof(path) - (size_t)(end - path), "/bench/.libs");
	return load_from(catalog, path);
}

void catalog_init(struct catalog *catalog, bool peers)
{
	const char *dir = getenv("SHMQ_BENCH_PEERS");

	memset(catalog, 0, sizeof(*catalog));
	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		add(catalog, always[i]);
	if (!peers)
		return;
	if (dir)
		load_from(catalog, dir);
	else if (!load_from_build(catalog))
		load_from(catalog, BENCH_PEER_DIR);
}

const struct bench_transport *catalog_find(const struct catalog *catalog,
					   const char *name)
{
	for (unsigned int i = 0; i < catalog->n; i++)
		if (!strcmp(catalog->list[i]->name, name))
			return catalog->list[i];
	return NULL;
}
