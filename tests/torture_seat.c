/* SPDX-License-Identifier: MIT */
/* The processes that play: starting, stopping, killing. See torture_seat.h. */
#include <signal.h>
#include <sys/wait.h>

#include "atomic.h"
#include "torture_seat.h"

#define MS INT64_C(1000000)

uint64_t arena_below(struct arena *a, uint64_t n)
{
	return chance_below(&a->chance, n);
}

unsigned arena_seats(const struct arena *a)
{
	return a->senders + a->receivers + 1;
}

struct player arena_player(struct arena *a, unsigned seat)
{
	struct player player = {
		.q = a->q,
		.name = a->store == ARENA_ANONYMOUS ? NULL : a->name,
		.kind = a->kind,
		.ledger = a->ledger,
		.copies = a->copies,
		.max = a->capacity / 4 < 4096 ? a->capacity / 4 : 4096,
		.chance = chance_of(chance_next(&a->chance), seat),
	};

	if (seat < a->senders) {
		player.role = PLAYER_SENDER;
		player.me = seat;
	} else if (seat < a->senders + a->receivers) {
		player.role = PLAYER_RECEIVER;
		player.me = seat - a->senders;
		player.life = load_acquire(&a->ledger->life[player.me]);
	} else {
		player.role = PLAYER_LOOKER;
	}
	return player;
}

static void play(void *arg)
{
	player_run(arg);
}

void seat_start(struct arena *a, unsigned seat)
{
	struct player player = arena_player(a, seat);

	a->seats[seat].pid = child_start(play, &player);
	a->seats[seat].stopped = false;
}

bool arena_receives(const struct arena *a, unsigned seat)
{
	return seat >= a->senders && seat < a->senders + a->receivers;
}

const char *seat_kill(struct arena *a, unsigned seat)
{
	struct seat *s = &a->seats[seat];
	unsigned receiver = seat - a->senders;
	int status;
	pid_t pid = s->pid;

	if (!pid)
		return NULL;
	/* Before it dies: whoever gets what it held may then look. */
	if (arena_receives(a, seat))
		atomic_fetch_add(&a->ledger->life[receiver], 1);
	kill(pid, SIGKILL);
	s->pid = 0;
	if (waitpid(pid, &status, 0) != pid)
		return "a player cannot be waited for";
	if (arena_receives(a, seat) &&
	    atomic_exchange(&a->ledger->copying[receiver], false))
		atomic_fetch_add(&a->ledger->hidden, 1);
	if (!WIFSIGNALED(status) && WEXITSTATUS(status))
		return "a player has failed";
	return NULL;
}

bool arena_reap(struct arena *a, pid_t pid)
{
	for (unsigned i = 0; i < arena_seats(a); i++) {
		if (a->seats[i].pid != pid)
			continue;
		a->seats[i].pid = 0;
		a->seats[i].until_ns = clock_now_ns() +
				       (int64_t)arena_below(a, 10) * MS;
		return true;
	}
	return false;
}

void seat_stop(struct arena *a, struct seat *s)
{
	if (!s->pid || s->stopped)
		return;
	kill(s->pid, SIGSTOP);
	s->stopped = true;
	s->until_ns = clock_now_ns() + (1 + (int64_t)arena_below(a, 60)) * MS;
}

void seat_continue(struct seat *s)
{
	if (s->pid && s->stopped)
		kill(s->pid, SIGCONT);
	s->stopped = false;
}

bool seats_attend(struct arena *a)
{
	int64_t now = clock_now_ns();
	bool stopped = false;

	for (unsigned i = 0; i < arena_seats(a); i++) {
		struct seat *s = &a->seats[i];

		if (s->until_ns > now) {
			stopped |= s->stopped;
			continue;
		}
		if (s->pid)
			seat_continue(s);
		else if (!a->removed)
			seat_start(a, i);
	}
	return stopped;
}
