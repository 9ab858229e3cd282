/* SPDX-License-Identifier: MIT */
/*
 * The syncer: a thread of each process that has producers of a journal with
 * SHMQ_DURABLE_INTERVAL. Something that was sent, by whomever, wakes it as it
 * wakes a receiver; it lets the interval pass, and syncs. So while nobody sends
 * it sleeps. It ends with the last producer, after a last sync.
 *
 * What a death leaves: messages that are not on the disk yet, which the syncer
 * of any other process sees to, or the kernel, in its own time. A forked child
 * has none before it opens a producer.
 */
#ifndef SHMQI_SYNCER_H
#define SHMQI_SYNCER_H

#include "journal.h"

/* A producer comes, or goes; not under lock. 0 or -ENOMEM. */
int shmqi_syncer_start(struct segment *seg);
void shmqi_syncer_stop(struct segment *seg);

#endif
