/* SPDX-License-Identifier: MIT */
/* Descriptors of the library's own. */
#ifndef SHMQI_FD_H
#define SHMQI_FD_H

/*
 * The result of open(2), as a descriptor above the standard three or a
 * negative errno: a process that runs without standard output must not write
 * it into a queue.
 */
int shmqi_own_fd(int fd);

/* A descriptor of the same file with a description of its own. */
int shmqi_reopen(int fd, int flags);

#endif
