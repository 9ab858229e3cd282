/* SPDX-License-Identifier: MIT */
/*
 * A chime: how a bell reaches who waits through a descriptor, in an event loop.
 * It is an epoll descriptor over a FIFO that wakers write to, a socket for
 * those who cannot reach the FIFO, and a timer for what nobody rings for.
 *
 * Invariant: a chime is armed, or readable. While it is not armed nobody
 * writes, so neither side makes system calls while its owner is busy. Only
 * when an attempt finds nothing, the owner empties the FIFO, arms, and tries
 * again, as it would before sleeping; where it would sleep with a bound, it
 * sets the timer.
 *
 *   empty the FIFO         before arming: what comes after it is news
 *   chime_armed := odd     never a number that was there before, so that a
 *                          slow waker cannot take back a later arming
 *   bell.hi++, bell CHIMES, membarrier
 *   attempt, look around   something there: write a byte ourselves
 */
#ifndef SHMQI_CHIME_H
#define SHMQI_CHIME_H

#include "endpoint.h"
#include "wait.h"

/* Under lock: give ep a chime. 0 or a negative errno. */
int shmqi_chime_open(struct endpoint *ep);

/* Under lock: take it away again, if there is one. */
void shmqi_chime_close(struct endpoint *ep);

/* In a forked child: close the parent's. */
void shmqi_chime_forked(struct chime *chime);

/* For the holder of the lease of a dead member: remove its FIFO. */
void shmqi_chime_sweep(struct segment *seg, uint32_t index);

/* The descriptor to be polled. */
int shmqi_chime_fd(const struct chime *chime);

/* Make it readable until the next attempt that finds nothing. */
void shmqi_chime_strike(struct endpoint *ep);

/*
 * Instead of shmqi_wait(), for one who has a chime and will not wait here: its
 * attempt has just found nothing. The result of another one, and then the
 * chime is readable; or -EAGAIN, and it will be; -ECANCELED, -EIDRM, or what
 * look_around said.
 */
int64_t shmqi_chime_poll(const struct waiter *waiter);

#endif
