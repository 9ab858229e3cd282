/* SPDX-License-Identifier: MIT */
/* CRC32C (Castagnoli), as iSCSI and ext4 have it. */
#ifndef SHMQI_CRC32C_H
#define SHMQI_CRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Before anything else here; more than once is no harm. */
void shmqi_crc32c_init(void);

/*
 * The sum of what came before, whose sum is crc (0: nothing did), and n bytes
 * more.
 */
uint32_t shmqi_crc32c(uint32_t crc, const void *data, size_t n);

/* The sum of three words and n bytes: what is in front of a message, and it. */
uint32_t shmqi_crc32c_behind(const uint64_t words[3], const void *data,
			     size_t n);

/* For tests: with the processor's instruction, if it has one, or without. */
void shmqi_crc32c_choose(bool hardware);

#endif
