/* SPDX-License-Identifier: MIT */
/*
 * The segment files of a journal: made complete or not at all. All of this is
 * under the segment's lock.
 *
 * Whoever is to need the next one prepares it, step by step on the way, in a
 * file without a name: its storage is allocated, and then the name is given.
 * What a death leaves is nothing, or a complete file. One process prepares at a
 * time, by a lease that spares the others the work but is not waited for: who
 * comes to the end of a segment makes the next himself, and whose file gets the
 * name first has won. In a process its thread (provider.h) prepares, and a
 * producer where that is behind. While the thread allocates it does not have
 * the lock: others may allocate too, and even name the file and be done with
 * it; but it is the thread that then closes it. Where files cannot be without a name it begins with
 * ".shmq-", and a death leaves that.
 */
#ifndef SHMQI_SEGFILE_H
#define SHMQI_SEGFILE_H

#include "journal.h"

#define SEGFILE_NAME 24

/* NAME.seg of a number. */
void shmqi_segfile_name(char name[SEGFILE_NAME], uint64_t number);

/* The number that a name stands for. False: it is no segment file's. */
bool shmqi_segfile_number(const char *name, uint64_t *number);

/* Its descriptor, or -ENOENT, -EBADMSG (it has the wrong size), ... */
int shmqi_segfile_open(const struct segment *seg, uint64_t number,
		       bool writable);

bool shmqi_segfile_exists(const struct segment *seg, uint64_t number);

/*
 * For who mends, alone: see that it has its size and its storage; remove it.
 * 0 or a negative errno.
 */
int shmqi_segfile_complete(const struct segment *seg, uint64_t number);
int shmqi_segfile_remove(const struct segment *seg, uint64_t number);

/* See that it exists. 0, -ESTALE (it has been removed), -ENOSPC, ... */
int shmqi_segfile_make(struct segment *seg, uint64_t number);

/*
 * Prepare it until it has so many bytes, but at most so many more, if it does
 * not exist and nobody else is at it. What goes wrong is not told:
 * shmqi_segfile_make() will. unlocked: not under lock while storage is
 * allocated. True: something was done.
 */
bool shmqi_segfile_prepare(struct segment *seg, uint64_t number, uint64_t bytes,
			   uint64_t most, bool unlocked);

/* Forget what has been prepared, unless somebody is just at it. */
void shmqi_segfile_drop(struct segment *seg);

#endif
