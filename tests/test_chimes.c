/* SPDX-License-Identifier: MIT */
/*
 * Descriptors for event loops, and what happens to others: processes that are
 * killed, fork, missing calls, namespaces, files that are removed or full.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "atomic.h"
#include "consumer.h"
#include "deny.h"
#include "handle.h"
#include "strike.h"
#include "support.h"

#define ROUNDS 200
#define LONG (PATIENCE_S * 1000)

static bool readable(int fd, int ms)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	int r;

	do
		r = poll(&pollfd, 1, ms);
	while (r < 0 && errno == EINTR);
	must(r >= 0);
	return r;
}

/* What a loop does; how many messages, or the error that is not -EAGAIN. */
static int receive_all(struct shmq_consumer *c)
{
	char buf[64];
	int n = 0;
	ssize_t r;

	while ((r = shmq_recv(c, buf, sizeof(buf), 0)) >= 0)
		n++;
	return r == -EAGAIN ? n : (int)r;
}

/* Loop until n have come. */
static void loop(struct shmq_consumer *c, int n)
{
	int fd = shmq_consumer_fd(c);

	must(fd >= 0);
	while (n > 0) {
		int r;

		must(readable(fd, LONG));
		r = receive_all(c);
		must(r >= 0);
		n -= r;
	}
	must_be(n, 0);
}

struct chiming {
	char path[PATH_MAX]; /* of its FIFO */
	uint64_t name;
	int fd;
};

static struct chiming chime_of(struct shmq_consumer *c)
{
	struct chiming chiming = { .fd = shmq_consumer_fd(c) };
	struct sh_member *member = c->ep.member;

	must(chiming.fd >= 0);
	chiming.name = load_relaxed(&member->chime_name);
	must(chiming.name);
	must(shmqi_chime_path(c->ep.seg, chiming.name,
			      load_relaxed(&member->chime_place),
			      chiming.path));
	return chiming;
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static void send_one(void *arg)
{
	struct shmq_producer *p = producer_join(arg);

	must_be(shmq_send(p, "x", 1, 0), 0);
	shmq_producer_close(p);
}

/* ------------------------------------------------------- two processes */

struct game {
	struct shmq *q, *back;
	bool deny[2];
	step asked;
};

static void echo(void *arg)
{
	struct game *game = arg;
	struct shmq_consumer *c;
	struct shmq_producer *p;

	if (game->deny[1])
		deny(SYS_membarrier, EPERM);
	p = producer_join(game->back);
	c = consumer_join(game->q, 0);
	must(shmq_consumer_fd(c) >= 0);
	must_be(shmq_send(p, "x", 1, 0), 0);
	for (int i = 0; i < ROUNDS; i++) {
		loop(c, 1);
		must_be(shmq_send(p, "x", 1, PATIENCE_NS), 0);
	}
	shmq_consumer_close(c);
	shmq_producer_close(p);
}

static void ask(void *arg)
{
	struct game *game = arg;
	struct shmq_consumer *c;
	struct shmq_producer *p;
	int64_t begin;

	if (game->deny[0])
		deny(SYS_membarrier, EPERM);
	p = producer_join(game->q);
	c = consumer_join(game->back, 0);
	loop(c, 1);
	begin = clock_now_ns();
	for (int i = 0; i < ROUNDS; i++) {
		wait_for_sleepers(game->q, SHMQ_ROLE_CONSUMER, 1);
		must_be(shmq_send(p, "x", 1, 0), 0);
		loop(c, 1);
	}
	must(clock_now_ns() - begin < PATIENCE_NS);
	shmq_consumer_close(c);
	shmq_producer_close(p);
}

static void loops_wake_each_other_with_or_without_membarrier(void **state)
{
	(void)state;
	skip_unless_deniable();
	for (int i = 0; i < 4; i++) {
		struct game *game = shared_memory(sizeof(*game));
		pid_t asker, answerer;

		game->q = queue_create("q", 4096, 0);
		game->back = queue_anonymous(4096, SHMQ_SINGLE_PRODUCER);
		game->deny[0] = i & 1;
		game->deny[1] = i & 2;
		answerer = child_start(echo, game);
		asker = child_start(ask, game);
		child_join(asker);
		child_join(answerer);
		must_be(shmq_unlink("q"), 0);
		must_be(directory_entries(), 0);
		shmq_close(game->q);
		shmq_close(game->back);
		shared_free(game, sizeof(*game));
	}
}

/* The first strike opens the FIFO, the others have it. */
static void threads_of_a_process_strike_too(void **state)
{
	struct shmq *q = queue_anonymous(4096, 0);
	struct shmq_consumer *c = consumer_join(q, 0);
	struct shmq_producer *p = producer_join(q);

	(void)state;
	must(!readable(shmq_consumer_fd(c), 0));
	for (int i = 0; i < ROUNDS; i++) {
		must_be(shmq_send(p, "x", 1, 0), 0);
		must(readable(shmq_consumer_fd(c), 0));
		must_be(receive_all(c), 1);
		must(!readable(shmq_consumer_fd(c), 0));
	}
	shmq_producer_close(p);
	shmq_consumer_close(c);
	must_be(directory_entries(), 0);
	shmq_close(q);
}

/* --------------------------------------------------------------- deaths */

struct holding {
	struct shmq *q;
	step there;
};

static void hold_a_reservation(void *arg)
{
	struct holding *h = arg;
	void *out;

	must_be(shmq_reserve(producer_join(h->q), 8, &out, 0), 0);
	step_to(&h->there, 1);
	pause();
}

static void a_message_behind_a_killed_producer_is_seen(void **state)
{
	struct holding *h = shared_memory(sizeof(*h));
	struct shmq_consumer *c;
	pid_t pid;

	(void)state;
	h->q = queue_anonymous(4096, 0);
	c = consumer_join(h->q, 0);
	must(shmq_consumer_fd(c) >= 0);
	pid = child_start(hold_a_reservation, h);
	step_wait(&h->there, 1);
	child_run(send_one, h->q);
	must(readable(shmq_consumer_fd(c), LONG));
	must_be(receive_all(c), 0);
	child_kill(pid);
	loop(c, 1);
	shmq_consumer_close(c);
	shmq_close(h->q);
	shared_free(h, sizeof(*h));
}

static void hold_a_message(void *arg)
{
	struct holding *h = arg;
	struct shmq_consumer *c = consumer_join(h->q, 0);
	struct shmq_msg msg;

	must_be(shmq_receive(c, &msg, 1, PATIENCE_NS), 1);
	step_to(&h->there, 1);
	pause();
}

static void what_a_killed_competitor_held_is_seen(void **state)
{
	struct holding *h = shared_memory(sizeof(*h));
	struct shmq_consumer *c;
	pid_t pid;

	(void)state;
	h->q = queue_anonymous(4096, 0);
	pid = child_start(hold_a_message, h);
	child_run(send_one, h->q);
	step_wait(&h->there, 1);
	c = consumer_join(h->q, 0);
	must(shmq_consumer_fd(c) >= 0);
	must_be(receive_all(c), 0);
	child_kill(pid);
	loop(c, 1);
	shmq_consumer_close(c);
	shmq_close(h->q);
	shared_free(h, sizeof(*h));
}

static void sleep_with_a_chime(void *arg)
{
	struct holding *h = arg;
	struct shmq_consumer *c = consumer_join(h->q, 0);
	struct shmq_producer *p = producer_join(h->q);

	must(shmq_consumer_fd(c) >= 0);
	must(shmq_producer_fd(p) >= 0);
	step_to(&h->there, 1);
	pause();
}

/* Its chime is armed: senders find nobody, once, and who cleans up sweeps. */
static void a_killed_loop_leaves_nothing(void **state)
{
	(void)state;
	for (int named = 0; named < 2; named++) {
		struct holding *h = shared_memory(sizeof(*h));
		pid_t pid;

		h->q = named ? queue_create("q", 4096, 0) :
			       queue_anonymous(4096, 0);
		pid = child_start(sleep_with_a_chime, h);
		step_wait(&h->there, 1);
		must_be(directory_entries(), named + 2);
		child_kill(pid);
		child_run(send_one, h->q);
		child_run(send_one, h->q);
		must(!(load_relaxed(&h->q->seg->control->recv.at.lo) &
		       SH_BELL_CHIMES));
		must_be(shmq_recover(h->q), 2);
		must_be(directory_entries(), named);
		shmq_close(h->q);
		shared_free(h, sizeof(*h));
	}
}

/* A waker died after it had struck, and before it said so; or before that. */
static void what_a_dead_waker_left_is_struck_again(void **state)
{
	struct shmq *q = queue_anonymous(4096, 0);
	struct shmq_consumer *c = consumer_join(q, 0);
	_Atomic uint64_t *armed = &c->ep.member->chime_armed;
	_Atomic uint64_t *bell = &q->seg->control->recv.at.lo;
	int fd = shmq_consumer_fd(c);
	uint64_t before;

	(void)state;
	must(load_relaxed(armed) & 1);
	must(load_relaxed(bell) & SH_BELL_CHIMES);
	/* Struck, not yet made even: the next one strikes again. */
	before = load_relaxed(armed);
	child_run(send_one, q);
	must_be(load_relaxed(armed), before + 1);
	must(!(load_relaxed(bell) & SH_BELL_CHIMES));
	store_relaxed(armed, before);
	atomic_fetch_or(bell, SH_BELL_CHIMES);
	child_run(send_one, q);
	must_be(load_relaxed(armed), before + 1);
	must(readable(fd, 0));
	must_be(receive_all(c), 2);
	must(!readable(fd, 0));
	/* Made even, and the bell not yet: a needless look. */
	before = load_relaxed(armed);
	child_run(send_one, q);
	atomic_fetch_or(bell, SH_BELL_CHIMES);
	child_run(send_one, q);
	must(!(load_relaxed(bell) & SH_BELL_CHIMES));
	must_be(receive_all(c), 2);
	must(!readable(fd, 0));
	/* Armed again while a waker was about to take the bell's bit back. */
	must(load_relaxed(armed) > before);
	child_run(send_one, q);
	must(readable(fd, 0));
	shmq_consumer_close(c);
	shmq_close(q);
}

/* -------------------------------------------------------- the FIFO fails */

static void a_full_fifo_is_readable(void **state)
{
	struct shmq *q = queue_create("q", 4096, 0);
	struct shmq_consumer *c = consumer_join(q, 0);
	struct chiming chiming = chime_of(c);
	int fd = open(chiming.path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	(void)state;
	must(fd >= 0);
	while (write(fd, "xxxxxxxx", 8) == 8)
		;
	child_run(send_one, q);
	must(readable(chiming.fd, 0));
	must_be(receive_all(c), 1);
	must(!readable(chiming.fd, 0));
	child_run(send_one, q);
	loop(c, 1);
	/* A late strike costs one more look. */
	must_be(write(fd, "", 1), 1);
	must(readable(chiming.fd, 0));
	must_be(receive_all(c), 0);
	must(!readable(chiming.fd, 0));
	close(fd);
	shmq_consumer_close(c);
	must(!exists(chiming.path));
	shmq_close(q);
}

/* By somebody who has not used it yet. */
static void a_removed_directory_keeps_nobody_asleep(void **state)
{
	char dir[PATH_MAX], path[PATH_MAX];
	struct shmq_consumer *c, *late;
	struct chiming chiming;
	struct shmq *q;

	(void)state;
	snprintf(dir, sizeof(dir), "%.4000s/below", shmq_runtime_dir());
	snprintf(path, sizeof(path), "%.4000s/q", dir);
	must_be(mkdir(dir, 0700), 0);
	q = queue_create(path, 4096, 0);
	c = consumer_join(q, 0);
	chiming = chime_of(c);
	must_be(strncmp(chiming.path, dir, strlen(dir)), 0);
	must_be(unlink(chiming.path), 0);
	must_be(unlink(path), 0);
	must_be(rmdir(dir), 0);
	for (int i = 0; i < 3; i++) {
		must(!readable(chiming.fd, 0));
		child_run(send_one, q);
		must(readable(chiming.fd, 0));
		must_be(receive_all(c), 1);
	}
	/* One made now is in the runtime directory. */
	late = consumer_join(q, 0);
	chiming = chime_of(late);
	must(exists(chiming.path));
	must_be(strncmp(chiming.path, dir, strlen(dir)) != 0, 1);
	must_be(receive_all(late), 0);
	child_run(send_one, q);
	must(readable(shmq_consumer_fd(c), 0));
	must(readable(chiming.fd, 0));
	shmq_consumer_close(c);
	shmq_consumer_close(late);
	must_be(directory_entries(), 0);
	shmq_close(q);
}

/* No FIFO at all: the socket alone. */
static void without_any_directory_there_is_the_socket(void **state)
{
	struct shmq *q = queue_anonymous(4096, 0);
	struct shmq_consumer *c = consumer_join(q, 0);
	char *dir = strdup(shmq_runtime_dir());
	int fd;

	(void)state;
	must_be(setenv("SHMQ_DIR", "/there/is/none", 1), 0);
	fd = shmq_consumer_fd(c);
	must(fd >= 0);
	for (int i = 0; i < 3; i++) {
		must(!readable(fd, 0));
		child_run(send_one, q);
		must(readable(fd, 0));
		must_be(receive_all(c), 1);
	}
	shmq_consumer_cancel(c);
	must(readable(fd, 0));
	must_be(receive_all(c), -ECANCELED);
	must_be(receive_all(c), 0);
	must(!readable(fd, 0));
	shmq_consumer_close(c);
	must_be(setenv("SHMQ_DIR", dir, 1), 0);
	free(dir);
	shmq_close(q);
}

static void strangers_cannot_strike(void **state)
{
	struct shmq *q = queue_anonymous(4096, 0);
	struct shmq_consumer *c = consumer_join(q, 0);
	struct chiming chiming = chime_of(c);
	struct sockaddr_un address;
	socklen_t len = shmqi_chime_address(chiming.name, &address);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)state;
	must(fd >= 0);
	for (size_t n = 0; n < 20; n++) {
		sendto(fd, "12345678901234567890", n, MSG_DONTWAIT,
		       (struct sockaddr *)&address, len);
		must(!readable(chiming.fd, 0));
	}
	close(fd);
	shmq_consumer_close(c);
	shmq_close(q);
}

/* Something that is no FIFO is not written to. */
static void a_changeling_is_not_written_to(void **state)
{
	struct shmq *q = queue_create("q", 4096, 0);
	struct shmq_consumer *c = consumer_join(q, 0);
	struct chiming chiming = chime_of(c);
	struct stat st;
	int fd;

	(void)state;
	must_be(unlink(chiming.path), 0);
	fd = open(chiming.path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	must(fd >= 0);
	child_run(send_one, q);
	loop(c, 1);
	must_be(fstat(fd, &st), 0);
	must_be(st.st_size, 0);
	close(fd);
	must_be(unlink(chiming.path), 0);
	must_be(symlink("/dev/null", chiming.path), 0);
	child_run(send_one, q);
	loop(c, 1);
	shmq_consumer_close(c);
	shmq_close(q);
}

static void the_fifo_is_as_open_as_the_queue(void **state)
{
	const mode_t modes[] = { 0600, 0640, 0660, 0666 };

	(void)state;
	for (int i = 0; i < 4; i++) {
		mode_t mask = umask(0);
		struct shmq_consumer *c;
		struct chiming chiming;
		struct stat st;
		struct shmq *q;

		must_be(shmq_open(&q, "q", SHMQ_CREATE, modes[i], NULL), 0);
		umask(0777);
		c = consumer_join(q, 0);
		chiming = chime_of(c);
		umask(mask);
		must_be(lstat(chiming.path, &st), 0);
		must(S_ISFIFO(st.st_mode));
		must_be(st.st_mode & 0777, modes[i]);
		shmq_consumer_close(c);
		must_be(shmq_unlink("q"), 0);
		shmq_close(q);
	}
}

/* ----------------------------------------------------------- namespaces */

struct elsewhere {
	struct shmq *q;
	int flags;
	bool hide; /* the directory */
};

static void send_from_elsewhere(void *arg)
{
	struct elsewhere *e = arg;

	if (unshare(e->flags) < 0)
		_exit(NOT_ALLOWED);
	if (e->hide &&
	    (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	     mount("none", shmq_runtime_dir(), "tmpfs", 0, NULL) < 0))
		_exit(NOT_ALLOWED);
	/* A process ID namespace is for children. */
	if (e->flags & CLONE_NEWPID) {
		int status = -1;
		pid_t pid = fork();

		if (!pid) {
			send_one(e->q);
			_exit(0);
		}
		must(pid > 0 && waitpid(pid, &status, 0) == pid);
		must_be(status, 0);
	} else {
		send_one(e->q);
	}
}

static void other_namespaces_are_no_obstacle(void **state)
{
	const struct elsewhere places[] = {
		{ NULL, CLONE_NEWNET, false },
		{ NULL, CLONE_NEWPID, false },
		{ NULL, CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWNS, false },
		{ NULL, CLONE_NEWNS, true },
		{ NULL, CLONE_NEWNS | CLONE_NEWPID, true },
	};

	(void)state;
	for (int i = 0; i < 10; i++) {
		struct elsewhere e = places[i / 2];
		struct shmq_consumer *c;
		int status;

		e.q = i % 2 ? queue_create("q", 4096, 0) :
			      queue_anonymous(4096, 0);
		c = consumer_join(e.q, 0);
		must(!readable(shmq_consumer_fd(c), 0));
		status = child_wait(child_start(send_from_elsewhere, &e));
		if (status) {
			must_be(WEXITSTATUS(status), NOT_ALLOWED);
			print_message("no namespaces here\n");
		} else {
			must(readable(shmq_consumer_fd(c), 0));
			must_be(receive_all(c), 1);
		}
		shmq_consumer_close(c);
		if (i % 2)
			must_be(shmq_unlink("q"), 0);
		shmq_close(e.q);
	}
}

/* ------------------------------------------------------------------ fork */

static unsigned fifos_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	unsigned n = 0;
	struct stat st;

	must(dir);
	while ((entry = readdir(dir)))
		n += fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 &&
		     S_ISFIFO(st.st_mode);
	closedir(dir);
	return n;
}

static void a_child_does_not_own_its_parents_descriptor(void **state)
{
	unsigned before = fifos_open();
	struct shmq *q = queue_create("q", 4096, 0);
	struct shmq_consumer *c = consumer_join(q, 0);
	struct chiming chiming = chime_of(c);
	pid_t pid;

	(void)state;
	must_be(fifos_open(), before + 1);
	pid = fork();
	if (!pid) {
		if (fifos_open() != before ||
		    fcntl(chiming.fd, F_GETFD) != -1 ||
		    shmq_consumer_fd(c) != -ESTALE)
			_exit(1);
		shmq_consumer_close(c);
		send_one(q);
		_exit(exists(chiming.path) ? 0 : 1);
	}
	child_join(pid);
	must(readable(chiming.fd, 0));
	must_be(receive_all(c), 1);
	must(!readable(chiming.fd, 0));
	shmq_consumer_close(c);
	must(!exists(chiming.path));
	shmq_close(q);
}

/* ---------------------------------------------------------------- others */

static void a_removed_name_is_readable(void **state)
{
	struct shmq *q = queue_create("q", 4096, 0);
	struct shmq_consumer *c = consumer_join(q, 0);
	struct shmq_producer *p = producer_join(q);
	int fd = shmq_consumer_fd(c), room = shmq_producer_fd(p);

	(void)state;
	while (shmq_send(p, "x", 1, 0) == 0)
		;
	must(!readable(room, 0));
	must_be(shmq_unlink("q"), 0);
	must(readable(room, 0));
	must_be(shmq_send(p, "x", 1, 0), -EIDRM);
	must(readable(room, 0));
	must_be(receive_all(c), -EIDRM);
	must(readable(fd, 0));
	must_be(receive_all(c), -EIDRM);
	must(readable(fd, 0));
	shmq_producer_close(p);
	shmq_consumer_close(c);
	must_be(directory_entries(), 0);
	shmq_close(q);
}

static void take_one(void *arg)
{
	struct shmq_consumer *c = consumer_join(arg, 0);
	char buf[8];

	must_be(shmq_recv(c, buf, sizeof(buf), 0), 1);
	shmq_consumer_close(c);
}

static void room_made_by_another_process_is_readable(void **state)
{
	struct shmq *q = queue_anonymous(4096, 0);
	struct shmq_producer *p = producer_join(q);
	int fd = shmq_producer_fd(p);

	(void)state;
	for (int i = 0; i < 3; i++) {
		while (shmq_send(p, "x", 1, 0) == 0)
			;
		must(!readable(fd, 0));
		child_run(take_one, q);
		must(readable(fd, 0));
	}
	shmq_producer_close(p);
	shmq_close(q);
}

struct sleeper {
	struct shmq *q;
	step there;
};

static void *poll_for_ever(void *arg)
{
	struct sleeper *s = arg;
	struct shmq_consumer *c = consumer_join(s->q, 0);
	int fd = shmq_consumer_fd(c);

	must_be(receive_all(c), 0);
	step_to(&s->there, 1);
	must(readable(fd, -1));
	must_be(receive_all(c), 1);
	shmq_consumer_close(c);
	return NULL;
}

static void an_idle_loop_uses_no_processor(void **state)
{
	struct sleeper s = { queue_anonymous(4096, 0), 0 };
	pthread_t thread;

	(void)state;
	must_be(pthread_create(&thread, NULL, poll_for_ever, &s), 0);
	step_wait(&s.there, 1);
	wait_for_sleepers(s.q, SHMQ_ROLE_CONSUMER, 1);
	must_stay_asleep(thread, INT64_C(600000000));
	send_one(s.q);
	pthread_join(thread, NULL);
	shmq_close(s.q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(
			loops_wake_each_other_with_or_without_membarrier),
		TEST_IN_DIRECTORY(threads_of_a_process_strike_too),
		TEST_IN_DIRECTORY(a_message_behind_a_killed_producer_is_seen),
		TEST_IN_DIRECTORY(what_a_killed_competitor_held_is_seen),
		TEST_IN_DIRECTORY(a_killed_loop_leaves_nothing),
		TEST_IN_DIRECTORY(what_a_dead_waker_left_is_struck_again),
		TEST_IN_DIRECTORY(a_full_fifo_is_readable),
		TEST_IN_DIRECTORY(a_removed_directory_keeps_nobody_asleep),
		TEST_IN_DIRECTORY(without_any_directory_there_is_the_socket),
		TEST_IN_DIRECTORY(strangers_cannot_strike),
		TEST_IN_DIRECTORY(a_changeling_is_not_written_to),
		TEST_IN_DIRECTORY(the_fifo_is_as_open_as_the_queue),
		TEST_IN_DIRECTORY(other_namespaces_are_no_obstacle),
		TEST_IN_DIRECTORY(a_child_does_not_own_its_parents_descriptor),
		TEST_IN_DIRECTORY(a_removed_name_is_readable),
		TEST_IN_DIRECTORY(room_made_by_another_process_is_readable),
		TEST_IN_DIRECTORY(an_idle_loop_uses_no_processor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
