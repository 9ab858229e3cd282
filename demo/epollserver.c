/* SPDX-License-Identifier: MIT */
/*
 * epollserver NAME: a TCP server and a queue in one epoll loop. What a client
 * sends goes into the queue NAME; each message of the queue goes to all
 * clients. Says at which port. Ends when the queue is removed.
 */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS 256 /* the most at a time; descriptors below this */

static struct shmq_consumer *consumer;
static struct shmq_producer *producer;
static int loop, is_client[CLIENTS];
static char text[1024];

static void watch(int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	check_errno(epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event), "watch");
}

static int serve(void)
{
	struct sockaddr_in here = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(here);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	check_errno(bind(fd, (struct sockaddr *)&here, len), "bind");
	check_errno(getsockname(fd, (struct sockaddr *)&here, &len), "name");
	check_errno(listen(fd, 16), "listen");
	fprintf(stderr, "port %d\n", ntohs(here.sin_port));
	return fd;
}

static void on_connection(int server)
{
	int fd = accept(server, NULL, NULL);

	check_errno(fd < CLIENTS ? fd : -1, "accept");
	is_client[fd] = 1;
	watch(fd);
}

static void on_client(int fd)
{
	ssize_t len = recv(fd, text, sizeof(text), 0);

	if (len > 0)
		check(shmq_send(producer, text, (size_t)len, 0), "send");
	else
		is_client[fd] = close(fd) != 0;
}

/* Whether to go on. -EAGAIN arms the descriptor again. */
static int on_message(void)
{
	ssize_t len;

	while ((len = shmq_recv(consumer, text, sizeof(text), 0)) >= 0)
		for (int fd = 0; fd < CLIENTS; fd++)
			if (is_client[fd]) /* who does not read, misses it */
				send(fd, text, (size_t)len,
				     MSG_NOSIGNAL | MSG_DONTWAIT);
	return len != -EIDRM && (len == -EAGAIN || check(len, "receive"));
}

int main(int argc, char **argv)
{
	struct epoll_event event;
	struct shmq *queue;
	int server, fd;

	check(argc == 2 ? 0 : -EINVAL, "usage: epollserver NAME");
	check(shmq_open(&queue, argv[1], SHMQ_CREATE, 0600, NULL), argv[1]);
	check(shmq_consumer_open(&consumer, queue, NULL, 0), "receive");
	check(shmq_producer_open(&producer, queue, 0), "send");
	loop = check_errno(epoll_create1(EPOLL_CLOEXEC), "epoll");
	fd = (int)check(shmq_consumer_fd(consumer), "get a descriptor");
	watch(fd);
	watch(server = serve());
	do {
		check_errno(epoll_wait(loop, &event, 1, -1), "wait");
		if (event.data.fd == server)
			on_connection(server);
		else if (event.data.fd != fd)
			on_client(event.data.fd);
	} while (event.data.fd != fd || on_message());
	shmq_consumer_close(consumer);
	shmq_producer_close(producer);
	shmq_close(queue);
}
