/* SPDX-License-Identifier: MIT */
/*
 * The bare hand-off: a number is stored into a cache line on one processor, and
 * a loop on another one sees it.
 */
#include "baseline.h"

#include "check.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

/* Further apart than any prefetcher reaches. */
struct line {
	_Alignas(1024) _Atomic uint64_t number;
};

struct lines {
	struct line *in, *out;
	uint64_t given, taken;
	unsigned step;
};

struct pipes {
	int there[2], back[2];
	int in, out;
};

static struct line *shared; /* three lines, mapped by both processes */
static struct lines lines, turns;
static struct pipes pipes, polled_pipes;

void baseline_create(void)
{
	shared = mmap(NULL, 3 * sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check_errno(shared == MAP_FAILED ? -1 : 0, "map three cache lines");
	check_errno(pipe(pipes.there), "pipe");
	check_errno(pipe(pipes.back), "pipe");
	check_errno(pipe2(polled_pipes.there, O_NONBLOCK), "pipe");
	check_errno(pipe2(polled_pipes.back, O_NONBLOCK), "pipe");
}

static void lines_open(void *state, int side)
{
	struct lines *s = state;

	s->out = &shared[side];
	s->in = &shared[!side];
	s->step = 1;
}

/* In the one line side 0 stores the odd numbers, side 1 the even ones. */
static void turns_open(void *state, int side)
{
	struct lines *s = state;

	s->in = s->out = &shared[2];
	s->given = side ? 0 : UINT64_MAX;
	s->taken = side ? UINT64_MAX : 0;
	s->step = 2;
}

static void lines_give(void *state)
{
	struct lines *s = state;

	s->given += s->step;
	atomic_store_explicit(&s->out->number, s->given, memory_order_release);
}

static void lines_take(void *state)
{
	struct lines *s = state;

	s->taken += s->step;
	while (atomic_load_explicit(&s->in->number, memory_order_acquire) !=
	       s->taken)
		measure_pause();
}

static void pipes_open(void *state, int side)
{
	struct pipes *s = state;

	s->in = side ? s->there[0] : s->back[0];
	s->out = side ? s->back[1] : s->there[1];
}

static void pipes_give(void *state)
{
	struct pipes *s = state;
	uint64_t word = 0;

	check_errno(write(s->out, &word, sizeof(word)), "write to a pipe");
}

static void pipes_take(void *state)
{
	struct pipes *s = state;
	uint64_t word;
	ssize_t got;

	do {
		got = read(s->in, &word, sizeof(word));
		if (got < 0 && errno == EAGAIN)
			measure_pause();
	} while (got < 0 && errno == EAGAIN);
	check_errno((int)got, "read from a pipe");
}

const struct transport baseline_lines = {
	.name = "cache line, one each way",
	.rarely = 1,
	.state = &lines,
	.open = lines_open,
	.give = lines_give,
	.take = lines_take,
};

const struct transport baseline_turns = {
	.name = "cache line, one for both",
	.rarely = 1,
	.state = &turns,
	.open = turns_open,
	.give = lines_give,
	.take = lines_take,
};

const struct transport baseline_pipes = {
	.name = "pipe, asleep",
	.rarely = 20, /* to be woken takes long */
	.state = &pipes,
	.open = pipes_open,
	.give = pipes_give,
	.take = pipes_take,
};

const struct transport baseline_polled_pipes = {
	.name = "pipe, polled",
	.rarely = 10,
	.state = &polled_pipes,
	.open = pipes_open,
	.give = pipes_give,
	.take = pipes_take,
};
