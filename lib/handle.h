/* SPDX-License-Identifier: MIT */
/* A handle: what shmq_open() gives out. */
#ifndef SHMQI_HANDLE_H
#define SHMQI_HANDLE_H

#include "segment.h"

struct shmq {
	struct segment *seg;
};

#endif
