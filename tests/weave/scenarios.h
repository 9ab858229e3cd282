/* SPDX-License-Identifier: MIT */
/* The scenarios, and the mutants that they must find out. */
#ifndef TESTS_WEAVE_SCENARIOS_H
#define TESTS_WEAVE_SCENARIOS_H

#include "weave.h"

extern const struct scenario scenarios[];
extern const unsigned n_scenarios;

extern const struct mutant mutants[];
extern const unsigned n_mutants;

#endif
