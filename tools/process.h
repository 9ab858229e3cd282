/* SPDX-License-Identifier: MIT */
/*
 * What the system says about a process. For people only: it decides nothing,
 * least of all whether somebody is dead.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Whether this very process is stopped, by a signal or a debugger. False also
 * when nobody can tell: another PID namespace, another process of that number.
 */
bool process_stopped(int pid, uint64_t start_ticks);

#endif /* PROCESS_H */
