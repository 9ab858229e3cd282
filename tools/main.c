/* SPDX-License-Identifier: MIT */
/*
 * shmq: the command. This file knows which verbs there are and nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <shmq.h>

#include "verb.h"

static const struct verb *const verbs[] = {
	&verb_create, &verb_send,    &verb_recv,   &verb_dump, &verb_stat,
	&verb_ls,     &verb_group,   &verb_resize, &verb_set,  &verb_rm,
	&verb_doctor, &verb_journal, &verb_bench,
};
#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static const struct verb *find(const char *name)
{
	for (size_t i = 0; i < N_VERBS; i++)
		if (!strcmp(verbs[i]->name, name))
			return verbs[i];
	return NULL;
}

static void usage(FILE *to)
{
	fputs("usage: shmq VERB ...\n"
	      "\n"
	      "Queues between processes, in shared memory.\n"
	      "\n",
	      to);
	for (size_t i = 0; i < N_VERBS; i++)
		fprintf(to, "  %-8s%s\n", verbs[i]->name, verbs[i]->summary);
	fputs("  help    explain a verb: shmq help send\n"
	      "\n"
	      "  --version  print the version\n"
	      "  -h, --help this text\n"
	      "\n"
	      "NAME without a slash is a queue in the runtime directory, "
	      "$SHMQ_DIR or /dev/shm;\n"
	      "with a slash it is the path of a file.\n"
	      "\n"
	      "Exit status: 0 done, 1 the queue or the system said no, 2 "
	      "wrong usage,\n"
	      "3 the queue is damaged, 128+N ended by signal N.\n"
	      "\n"
	      "Examples:\n"
	      "  shmq create jobs\n"
	      "  shmq send jobs 'resize photo-17'\n"
	      "  shmq recv jobs\n",
	      to);
}

static int unknown(const char *what, const char *word)
{
	fprintf(stderr, "shmq: unknown %s '%s': see 'shmq --help'\n", what,
		word);
	return STATUS_USAGE;
}

static int help(int argc, char **argv)
{
	const struct verb *verb;

	if (argc > 2) {
		fputs("shmq help: one verb at a time: see 'shmq --help'\n",
		      stderr);
		return STATUS_USAGE;
	}
	if (argc < 2) {
		usage(stdout);
		return STATUS_DONE;
	}
	verb = find(argv[1]);
	if (!verb)
		return unknown("verb", argv[1]);
	fputs(verb->help, stdout);
	return STATUS_DONE;
}

static int dispatch(int argc, char **argv)
{
	const struct verb *verb;

	if (argc < 2) {
		usage(stderr);
		return STATUS_USAGE;
	}
	if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") ||
	    !strcmp(argv[1], "-h"))
		return help(argc - 1, argv + 1);
	if (!strcmp(argv[1], "--version")) {
		printf("shmq %d.%d.%d, libshmq %s\n", SHMQ_VERSION_MAJOR,
		       SHMQ_VERSION_MINOR, SHMQ_VERSION_PATCH, shmq_version());
		return STATUS_DONE;
	}
	verb = find(argv[1]);
	if (!verb)
		return unknown(argv[1][0] == '-' ? "option" : "verb", argv[1]);
	return verb->run(verb, argc - 1, argv + 1);
}

/*
 * A queue opened while descriptor 1 is free would get that number, and messages
 * would be printed into it. So all three are taken, and in the wrong direction:
 * using one that was closed still is an error.
 */
static int take_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		int mode = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;

		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", mode) != fd)
			return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int status;

	if (take_standard_descriptors())
		return STATUS_REFUSED;
	status = dispatch(argc, argv);
	/* A full disk shows only now. */
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "shmq: standard output: %s\n", strerror(errno));
		if (status == STATUS_DONE)
			status = STATUS_REFUSED;
	}
	return status;
}
