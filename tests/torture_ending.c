/* SPDX-License-Identifier: MIT */
/* The end of an arena, and what it must leave: nothing. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "atomic.h"
#include "layout.h"
#include "torture_seat.h"

const char *arena_remove_name(struct arena *a)
{
	int r;

	if (a->store == ARENA_ANONYMOUS || a->removed)
		return NULL;
	a->removed = true;
	r = shmq_unlink(a->name);
	/* A looker that opens it meanwhile finishes what we have begun. */
	return r && r != -ENOENT ? shmq_strerror(r) : NULL;
}

/* What the library leaves of members that are gone: nothing. */
static const char *must_be_clean(struct arena *a)
{
	struct flock lock = { .l_type = F_WRLCK,
			      .l_whence = SEEK_SET,
			      .l_start = SH_LEASE_MEMBER,
			      .l_len = INT64_C(1) << 22 };
	struct shmq_stat st = SHMQ_STAT_INIT;

	if (shmq_recover(a->q) != 0)
		return "dead members are left";
	if (shmq_stat(a->q, &st))
		return "the queue cannot be described";
	if (st.members || st.depth_messages || st.depth_bytes)
		return "the queue is not empty";
	for (uint32_t i = 0; i < shmq_member_entries(a->q); i++) {
		struct shmq_member_info info = SHMQ_MEMBER_INFO_INIT;

		if (shmq_stat_member(a->q, i, &info))
			return "a member entry is not free";
	}
	if (fcntl(shmq_fd(a->q), F_OFD_GETLK, &lock) < 0 ||
	    lock.l_type != F_UNLCK)
		return "a lease is held by nobody";
	return NULL;
}

/*
 * All players are dead. A child that one of them has just forked may still
 * have its parent's leases, until it first runs.
 */
static const char *bury(struct arena *a)
{
	int64_t deadline = clock_now_ns() + PATIENCE_NS;
	struct shmq_stat st = SHMQ_STAT_INIT;

	do {
		if (clock_now_ns() > deadline)
			return "the dead do not show";
		if (shmq_recover(a->q) < 0)
			return "recovery fails";
		if (shmq_stat(a->q, &st))
			return "the queue cannot be described";
		if (st.members)
			nap();
	} while (st.members);
	return NULL;
}

static const char *add_up(struct arena *a)
{
	struct balance b = ledger_balance(a->ledger);

	if (b.missing <= a->ledger->hidden)
		return NULL;
	printf("%" PRIu64 " sent and lost, at most %" PRIu64
	       " hidden; the first: sender %u, number %" PRIu64 "\n",
	       b.missing, a->ledger->hidden, b.first_missing.sender,
	       b.first_missing.number);
	return "messages are lost";
}

static int wait_status(pid_t pid, int *status, int64_t deadline)
{
	pid_t r;

	while ((r = waitpid(pid, status, WNOHANG)) == 0) {
		if (clock_now_ns() > deadline)
			return -1;
		nap();
	}
	return r == pid ? 0 : -1;
}

static void drain(void *arg)
{
	player_drain(arg);
}

static const char *run_drain(struct arena *a)
{
	struct player player = arena_player(a, a->senders);
	pid_t pid = child_start(drain, &player);
	int status;

	if (wait_status(pid, &status, clock_now_ns() + PATIENCE_NS)) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		return "the rest cannot be received";
	}
	return status ? "who received the rest has failed" : NULL;
}

/* Whoever waits for room waits in vain where nobody receives. */
static const char *keep_receivers(struct arena *a)
{
	int status;

	for (unsigned i = a->senders; i < arena_seats(a) && !a->removed; i++) {
		struct seat *s = &a->seats[i];

		if (!arena_receives(a, i))
			continue;
		if (s->pid && waitpid(s->pid, &status, WNOHANG) == s->pid) {
			s->pid = 0;
			if (status)
				return "a receiver has failed";
		}
		if (!s->pid)
			seat_start(a, i);
	}
	return NULL;
}

static const char *wait_for_sender(struct arena *a, struct seat *s,
				   int64_t deadline)
{
	int status = 0;

	while (s->pid && waitpid(s->pid, &status, WNOHANG) != s->pid) {
		const char *wrong = keep_receivers(a);

		if (wrong)
			return wrong;
		if (clock_now_ns() > deadline)
			return "a sender does not end";
		nap();
	}
	s->pid = 0;
	return status ? "a sender has failed" : NULL;
}

static const char *stop_players(struct arena *a)
{
	int64_t deadline = clock_now_ns() + PATIENCE_NS / 2;
	const char *wrong = NULL;

	store_release(&a->ledger->stop, true);
	for (unsigned i = 0; i < arena_seats(a); i++)
		seat_continue(&a->seats[i]);
	for (unsigned i = 0; i < a->senders && !wrong; i++)
		wrong = wait_for_sender(a, &a->seats[i], deadline);
	for (unsigned i = a->senders; i < arena_seats(a) && !wrong; i++)
		wrong = seat_kill(a, i);
	return wrong;
}

const char *arena_end(struct arena *a, struct torture_sums *sums)
{
	const char *wrong = stop_players(a);

	if (!wrong)
		wrong = bury(a);
	if (!wrong)
		wrong = run_drain(a);
	if (!wrong)
		wrong = add_up(a);
	if (!wrong)
		wrong = must_be_clean(a);
	if (!wrong)
		wrong = arena_remove_name(a);
	if (wrong)
		return wrong;
	sums->messages += a->ledger->received - a->seen;
	sums->redelivered += a->ledger->redelivered - a->seen_again;
	sums->lives++;
	shmq_close(a->q);
	a->q = NULL;
	ledger_free(a->ledger);
	return NULL;
}

/* An anonymous queue goes with its last process, and an unlinked one too. */
static void save(struct arena *a, const char *dir)
{
	char path[4300], buf[65536];
	ssize_t n;
	off_t at = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/arena-%u", dir, a->place);
	fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
	while (fd >= 0 &&
	       (n = pread(shmq_fd(a->q), buf, sizeof(buf), at)) > 0 &&
	       write(fd, buf, (size_t)n) == n)
		at += n;
	if (fd >= 0)
		close(fd);
	printf("  %s: %s, %" PRIu64 " bytes, %u senders, %u receivers%s\n",
	       path, a->kind->name, a->capacity, a->senders, a->receivers,
	       a->removed ? ", unlinked" : "");
}

void arena_abandon(struct arena *a, const char *dir)
{
	for (unsigned i = 0; i < arena_seats(a); i++)
		if (a->seats[i].pid)
			kill(a->seats[i].pid, SIGSTOP);
	if (a->q)
		save(a, dir);
	for (unsigned i = 0; i < arena_seats(a); i++)
		seat_kill(a, i);
}
