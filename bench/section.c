/* SPDX-License-Identifier: MIT */
/*
 * What it costs to read shared metadata in an epoch (lib/epoch.h): entering and
 * leaving, beside an empty loop; and reading the whole of the attributes. In
 * nanoseconds, the best of several rounds.
 *
 *	make bench/section && bench/section
 */
#include <stdio.h>

#include <shmq.h>

#include "attributes.h"
#include "consumer.h"
#include "epoch.h"
#include "wake.h"

#define ROUNDS 20
#define COUNT 10000000

static double empty(const struct endpoint *ep)
{
	int64_t begin = shmqi_clock_ns();

	(void)ep;
	for (int i = 0; i < COUNT; i++)
		compiler_fence();
	return (double)(shmqi_clock_ns() - begin) / COUNT;
}

static double section(const struct endpoint *ep)
{
	int64_t begin = shmqi_clock_ns();

	for (int i = 0; i < COUNT; i++) {
		epoch_enter(ep);
		epoch_leave(ep);
	}
	return (double)(shmqi_clock_ns() - begin) / COUNT;
}

static double attributes(const struct endpoint *ep)
{
	int64_t begin = shmqi_clock_ns();
	struct attributes a;

	for (int i = 0; i < COUNT / 10; i++)
		shmqi_attributes_read(ep->seg, ep, &a);
	return (double)(shmqi_clock_ns() - begin) / (COUNT / 10.0);
}

static double best(double (*measure)(const struct endpoint *),
		   const struct endpoint *ep)
{
	double least = 1e9;

	for (int i = 0; i < ROUNDS; i++) {
		double ns = measure(ep);

		if (ns < least)
			least = ns;
	}
	return least;
}

int main(void)
{
	struct shmq_consumer *c;
	struct shmq *q;
	double loop;

	if (shmq_open_anonymous(&q, NULL) < 0 ||
	    shmq_consumer_open(&c, q, NULL, 0) < 0)
		return 1;
	loop = best(empty, &c->ep);
	printf("section     %.2f ns\n", best(section, &c->ep) - loop);
	printf("attributes  %.2f ns\n", best(attributes, &c->ep));
	shmq_consumer_close(c);
	shmq_close(q);
	return 0;
}
