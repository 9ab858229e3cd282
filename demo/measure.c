/* SPDX-License-Identifier: MIT */
/*
 * The clock is read once a round trip. A round warms up with a tenth of its
 * trips more than are counted.
 */
#include "measure.h"

#include "check.h"
#include "histogram.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 51 /* odd, so that one is in the middle */

static int one_cpu; /* both processes share it: polling must give it away */

void measure_pause(void)
{
	if (one_cpu)
		sched_yield();
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static void pin(int side)
{
	cpu_set_t allowed, one;
	int cpu = 0;

	check_errno(sched_getaffinity(0, sizeof(allowed), &allowed), "pin");
	one_cpu = CPU_COUNT(&allowed) < 2;
	while (!CPU_ISSET(cpu, &allowed) || (!one_cpu && side-- > 0))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	check_errno(sched_setaffinity(0, sizeof(one), &one), "pin");
}

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* What reading the clock adds to a time. */
static uint64_t clock_cost_ns(void)
{
	uint64_t begin = clock_ns();

	for (int i = 1; i < 100000; i++)
		clock_ns();
	return (clock_ns() - begin) / 100000;
}

static void ping(const struct transport *t, uint32_t *ns, unsigned n,
		 uint64_t cost_ns)
{
	uint64_t now, took, before = clock_ns();

	for (unsigned i = 0; i < n; i++) {
		t->give(t->state);
		t->take(t->state);
		now = clock_ns();
		took = now - before > cost_ns ? now - before - cost_ns : 0;
		ns[i] = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
		before = now;
	}
}

static void echo(const struct transport *t, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		t->take(t->state);
		t->give(t->state);
	}
}

/* How many trips of a round are counted. */
static unsigned trips_a_round(const struct transport *t, unsigned n)
{
	unsigned trips = n / ROUNDS / t->rarely;

	return trips ? trips : 1;
}

static _Noreturn void answer(const struct transport *transports, unsigned count,
			     unsigned n)
{
	unsigned trips;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pin(1);
	for (unsigned i = 0; i < count; i++)
		transports[i].open(transports[i].state, 1);
	for (unsigned r = 0; r < ROUNDS; r++) {
		for (unsigned i = 0; i < count; i++) {
			trips = trips_a_round(&transports[i], n);
			echo(&transports[i], trips / 10 + trips);
		}
	}
	for (;;)
		pause(); /* the parent sees an end as an error */
}

/* Nobody would answer any more. */
static void answer_ended(int signal)
{
	(void)signal;
	_exit(EXIT_FAILURE);
}

static void one_round(const struct transport *t, struct times *times,
		      unsigned trips, uint64_t cost_ns, uint32_t *median_ns)
{
	uint32_t *ns = times->trips_ns + times->trips;

	ping(t, ns, trips / 10, cost_ns); /* overwritten */
	ping(t, ns, trips, cost_ns);
	histogram_sort(ns, trips);
	*median_ns = histogram_quantile(ns, trips, 500);
	times->trips += trips;
}

void measure(const struct transport *transports, struct times *times,
	     unsigned count, unsigned n)
{
	uint32_t medians_ns[count][ROUNDS];
	uint64_t cost_ns;
	pid_t pid;

	signal(SIGCHLD, answer_ended);
	pid = check_errno(fork(), "fork");
	if (!pid)
		answer(transports, count, n);
	pin(0);
	cost_ns = clock_cost_ns();
	for (unsigned i = 0; i < count; i++) {
		transports[i].open(transports[i].state, 0);
		times[i].trips = 0;
		times[i].trips_ns =
			calloc(ROUNDS * trips_a_round(&transports[i], n),
			       sizeof(*times[i].trips_ns));
		check(times[i].trips_ns ? 0 : -ENOMEM, "keep the times");
	}
	for (unsigned r = 0; r < ROUNDS; r++)
		for (unsigned i = 0; i < count; i++)
			one_round(&transports[i], &times[i],
				  trips_a_round(&transports[i], n), cost_ns,
				  &medians_ns[i][r]);
	signal(SIGCHLD, SIG_DFL);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (unsigned i = 0; i < count; i++) {
		histogram_sort(times[i].trips_ns, times[i].trips);
		histogram_sort(medians_ns[i], ROUNDS);
		times[i].median_ns = medians_ns[i][ROUNDS / 2];
	}
}
