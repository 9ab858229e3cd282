/* SPDX-License-Identifier: MIT */
/*
 * Fuzz targets: what is done with any bytes there may be. Built by clang's
 * libFuzzer where it is there (make fuzz), and always with fuzz_driver.c, which
 * runs the corpus and seeded changes of it as a test.
 */
#ifndef TESTS_FUZZ_TARGET_H
#define TESTS_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

/* As libFuzzer calls it. A crash, a hang or an abort is a finding. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of the target: its directory below tests/corpus, how many runs in a test. */
extern const char fuzz_name[];
extern const unsigned fuzz_runs;

#endif
