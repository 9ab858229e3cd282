/* SPDX-License-Identifier: MIT */
/*
 * passfd [COUNT]: a queue without a name, handed to a process that did not
 * inherit it, as a file descriptor over a Unix socket.
 *
 * The receiving process is forked before the queue exists, so the descriptor is
 * the only way to it. It could as well be any other program with a connection.
 */
#include "check.h"

#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE 10000000000LL /* 10 s, in nanoseconds */

/* Room for one descriptor in a control message, aligned as it must be. */
union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

static void pass_fd(int socket, int fd)
{
	union control control = { 0 };
	struct iovec byte = { &(char){ 'q' }, 1 }; /* data goes with it */
	struct msghdr msg = { .msg_iov = &byte,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	check_errno(sendmsg(socket, &msg, 0), "pass the descriptor");
}

static int take_fd(int socket)
{
	union control control = { 0 };
	struct iovec byte = { &(char){ 0 }, 1 };
	struct msghdr msg = { .msg_iov = &byte,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	int fd;

	check_errno(recvmsg(socket, &msg, MSG_CMSG_CLOEXEC), "take");
	if (control.header.cmsg_type != SCM_RIGHTS)
		check(-EBADF, "no descriptor came over the socket");
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return fd;
}

static int receive(int socket, uint64_t count)
{
	struct shmq_consumer *consumer;
	struct shmq *queue;
	uint64_t number, sum = 0;
	int fd = take_fd(socket);

	check(shmq_open_fd(&queue, fd, 0), "open the passed descriptor");
	close(fd); /* the library made its own */
	check(shmq_consumer_open(&consumer, queue, NULL, 0), "consumer");
	for (uint64_t i = 0; i < count; i++) {
		check(shmq_recv(consumer, &number, sizeof(number), PATIENCE),
		      "receive");
		sum += number;
	}
	shmq_consumer_close(consumer);
	shmq_close(queue);
	printf("received %" PRIu64 " numbers, sum %" PRIu64 "\n", count, sum);
	return sum == count * (count + 1) / 2 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
	struct shmq_producer *producer;
	struct shmq *queue;
	int socket[2], status;

	check_errno(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, socket), "socket");
	if (!check_errno(fork(), "fork"))
		return receive(socket[1], count);

	check(shmq_open_anonymous(&queue, NULL), "create");
	pass_fd(socket[0], shmq_fd(queue));
	check(shmq_producer_open(&producer, queue, 0), "producer");
	for (uint64_t i = 1; i <= count; i++)
		check(shmq_send(producer, &i, sizeof(i), PATIENCE), "send");
	shmq_producer_close(producer);
	shmq_close(queue);
	check_errno(wait(&status), "wait");
	return status ? EXIT_FAILURE : EXIT_SUCCESS;
}
