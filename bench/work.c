/* SPDX-License-Identifier: MIT */
/*
 * What each process of a run does: take its core, attach, wait for the others,
 * send or receive, note the times.
 */
#include "work.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "loops.h"

#define ALIGNMENT 4096
#define OTHERS_NS 100000 /* between two looks whether others are done */

struct place {
	const struct job *job;
	struct control *control;
	struct bench_channel *channels;
	enum bench_side side;
	unsigned int index;
	struct worker *worker;
};

static _Noreturn void fail(const struct place *p, int error, const char *where)
{
	int32_t none = 0;

	if (atomic_compare_exchange_strong_explicit(&p->control->error, &none,
						    error, memory_order_relaxed,
						    memory_order_relaxed))
		snprintf(p->control->where, sizeof(p->control->where), "%s: %s",
			 p->side ? "consumer" : "producer", where);
	_exit(EXIT_FAILURE);
}

static void check(const struct place *p, int error, const char *where)
{
	if (error)
		fail(p, error, where);
}

/* A pair gets a core each; more share all of them. */
static void pin(const struct place *p)
{
	const struct job *job = p->job;
	cpu_set_t set;

	CPU_ZERO(&set);
	if (job->producers + job->consumers <= 2) {
		CPU_SET(job->cores[p->side % job->n_cores], &set);
	} else {
		for (unsigned int i = 0; i < job->n_cores; i++)
			CPU_SET(job->cores[i], &set);
	}
	if (sched_setaffinity(0, sizeof(set), &set))
		fail(p, -errno, "take a core");
}

static void attach(const struct place *p, struct bench_channel *ch,
		   enum bench_side side)
{
	size_t bytes = (ch->len + ALIGNMENT) / ALIGNMENT * ALIGNMENT;

	ch->side = side;
	ch->index = p->index;
	ch->buf = aligned_alloc(ALIGNMENT, bytes);
	check(p, ch->buf ? 0 : -ENOMEM, "memory");
	memset(ch->buf, 0, bytes);
	if (ch->transport->attach)
		check(p, ch->transport->attach(ch), "open");
}

static void detach(struct bench_channel *ch)
{
	if (ch->transport->detach)
		ch->transport->detach(ch);
}

/* All processes have come this far. */
static bool all_are_there(const struct place *p, unsigned int times)
{
	uint32_t all = p->job->producers + p->job->consumers;

	return atomic_load_explicit(&p->control->ready, memory_order_acquire) >=
	       times * all;
}

static void arrive(const struct place *p)
{
	atomic_fetch_add_explicit(&p->control->ready, 1, memory_order_acq_rel);
}

static void sleep_ns(uint64_t ns)
{
	struct timespec t = { (time_t)(ns / 1000000000),
			      (long)(ns % 1000000000) };

	nanosleep(&t, NULL);
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---------------------------------------------------------------- one at a time */

static void trips(const struct place *p)
{
	const struct job *job = p->job;
	const struct bench_loops *loops = &job->transport->loops;
	bool one_way = job->kind == JOB_ONE_WAY, pings = !p->side;
	struct bench_channel *there = &p->channels[0], *back = &p->channels[1];
	uint64_t *out = p->control->ticks, *seen = out + job->n,
		 *home = seen + job->n;
	struct bench_trips warm = { 1, job->warmup, NULL, NULL };
	struct bench_trips count = {
		1 + job->warmup,
		job->n,
		NULL,
		pings ? home : NULL,
	};

	if (one_way) {
		count.out = pings ? out : NULL;
		count.back = pings ? home : seen;
	}
	warm.back = pings ? home : NULL;
	/* Overwritten afterwards: no more of them than are counted. */
	if (warm.n > count.n)
		warm.n = count.n;
	count.first = 1 + warm.n;
	if (pings) {
		check(p, loops->ping(there, back, &warm), "send and receive");
		p->worker->begin = bench_ticks();
		check(p, loops->ping(there, back, &count), "send and receive");
	} else {
		check(p, loops->echo(there, back, &warm), "receive and send");
		check(p, loops->echo(there, back, &count), "receive and send");
	}
}

/* ------------------------------------------------------------------------ many */

static void stream(const struct place *p)
{
	const struct job *job = p->job;
	const struct bench_loops *loops = &job->transport->loops;
	struct bench_channel *ch = &p->channels[0];
	uint64_t first = 1 + job->warmup;

	if (p->side == BENCH_PRODUCER) {
		check(p, loops->produce(ch, 1, job->warmup), "send");
		check(p, loops->produce(ch, first, job->n), "send");
		return;
	}
	check(p, loops->consume(ch, 1, job->warmup), "receive");
	p->worker->begin = bench_ticks();
	check(p, loops->consume(ch, first, job->n), "receive");
	p->worker->end = bench_ticks();
}

static void wait_until_none_produces(const struct place *p)
{
	while (atomic_load_explicit(&p->control->producing,
				    memory_order_acquire))
		sleep_ns(OTHERS_NS);
}

/* The last producer to finish tells each consumer that it is over. */
static void fan_out(const struct place *p)
{
	const struct job *job = p->job;
	struct bench_channel *ch = &p->channels[0];
	uint64_t first = ((uint64_t)p->index << BENCH_PRODUCER_SHIFT) + 1;

	p->worker->begin = bench_ticks();
	check(p, job->transport->loops.produce(ch, first, job->n), "send");
	if (atomic_fetch_sub_explicit(&p->control->producing, 1,
				      memory_order_acq_rel) != 1) {
		/* Its queue must not see a producer leave early. */
		wait_until_none_produces(p);
		return;
	}
	for (unsigned int i = 0; i < job->consumers; i++)
		check(p, bench_put(ch, BENCH_END, job->transport->put), "end");
}

static void fan_in(const struct place *p)
{
	const struct job *job = p->job;
	uint64_t last[JOB_WORKERS] = { 0 };
	struct bench_tally tally = { .last = last };

	for (unsigned int i = 0; i < job->producers; i++)
		last[i] = (uint64_t)i << BENCH_PRODUCER_SHIFT;
	check(p, job->transport->loops.drain(&p->channels[0], &tally),
	      "receive");
	p->worker->end = bench_ticks();
	p->worker->taken = tally.taken;
}

/* Message i goes through channel i modulo their number. */
static void queues_in_turn(const struct place *p)
{
	const struct job *job = p->job;
	uint64_t all = job->warmup + job->n, queues = job->queues;

	if (!queues)
		return;
	for (uint64_t i = 0; i < all; i++) {
		struct bench_channel *ch = &p->channels[i % queues];
		uint64_t number = 1 + i / queues;

		if (i == job->warmup)
			p->worker->begin = bench_ticks();
		if (p->side == BENCH_PRODUCER)
			check(p, bench_put(ch, number, job->transport->put),
			      "send");
		else
			check(p, bench_expect(ch, number, job->transport->take),
			      "receive");
	}
	p->worker->end = bench_ticks();
}

/* --------------------------------------------------------------------- sleeping */

/* Awake all the time, as a program that has something else to do. */
static void spin_ns(uint64_t ns)
{
	uint64_t begin = bench_clock_ns();

	while (bench_clock_ns() - begin < ns)
		bench_pause();
}

/* The consumer has taken what was sent before: it may lie in one place. */
static void wait_until_taken(const struct place *p, uint64_t n)
{
	while (atomic_load_explicit(&p->control->taken, memory_order_acquire) <
	       n)
		bench_pause();
}

static void say_taken(const struct place *p)
{
	atomic_fetch_add_explicit(&p->control->taken, 1, memory_order_release);
}

static void wake(const struct place *p)
{
	const struct job *job = p->job;
	struct bench_channel *ch = &p->channels[0];
	uint64_t *out = p->control->ticks, *seen = out + job->n;

	for (uint64_t i = 0; i < job->n; i++) {
		if (p->side == BENCH_PRODUCER) {
			wait_until_taken(p, i);
			spin_ns(job->gap_ns);
			out[i] = bench_ticks();
			check(p, bench_put(ch, i + 1, job->transport->put),
			      "send");
		} else {
			check(p, bench_expect(ch, i + 1, job->transport->take),
			      "receive");
			seen[i] = bench_ticks();
			say_taken(p);
		}
	}
}

static void idle(const struct place *p)
{
	const struct job *job = p->job;
	struct bench_channel *ch = &p->channels[0];
	struct worker *w = p->worker;

	if (p->side == BENCH_PRODUCER) {
		check(p, bench_put(ch, 1, job->transport->put), "send");
		wait_until_taken(p, 1);
		sleep_ns(job->gap_ns);
		check(p, bench_put(ch, 2, job->transport->put), "send");
		return;
	}
	check(p, bench_expect(ch, 1, job->transport->take), "receive");
	say_taken(p);
	w->cpu_ns = cpu_ns();
	w->wall_ns = bench_clock_ns();
	check(p, bench_expect(ch, 2, job->transport->take), "receive");
	w->cpu_ns = cpu_ns() - w->cpu_ns;
	w->wall_ns = bench_clock_ns() - w->wall_ns;
}

/* ----------------------------------------------------------------- system calls */

void work_mark(void)
{
	syscall(SYS_getppid);
}

/* First all are sent, then all are received: nobody waits. */
static void calls_awake(const struct place *p)
{
	const struct job *job = p->job;
	struct bench_channel *ch = &p->channels[0];
	_Atomic uint32_t *turn = &p->control->turn;

	while (atomic_load_explicit(turn, memory_order_acquire) != p->side)
		sched_yield();
	for (uint64_t i = 0; i <= job->n; i++) {
		if (i == 1) /* the first one is for what happens once */
			work_mark();
		if (p->side == BENCH_PRODUCER)
			check(p, bench_put(ch, 1 + i, job->transport->put),
			      "send");
		else
			check(p, bench_expect(ch, 1 + i, job->transport->take),
			      "receive");
	}
	work_mark();
	atomic_fetch_add_explicit(turn, 1, memory_order_release);
}

/*
 * Before each message the consumer has had time to go to sleep. Only the calls
 * between the marks count: the pauses do not.
 */
static void calls_asleep(const struct place *p)
{
	const struct job *job = p->job;
	struct bench_channel *ch = &p->channels[0];

	for (uint64_t i = 0; i < job->n; i++) {
		if (p->side == BENCH_PRODUCER) {
			wait_until_taken(p, i);
			sleep_ns(job->gap_ns);
			work_mark();
			check(p, bench_put(ch, 1 + i, job->transport->put),
			      "send");
			work_mark();
		} else {
			work_mark();
			check(p, bench_expect(ch, 1 + i, job->transport->take),
			      "receive");
			work_mark();
			say_taken(p);
		}
	}
}

/* ------------------------------------------------------------------------- main */

static void run(const struct place *p)
{
	switch (p->job->kind) {
	case JOB_ROUND_TRIP:
	case JOB_ONE_WAY:
		trips(p);
		break;
	case JOB_STREAM:
		stream(p);
		break;
	case JOB_FAN:
		if (p->side == BENCH_PRODUCER)
			fan_out(p);
		else
			fan_in(p);
		break;
	case JOB_QUEUES_TURN:
		queues_in_turn(p);
		break;
	case JOB_WAKE:
		wake(p);
		break;
	case JOB_IDLE:
		idle(p);
		break;
	case JOB_CALLS_AWAKE:
		calls_awake(p);
		break;
	case JOB_CALLS_ASLEEP:
		calls_asleep(p);
		break;
	}
}

_Noreturn void work(const struct job *job, struct control *control,
		    struct bench_channel *channels, enum bench_side side,
		    unsigned int index)
{
	struct place p = {
		.job = job,
		.control = control,
		.channels = channels,
		.side = side,
		.index = index,
		.worker = &control->workers[side * JOB_WORKERS + index],
	};
	bool to_and_fro = job->kind == JOB_ROUND_TRIP ||
			  job->kind == JOB_ONE_WAY;

	pin(&p);
	for (unsigned int i = 0; i < job->queues; i++)
		attach(&p, &channels[i],
		       to_and_fro && i ? (enum bench_side) !side : side);
	arrive(&p);
	while (!all_are_there(&p, 1))
		sched_yield(); /* all begin at about the same time */
	run(&p);
	arrive(&p);
	while (!all_are_there(&p, 2))
		sleep_ns(OTHERS_NS); /* who leaves may take messages along */
	for (unsigned int i = 0; i < job->queues; i++)
		detach(&channels[i]);
	_exit(EXIT_SUCCESS);
}
