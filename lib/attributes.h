/* SPDX-License-Identifier: MIT */
/* Attributes that can change while the queue is in use. */
#ifndef SHMQI_ATTRIBUTES_H
#define SHMQI_ATTRIBUTES_H

#include "endpoint.h"
#include "format.h"

#define LABEL_SIZE 64

/* A private copy. */
struct attributes {
	uint64_t spin;
	char label[LABEL_SIZE];
};

/*
 * What is in force: for a member, who reads in an epoch; or, with ep NULL, for
 * anybody, who may have to read twice. 0 or -EBADMSG.
 */
int shmqi_attributes_read(const struct segment *seg, const struct endpoint *ep,
			  struct attributes *attributes);

/* Before a wait: the spin that is left of this one within the budget. */
uint32_t shmqi_attributes_spin(const struct endpoint *ep, uint32_t spin);

/* Is the version in force whole? */
bool shmqi_attributes_whole(const struct segment *seg);

/* The first version of a new queue. */
void shmqi_attributes_format(const struct geometry *geo,
			     struct sh_control *control);

#endif
