/* SPDX-License-Identifier: MIT */
/*
 * The index of a segment, NAME.idx beside NAME.seg: for each window of it a
 * place where a record begins, and its number. Producers note them in passing.
 * Entries are hints: what is used is checked against the record, which says
 * itself which number it has; what is missing is walked. So the file may be
 * missing, old, torn or anybody's, and is never synced.
 */
#ifndef SHMQI_INDEX_H
#define SHMQI_INDEX_H

#include "cursor.h"
#include "scan.h"

#define INDEX_NAME 24
#define INDEX_WINDOWS 2048u /* at most, of a segment */

void shmqi_index_name(char name[INDEX_NAME], uint64_t number);
bool shmqi_index_number(const char *name, uint64_t *number);

/*
 * A record begins at this place. Under the segment's lock. It is written with
 * the INDEX_NOTES - 1 windows that follow; or when the process flushes.
 */
void shmqi_index_note(struct segment *seg, struct cursor place);
void shmqi_index_flush(struct segment *seg);
void shmqi_index_close(struct segment *seg);

/*
 * Let *place, which is the beginning of the scan's segment, be the last place
 * that is known to have no higher number than value; or, by time, to be of
 * before it.
 */
void shmqi_index_look(const struct scan *scan, struct cursor *place,
		      bool by_time, uint64_t value);

/* It goes with its segment. */
void shmqi_index_remove(const struct segment *seg, uint64_t number);

/* Write the index of a segment anew. 0 or a negative errno. */
int shmqi_index_build(struct segment *seg, uint64_t number);

#endif
