/* SPDX-License-Identifier: MIT */
/*
 * The daemon of iceoryx: started for a run, with no more memory than the run
 * needs, and gone after it. What is bound to an abstract name keeps two
 * benchmarks from sharing one that is about to end.
 */
#include "roudi.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <iceoryx_posh/iceoryx_posh_types.hpp>

#include "shared.h"

#define DAEMON "iox-roudi"
#define SOCKET ROUDI_SOCKETS "roudi"
#define LOCK ROUDI_SOCKETS "iox-unique-roudi.lock"
#define TURN_NAME "shmq-bench-roudi"
#define TURN_MS 15000
#define START_MS 4000
#define STOP_MS 3000
#define LOOK_MS 2
#define POOL_BYTES 8000000 /* of the daemon's memory, about */
#define CHUNKS_MOST 32768

static pid_t daemon_pid; /* 0: none of ours */
static int turn = -1;    /* held while it is our turn */

static void sleep_ms(int ms)
{
	poll(NULL, 0, ms);
}

static int socket_at(const char *name, bool abstract, bool listen, int *fd)
{
	struct sockaddr_un address = {};
	const struct sockaddr *at = reinterpret_cast<const struct sockaddr *>(
		&address);
	socklen_t len = sizeof(address);

	*fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return -errno;
	address.sun_family = AF_UNIX;
	snprintf(address.sun_path + abstract,
		 sizeof(address.sun_path) - abstract, "%s", name);
	if (!(listen ? bind(*fd, at, len) : connect(*fd, at, len)))
		return 0;
	return -errno;
}

/* 0: a daemon listens; -EACCES: another user's; another errno: there is none */
static int daemon_listens(void)
{
	int fd, error = socket_at(SOCKET, false, false, &fd);

	close(fd);
	return error;
}

static bool turn_take(void)
{
	for (int ms = 0; ms < TURN_MS; ms += LOOK_MS) {
		if (!socket_at(TURN_NAME, true, true, &turn))
			return true;
		close(turn);
		sleep_ms(LOOK_MS);
	}
	turn = -1;
	return false;
}

static void turn_give(void)
{
	if (turn >= 0)
		close(turn);
	turn = -1;
}

/* Memory for messages of one length. */
static int configure(const char *path, size_t bytes, size_t least)
{
	size_t size = bench_round_up(bytes, 64), count = POOL_BYTES / size;
	FILE *file = fopen(path, "we");

	if (!file)
		return -errno;
	count = count > CHUNKS_MOST ? CHUNKS_MOST :
		count < least       ? least :
				      count;
	fprintf(file,
		"[general]\nversion = 1\n\n[[segment]]\n\n"
		"[[segment.mempool]]\nsize = %zu\ncount = %zu\n",
		size, count);
	return fclose(file) ? -errno : 0;
}

/* It ends with us, and it says nothing. */
[[noreturn]] static void daemon_become(const char *configuration, pid_t parent)
{
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() == parent && null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		setsid();
		execlp(DAEMON, DAEMON, "-m", "off", "-l", "off", "-k", "1",
		       "-c", configuration, NULL);
	}
	_exit(127);
}

/* What a daemon that did not end well has left, unless it is another's. */
static void daemon_clean(void)
{
	const struct group *group = getgrgid(getegid());
	int fd = open(LOCK, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	if (!flock(fd, LOCK_EX | LOCK_NB)) {
		shm_unlink(iox::roudi::SHM_NAME);
		if (group)
			shm_unlink(group->gr_name);
		unlink(SOCKET);
		unlink(SOCKET ".lock");
		unlink(LOCK);
	}
	close(fd);
}

static void daemon_stop(void)
{
	int ms = 0, status = 0;

	if (!daemon_pid)
		return;
	kill(daemon_pid, SIGTERM);
	while (!waitpid(daemon_pid, &status, WNOHANG)) {
		if (ms >= STOP_MS)
			kill(daemon_pid, SIGKILL);
		sleep_ms(LOOK_MS);
		ms += LOOK_MS;
	}
	daemon_pid = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		daemon_clean();
}

/* NULL, or why there is no daemon. */
static const char *daemon_start(const char *path, size_t bytes, size_t least)
{
	pid_t parent = getpid();
	int status;

	if (configure(path, bytes, least))
		return "no file for the configuration of " DAEMON;
	daemon_pid = fork();
	if (!daemon_pid)
		daemon_become(path, parent);
	if (daemon_pid < 0) {
		daemon_pid = 0;
		return "no process for " DAEMON;
	}
	for (int ms = 0; ms < START_MS; ms += LOOK_MS) {
		if (!daemon_listens())
			return NULL;
		if (waitpid(daemon_pid, &status, WNOHANG) == daemon_pid) {
			daemon_pid = 0;
			daemon_clean();
			return WIFEXITED(status) && WEXITSTATUS(status) == 127 ?
				       DAEMON " is not installed" :
				       DAEMON " does not run here";
		}
		sleep_ms(LOOK_MS);
	}
	daemon_stop();
	return DAEMON " does not begin to listen";
}

const char *roudi_start(const char *path, size_t bytes, size_t least)
{
	if (!turn_take())
		return "another benchmark does not let go of " DAEMON;
	switch (daemon_listens()) {
	case 0:
		return NULL;
	case -EACCES:
	case -EPERM:
		return "another user's " DAEMON " runs here";
	default:
		return daemon_start(path, bytes, least);
	}
}

void roudi_stop(void)
{
	daemon_stop();
	turn_give();
}
