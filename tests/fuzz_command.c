/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the command's arguments and standard input. The input is split
 * at NUL bytes: arguments, until an empty one; the rest is standard input.
 * What the command says does not matter; it must end by itself or when it is
 * told to, with a status that is documented. It runs in SHMQ_DIR, cannot name
 * a file elsewhere, and can make no file of more than a few MiB.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <shmq.h>

#include "fuzz_target.h"

#define ARGUMENTS 12
#define FILE_BYTES (8 << 20)
#define PATIENCE_MS 20000

const char fuzz_name[] = "command";
const unsigned fuzz_runs = 150;

static const char *command(void)
{
	static char path[4500];
	const char *top = getenv("top_builddir");

	if (getenv("SHMQ"))
		return getenv("SHMQ");
	/* Not libtool's script, which is slow, and ended by any signal. */
	snprintf(path, sizeof(path), "%s/lib/.libs", top ? top : ".");
	setenv("LD_LIBRARY_PATH", path, 1);
	snprintf(path, sizeof(path), "%s/tools/.libs/shmq", top ? top : ".");
	if (access(path, X_OK) < 0)
		snprintf(path, sizeof(path), "%s/tools/shmq", top ? top : ".");
	return path;
}

static void run(char **argv, int input)
{
	struct rlimit limit = { FILE_BYTES, FILE_BYTES };
	char path[4500], *real = realpath(command(), path);
	int null = open("/dev/null", O_WRONLY);

	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	dup2(input, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	if (!real || chdir(shmq_runtime_dir()) < 0)
		_exit(126);
	execv(real, argv);
	_exit(127);
}

static void nap(void)
{
	const struct timespec moment = { 0, 1000000 };

	nanosleep(&moment, NULL);
}

/* It may wait for ever, if it was asked to; then a signal ends it. */
static int end_of(pid_t pid)
{
	int status;

	for (int ms = 0; waitpid(pid, &status, WNOHANG) == 0; ms++) {
		if (ms == 200)
			kill(pid, SIGTERM);
		if (ms > PATIENCE_MS)
			abort();
		nap();
	}
	return status;
}

/* Paths stay here: a slash becomes something else. */
static size_t split(char *text, size_t size, char **argv)
{
	size_t at = 0;
	int n = 1;

	while (at < size && text[at] && n < ARGUMENTS - 1) {
		argv[n++] = text + at;
		for (; at < size && text[at]; at++)
			if (text[at] == '/')
				text[at] = '+';
		at++;
	}
	argv[n] = NULL;
	return at < size ? at : size;
}

/* Whatever names came of it. */
static void sweep(void)
{
	DIR *dir = opendir(shmq_runtime_dir());
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
}

static void prepare(void)
{
	static bool prepared;

	if (prepared)
		return;
	prepared = true;
	if (!getenv("SHMQ_DIR")) {
		fprintf(stderr, "SHMQ_DIR must be a directory of our own\n");
		exit(1);
	}
	atexit(sweep);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *argv[ARGUMENTS] = { (char[]){ "shmq" } };
	int input = memfd_create("input", MFD_CLOEXEC), status;
	char *text = calloc(1, size + 1);
	size_t at;
	pid_t pid;

	prepare();
	if (!text || input < 0)
		abort();
	memcpy(text, data, size);
	at = split(text, size, argv);
	if (write(input, text + at, size - at) < 0)
		abort();
	lseek(input, 0, SEEK_SET);
	pid = fork();
	if (!pid)
		run(argv, input);
	status = end_of(pid);
	/* SIGTERM ends it as a signal would, or comes before it is ready. */
	if (WIFEXITED(status) ? WEXITSTATUS(status) > 3 &&
					WEXITSTATUS(status) != 128 + SIGTERM :
				WTERMSIG(status) != SIGTERM) {
		fprintf(stderr, "status %#x of: shmq", (unsigned)status);
		for (int i = 1; argv[i]; i++)
			fprintf(stderr, " '%s'", argv[i]);
		fprintf(stderr, "\n");
		abort();
	}
	close(input);
	free(text);
	return 0;
}
