/* SPDX-License-Identifier: MIT */
/*
 * shmq ls: the queues of the runtime directory. Others keep files there too,
 * so only what begins with a queue's magic number is opened.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <shmq.h>

#include "facts.h"
#include "fault.h"
#include "layout.h"
#include "option.h"
#include "table.h"

/* What one file turned out to be: facts, or why it cannot be opened. */
struct entry {
	struct facts facts;
	int error;
	char reason[256];
};

static bool has_magic(int dir, const char *name)
{
	char control[NAME_MAX + sizeof("/control")];
	uint64_t magic = 0;
	struct stat st;
	ssize_t n = 0;
	int fd;

	/* A directory may be a journal, unless it is being made or removed. */
	if (fstatat(dir, name, &st, 0))
		return false;
	if (S_ISDIR(st.st_mode)) {
		if (name[0] == '.')
			return false;
		snprintf(control, sizeof(control), "%s/control", name);
		name = control;
		if (fstatat(dir, name, &st, 0))
			return false;
	}
	/* Opening a FIFO or a device could wait, or do something. */
	if (!S_ISREG(st.st_mode))
		return false;
	fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = pread(fd, &magic, sizeof(magic), 0);
	close(fd);
	return n == (ssize_t)sizeof(magic) && magic == SH_MAGIC;
}

static void look(struct entry *entry, const char *name)
{
	struct shmq *q;

	entry->error = shmq_open(&q, name, SHMQ_RDONLY, 0, NULL);
	if (entry->error) {
		snprintf(entry->reason, sizeof(entry->reason), "%s",
			 shmq_errdetail());
	} else {
		entry->reason[0] = '\0';
		entry->error = facts_get(&entry->facts, q, name);
		shmq_close(q);
	}
	if (entry->error && !entry->reason[0])
		snprintf(entry->reason, sizeof(entry->reason), "%s",
			 shmq_strerror(entry->error));
}

static int add_row(struct table *table, const struct entry *entry,
		   const char *name)
{
	const struct shmq_stat *st = &entry->facts.st;
	char kind[FACTS_KIND_SIZE];

	table_add(table, "%s", name);
	if (entry->error) {
		for (int i = 0; i < 6; i++)
			table_add(table, "-");
		table_add(table, "%s%s",
			  entry->error == -EBADMSG &&
					  strncmp(entry->reason, "damaged",
						  7) != 0 ?
				  "damaged: " :
				  "",
			  entry->reason);
		return table->failed ? -ENOMEM : 0;
	}
	facts_kind(&entry->facts, kind);
	table_add(table, "%s", quantity_bytes((double)st->capacity_bytes).text);
	table_add(table, "%llu", (unsigned long long)st->depth_messages);
	table_add(table, "%s", quantity_bytes((double)st->depth_bytes).text);
	table_add(table, "%u", st->members);
	table_add(table, "%u", st->groups);
	table_add(table, "%s", *entry->facts.label ? entry->facts.label : "-");
	table_add(table, "%s", kind);
	return table->failed ? -ENOMEM : 0;
}

static int add_json(json_t *array, const struct entry *entry, const char *name)
{
	json_t *json;

	if (entry->error)
		json = json_pack("{s:o,s:b,s:o}", "name",
				 facts_json_text(name, PATH_MAX), "damaged",
				 entry->error == -EBADMSG, "error",
				 facts_json_text(entry->reason,
						 sizeof(entry->reason)));
	else
		json = facts_json(&entry->facts);
	return json_array_append_new(array, json) ? -ENOMEM : 0;
}

/* The directory, sorted; calls for each queue until one of them fails. */
static int list(const char *path, struct table *table, json_t *array)
{
	struct dirent **names;
	int n = scandir(path, &names, NULL, alphasort);
	int dir = n < 0 ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error = dir < 0 ? -errno : 0;

	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name;
		struct entry entry;

		if (!error && has_magic(dir, name)) {
			look(&entry, name);
			/* Removed between reading the directory and here. */
			if (entry.error == -ENOENT)
				;
			else if (array)
				error = add_json(array, &entry, name);
			else
				error = add_row(table, &entry, name);
		}
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	if (dir >= 0)
		close(dir);
	return error;
}

enum {
	OPT_JSON = 256
};

static const struct option options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	OPTION_HELP,
	OPTION_END,
};

static int run(const struct verb *verb, int argc, char **argv)
{
	static const char *const heads[] = {
		"<NAME",    ">CAPACITY", ">MESSAGES", ">BYTES",
		">MEMBERS", ">GROUPS",   "<LABEL",    "<KIND",
	};
	const char *path = shmq_runtime_dir();
	json_t *array = NULL;
	struct table table;
	int error;

	while (option_next(verb, argc, argv, options) != -1)
		if (!array)
			array = json_array();
	option_words(verb, argc, argv, 0, 0);
	table_init(&table, heads, sizeof(heads) / sizeof(heads[0]));
	error = list(path, &table, array);
	if (error)
		json_decref(array);
	else if (array)
		error = facts_json_print(array);
	else if (table.n_cells)
		table_print(&table, 0);
	table_fini(&table);
	if (error)
		return fault_refused(verb, path, "%s", strerror(-error));
	return STATUS_DONE;
}

const struct verb verb_ls = {
	.name = "ls",
	.summary = "list the queues of the runtime directory",
	.run = run,
	.help = "usage: shmq ls [--json]\n"
		"\n"
		"Lists the queues of the runtime directory: $SHMQ_DIR, else "
		"/dev/shm. Other\n"
		"files, and queues that you may not read, are left out. A "
		"damaged queue is\n"
		"shown with what is wrong.\n"
		"\n"
		"  --json      as a JSON array\n"
		"  -h, --help  this text\n"
		"\n"
		"Exit status: 0 listed, 1 the directory cannot be read, 2 "
		"wrong usage.\n"
		"\n"
		"Examples:\n"
		"  shmq ls\n"
		"  SHMQ_DIR=/run/user/1000 shmq ls\n"
		"  shmq ls --json | jq -r '.[].name'\n",
};
