/* SPDX-License-Identifier: MIT */
/*
 * Ending on SIGINT, SIGTERM and SIGHUP at a message boundary. The handlers only
 * take note; whoever waits gets EINTR, again and again, and asks here.
 */
#ifndef STOP_H
#define STOP_H

#include <stdbool.h>

/* Catch the signals; SIGPIPE becomes EPIPE. Returns 0 or a negative errno. */
int stop_init(void);

/* The signal that asked us to end; 0 while none has. */
int stop_signal(void);

/* Whether the time is over to finish what was begun before the signal. */
bool stop_overdue(void);

const char *stop_name(void);

#endif /* STOP_H */
