/* SPDX-License-Identifier: MIT */
/*
 * qb-ipc: the connections of libqb, each a ring in shared memory and a socket
 * that carries a byte for every message. The producers are clients; the
 * consumer is their server, which reads where a message lies, told by its own
 * loop around poll(2).
 *
 * A server is handed what a connection has, several messages at a time, so
 * their numbers wait in a list until they are taken.
 */
#include <dirent.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <qb/qbipcc.h>
#include <qb/qbipcs.h>

#include "loops.h"
#include "shared.h"

#define RINGS "/dev/shm" /* where libqb keeps them, by the server's pid */
#define CLIENTS_MOST 256
#define AT_ONCE 64      /* libqb: 50 of one connection */
#define WAIT_MS 1000    /* at most asleep at a time */
#define CONNECT_MS 4000 /* until all are connected */
#define RETRY_NS 100000

struct watch {
	qb_ipcs_dispatch_fn_t dispatch;
	void *data;
};

struct queue {
	char name[64];
	pid_t *server; /* shared; 0 once it has removed its rings */
	/* A producer's. */
	qb_ipcc_connection_t *connection;
	struct qb_ipc_request_header *message;
	/* The consumer's. */
	qb_ipcs_service_t *service;
	unsigned int connected;
	struct pollfd fds[CLIENTS_MOST + 1];
	struct watch watches[CLIENTS_MOST + 1];
	nfds_t n_fds, at; /* those below at have not been looked at */
	size_t len;
	int error;
	int ended; /* taken once nothing is left of the others */
	unsigned int n_seen, n_taken;
	uint64_t seen[AT_ONCE];
};

/* The handlers of a loop are not told whose loop it is. */
static struct queue *serving;

/* ------------------------------------------------------------------- the loop */

static int32_t watch_add(enum qb_loop_priority priority, int32_t fd,
			 int32_t events, void *data, qb_ipcs_dispatch_fn_t fn)
{
	struct queue *q = serving;

	(void)priority;
	if (q->n_fds > CLIENTS_MOST)
		return -ENOMEM;
	q->fds[q->n_fds] = (struct pollfd){ fd, (short)events, 0 };
	q->watches[q->n_fds++] = (struct watch){ fn, data };
	return 0;
}

static int32_t watch_mod(enum qb_loop_priority priority, int32_t fd,
			 int32_t events, void *data, qb_ipcs_dispatch_fn_t fn)
{
	struct queue *q = serving;

	(void)priority;
	for (nfds_t i = 0; i < q->n_fds; i++) {
		if (q->fds[i].fd != fd)
			continue;
		q->fds[i].events = (short)events;
		q->watches[i] = (struct watch){ fn, data };
		return 0;
	}
	return -ENOENT;
}

/* The last one takes its place: it has been looked at before. */
static int32_t watch_del(int32_t fd)
{
	struct queue *q = serving;

	for (nfds_t i = 0; i < q->n_fds; i++) {
		if (q->fds[i].fd != fd)
			continue;
		q->fds[i] = q->fds[--q->n_fds];
		q->watches[i] = q->watches[q->n_fds];
		return 0;
	}
	return -ENOENT;
}

/* For a connection that does not want to be closed yet: there is none. */
static int32_t job_add(enum qb_loop_priority priority, void *data,
		       qb_loop_job_dispatch_fn fn)
{
	(void)priority, (void)data, (void)fn;
	return -ENOTSUP;
}

/* Serve one descriptor; poll when all have had their turn. -EAGAIN: nothing. */
static int serve(struct queue *q, int wait_ms)
{
	serving = q;
	if (!q->at) {
		int n = poll(q->fds, q->n_fds, wait_ms);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n <= 0)
			return -EAGAIN;
		q->at = q->n_fds;
	}
	while (q->at) {
		struct pollfd *p = &q->fds[--q->at];
		const struct watch *w = &q->watches[q->at];
		int fd = p->fd, revents = p->revents;

		if (!revents)
			continue;
		p->revents = 0;
		if (w->dispatch(fd, revents, w->data) < 0)
			watch_del(fd);
		break;
	}
	return q->error;
}

/* ----------------------------------------------------------------- the server */

static int32_t accept_any(qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	(void)c, (void)uid, (void)gid;
	return 0;
}

static void note_connected(qb_ipcs_connection_t *c)
{
	(void)c;
	serving->connected++;
}

static int32_t note_message(qb_ipcs_connection_t *c, void *data, size_t size)
{
	const struct qb_ipc_request_header *message = data;
	struct queue *q = serving;
	uint64_t number;

	(void)c;
	if (size != sizeof(*message) + q->len ||
	    !content_check(message + 1, q->len, &number))
		q->error = -EBADMSG;
	else if (number == BENCH_END)
		q->ended = 1;
	else if (q->n_seen == AT_ONCE)
		q->error = -ENOBUFS;
	else
		q->seen[q->n_seen++] = number;
	return 0;
}

static uint64_t now_ms(void)
{
	return bench_clock_ns() / 1000000;
}

static int server_start(struct queue *q, unsigned int clients)
{
	struct qb_ipcs_service_handlers handlers = {
		.connection_accept = accept_any,
		.connection_created = note_connected,
		.msg_process = note_message,
	};
	struct qb_ipcs_poll_handlers loop = { job_add, watch_add, watch_mod,
					      watch_del };
	uint64_t begin = now_ms();
	int error;

	serving = q;
	*q->server = getpid();
	q->service = qb_ipcs_create(q->name, 0, QB_IPC_SHM, &handlers);
	if (!q->service)
		return -ENOMEM;
	qb_ipcs_poll_handlers_set(q->service, &loop);
	qb_ipcs_request_rate_limit(q->service, QB_IPCS_RATE_FAST);
	error = qb_ipcs_run(q->service);
	if (error) {
		q->service = NULL; /* it is gone */
		return error;
	}
	while (q->connected < clients) {
		error = serve(q, WAIT_MS);
		if (error && error != -EAGAIN)
			return error;
		if (now_ms() - begin > CONNECT_MS)
			return -ETIMEDOUT;
	}
	return 0;
}

/* A ring is about as large as the largest message may be. */
static int client_start(struct queue *q, size_t room)
{
	const struct timespec moment = { 0, RETRY_NS };
	uint64_t begin = now_ms();

	q->message = calloc(1, sizeof(*q->message) + q->len);
	if (!q->message)
		return -ENOMEM;
	q->message->id = QB_IPC_MSG_USER_START;
	q->message->size = (int32_t)(sizeof(*q->message) + q->len);
	while (!(q->connection = qb_ipcc_connect(q->name, room))) {
		if (errno != ECONNREFUSED && errno != ENOENT && errno != EAGAIN)
			return -errno;
		if (now_ms() - begin > CONNECT_MS)
			return -ETIMEDOUT;
		nanosleep(&moment, NULL);
	}
	return 0;
}

/* ------------------------------------------------------------------ a channel */

static int ipc_create(struct bench_channel *ch)
{
	static unsigned int n;
	struct queue *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	ch->state = q;
	q->len = ch->len;
	snprintf(q->name, sizeof(q->name), "shmq-bench-%d-%u", getpid(), n++);
	q->server = bench_shared_create(sizeof(*q->server));
	return q->server ? 0 : -errno;
}

static int ipc_attach(struct bench_channel *ch)
{
	return ch->side == BENCH_CONSUMER ?
		       server_start(ch->state, ch->producers) :
		       client_start(ch->state, ch->room);
}

static void ipc_detach(struct bench_channel *ch)
{
	struct queue *q = ch->state;

	serving = q;
	if (ch->side == BENCH_CONSUMER) {
		qb_ipcs_destroy(q->service);
		*q->server = 0;
	} else {
		qb_ipcc_disconnect(q->connection);
		free(q->message);
	}
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

/* What a server that was killed has left. */
static void remove_rings(pid_t server)
{
	DIR *dir = opendir(RINGS);
	struct dirent *entry;
	char prefix[32], path[sizeof(RINGS) + sizeof(entry->d_name)];

	if (!dir)
		return;
	snprintf(prefix, sizeof(prefix), "qb-%d-", server);
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
			continue;
		snprintf(path, sizeof(path), RINGS "/%s", entry->d_name);
		nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	}
	closedir(dir);
}

static void ipc_destroy(struct bench_channel *ch)
{
	struct queue *q = ch->state;

	if (q && q->server) {
		if (*q->server)
			remove_rings(*q->server);
		munmap(q->server, sizeof(*q->server));
	}
	free(q);
}

BENCH_INLINE int ipc_put(struct bench_channel *ch, uint64_t number)
{
	const struct queue *q = ch->state;
	ssize_t sent;

	content_fill(q->message + 1, number, q->len);
	sent = qb_ipcc_send(q->connection, q->message,
			    (size_t)q->message->size);
	return sent < 0 ? (int)sent : 0;
}

/* The end comes on one connection; the others may hold messages still. */
BENCH_INLINE int ipc_take(struct bench_channel *ch, uint64_t *number)
{
	struct queue *q = ch->state;

	while (q->n_taken == q->n_seen) {
		int error;

		q->n_taken = q->n_seen = 0;
		error = serve(q, ch->sleeps && !q->ended ? WAIT_MS : 0);
		if (error == -EAGAIN && q->ended) {
			*number = BENCH_END;
			return 0;
		}
		if (error)
			return error;
	}
	*number = q->seen[q->n_taken++];
	return 0;
}

BENCH_LOOPS(ipc)

static const struct bench_transport qb_ipc = {
	.name = "qb-ipc",
	.about = "libqb, qb_ipcc to qb_ipcs, rings; a full one is polled",
	.flags = BENCH_PEER | BENCH_POLLS | BENCH_SLEEPS | BENCH_TRIPS |
		 BENCH_STREAMS | BENCH_MANY_PUT,
	.create = ipc_create,
	.attach = ipc_attach,
	.detach = ipc_detach,
	.destroy = ipc_destroy,
	BENCH_OPERATIONS(ipc),
};

BENCH_EXPORT extern const struct bench_transport *const bench_peers[];
const struct bench_transport *const bench_peers[] = { &qb_ipc, NULL };
