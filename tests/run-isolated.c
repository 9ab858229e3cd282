/* SPDX-License-Identifier: MIT */
/*
 * run-isolated PROGRAM ARGUMENT...: run one test with nothing shared.
 *
 * The test gets an empty SHMQ_DIR (in memory if there is room) and an empty
 * TMPDIR, a session of its own, and no input. Whatever it starts stays below
 * this process, which is a subreaper: neither a fork nor a new session escapes.
 *
 * The exit status is the test's. It is 1 instead of 0 or 77 if the test left a
 * file or a process behind, 124 if it took longer than SHMQ_TEST_TIMEOUT
 * seconds (default 300), 128 + N if signal N killed it. Afterwards no file and
 * no process is left in any case.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	STATUS_LEFT = 1,
	STATUS_SKIP = 77,
	STATUS_HARD_ERROR = 99, /* as the automake manual defines it */
	STATUS_TIMEOUT = 124,
	STATUS_CANNOT_RUN = 127,
};

/* What a test may expect to fit into its runtime directory. */
static const unsigned long long ROOM_BYTES = 128ULL << 20;

/* What a killed process may need until it is gone. */
static const double GRACE_S = 1;

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

static int has_room(const char *dir)
{
	struct statvfs fs;

	return access(dir, W_OK | X_OK) == 0 && statvfs(dir, &fs) == 0 &&
	       (unsigned long long)fs.f_bavail * fs.f_frsize >= ROOM_BYTES;
}

/* A new directory below parent becomes the value of variable. */
static char *dir_create(const char *parent, const char *variable)
{
	char *dir;

	if (asprintf(&dir, "%s/shmq-test.XXXXXX", parent) < 0 ||
	    mkdtemp(dir) == NULL || setenv(variable, dir, 1) != 0) {
		fprintf(stderr, "run-isolated: %s: %s\n", parent,
			strerror(errno));
		exit(STATUS_HARD_ERROR);
	}
	return dir;
}

/* More of them would hide what the test has said. */
#define FILES_NAMED 8

static int files_left;

static int file_remove(const char *path, const struct stat *st, int type,
		       struct FTW *place)
{
	(void)st;
	(void)type;
	if (place->level > 0 && files_left++ < FILES_NAMED)
		printf("run-isolated: left behind: %s\n", path);
	if (remove(path) != 0)
		printf("run-isolated: %s: %s\n", path, strerror(errno));
	return 0;
}

static void dir_remove(const char *dir)
{
	nftw(dir, file_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* Reads "pid (command) state parent ..."; false if that process is gone. */
static int stat_read(const char *pid, char *command, int *parent)
{
	char path[64], text[512], *open, *close, state;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	open = strchr(text, '(');
	close = strrchr(text, ')');
	if (open == NULL || close == NULL ||
	    sscanf(close + 1, " %c %d", &state, parent) != 2)
		return 0;
	snprintf(command, 64, "%.*s", (int)(close - open - 1), open + 1);
	return 1;
}

/* Kills this process's children; their own become its children by that. */
static void children_kill(int report)
{
	char command[64];
	struct dirent *entry;
	int parent;
	DIR *proc;

	proc = opendir("/proc");
	while (proc != NULL && (entry = readdir(proc)) != NULL) {
		if (atoi(entry->d_name) <= 0 ||
		    !stat_read(entry->d_name, command, &parent) ||
		    parent != getpid())
			continue;
		if (report)
			printf("run-isolated: still running: %s (pid %s)\n",
			       command, entry->d_name);
		kill(atoi(entry->d_name), SIGKILL);
	}
	if (proc != NULL)
		closedir(proc);
}

/*
 * Reaps everything that has ended. True while there are children; *status is
 * set when the test is among those that ended.
 */
static int children_reap(pid_t test, int *status)
{
	int any;
	pid_t pid;

	while ((pid = waitpid(-1, &any, WNOHANG | __WALL)) > 0)
		if (pid == test)
			*status = any;
	return pid == 0;
}

/* Waits for a signal of the set, for a tenth of a second at most. */
static int signal_wait(const sigset_t *signals)
{
	const struct timespec tick = { 0, 100 * 1000 * 1000 };

	return sigtimedwait(signals, NULL, &tick);
}

/* True if processes outlived the test. None does when this returns. */
static int leftovers_end(const sigset_t *signals, int report)
{
	double deadline_s = now_s() + (report ? GRACE_S : 0);
	int left = 0, ignored;

	while (children_reap(0, &ignored)) {
		if (now_s() >= deadline_s) {
			children_kill(report && !left);
			left = 1;
		}
		signal_wait(signals);
	}
	return left;
}

static pid_t test_start(char **argv, const sigset_t *old_mask)
{
	pid_t pid = fork();
	int fd;

	if (pid < 0) {
		perror("run-isolated: fork");
		exit(STATUS_HARD_ERROR);
	}
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigprocmask(SIG_SETMASK, old_mask, NULL);
	setsid();
	fd = open("/dev/null", O_RDONLY);
	dup2(fd, STDIN_FILENO);
	close(fd);
	execvp(argv[0], argv);
	fprintf(stderr, "run-isolated: cannot run %s: %s\n", argv[0],
		strerror(errno));
	_exit(STATUS_CANNOT_RUN);
}

/* Returns the exit status; *stopped_by is a signal that came from outside. */
static int test_wait(pid_t test, const sigset_t *signals, int *stopped_by)
{
	const char *text = getenv("SHMQ_TEST_TIMEOUT");
	double limit_s = text != NULL && atof(text) > 0 ? atof(text) : 300;
	double deadline_s = now_s() + limit_s;
	int status = -1, sig;

	while (children_reap(test, &status), status == -1) {
		sig = signal_wait(signals);
		if (sig == SIGINT || sig == SIGTERM || sig == SIGHUP) {
			*stopped_by = sig;
			return 128 + sig;
		}
		if (now_s() >= deadline_s) {
			printf("run-isolated: took longer than %g s\n",
			       limit_s);
			return STATUS_TIMEOUT;
		}
	}
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	printf("run-isolated: killed by signal %d (%s)\n", WTERMSIG(status),
	       strsignal(WTERMSIG(status)));
	return 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	const char *tmp = getenv("TMPDIR");
	char *runtime_dir, *tmp_dir;
	sigset_t signals, old_mask;
	int status, left, stopped_by = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: run-isolated PROGRAM ARGUMENT...\n");
		return STATUS_HARD_ERROR;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (tmp == NULL || *tmp == '\0')
		tmp = "/tmp";
	runtime_dir = dir_create(has_room("/dev/shm") ? "/dev/shm" : tmp,
				 "SHMQ_DIR");
	tmp_dir = dir_create(tmp, "TMPDIR");

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	/* The reader of the output may go; the clean-up still has to be done. */
	sigaddset(&signals, SIGPIPE);
	sigprocmask(SIG_BLOCK, &signals, &old_mask);
	prctl(PR_SET_CHILD_SUBREAPER, 1);

	status = test_wait(test_start(argv + 1, &old_mask), &signals,
			   &stopped_by);
	left = leftovers_end(&signals,
			     status != STATUS_TIMEOUT && stopped_by == 0);
	dir_remove(runtime_dir);
	dir_remove(tmp_dir);
	free(runtime_dir);
	free(tmp_dir);
	if (stopped_by != 0) {
		signal(stopped_by, SIG_DFL);
		raise(stopped_by);
		sigprocmask(SIG_SETMASK, &old_mask, NULL);
	}
	if (files_left > FILES_NAMED)
		printf("run-isolated: %d files in all\n", files_left);
	if ((left || files_left > 0) && (status == 0 || status == STATUS_SKIP))
		status = STATUS_LEFT;
	return status;
}
