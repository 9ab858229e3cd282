/* SPDX-License-Identifier: MIT */
/* What a queue holds, for more than one verb. */
#ifndef DUMP_H
#define DUMP_H

#include "verb.h"

/* As 'shmq dump --json NAME': an exit status. */
int dump_objects(const struct verb *verb, const char *name);

#endif /* DUMP_H */
