/* SPDX-License-Identifier: MIT */
/*
 * The provider: a thread of each process that has producers of a journal. It
 * works ahead of the tail, so that senders find what the kernel would make in
 * their time: pages in the mapping that they write by, and the next segment
 * file. Producers say at the end of each window how far they have come; when
 * half of what is ahead is used up they wake it. While nobody sends it sleeps.
 *
 * Nobody waits for it: a producer that comes to a window that has no pages
 * makes them, and one that finds less of the next file than there should be
 * makes a part of it. So it is as well if there is no thread: where none can be
 * made, where the process has one processor only, and for segments that are
 * whole in a moment.
 *
 * All is under the segment's lock, but for what takes long:
 *
 *   pages     from `ready` of a view on. The view is held meanwhile: it stays
 *             mapped. Making pages changes nothing that is in them, so it does
 *             not matter whether somebody writes there already
 *   storage   for the file without a name that the process prepares; meanwhile
 *             it is busy, and nobody else uses it (segfile.h)
 *
 * What a death leaves: pages, which nobody misses; a file without a name, which
 * the kernel frees, and its lease. Who comes to the end makes a file as if
 * there had been none. A forked child has no thread before it opens a producer:
 * no view is held there, and nothing is busy. On a full disk the file is given
 * up, and its room with it; only who needs it is told.
 *
 * At most LEAD of pages is made beyond what is used, and at most one file: the
 * next one, from the first quarter of a segment on and twice as fast as it is
 * used.
 */
#ifndef SHMQI_PROVIDER_H
#define SHMQI_PROVIDER_H

#include "journal.h"

/*
 * A producer comes, or goes; not under lock. That there is no thread is no
 * error.
 */
void shmqi_provider_start(struct segment *seg);
void shmqi_provider_stop(struct segment *seg);

/*
 * Under lock: a producer has pages up to pos, and will come back there. True:
 * the thread is to be woken, when the lock is free.
 */
bool shmqi_provider_tell(struct segment *seg, uint64_t pos);
void shmqi_provider_wake(struct segment *seg);

/*
 * See that the window [from, to) of a segment that a producer is in has pages;
 * and, if that is due, make a part of the next file. For who finds it not done.
 */
void shmqi_provider_catch_up(struct segment *seg, uint64_t from, uint64_t to);

#endif
