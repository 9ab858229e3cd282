/* SPDX-License-Identifier: MIT */
/* From the name of a queue to the path of its file. */
#ifndef SHMQI_NAME_H
#define SHMQI_NAME_H

#include <limits.h>

struct name {
	char path[PATH_MAX]; /* of the file */
	char dir[PATH_MAX];  /* the directory it is in */
};

/* Returns 0, -EINVAL or -ENAMETOOLONG, with a sentence. */
int shmqi_name_resolve(struct name *out, const char *name);

#endif
