/* SPDX-License-Identifier: MIT */
/*
 * Journals as directories of files: copying them, as a disk gives them back,
 * and changing what is in them.
 */
#ifndef TESTS_JOURNAL_FILES_H
#define TESTS_JOURNAL_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct shmq;

/* One of its files; "": the directory. Good until the call after the next. */
char *path_of(const char *journal, const char *file);

/* Good until the next call. */
char *segment_name(uint64_t number);
char *index_name(uint64_t number);

bool has_file(const char *journal, const char *file);

/* The numbers of the lowest and of the highest segment file. */
uint64_t lowest_file(const char *journal);
uint64_t highest_file(const char *journal);

/* False: it is not there. */
bool copy_file(const char *from, const char *to, const char *name);

/* The control file, and segments from that number on; indexes are not. */
void copy_from(const char *from, const char *to, uint64_t first);

/* What the disk would give back, if it had all of it. */
void copy_journal(const char *from, const char *to);

void scribble(const char *journal, const char *file, off_t where,
	      const void *what, size_t n);
void look_at(const char *journal, const char *file, off_t where, void *what,
	     size_t n);

/* A word of the control file, at an offset in its struct sh_control. */
void set_word(const char *journal, size_t offset, uint64_t value);
uint64_t word_at(const char *journal, size_t offset);

/* A new journal "j". */
struct shmq *journal_of(uint64_t segment_bytes);

/* Messages number from to to, of len bytes, each of which says its number. */
void send_numbered(struct shmq *q, uint64_t from, uint64_t to, size_t len);

struct shmq_journal_info info_of(struct shmq *q);

#endif
