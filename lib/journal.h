/* SPDX-License-Identifier: MIT */
/*
 * A journal: a queue whose stream stays. Positions [k S, (k + 1) S) are in
 * segment file k, S bytes each; none is ever used again. NAME is a directory:
 *
 *      control               a queue's file without a ring: header, control
 *                            words, groups, members. All that is shared and
 *                            changes is there, and so are all leases
 *      0000000000000000.seg  records of the positions from 0 to S
 *      0000000000000000.idx  where some of them begin: index.h
 *      0000000000000001.seg  ...
 *
 * What other queues do with a ring, a journal does with the segment of the
 * position: producers claim, write and stamp there, and turn to the next one
 * as others turn to a new ring (turn.h); consumers follow (follow.c). Nobody is
 * waited for: room ends where the disk does.
 *
 * control.ring is the segment that the tail has come to. Whoever claims first in
 * a segment has raised it before; who finds nothing looks there.
 *
 * Everything here is under the segment's lock unless it says otherwise.
 */
#ifndef SHMQI_JOURNAL_H
#define SHMQI_JOURNAL_H

#include "cursor.h"
#include "name.h"
#include "ring.h"
#include "segment.h"

/* Entries of the index that are written together: index.c. */
#define INDEX_NOTES 4

struct endpoint;
struct provider;
struct syncer;
struct shmq_producer;

/* A segment file that has no name yet. */
struct preparing {
	int fd; /* -1: none */
	bool leased;
	bool busy;       /* a thread allocates, without the lock */
	bool over;       /* when that ends, nobody needs it any more */
	uint64_t number; /* of the segment that it is to be */
	uint64_t bytes;  /* that have been allocated */
	char name[32];   /* where files must have names; or empty */
};

/* Of a segment (segment.h) that is a journal; one for the process. */
struct journal {
	int dir;
	uint64_t window; /* bytes that a producer goes at a time */
	bool in_memory;  /* its files are */

	/* The file that this process is preparing: segfile.c. */
	struct preparing ahead;
	uint64_t ahead_done; /* number: there is nothing to be done for it */

	struct provider *provider; /* NULL: none; see provider.h */
	unsigned provider_users;

	pthread_mutex_t sync_lock; /* of this process's leader: sync.c */
	struct syncer *syncer;     /* NULL: none; see syncer.h */
	unsigned syncer_users;

	int index_fd; /* -1: none */
	uint64_t index_number;
	struct sh_index notes[INDEX_NOTES]; /* that are not written yet */
	uint64_t noted_window;              /* of the first of them */
	unsigned noted;

	/* What first records say never changes: seek.c. */
	struct {
		uint64_t known; /* number of the segment, and 1; 0: none */
		uint64_t seq;
		uint64_t time_ns;
	} firsts[64];
};

/* No lock is needed. */
static inline uint64_t journal_number(const struct segment *seg, uint64_t pos)
{
	return pos / seg->geo.capacity;
}

/* ----------------------------------------------------------- the directory */

/* As shmqi_registry_create(), of a journal. Needs no lock. */
int shmqi_journal_create(struct segment **out, const struct name *name,
			 mode_t mode, const struct geometry *geo);

/*
 * A segment is being opened: find its directory; or it is being created, in
 * directory dir. 0 or a negative errno. Needs no lock.
 */
int shmqi_journal_attach(struct segment *seg, const char *dir);
void shmqi_journal_detach(struct segment *seg);

/* In a forked child: what our parent prepares is not ours. */
void shmqi_journal_forked(struct segment *seg);

/*
 * The name of the control file of the journal that is the directory name. 0 or
 * -ENAMETOOLONG.
 */
int shmqi_journal_control(struct name *control, const struct name *name);

/* Has the directory been removed? By whomever. Needs no lock. */
bool shmqi_journal_unlinked(const struct segment *seg);

/* Remove the directory and all that is in it. Needs no lock. */
int shmqi_journal_remove(const struct name *name);

/*
 * The segment files without a gap around a number, or, if there is none of it,
 * around the next one there is.
 */
int shmqi_journal_files(const struct segment *seg, uint64_t near,
			uint64_t *lowest, uint64_t *highest);

/* Remove those above the last. For who mends, alone. 0 or a negative errno. */
int shmqi_journal_cut(const struct segment *seg, uint64_t last);

/* Remove what the dead have left. For the only one who has it open. */
void shmqi_journal_sweep(const struct segment *seg);

/*
 * Remove the indices of segments that are gone: who wrote one had not seen that
 * it is, and died. Needs no lock: it reads the directory.
 */
void shmqi_journal_tidy(const struct segment *seg);

/* ------------------------------------------------------------------ mending */

/*
 * A segment is being opened: see that what is shared is true (journal_mend.c).
 * 0, -EUCLEAN (it is not, and we may not write), -EBUSY (somebody else mends
 * it, for a minute), or what the file system says. Needs no lock.
 */
int shmqi_journal_settle(struct segment *seg);

/* It is, from now on: of one that has just been made. */
void shmqi_journal_is_true(struct segment *seg);

/* ---------------------------------------------------------------- producers */

/* What callers are told of what the file system says; -EIO for the rest. */
int shmqi_journal_told(int r);

/* One joins: its first claim takes it to the tail's segment. */
void shmqi_journal_join(struct shmq_producer *p);

/*
 * The limit is used up: as shmqi_claim_find_room(), or CLAIM_MOVED. Also
 * -ENOSPC, -EDQUOT, -EFBIG, -EIO, -EMFILE, -ENFILE, -ENOMEM.
 */
int shmqi_journal_find_room(struct shmq_producer *p, uint64_t tail,
			    uint64_t end);

/* ------------------------------------------------------- rings of positions */

/*
 * The segment of a position, as a ring: mapped until shmqi_views_let() finds it
 * unused. A writer at the beginning of one that is not there makes it; for a
 * reader there is nothing yet. 0, -ESTALE (it is gone: retain.h), -EBADMSG (it
 * should be there), -ENOMEM, ...
 */
int shmqi_journal_ring(struct segment *seg, uint64_t pos, bool writable,
		       struct ring *ring);

/*
 * The view of a segment that the process has mapped for writing; or NULL. It
 * stays while the lock is held.
 */
struct view *shmqi_journal_written(const struct segment *seg, uint64_t number);

/* The same, mapping it if its file is there. */
struct view *shmqi_journal_write_next(struct segment *seg, uint64_t number);

/* For who looks into many: see shmqi_views_get(). */
void shmqi_journal_rings(struct segment *seg, bool writable,
			 struct rings *rings);

/* Need segments that hold pos not be there any longer? */
bool shmqi_journal_gone(const struct segment *seg, uint64_t pos);

/* An endpoint looks into none: what it does first is to follow. */
void shmqi_journal_nowhere(struct endpoint *ep, struct ring *ring);

/* The oldest message: where the oldest segment file begins. */
int shmqi_journal_oldest(struct segment *seg, struct cursor *place);

#endif
