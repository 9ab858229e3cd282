/* SPDX-License-Identifier: MIT */
/*
 * herd [MESSAGES [SEED]]: one loop, an epoll_wait() over a hundred queues, and
 * a herd of producers that send to any of them, in bursts and with pauses, are
 * killed at random and replaced. Written against the public interface only.
 *
 * Every message that was acknowledged must come, once. It says how late the
 * latest was, how often the loop went to sleep, and how much processor it used
 * in a time without messages, in which nothing may wake it. `make herd` sends
 * ten million.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <shmq.h>

#define QUEUES 100
#define SENDERS 6
#define EACH 12     /* queues that one sender has joined */
#define BURST 100   /* messages, at most */
#define TURN 1000   /* messages of one queue before the others' turn */
#define MESSAGE 200 /* bytes, at most */
#define KILL_NS INT64_C(5000000)
#define LATE_NS INT64_C(100000000)
#define PATIENCE_NS INT64_C(20000000000)
#define SETTLE_NS INT64_C(400000000)

struct letter {
	uint64_t number;
	int64_t sent_ns;
};

/* What became of a message. */
#define ACKED 1u /* stored by its sender */
#define CAME 1u  /* counted by the loop */

struct herd {
	uint64_t messages;
	_Atomic uint64_t next; /* number to be sent */
	_Atomic bool stop;
	_Atomic uint64_t received, sleeps, late;
	_Atomic int64_t longest_ns;
	size_t bytes;
	uint8_t books[]; /* acknowledged, then come, one byte a message */
};

static struct herd *herd;
static uint8_t *acked, *came;
static struct shmq *queues[QUEUES];
static bool named[QUEUES];
static int over; /* an eventfd: the loop is to end */
static uint64_t chance;

/* ------------------------------------------------------------------ helpers */

static void fail(const char *what, int64_t r)
{
	fprintf(stderr, "herd: %s: %s\n", what,
		r < 0 ? shmq_strerror((int)r) : "wrong");
	_exit(1);
}

static void need(const char *what, int64_t r)
{
	if (r < 0)
		fail(what, r);
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void rest(int64_t ns)
{
	const struct timespec t = { ns / 1000000000, ns % 1000000000 };

	nanosleep(&t, NULL);
}

static uint64_t below(uint64_t n)
{
	uint64_t z = chance += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (z ^ z >> 31) % n;
}

static pid_t start(void (*body)(void))
{
	pid_t parent = getpid(), pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		fail("fork", -errno);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	body();
	_exit(0);
}

static void queue_name(unsigned i, char *name, size_t size)
{
	snprintf(name, size, "herd-%u", i);
}

/* Of all kinds that let many send; every third has no name. */
static void make_queues(void)
{
	for (unsigned i = 0; i < QUEUES; i++) {
		struct shmq_attr attr = SHMQ_ATTR_INIT;
		char name[32];

		attr.capacity = UINT64_C(4096) << i % 4;
		attr.flags = i % 2 ? SHMQ_SINGLE_CONSUMER : 0;
		named[i] = i % 3;
		queue_name(i, name, sizeof(name));
		if (named[i])
			need("create",
			     shmq_open(&queues[i], name,
				       SHMQ_CREATE | SHMQ_EXCL, 0600, &attr));
		else
			need("create", shmq_open_anonymous(&queues[i], &attr));
	}
}

static void remove_queues(void)
{
	for (unsigned i = 0; i < QUEUES; i++) {
		char name[32];

		need("recover", shmq_recover(queues[i]));
		shmq_close(queues[i]);
		queue_name(i, name, sizeof(name));
		if (named[i])
			need("unlink", shmq_unlink(name));
	}
}

/* ----------------------------------------------------------------- senders */

static struct shmq_producer *producers[EACH];

/* Waits for room; the time is that of sending, not of waiting. */
static int send_in_place(struct shmq_producer *p, struct letter letter,
			 size_t len)
{
	void *out;
	int r = shmq_reserve(p, len, &out, SHMQ_FOREVER);

	if (r)
		return r;
	memset(out, (int)letter.number, len);
	letter.sent_ns = now_ns();
	memcpy(out, &letter, sizeof(letter));
	return shmq_commit(p, len);
}

/* False: all have been sent. */
static bool send_one(struct shmq_producer *p)
{
	struct letter letter = { .number = atomic_fetch_add(&herd->next, 1) };
	size_t len = sizeof(letter) + below(MESSAGE - sizeof(letter));
	char buf[MESSAGE];
	int r = -EAGAIN;

	if (letter.number >= herd->messages)
		return false;
	if (below(2)) {
		memset(buf, (int)letter.number, len);
		letter.sent_ns = now_ns();
		memcpy(buf, &letter, sizeof(letter));
		r = shmq_send(p, buf, len, SHMQ_NOWAIT);
	}
	if (r == -EAGAIN)
		r = send_in_place(p, letter, len);
	need("send", r);
	acked[letter.number] = ACKED;
	return true;
}

static void send_until_all(void)
{
	for (unsigned i = 0; i < EACH; i++) {
		uint64_t k = below(QUEUES);
		struct shmq *q = queues[k];
		char name[32];

		queue_name((unsigned)k, name, sizeof(name));
		if (named[k])
			need("open", shmq_open(&q, name, 0, 0, NULL));
		need("join", shmq_producer_open(&producers[i], q, 0));
		if (named[k])
			shmq_close(q);
	}
	for (;;) {
		struct shmq_producer *p = producers[below(EACH)];

		for (uint64_t n = 1 + below(BURST); n; n--)
			if (!send_one(p))
				goto out;
		/* The loop gets to sleep, or does not. */
		if (!below(4))
			rest((int64_t)below(1000000));
	}
out:
	for (unsigned i = 0; i < EACH; i++)
		shmq_producer_close(producers[i]);
}

/* ---------------------------------------------------------------- the loop */

static struct shmq_consumer *consumers[QUEUES];

static void note(const struct shmq_msg *msg)
{
	const char *bytes = msg->data;
	int64_t late_ns, now = now_ns();
	struct letter letter;

	if (msg->len < sizeof(letter))
		fail("a message is too short", 0);
	memcpy(&letter, bytes, sizeof(letter));
	if (letter.number >= herd->messages)
		fail("a message that nobody sent", 0);
	for (size_t i = sizeof(letter); i < msg->len; i++)
		if (bytes[i] != (char)letter.number)
			fail("a message is torn", 0);
	if (came[letter.number]++)
		fail("a message came twice", 0);
	late_ns = now - letter.sent_ns;
	if (late_ns > LATE_NS)
		atomic_fetch_add(&herd->late, 1);
	if (late_ns > herd->longest_ns)
		herd->longest_ns = late_ns;
}

static void receive_all(struct shmq_consumer *c)
{
	struct shmq_msg msgs[16];
	int n = 0;

	for (unsigned turn = 0; turn < TURN; turn += (unsigned)n) {
		n = shmq_receive(c, msgs, 16, SHMQ_NOWAIT);
		if (n == -EAGAIN)
			return;
		need("receive", n);
		for (int i = 0; i < n; i++)
			note(&msgs[i]);
		need("release", shmq_release(c));
		atomic_fetch_add(&herd->received, (uint64_t)n);
	}
}

static void watch(int epoll, int fd, uint32_t tag)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = tag };

	need("a descriptor", fd);
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		fail("epoll_ctl", -errno);
}

static void run_loop(void)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	bool ends = false;

	for (uint32_t i = 0; i < QUEUES; i++) {
		need("join",
		     shmq_consumer_open(&consumers[i], queues[i], NULL, 0));
		watch(epoll, shmq_consumer_fd(consumers[i]), i);
	}
	watch(epoll, over, QUEUES);
	while (!ends) {
		struct epoll_event ready[32];
		int n = epoll_wait(epoll, ready, 32, -1);

		herd->sleeps++;
		for (int i = 0; i < n; i++) {
			if (ready[i].data.u32 == QUEUES)
				ends = true;
			else
				receive_all(consumers[ready[i].data.u32]);
		}
	}
	for (uint32_t i = 0; i < QUEUES; i++)
		shmq_consumer_close(consumers[i]);
}

/* --------------------------------------------------------------- the driver */

static void join(pid_t pid, const char *who)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || status)
		fail(who, 0);
}

/* Each begins with chances of its own. */
static pid_t start_sender(void)
{
	chance++;
	return start(send_until_all);
}

static uint64_t kill_senders(void)
{
	pid_t pids[SENDERS];
	uint64_t kills = 0;
	int status;

	for (unsigned i = 0; i < SENDERS; i++)
		pids[i] = start_sender();
	while (herd->next < herd->messages) {
		uint64_t i = below(SENDERS);

		rest((int64_t)below(KILL_NS));
		kill(pids[i], SIGKILL);
		if (waitpid(pids[i], &status, 0) != pids[i] ||
		    (WIFEXITED(status) && WEXITSTATUS(status)))
			fail("a sender", 0);
		kills += WIFSIGNALED(status);
		pids[i] = start_sender();
	}
	for (unsigned i = 0; i < SENDERS; i++)
		join(pids[i], "a sender");
	return kills;
}

/* How many are missing. */
static uint64_t missing(void)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < herd->messages; i++)
		n += acked[i] && !came[i];
	return n;
}

static int64_t cpu_ns(pid_t pid)
{
	struct timespec used = { 0 };
	clockid_t clock;

	if (!clock_getcpuclockid(pid, &clock))
		clock_gettime(clock, &used);
	return used.tv_sec * INT64_C(1000000000) + used.tv_nsec;
}

/* Nobody sends: what it costs, and how often the loop was woken. */
static void be_idle(pid_t loop, int64_t ns)
{
	uint64_t sleeps;
	int64_t used;

	rest(SETTLE_NS);
	sleeps = herd->sleeps;
	used = cpu_ns(loop);
	rest(ns);
	used = cpu_ns(loop) - used;
	printf("idle for %" PRId64 " ms: %" PRId64
	       " us of processor, woken %" PRIu64 " times\n",
	       ns / 1000000, used / 1000, herd->sleeps - sleeps);
	if (herd->sleeps != sleeps)
		fail("something wakes an idle loop", 0);
}

static void herd_create(uint64_t messages)
{
	size_t bytes = sizeof(*herd) + 2 * messages;

	herd = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (herd == MAP_FAILED)
		fail("memory", -errno);
	herd->bytes = bytes;
	herd->messages = messages;
	acked = herd->books;
	came = herd->books + messages;
}

static void report(uint64_t kills, int64_t took_ns)
{
	printf("%" PRIu64 " messages received through %d queues in %" PRId64
	       " ms, %" PRIu64 " senders killed, the loop slept %" PRIu64
	       " times\nlatest %" PRId64 " us after being sent, %" PRIu64
	       " later than 100 ms\n",
	       herd->received, QUEUES, took_ns / 1000000, kills, herd->sleeps,
	       herd->longest_ns / 1000, herd->late);
}

int main(int argc, char **argv)
{
	uint64_t messages = argc > 1 ? strtoull(argv[1], NULL, 0) : 60000;
	const char *seed = argc > 2 ? argv[2] : getenv("SHMQ_SEED");
	int64_t began;
	uint64_t kills;
	pid_t loop;

	chance = seed ? strtoull(seed, NULL, 0) : (uint64_t)now_ns();
	printf("SHMQ_SEED=%" PRIu64 "\n", chance);
	herd_create(messages);
	make_queues();
	over = eventfd(0, EFD_CLOEXEC);
	loop = start(run_loop);
	began = now_ns();
	kills = kill_senders();
	while (missing()) {
		if (now_ns() - began > PATIENCE_NS + (int64_t)messages * 10000)
			fail("messages are missing", 0);
		rest(1000000);
	}
	report(kills, now_ns() - began);
	be_idle(loop, argc > 1 ? INT64_C(3000000000) : 300000000);
	if (eventfd_write(over, 1) < 0)
		fail("eventfd", -errno);
	join(loop, "the loop");
	remove_queues();
	munmap(herd, herd->bytes);
	return 0;
}
