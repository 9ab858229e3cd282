/* SPDX-License-Identifier: MIT */
/*
 * A segment: one queue file as this process has it mapped. All handles of the
 * queue in this process share it; registry.c counts its references.
 */
#ifndef SHMQI_SEGMENT_H
#define SHMQI_SEGMENT_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <urcu/rculfhash.h>
#include <urcu/ref.h>

#include "format.h"
#include "layout.h"
#include "name.h"

struct blank;
struct chime;
struct endpoint;
struct journal;
struct strikers;
struct view;

struct segment {
	struct geometry geo;
	bool writable;

	/* Mapped from the beginning, for the life of the segment. */
	struct sh_control *control;
	struct sh_group *groups;
	struct sh_member *members;
	struct sh_bound *bounds;
	void *map;

	/*
	 * share_fd is what shmq_fd() shows and may travel over a socket, so
	 * its description never holds a lease. lease_fd never leaves us; -1 if
	 * /proc is missing, and then nothing is written.
	 */
	int share_fd;
	int lease_fd;

	/*
	 * Guards the fields below and every change of a lease. Never taken on
	 * the message path.
	 */
	pthread_mutex_t lock;
	unsigned turning;            /* resizers that act as a producer */
	bool resizing;               /* one of us holds SH_LEASE_RINGS */
	bool setting;                /* likewise SH_LEASE_ATTRIBUTES */
	struct view *views;          /* the rings that are mapped: views.h */
	struct endpoint **endpoints; /* by member entry: ours, or NULL */
	struct chime **chimes;       /* likewise: of those who have one */
	unsigned taps;               /* of ours: they have no entry */
	struct endpoint *readers;    /* who reads rings and has no entry */
	uint32_t *sharers;           /* by group: our consumers that share its
					lease byte */

	struct journal *journal; /* NULL: it is none; see journal.h */

	/* strike.c guards its own; for the life of the segment. */
	struct strikers *strikers;

	/* registry.c */
	struct cds_lfht_node node;
	struct urcu_ref ref;
	dev_t dev;
	ino_t ino;
};

/*
 * Make a new queue of the blank, which it takes over, also on error. With a
 * name: the file appears under it complete or not at all; -EEXIST if there is
 * one.
 */
int shmqi_segment_create(struct segment **out, struct blank *blank,
			 const struct name *name, const struct geometry *geo);

/*
 * Map an existing queue. Takes over fd, also on error. st is fd's status.
 */
int shmqi_segment_open(struct segment **out, int fd, const struct stat *st,
		       bool writable);

void shmqi_segment_destroy(struct segment *seg);

/*
 * In a forked child, under lock: leave the parent's descriptions, so that its
 * death shows, and forget its endpoints. Returns how many there were.
 */
unsigned shmqi_segment_forked(struct segment *seg);

static inline struct sh_member *member_at(const struct segment *seg,
					  uint32_t index)
{
	return &seg->members[index];
}

#endif
