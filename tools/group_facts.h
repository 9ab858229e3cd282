/* SPDX-License-Identifier: MIT */
/*
 * The groups of a queue, for people and for programs; complaints about one.
 */
#ifndef GROUP_FACTS_H
#define GROUP_FACTS_H

#include "facts.h"
#include "verb.h"

/* A table, each line after so many blanks. 0 or a negative errno. */
int groups_print(struct shmq *q, const struct facts *facts, int indent);

/* A new reference, NULL if memory is short or the queue damaged. */
json_t *groups_json(struct shmq *q, const struct facts *facts);

/* A library call about group `name` returned `error`. The exit status. */
int groups_fault(const struct verb *verb, const char *name, int error);

#endif /* GROUP_FACTS_H */
