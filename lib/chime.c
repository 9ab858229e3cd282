/* SPDX-License-Identifier: MIT */
/* Chimes. See chime.h; strike.c for the waker's side. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <bsd/stdlib.h>

#include "atomic.h"
#include "chime.h"
#include "error.h"
#include "fd.h"
#include "strike.h"
#include "wake.h"

/* Attempts in a row that something cleaned up asks for. */
#define TRIES 8

/* Attempts while somebody is about to publish; some microseconds. */
#define SPIN 300
#define SPIN_YIELD 30

struct chime {
	int epoll;
	int fifo;   /* -1: cannot be made anywhere */
	int socket; /* -1: likewise */
	int timer;
	uint64_t name;
	uint64_t armed; /* last value of chime_armed that we stored */
	int64_t due_ns; /* of the timer; INT64_MAX: not set */
	int64_t bound;  /* that it was set with; 0: none since it was struck */
	char path[];    /* of the FIFO */
};

int shmqi_chime_fd(const struct chime *ch)
{
	return ch->epoll;
}

/* --------------------------------------------------- making and removing */

static void close_all(struct chime *ch)
{
	int fds[] = { ch->epoll, ch->fifo, ch->socket, ch->timer };

	for (unsigned i = 0; i < 4; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/*
 * Who may open the queue may strike: the FIFO's mode and group follow those of
 * the file. A file without a name says nothing about that, and then only its
 * owner's processes open the FIFO.
 */
static void follow_mode(const struct segment *seg, uint32_t place, int fd)
{
	struct stat st;

	if (place != SH_CHIME_BESIDE || fstat(seg->share_fd, &st) < 0)
		return;
	/* Each on its own: what is not allowed stays as it is. */
	if (fchown(fd, (uid_t)-1, st.st_gid) < 0)
		st.st_mode &= ~(mode_t)0060;
	(void)!fchmod(fd, st.st_mode & 0666);
}

static int make_fifo(struct segment *seg, struct sh_member *member,
		     uint64_t name, uint32_t place, char *path)
{
	struct stat st;
	int fd;

	if (!shmqi_chime_path(seg, name, place, path))
		return -ENOENT;
	/* Said before it is there, so that it is swept if we die. */
	store_relaxed(&member->chime_place, place);
	if (mkfifo(path, 0600) < 0)
		return -errno;
	fd = shmqi_own_fd(open(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW |
					     O_NOCTTY | O_CLOEXEC));
	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode))) {
		close(fd);
		fd = -EPERM;
	}
	if (fd < 0)
		unlink(path);
	else
		follow_mode(seg, place, fd);
	return fd;
}

/* Only datagrams that begin with the queue's cookie come in. */
static int refuse_strangers(int fd, uint64_t secret)
{
	uint32_t half[2];
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, sizeof(secret), 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, sizeof(half[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, sizeof(secret)),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { 8, code };

	memcpy(half, &secret, sizeof(secret));
	/* The filter reads in network order. */
	code[3].k = __builtin_bswap32(half[0]);
	code[5].k = __builtin_bswap32(half[1]);
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
			  sizeof(program));
}

static int make_socket(const struct segment *seg, uint64_t name)
{
	struct sockaddr_un address;
	socklen_t len = shmqi_chime_address(name, &address);
	int fd = shmqi_own_fd(
		socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));

	if (fd < 0)
		return fd;
	if (refuse_strangers(fd, seg->geo.cookie) < 0 ||
	    bind(fd, (struct sockaddr *)&address, len) < 0) {
		close(fd);
		return -ENOENT;
	}
	return fd;
}

static int watch(const struct chime *ch, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	if (fd >= 0 && epoll_ctl(ch->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	return 0;
}

/* The FIFO beside the queue, or in the runtime directory; and the socket. */
static int make_ends(struct segment *seg, struct sh_member *member,
		     struct chime *ch)
{
	int r;

	store_relaxed(&member->chime_sent, 0);
	ch->name = (uint64_t)arc4random() << 32 | arc4random() | 1;
	store_relaxed(&member->chime_name, ch->name);
	ch->fifo = make_fifo(seg, member, ch->name, SH_CHIME_BESIDE, ch->path);
	if (ch->fifo < 0 && ch->fifo != -EMFILE && ch->fifo != -ENFILE)
		ch->fifo = make_fifo(seg, member, ch->name, SH_CHIME_RUNTIME,
				     ch->path);
	ch->socket = make_socket(seg, ch->name);
	if (ch->fifo < 0) {
		ch->path[0] = '\0';
		store_relaxed(&member->chime_place, SH_CHIME_SOCKET);
		if (ch->socket < 0)
			return ch->fifo;
	}
	ch->timer = shmqi_own_fd(
		timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
	if (ch->timer < 0)
		return ch->timer;
	r = watch(ch, ch->fifo);
	r = r ? r : watch(ch, ch->socket);
	return r ? r : watch(ch, ch->timer);
}

static void forget(struct endpoint *ep)
{
	if (ep->chime->path[0])
		unlink(ep->chime->path);
	store_relaxed(&ep->member->chime_name, 0);
	store_release(&ep->member->chime_armed, 0);
	ep->seg->chimes[ep->index] = NULL;
}

static int open_chime(struct endpoint *ep, struct chime *ch)
{
	int r;

	ch->fifo = ch->socket = ch->timer = -1;
	ch->due_ns = INT64_MAX;
	ch->armed = 1;
	ch->epoll = shmqi_own_fd(epoll_create1(EPOLL_CLOEXEC));
	if (ch->epoll < 0)
		return ch->epoll;
	ep->chime = ep->seg->chimes[ep->index] = ch;
	r = make_ends(ep->seg, ep->member, ch);
	if (!r) {
		/* Not armed, so readable. */
		shmqi_chime_strike(ep);
		return 0;
	}
	forget(ep);
	close_all(ch);
	ep->chime = NULL;
	return r;
}

int shmqi_chime_open(struct endpoint *ep)
{
	struct chime *ch = calloc(1, sizeof(*ch) + PATH_MAX);
	int r = ch ? open_chime(ep, ch) : -ENOMEM;

	if (r)
		free(ch);
	return r;
}

void shmqi_chime_close(struct endpoint *ep)
{
	if (!ep->chime)
		return;
	forget(ep);
	close_all(ep->chime);
	free(ep->chime);
	ep->chime = NULL;
}

void shmqi_chime_forked(struct chime *ch)
{
	close_all(ch);
	free(ch);
}

void shmqi_chime_sweep(struct segment *seg, uint32_t index)
{
	struct sh_member *member = member_at(seg, index);
	uint64_t name = load_relaxed(&member->chime_name);
	char path[PATH_MAX];
	struct stat st;

	if (!name)
		return;
	for (uint32_t place = SH_CHIME_BESIDE; place <= SH_CHIME_RUNTIME;
	     place++)
		if (shmqi_chime_path(seg, name, place, path) &&
		    lstat(path, &st) == 0 && S_ISFIFO(st.st_mode))
			unlink(path);
	store_relaxed(&member->chime_name, 0);
	store_release(&member->chime_armed, 0);
}

/* ---------------------------------------------------- arming and waiting */

void shmqi_chime_strike(struct endpoint *ep)
{
	struct chime *ch = ep->chime;
	struct sockaddr_un address;
	socklen_t len;

	if (ch->fifo >= 0) {
		(void)!write(ch->fifo, "", 1);
	} else {
		len = shmqi_chime_address(ch->name, &address);
		store_relaxed(&ep->member->chime_sent, 1);
		sendto(ch->socket, &ep->seg->geo.cookie,
		       sizeof(ep->seg->geo.cookie), MSG_DONTWAIT,
		       (struct sockaddr *)&address, len);
	}
	/* Spare the others the trouble. */
	cas64(&ep->member->chime_armed, ch->armed, ch->armed + 1);
}

/* Take all strikes. Were there any? */
static bool empty(struct endpoint *ep)
{
	struct chime *ch = ep->chime;
	bool any = false;
	char buf[64];
	ssize_t n;

	while (ch->fifo >= 0 && (n = read(ch->fifo, buf, sizeof(buf))) > 0) {
		any = true;
		if (n < (ssize_t)sizeof(buf))
			break;
	}
	/* Relaxed: if it was not there yet, the socket stays readable. */
	while (ch->socket >= 0 && load_relaxed(&ep->member->chime_sent) &&
	       recv(ch->socket, buf, sizeof(buf), 0) >= 0)
		any = true;
	return any;
}

/* False: it will not ring, as a sandbox denies it. */
static bool set_timer(struct chime *ch, int64_t due_ns)
{
	struct itimerspec when = { 0 };

	if (due_ns == INT64_MAX && ch->due_ns == INT64_MAX)
		return true;
	if (due_ns != INT64_MAX) {
		when.it_value.tv_sec = due_ns / 1000000000;
		when.it_value.tv_nsec = due_ns % 1000000000;
	}
	ch->due_ns = due_ns;
	return timerfd_settime(ch->timer, TFD_TIMER_ABSTIME, &when, NULL) ==
		       0 ||
	       due_ns == INT64_MAX;
}

static bool arm(struct endpoint *ep, struct sh_bell *bell)
{
	struct chime *ch = ep->chime;

	ch->armed += 2;
	/* edge ARM: pairs with wants */
	store_release(&ep->member->chime_armed, ch->armed);
	return shmqi_bell_arm_chime(bell);
}

/* Armed, and nothing there: an outlook, or why not to wait. */
static int look(const struct waiter *w, struct endpoint *ep)
{
	int outlook = w->look_around(w->self);

	if (outlook < 0 || outlook == OUTLOOK_RETRY)
		return outlook;
	/* edge ARM: who removes a name says so before it rings */
	if (load_acquire(&ep->seg->control->moved))
		return -EIDRM;
	return endpoint_cancelled(ep) ? -ECANCELED : outlook;
}

static int64_t arm_and_look(const struct waiter *w, struct endpoint *ep)
{
	struct chime *ch = ep->chime;

	for (int i = 0; i < TRIES; i++) {
		bool sure = arm(ep, w->alarms[0].bell);
		int64_t r = w->attempt(w->self);

		if (r != -EAGAIN)
			return r;
		r = look(w, ep);
		if (r < 0)
			return r;
		if (r == OUTLOOK_RETRY)
			continue;
		ch->bound = shmqi_wait_bound(ch->bound, (int)r, sure);
		if (!set_timer(ch, ch->bound == INT64_MAX ?
					   INT64_MAX :
					   shmqi_clock_ns() + ch->bound))
			break;
		shmqi_wait_count(ep, (int)r);
		return -EAGAIN;
	}
	return -EBUSY;
}

/*
 * Wakers strike before they publish, and a fast sleeper is there first: arming
 * again for that moment would take longer than it lasts.
 */
static int64_t spin(const struct waiter *w)
{
	int64_t r = -EAGAIN;

	for (int i = 0; r == -EAGAIN && i < SPIN; i++) {
		if (!w->imminent || !w->imminent(w->self))
			break;
		/* The waker may be waiting for this very processor. */
		if (i % SPIN_YIELD == SPIN_YIELD - 1)
			sched_yield();
		cpu_relax();
		r = w->attempt(w->self);
	}
	return r;
}

int64_t shmqi_chime_poll(const struct waiter *w)
{
	KEEP_ERRNO;
	struct endpoint *ep = w->eps[0];
	struct chime *ch = ep->chime;
	bool struck;
	int64_t r;

	if (endpoint_cancelled(ep))
		return -ECANCELED;
	/* The chime stays as it is: armed, or readable. */
	r = spin(w);
	if (r != -EAGAIN)
		return r;
	struck = empty(ep);
	if (!struck && load_acquire(&ep->member->chime_armed) == ch->armed &&
	    (ch->due_ns == INT64_MAX || shmqi_clock_ns() < ch->due_ns))
		return -EAGAIN;
	if (struck)
		ch->bound = 0;
	r = arm_and_look(w, ep);
	/* Armed behind what is there: nobody would strike for it. */
	if (r != -EAGAIN)
		shmqi_chime_strike(ep);
	return r == -EBUSY ? -EAGAIN : r;
}
