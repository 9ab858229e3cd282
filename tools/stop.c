/* SPDX-License-Identifier: MIT */
/*
 * Signals that end the command.
 *
 * A signal that arrives just before a call starts to wait would not interrupt
 * that call. So the first one starts a timer whose own signal interrupts every
 * wait from then on, until the program is gone: no wait has to be bounded for
 * the sake of signals, and none outlives one.
 */
#include "stop.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#define NUDGE_NS 20000000L
#define NUDGES_ALLOWED 50 /* a second */

static volatile sig_atomic_t stopped_by;
static volatile sig_atomic_t nudges;
static timer_t nudger;

static void on_stop(int number)
{
	const struct itimerspec every = { { 0, NUDGE_NS }, { 0, NUDGE_NS } };
	int saved = errno;

	if (!stopped_by) {
		stopped_by = number;
		timer_settime(nudger, 0, &every, NULL);
	}
	errno = saved;
}

static void on_nudge(int number)
{
	(void)number;
	if (nudges < NUDGES_ALLOWED)
		nudges++;
}

static int set_handler(int number, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler };

	sigemptyset(&action.sa_mask);
	/* No SA_RESTART: the point is to get out of a wait. */
	return sigaction(number, &action, NULL) ? -errno : 0;
}

int stop_init(void)
{
	struct sigevent event = {
		.sigev_notify = SIGEV_SIGNAL,
		.sigev_signo = SIGALRM,
	};
	struct sigaction inherited;
	int error;

	if (timer_create(CLOCK_MONOTONIC, &event, &nudger))
		return -errno;
	error = set_handler(SIGALRM, on_nudge);
	/*
	 * A shell without job control starts `shmq ... &` with SIGINT ignored.
	 * It is caught all the same, as the manual promises. nohup(1) keeps
	 * its meaning.
	 */
	if (!error)
		error = set_handler(SIGINT, on_stop);
	if (!error)
		error = set_handler(SIGTERM, on_stop);
	if (!error && !sigaction(SIGHUP, NULL, &inherited) &&
	    inherited.sa_handler != SIG_IGN)
		error = set_handler(SIGHUP, on_stop);
	if (!error)
		error = set_handler(SIGPIPE, SIG_IGN);
	return error;
}

int stop_signal(void)
{
	return stopped_by;
}

bool stop_overdue(void)
{
	return nudges >= NUDGES_ALLOWED;
}

const char *stop_name(void)
{
	switch (stopped_by) {
	case SIGINT:
		return "SIGINT";
	case SIGTERM:
		return "SIGTERM";
	case SIGHUP:
		return "SIGHUP";
	default:
		return "a signal";
	}
}
