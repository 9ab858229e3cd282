/* SPDX-License-Identifier: MIT */
/* A blank: the file of a queue that is being made. It has no name yet. */
#ifndef SHMQI_BLANK_H
#define SHMQI_BLANK_H

#include <limits.h>
#include <sys/types.h>

#include "format.h"
#include "name.h"

struct blank {
	int fd;
	char path[PATH_MAX]; /* under which nobody looks for it; or empty */
};

/*
 * A file of zeros, all of them allocated, in the directory of the name; or with
 * name NULL a sealed memfd. May take long.
 */
int shmqi_blank_make(struct blank *blank, const struct name *name, mode_t mode,
		     const struct geometry *geo);

/* Let it be found. -EEXIST: something else is. */
int shmqi_blank_name(const struct blank *blank, const struct name *name);

#endif
