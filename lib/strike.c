/* SPDX-License-Identifier: MIT */
/*
 * Striking chimes. See strike.h. Nothing here allocates or waits: a signal
 * handler may send.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <shmq.h>

#include "atomic.h"
#include "fd.h"
#include "members.h"
#include "strike.h"

/* A FIFO that has been opened. */
struct fifo {
	uint64_t name; /* 0: none */
	int fd;
};

/* Whoever finds it busy does without: a thread, or the same one below us. */
struct strikers {
	atomic_flag busy;
	int socket; /* -1: none yet */
	struct fifo fifos[];
};

struct strikers *shmqi_strikers_new(uint32_t entries)
{
	struct strikers *s = calloc(1,
				    sizeof(*s) + entries * sizeof(s->fifos[0]));

	if (s) {
		atomic_flag_clear(&s->busy);
		s->socket = -1;
	}
	return s;
}

void shmqi_strikers_free(struct strikers *s, uint32_t entries)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < entries; i++)
		if (s->fifos[i].name)
			close(s->fifos[i].fd);
	if (s->socket >= 0)
		close(s->socket);
	free(s);
}

void shmqi_strikers_forked(struct strikers *s)
{
	/* Each change of an entry is one store of its name. */
	atomic_flag_clear(&s->busy);
}

/* ---------------------------------------------------------------- where */

#define NAME_DIGITS 16

static void write_name(char *to, uint64_t name)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = NAME_DIGITS; i; i--, name >>= 4)
		to[i - 1] = digits[name & 15];
}

/*
 * The directory of the queue's file, with a slash, as the kernel knows it now,
 * whatever it was opened by. 0: none, or not known.
 */
static size_t queue_directory(const struct segment *seg, char *path)
{
	static const char memfd[] = "/memfd:";
	char link[] = "/proc/self/fd/0000000000", *slash;
	size_t at = sizeof("/proc/self/fd/") - 1;
	int fd = seg->share_fd, digits = 1;
	ssize_t n;

	for (int rest = fd / 10; rest; rest /= 10)
		digits++;
	link[at + (size_t)digits] = '\0';
	for (; digits; digits--, fd /= 10)
		link[at + (size_t)digits - 1] = (char)('0' + fd % 10);
	n = readlink(link, path, PATH_MAX - 1);
	if (n <= 0 || path[0] != '/' ||
	    !strncmp(path, memfd, sizeof(memfd) - 1))
		return 0;
	path[n] = '\0';
	slash = strrchr(path, '/');
	return (size_t)(slash - path) + 1;
}

static size_t runtime_directory(char *path)
{
	const char *dir = shmq_runtime_dir();
	size_t n = strlen(dir);

	if (n >= PATH_MAX - 1)
		return 0;
	memcpy(path, dir, n + 1);
	path[n] = '/';
	return n + 1;
}

bool shmqi_chime_path(const struct segment *seg, uint64_t name, uint32_t place,
		      char *path)
{
	static const char prefix[] = ".shmq-";
	const size_t more = sizeof(prefix) + NAME_DIGITS;
	size_t n = 0;

	if (place == SH_CHIME_BESIDE)
		n = queue_directory(seg, path);
	else if (place == SH_CHIME_RUNTIME)
		n = runtime_directory(path);
	if (!n || n + more > PATH_MAX)
		return false;
	memcpy(path + n, prefix, sizeof(prefix) - 1);
	n += sizeof(prefix) - 1;
	write_name(path + n, name);
	path[n + NAME_DIGITS] = '\0';
	return true;
}

socklen_t shmqi_chime_address(uint64_t name, struct sockaddr_un *address)
{
	static const char prefix[] = "shmq-";
	size_t n = sizeof(prefix) - 1;

	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path + 1, prefix, n);
	write_name(address->sun_path + 1 + n, name);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n +
			   NAME_DIGITS);
}

/* ------------------------------------------------------------- striking */

/* What came of it. */
enum strike {
	STRUCK,
	OUT_OF_REACH, /* and nothing that we do will change that */
	NOT_NOW,      /* no descriptor or no memory is left */
};

static enum strike failure(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM ?
		       NOT_NOW :
		       OUT_OF_REACH;
}

/*
 * For reading too: then it has a reader as long as we have it, and a write
 * never raises SIGPIPE. Returns a descriptor or a negative errno.
 */
static int open_fifo(const struct segment *seg, uint64_t name, uint32_t place)
{
	char path[PATH_MAX];
	struct stat st;
	int fd;

	if (!shmqi_chime_path(seg, name, place, path))
		return -ENOENT;
	fd = shmqi_own_fd(open(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW |
					     O_NOCTTY | O_CLOEXEC));
	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode))) {
		close(fd);
		return -ENOENT;
	}
	return fd;
}

/* A full FIFO is readable. */
static enum strike strike_fifo(int fd)
{
	return write(fd, "", 1) == 1 || errno == EAGAIN ? STRUCK : OUT_OF_REACH;
}

/* Who the FIFO does not reach, perhaps the socket does. */
static enum strike strike_socket(const struct segment *seg,
				 struct sh_member *member, uint64_t name,
				 int *fd)
{
	struct sockaddr_un address;
	socklen_t len = shmqi_chime_address(name, &address);
	uint64_t secret = seg->geo.cookie;

	if (*fd < 0)
		*fd = shmqi_own_fd(
			socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	if (*fd < 0)
		return failure(-*fd);
	/* Relaxed: its owner looks there from now on, sooner or later. */
	store_relaxed(&member->chime_sent, 1);
	if (sendto(*fd, &secret, sizeof(secret), MSG_DONTWAIT | MSG_NOSIGNAL,
		   (struct sockaddr *)&address, len) >= 0 ||
	    errno == EAGAIN)
		return STRUCK;
	return failure(errno);
}

/* fifo and sock are kept by the caller, or thrown away. */
static enum strike strike(const struct segment *seg, struct sh_member *member,
			  struct fifo *fifo, int *sock)
{
	/* Relaxed: edge ARM was acquired with chime_armed. */
	uint64_t name = load_relaxed(&member->chime_name);
	uint32_t place = load_relaxed(&member->chime_place);
	enum strike done;
	int fd = -ENOENT;

	if (!name)
		return OUT_OF_REACH;
	if (fifo->name == name)
		return strike_fifo(fifo->fd);
	if (fifo->name) {
		fifo->name = 0;
		close(fifo->fd);
	}
	if (place == SH_CHIME_BESIDE)
		fd = open_fifo(seg, name, place);
	if (fd < 0 && place != SH_CHIME_SOCKET)
		fd = open_fifo(seg, name, SH_CHIME_RUNTIME);
	if (fd >= 0) {
		fifo->fd = fd;
		compiler_fence();
		fifo->name = name;
		return strike_fifo(fd);
	}
	done = strike_socket(seg, member, name, sock);
	return done != STRUCK && failure(-fd) == NOT_NOW ? NOT_NOW : done;
}

static enum strike strike_alone(const struct segment *seg,
				struct sh_member *member)
{
	struct fifo fifo = { 0, -1 };
	int sock = -1;
	enum strike done = strike(seg, member, &fifo, &sock);

	if (fifo.name)
		close(fifo.fd);
	if (sock >= 0)
		close(sock);
	return done;
}

static bool wants(struct sh_member *member, uint32_t role, uint64_t *armed)
{
	/* edge ARM: pairs with shmqi_chime_arm; it carries the name */
	*armed = load_acquire(&member->chime_armed);
	/* edge STATE */
	return *armed & 1 && load_acquire(&member->state) == role;
}

/* False: some have to be struck again. */
static bool strike_members(struct segment *seg, uint32_t role)
{
	struct strikers *s = seg->strikers;
	bool alone = atomic_flag_test_and_set(&s->busy);
	bool all = true;

	for (uint32_t i = 0; i < shmqi_member_top(seg); i++) {
		struct sh_member *member = member_at(seg, i);
		enum strike done;
		uint64_t armed;

		if (!wants(member, role, &armed))
			continue;
		done = alone ? strike_alone(seg, member) :
			       strike(seg, member, &s->fifos[i], &s->socket);
		/* Struck first: who dies here leaves it to the next. */
		if (done != NOT_NOW)
			cas64(&member->chime_armed, armed, armed + 1);
		all &= done != NOT_NOW;
	}
	if (!alone)
		atomic_flag_clear(&s->busy);
	return all;
}

void shmqi_strike_all(struct segment *seg, struct sh_bell *bell)
{
	uint32_t role = bell == &seg->control->recv ? SH_MEMBER_CONSUMER :
						      SH_MEMBER_PRODUCER;
	/* edge ARM: pairs with shmqi_bell_arm_chime */
	uint64_t armings = load_acquire(&bell->at.hi);

	if (!strike_members(seg, role))
		return;
	for (int i = 0; i < 3; i++) {
		uint64_t word = load_acquire(&bell->at.lo);
		struct pair from = { word, armings };
		struct pair to = { word & ~SH_BELL_CHIMES, armings };

		/* Armed since: the next waker does it. */
		if (!(word & SH_BELL_CHIMES) ||
		    load_relaxed(&bell->at.hi) != armings ||
		    cas128(&bell->at, from, to))
			return;
	}
}
