/* SPDX-License-Identifier: MIT */
/*
 * workqueue NAME add JOB...: when this has ended well, the disk has the jobs.
 * workqueue NAME work: do jobs until there are none; any number of workers.
 *
 * NAME is a directory, and survives the machine. A worker that is killed leaves
 * its job to another, who is told that it may have been done: "again". After a
 * crash of the machine all that is left is said to be so. A worker syncs when it
 * has done a job, so a job that was done is done again only if its end had not
 * reached the disk: one for each worker. `shmq stat NAME` shows what is left.
 *
 * The job "crash" kills the worker, the first time.
 */
#include "check.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)

static int add(struct shmq *queue, char **jobs)
{
	struct shmq_producer *producer;

	check(shmq_producer_open(&producer, queue, 0), "become a producer");
	for (; *jobs; jobs++) {
		/* Durable: comes back when the disk has it. */
		check(shmq_send(producer, *jobs, strlen(*jobs), SHMQ_FOREVER),
		      *jobs);
		printf("accepted: %s\n", *jobs);
	}
	shmq_producer_close(producer);
	return EXIT_SUCCESS;
}

static void do_job(const struct shmq_msg *job)
{
	const int again = job->flags & SHMQ_REDELIVERED;

	if (!again && job->len == 5 && !memcmp(job->data, "crash", 5))
		raise(SIGKILL);
	/* What can be done twice without harm is done; else look first. */
	printf("%s: %.*s\n", again ? "done again" : "done", (int)job->len,
	       (const char *)job->data);
	fflush(stdout);
}

static int work(struct shmq *queue)
{
	struct shmq_consumer *worker;
	struct shmq_msg job;
	int result;

	check(shmq_consumer_open(&worker, queue, NULL, 0), "become a worker");
	/* What a dead worker held comes back within a second. */
	while ((result = shmq_receive(worker, &job, 1, 2 * SECOND)) > 0) {
		do_job(&job);
		check(shmq_release(worker), "release");
		/* That it is done reaches the disk; if a sender is in the way,
		   with the next one. */
		result = shmq_sync(queue, SECOND);
		if (result != -ETIMEDOUT)
			check(result, "sync");
	}
	if (result != -ETIMEDOUT)
		check(result, "receive");
	shmq_consumer_close(worker);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *queue;
	int result;

	if (argc < 3 || (strcmp(argv[2], "add") && strcmp(argv[2], "work"))) {
		fprintf(stderr, "usage: workqueue NAME add JOB...\n"
				"       workqueue NAME work\n");
		return EXIT_FAILURE;
	}
	attr.flags = SHMQ_JOURNAL;
	attr.durability = SHMQ_DURABLE_EACH;
	attr.segment_bytes = 1 << 20;
	check(shmq_open(&queue, argv[1], SHMQ_CREATE, 0600, &attr), argv[1]);
	result = strcmp(argv[2], "add") ? work(queue) : add(queue, argv + 3);
	shmq_close(queue);
	return result;
}
