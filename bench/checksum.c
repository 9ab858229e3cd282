/* SPDX-License-Identifier: MIT */
/*
 * The checksum of journals, which the library has for itself: the same code
 * here, for what is measured beside them.
 */
#include "../lib/crc32c.c" /* NOLINT(bugprone-suspicious-include) */
