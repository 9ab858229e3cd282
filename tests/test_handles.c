/* SPDX-License-Identifier: MIT */
/* Handles: descriptors, anonymous queues, sharing one mapping, exec. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handle.h"
#include "support.h"

static char *path_of(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", shmq_runtime_dir(), name);
	return path;
}

/* One message goes from one to the other. */
static void must_be_connected(struct shmq *from, struct shmq *to)
{
	struct shmq_producer *p = producer_join(from);
	struct shmq_consumer *c = consumer_join(to, 0);
	char buf[8];

	must_be(shmq_send(p, "hello", 5, SHMQ_NOWAIT), 0);
	must_be(shmq_recv(c, buf, sizeof(buf), SHMQ_NOWAIT), 5);
	shmq_producer_close(p);
	shmq_consumer_close(c);
}

static void an_anonymous_queue_cannot_be_truncated(void **state)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_SEAL;
	struct shmq *q = queue_anonymous(4096, 0);
	int fd = shmq_fd(q);
	struct stat st;

	(void)state;
	must_be(fcntl(fd, F_GET_SEALS) & seals, seals);
	must_be(fstat(fd, &st), 0);
	must_be(ftruncate(fd, 0), -1);
	must_be(ftruncate(fd, st.st_size - 1), -1);
	must((uint64_t)st.st_blocks * 512 >= (uint64_t)st.st_size);
	/* More than there is hurts nobody. */
	must_be(ftruncate(fd, st.st_size * 2), 0);
	must_be(directory_entries(), 0);
	must_be_connected(q, q);
	shmq_close(q);
}

static void opening_twice_shares_one_mapping(void **state)
{
	struct shmq *a = queue_create("q", 4096, 0), *b = queue_open("q");
	struct shmq *c, *d, *look;
	char *name;

	(void)state;
	must(a->seg == b->seg);
	must_be(shmq_open_fd(&c, shmq_fd(a), 0), 0);
	must(c->seg == a->seg);
	must(asprintf(&name, "%s", path_of("q")) > 0);
	must_be(link(name, path_of("other")), 0);
	free(name);
	d = queue_open("other");
	must(d->seg == a->seg);
	must_be(shmq_open(&look, "q", SHMQ_RDONLY, 0, NULL), 0);
	must_be_connected(a, d);
	shmq_close(a);
	must_be_connected(b, c);
	shmq_close(b);
	shmq_close(c);
	must_be_connected(d, d);
	shmq_close(d);
	must_be(stat_of(look).sent_messages, 3);
	shmq_close(look);
}

static void endpoints_outlive_their_handle(void **state)
{
	struct shmq *q = queue_create("q", 4096, 0);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0);
	char buf[8];

	(void)state;
	shmq_close(q);
	must_be(shmq_send(p, "hello", 5, SHMQ_NOWAIT), 0);
	must_be(shmq_recv(c, buf, sizeof(buf), SHMQ_NOWAIT), 5);
	q = queue_open("q");
	must_be(stat_of(q).members, 2);
	shmq_producer_close(p);
	shmq_close(q);
	must_be(shmq_recv(c, buf, sizeof(buf), SHMQ_NOWAIT), -EAGAIN);
	shmq_consumer_close(c);
}

static void the_descriptor_given_to_open_fd_may_be_closed(void **state)
{
	struct shmq *a = queue_anonymous(4096, 0), *b;
	int fd = dup(shmq_fd(a));

	(void)state;
	must_be(shmq_open_fd(&b, fd, 0), 0);
	close(fd);
	must_be_connected(a, b);
	shmq_close(a);
	must_be_connected(b, b);
	shmq_close(b);
}

static void a_bad_descriptor_is_refused(void **state)
{
	struct shmq *q = queue_create("q", 4096, 0), *other = NULL;
	int pipes[2], fd;

	(void)state;
	must_be(shmq_open_fd(&other, -1, 0), -EBADF);
	must_be(shmq_open_fd(&other, 1 << 20, 0), -EBADF);
	must_be(shmq_open_fd(NULL, shmq_fd(q), 0), -EINVAL);
	must_be(shmq_open_fd(&other, shmq_fd(q), SHMQ_CREATE), -EINVAL);
	must_be(pipe2(pipes, O_CLOEXEC), 0);
	must_be(shmq_open_fd(&other, pipes[0], 0), -EBADMSG);
	close(pipes[0]);
	close(pipes[1]);
	fd = open(path_of("q"), O_RDONLY | O_CLOEXEC);
	must_be(shmq_open_fd(&other, fd, 0), -EACCES);
	close(fd);
	fd = open(path_of("q"), O_WRONLY | O_CLOEXEC);
	must_be(shmq_open_fd(&other, fd, 0), -EACCES);
	must_be(shmq_open_fd(&other, fd, SHMQ_RDONLY), -EACCES);
	close(fd);
	fd = open(path_of("q"), O_PATH | O_CLOEXEC);
	must_be(shmq_open_fd(&other, fd, 0), -EACCES);
	must_be(shmq_open_fd(&other, fd, SHMQ_RDONLY), -EBADF);
	close(fd);
	fd = open(path_of("text"), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	must_be(shmq_open_fd(&other, fd, 0), -EBADMSG);
	close(fd);
	must(!other);
	must_be(shmq_fd(NULL), -EINVAL);
	shmq_close(NULL);
	shmq_close(q);
}

static void a_read_only_descriptor_can_be_looked_through(void **state)
{
	struct shmq *q = queue_create("q", 4096, 0), *look;
	int fd = open(path_of("q"), O_RDONLY | O_CLOEXEC);
	struct shmq_producer *p;

	(void)state;
	must_be(shmq_open_fd(&look, fd, SHMQ_RDONLY), 0);
	close(fd);
	must_be(stat_of(look).capacity_bytes, 4096);
	must_be(shmq_producer_open(&p, look, 0), -EBADF);
	shmq_close(look);
	shmq_close(q);
}

/* ----------------------------------------------------------------- passing */

static void fd_send(int sock, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte = 0;
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &fd, sizeof(int));
	must_be(sendmsg(sock, &message, 0), 1);
}

static int fd_receive(int sock)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	int fd;

	must_be(recvmsg(sock, &message, MSG_CMSG_CLOEXEC), 1);
	must(CMSG_FIRSTHDR(&message));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
	return fd;
}

/* Somebody who has not inherited the queue, and holds claims when it ends. */
static void receiver_of_a_descriptor(void *arg)
{
	int fd = fd_receive(*(int *)arg);
	struct shmq_producer *p;
	struct shmq_msg msg;
	struct shmq *q;

	must_be(shmq_open_fd(&q, fd, 0), 0);
	close(fd);
	p = producer_join(q);
	must_be(shmq_send(p, "answer", 6, SHMQ_NOWAIT), 0);
	must_be(shmq_receive(consumer_join(q, 0), &msg, 1, SHMQ_NOWAIT), 1);
}

/*
 * The descriptor stays in flight, or open, elsewhere: that must not keep the
 * dead receiver's leases alive.
 */
static void a_queue_travels_over_a_socket(void **state)
{
	struct shmq_consumer *c;
	struct shmq_msg msg;
	int sockets[2];
	struct shmq *q;
	pid_t pid;

	(void)state;
	must_be(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
	pid = child_start(receiver_of_a_descriptor, &sockets[1]);
	q = queue_anonymous(4096, 0);
	fd_send(sockets[0], shmq_fd(q));
	child_join(pid);
	must_be(stat_of(q).members, 0);
	must_be(shmq_recover(q), 2);
	c = consumer_join(q, 0);
	must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
	must_be(msg.len, 6);
	must_be(msg.flags, SHMQ_REDELIVERED);
	shmq_consumer_close(c);
	shmq_close(q);
	close(sockets[0]);
	close(sockets[1]);
}

/* -------------------------------------------------------------------- exec */

static void member_that_execs(void *arg)
{
	struct shmq *q = queue_create("by-name", 4096, 0);
	struct shmq *unnamed = queue_anonymous(4096, 0);

	producer_join(q);
	consumer_join(q, 0);
	producer_join(unnamed);
	consumer_join(unnamed, 0);
	dup2(*(int *)arg, STDOUT_FILENO);
	execlp("ls", "ls", "-l", "/proc/self/fd", (char *)NULL);
	_exit(1);
}

static void exec_closes_everything(void **state)
{
	char text[8192];
	size_t n = 0;
	ssize_t r;
	int pipes[2];
	struct shmq *q;
	pid_t pid;

	(void)state;
	must_be(pipe2(pipes, O_CLOEXEC), 0);
	pid = child_start(member_that_execs, &pipes[1]);
	close(pipes[1]);
	while (n < sizeof(text) - 1 &&
	       (r = read(pipes[0], text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)r;
	text[n] = '\0';
	close(pipes[0]);
	child_join(pid);
	must(strstr(text, "pipe:"));
	must(!strstr(text, "by-name"));
	must(!strstr(text, "memfd"));
	q = queue_open("by-name");
	must_be(stat_of(q).members, 0);
	must_be(shmq_recover(q), 2);
	shmq_close(q);
}

static void every_descriptor_is_closed_by_exec(void **state)
{
	struct shmq *q = queue_create("q", 4096, 0), *look, *copy;
	struct shmq_producer *p = producer_join(q);

	(void)state;
	must_be(shmq_open(&look, "q", SHMQ_RDONLY, 0, NULL), 0);
	must_be(shmq_open_fd(&copy, shmq_fd(q), 0), 0);
	for (int fd = 3; fd < 64; fd++) {
		char path[64], target[PATH_MAX];
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		if (strstr(target, shmq_runtime_dir()))
			must(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	}
	shmq_producer_close(p);
	shmq_close(copy);
	shmq_close(look);
	shmq_close(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(an_anonymous_queue_cannot_be_truncated),
		TEST_IN_DIRECTORY(opening_twice_shares_one_mapping),
		TEST_IN_DIRECTORY(endpoints_outlive_their_handle),
		TEST_IN_DIRECTORY(
			the_descriptor_given_to_open_fd_may_be_closed),
		TEST_IN_DIRECTORY(a_bad_descriptor_is_refused),
		TEST_IN_DIRECTORY(a_read_only_descriptor_can_be_looked_through),
		TEST_IN_DIRECTORY(a_queue_travels_over_a_socket),
		TEST_IN_DIRECTORY(exec_closes_everything),
		TEST_IN_DIRECTORY(every_descriptor_is_closed_by_exec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
