/* SPDX-License-Identifier: MIT */
/*
 * Names. Without a slash: a queue in the runtime directory; with one: a file.
 * The file has the queue's name and nothing added, so that ls, rm and chmod
 * mean what people think they mean.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <bsd/string.h>

#include <shmq.h>

#include "error.h"
#include "name.h"

const char *shmq_runtime_dir(void)
{
	const char *dir = secure_getenv("SHMQ_DIR");

	return dir && *dir ? dir : "/dev/shm";
}

/* As completion in a shell ends the name of a journal, which is a directory. */
static const char *without_slashes(const char *name, char shorter[PATH_MAX])
{
	size_t len = strlen(name);
	struct stat st;

	if (!len || name[len - 1] != '/' || len >= PATH_MAX ||
	    stat(name, &st) < 0)
		return name;
	while (len > 1 && name[len - 1] == '/')
		len--;
	memcpy(shorter, name, len);
	shorter[len] = '\0';
	return shorter;
}

int shmqi_name_resolve(struct name *out, const char *name)
{
	char shorter[PATH_MAX];
	const char *base;
	int n;

	if (!name || !*name)
		return shmqi_error_say(-EINVAL, "a queue needs a name");
	name = without_slashes(name, shorter);
	base = strrchr(name, '/');
	base = base ? base + 1 : name;
	if (!*base || !strcmp(base, ".") || !strcmp(base, ".."))
		return shmqi_error_say(-EINVAL,
				       "'%s' names a directory, not a queue",
				       name);
	if (strlen(base) > NAME_MAX)
		return shmqi_error_say(-ENAMETOOLONG,
				       "a name has at most %d bytes", NAME_MAX);
	if (base == name)
		n = snprintf(out->path, sizeof(out->path), "%s/%s",
			     shmq_runtime_dir(), name);
	else
		n = snprintf(out->path, sizeof(out->path), "%s", name);
	if (n < 0 || (size_t)n >= sizeof(out->path))
		return shmqi_error_say(-ENAMETOOLONG,
				       "a path has at most %d bytes",
				       PATH_MAX - 1);
	strlcpy(out->dir, out->path, sizeof(out->dir));
	*(strrchr(out->dir, '/') + 1) = '\0';
	return 0;
}
