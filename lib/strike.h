/* SPDX-License-Identifier: MIT */
/*
 * Striking chimes: the waker's side of chime.h. Each process keeps descriptors
 * of the FIFOs it has struck, so that a strike is one write.
 *
 * What a death leaves: a chime stays armed until it has been struck, and the
 * bell says so until all have been. So the next waker does again what a dead
 * one left; a chime that is struck twice is readable once.
 */
#ifndef SHMQI_STRIKE_H
#define SHMQI_STRIKE_H

#include <limits.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "layout.h"
#include "segment.h"

struct strikers;

/* NULL: no memory. Any number of bells of one queue, entries members. */
struct strikers *shmqi_strikers_new(uint32_t entries);
void shmqi_strikers_free(struct strikers *strikers, uint32_t entries);

/* In a forked child: no thread of it is striking. */
void shmqi_strikers_forked(struct strikers *strikers);

/* Strike all chimes that are armed at the bell. Safe in a signal handler. */
void shmqi_strike_all(struct segment *seg, struct sh_bell *bell);

/*
 * Where the FIFO called name is, seen from this process, in PATH_MAX bytes.
 * False: there is no such place.
 */
bool shmqi_chime_path(const struct segment *seg, uint64_t name, uint32_t place,
		      char *path);

/* The address of the socket called name; returns its length. */
socklen_t shmqi_chime_address(uint64_t name, struct sockaddr_un *address);

#endif
