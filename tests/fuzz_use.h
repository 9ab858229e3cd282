/* SPDX-License-Identifier: MIT */
/* Using a queue whose memory may say anything, for the fuzz targets. */
#ifndef TESTS_FUZZ_USE_H
#define TESTS_FUZZ_USE_H

#include <stdint.h>

#include "layout.h"

#define FUZZ_CAPACITY UINT64_C(4096)

/* An unsealed memory file with a queue in it that has been used; its size. */
int fuzz_queue(uint64_t flags, size_t *bytes);

/* The header's checksum, so that what is behind it is looked at as well. */
void fuzz_sign(struct sh_header *header);

/* Open the file and do everything with it, never waiting for long. */
void fuzz_use(int fd);

#endif
