/* SPDX-License-Identifier: MIT */
/*
 * Complaints and exit statuses. The library says what is wrong; the advice
 * here says what a person at a terminal can do about it.
 */
#include "fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shmq.h>

static const struct {
	int error;
	const char *advice;
} advices[] = {
	{ ENOENT, "'shmq ls' lists the queues, 'shmq create' makes one" },
	{ EEXIST, "use it as it is, or remove it with 'shmq rm'" },
	{ EACCES, "sending and receiving need read and write permission" },
	{ EPERM, "ask the owner of the file" },
	{ EROFS, "choose another directory with SHMQ_DIR" },
	{ ENOSPC, "make room there: remove a queue, or create a smaller one" },
	{ EDQUOT, "make room there: remove a queue, or create a smaller one" },
	{ EBADMSG, "check the name; keep a copy of a damaged queue, then "
		   "remove it with rm(1)" },
	{ EOPNOTSUPP, "leave that option out, or use a newer version" },
	{ EBUSY, "'shmq stat' shows who has the place" },
	{ EUSERS, "'shmq stat' lists them" },
	{ EIDRM, "'shmq create' makes a new one" },
	{ EMSGSIZE, "create the queue with a larger --capacity" },
	{ EMFILE, "raise the limit of open files, 'ulimit -n'" },
};

static const char *advice_for(int error)
{
	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++)
		if (advices[i].error == -error)
			return advices[i].advice;
	return NULL;
}

int fault_status(int error)
{
	switch (error) {
	case -EBADMSG:
		return STATUS_DAMAGED;
	case -EINVAL:
	case -E2BIG:
	case -ENAMETOOLONG:
		return STATUS_USAGE;
	default:
		return STATUS_REFUSED;
	}
}

static int complain(const struct verb *verb, const char *name, int error,
		    const char *what, const char *advice)
{
	fprintf(stderr, "shmq %s: %s: %s", verb->name, name, what);
	if (advice)
		fprintf(stderr, ": %s", advice);
	fputc('\n', stderr);
	return fault_status(error);
}

int fault(const struct verb *verb, const char *name, int error)
{
	const char *detail = shmq_errdetail();

	/* It is a queue, and has more in it than what is damaged. */
	if (error == -EBADMSG)
		return complain(verb, name, error, *detail ? detail : "damaged",
				"'shmq doctor' says what is wrong, 'shmq dump' "
				"shows what is whole");
	return complain(verb, name, error, shmq_strerror(error),
			advice_for(error));
}

int fault_open(const struct verb *verb, const char *name, int error)
{
	const char *detail = shmq_errdetail();

	return complain(verb, name, error,
			*detail ? detail : shmq_strerror(error),
			advice_for(error));
}

int fault_refused(const struct verb *verb, const char *name, const char *format,
		  ...)
{
	va_list args;

	fprintf(stderr, "shmq %s: %s: ", verb->name, name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return STATUS_REFUSED;
}

int fault_usage(const struct verb *verb, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "shmq %s: ", verb->name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, ": see 'shmq %s --help'\n", verb->name);
	return STATUS_USAGE;
}
