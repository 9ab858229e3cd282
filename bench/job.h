/* SPDX-License-Identifier: MIT */
/*
 * One run: processes that are made for it, work together over one transport,
 * and are gone afterwards.
 */
#ifndef BENCH_JOB_H
#define BENCH_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench.h"

#define JOB_WORKERS 256 /* processes at most, on each side */
#define JOB_QUEUES 256
#define JOB_CORES 64

enum job_kind {
	JOB_ROUND_TRIP, /* to and fro, times of the whole trip */
	JOB_ONE_WAY,    /* to and fro, times of the first half */
	JOB_STREAM,     /* as many as can be, one producer, one consumer */
	JOB_FAN,        /* the same, several of each */
	JOB_QUEUES_TURN, /* one producer, one consumer, several channels in turn */
	JOB_WAKE,        /* now and then one, the consumer asleep */
	JOB_IDLE,        /* none: processor time of a sleeping consumer */
	JOB_CALLS_AWAKE,  /* system calls: send some, then receive them */
	JOB_CALLS_ASLEEP, /* system calls: the consumer asleep before each */
};

struct job {
	enum job_kind kind;
	const struct bench_transport *transport;
	size_t len;      /* bytes of a message */
	size_t room;     /* bytes on the way */
	uint64_t n;      /* messages, of each producer */
	uint64_t warmup; /* messages before */
	unsigned int producers, consumers, queues;
	bool sleeps;
	uint64_t gap_ns; /* JOB_WAKE: between messages; JOB_IDLE: of silence */
	int cores[JOB_CORES];
	unsigned int n_cores;
};

struct job_outcome {
	float *ns; /* each trip; to be freed */
	size_t n;
	double message_ns;            /* a message, the others */
	double cpu;                   /* JOB_IDLE: cores used, 1 is one */
	double calls_put, calls_take; /* system calls a message */
	char why[160];                /* what went wrong */
};

/* Once, before the first. Where files are kept; removed by job_fini(). */
int job_init(void);
void job_fini(void);

/*
 * Returns 0; -EINTR: a signal asked us to end; another negative errno, and the
 * reason in outcome->why.
 */
int job_run(const struct job *job, struct job_outcome *outcome);

/* Set by the first run of offset_measure(): ticks that core 1 is ahead. */
extern double job_offset_ticks;
int job_offset_measure(const struct job *job);

/* A path for a file of its own, in the directory that goes away. */
void job_path(char *path, size_t size);
/* -EINTR once a signal has asked us to end, else 0. */
int job_stopped(void);

/* Whether a transport can do it; if not, why. */
const char *job_refusal(const struct job *job);

#endif /* BENCH_JOB_H */
