/* SPDX-License-Identifier: MIT */
/*
 * Checking: does all that is shared make sense? For shmq_check(). Members are
 * at work meanwhile, so what looks wrong is looked at again, and counts only
 * if it stays.
 */
#ifndef SHMQI_CHECK_H
#define SHMQI_CHECK_H

#include <shmq.h>

#include "endpoint.h"
#include "ring.h"

/* A check under way. */
struct check {
	struct segment *seg;
	struct rings rings;
	struct endpoint low, high; /* keep those rings for us */
	void (*tell)(void *arg, const struct shmq_finding *finding);
	void *arg;
	int damages;
};

/* Of nobody in particular. */
#define CHECK_NOBODY UINT32_MAX

/* Something was found, about a member or CHECK_NOBODY. */
void shmqi_check_tell(struct check *c, uint32_t kind, uint32_t member,
		      const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * Does it look wrong, and still after some milliseconds in which whoever was
 * just changing it has finished? wrong(c, arg) says so each time.
 */
bool shmqi_check_stays(struct check *c, bool (*wrong)(struct check *, void *),
		       void *arg);

/* The rings in use, to look into until the next call. 0, -EBADMSG, -ENOMEM... */
int shmqi_check_rings(struct check *c);

/* Are they still the ones in use? */
bool shmqi_check_rings_same(const struct check *c);

/* check_members.c: entries and their claims. */
void shmqi_check_members(struct check *c);

/* Has somebody claimed this position, and not stamped it yet? */
bool shmqi_check_open(const struct segment *seg, uint64_t pos);

/* verify.c: the same as below, of a journal. */
void shmqi_verify_kept(struct check *c);

/* check_records.c: all that is kept for a group. */
void shmqi_check_records(struct check *c);

#endif
