/* SPDX-License-Identifier: MIT */
/*
 * Errors in words. A value has one explanation for the whole library; what is
 * particular to one file is kept in a buffer of the thread that met it.
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <shmq.h>

#include "error.h"

static _Thread_local char detail[256];

static const struct {
	int error;
	const char *text;
} texts[] = {
	{ 0, "done" },
	{ EAGAIN, "would have to wait: the queue is empty, or full" },
	{ ETIMEDOUT, "time is up: the queue stayed empty, or full" },
	{ EMSGSIZE, "the message is larger than the buffer, or than a quarter "
		    "of the queue's capacity" },
	{ EINTR, "a signal handler ran while waiting" },
	{ ECANCELED, "the wait was cancelled" },
	{ EISDIR, "a directory, and no journal: there is no control file in "
		  "it" },
	{ EIDRM, "the queue has been unlinked, and there is nothing left to "
		 "wait for; open it again" },
	{ EBUSY, "in use: a single producer, or a group's only consumer, or a "
		 "reservation" },
	{ EUSERS, "every member entry is in use by a live process; close "
		  "some, or create the queue with more members" },
	{ ENOBUFS, "too many separate spans are borrowed; release first" },
	{ ESTALE, "inherited by fork; open a producer or consumer of this "
		  "process's own" },
	{ EBADMSG, "not a queue, or a damaged one" },
	{ EPROTONOSUPPORT, "made by another version of the library, or on "
			   "another architecture" },
	{ EOPNOTSUPP, "this version of the library does not know that kind of "
		      "queue, or the file system lacks what it needs" },
	{ EOVERFLOW, "the stream has come to its end; create a new queue" },
	{ EINVAL, "an argument is wrong" },
	{ E2BIG, "the attributes come from a newer version of the library" },
	{ EBADF, "the handle is read only, or the descriptor is not open" },
	{ ENOENT, "there is no queue of that name" },
	{ EEXIST, "there is a queue, or a file, of that name already" },
	{ ENOSPC, "the file system has no room for that, or for the next file "
		  "of a journal" },
	{ ENAMETOOLONG, "the name is too long" },
	{ EINPROGRESS, "sent; but the disk has not said that it has it" },
	{ ENOTEMPTY, "there are files in that directory which are not the "
		     "queue's" },
	{ ERANGE, "no such message has been sent, or the buffer is too "
		  "small" },
	{ EUCLEAN, "the journal has not been mended since the machine went "
		   "down, or was copied; open it for writing once" },
	{ ENOLCK, "the kernel has no locks left, or denies them" },
	{ ENOSYS, "the system lacks what this needs; is /proc mounted?" },
};

int shmqi_error_say(int error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(detail, sizeof(detail), format, ap);
	va_end(ap);
	return error;
}

void shmqi_error_clear(void)
{
	detail[0] = '\0';
}

const char *shmq_errdetail(void)
{
	return detail;
}

const char *shmq_strerror(int error)
{
	const char *name;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (error == -texts[i].error || error == texts[i].error)
			return texts[i].text;
	name = strerrordesc_np(error < 0 ? -(unsigned)error : (unsigned)error);
	return name ? name : "unknown error";
}
