/* SPDX-License-Identifier: MIT */
/*
 * Leases: locks on single bytes of the queue's file, owned by an open file
 * description. The kernel drops them when the last process that has the
 * description is gone, and only then: no clock and no PID is asked.
 *
 * A description does not see its own locks, so callers keep track of what
 * their process holds (segment.c) and never probe that.
 */
#ifndef SHMQI_LEASE_H
#define SHMQI_LEASE_H

#include <stdbool.h>
#include <stdint.h>

/* Take a byte for ourselves, or share it. 0, -EBUSY, -ENOLCK, -EBADF, ... */
int shmqi_lease_take(int fd, int64_t byte);
int shmqi_lease_share(int fd, int64_t byte);

/* Give it back. */
void shmqi_lease_drop(int fd, int64_t byte);

/*
 * Somebody has it in passing, as rescuers do, or was stopped with it: wait a
 * moment before look number look. False: that was a second, and enough.
 */
bool shmqi_lease_let_pass(int look);

/* Does another description hold it? A kernel that cannot tell counts as yes. */
bool shmqi_lease_held(int fd, int64_t byte);

#endif
