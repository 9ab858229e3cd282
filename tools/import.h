/* SPDX-License-Identifier: MIT */
/* Sending what was dumped. */
#ifndef IMPORT_H
#define IMPORT_H

#include <shmq.h>

#include "verb.h"

/*
 * Send the messages of a dump, JSON objects one a line, from standard input. An
 * exit status; says on standard error what is wrong, and in which line.
 */
int import_objects(const struct verb *verb, const char *name, struct shmq *q);

#endif /* IMPORT_H */
