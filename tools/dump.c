/* SPDX-License-Identifier: MIT */
/*
 * shmq dump: what a queue still holds, oldest first. It looks on as a tap, by
 * a mapping for reading only, so it changes nothing, and needs nobody alive.
 *
 * It ends where the queue ended when it began: somebody may be sending.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <shmq.h>

#include "dump.h"
#include "fault.h"
#include "message.h"
#include "option.h"
#include "output.h"
#include "stop.h"

#define BATCH 64
#define RECORD_BYTES 64 /* at least, of each message in the ring */

struct dump {
	const struct verb *verb;
	const char *name;
	bool raw;
	bool json;
	uint64_t count;   /* UINT64_MAX: all */
	uint64_t end_seq; /* numbers from here on came later */
	uint64_t shown;
	bool damaged;
	struct shmq_consumer *tap;
	struct output output;
};

static int put_json(struct dump *d, json_t *object)
{
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	int error = text ? output_put(&d->output, text, strlen(text)) : -ENOMEM;

	free(text);
	json_decref(object);
	return error;
}

static int put(struct dump *d, const struct shmq_msg *message)
{
	int error = d->json ?
			    put_json(d, message_json(message)) :
			    output_put(&d->output, message->data, message->len);

	if (message->lost)
		fprintf(stderr,
			"shmq dump: %s: %" PRIu64 " messages were gone "
			"before number %" PRIu64 " could be read\n",
			d->name, message->lost, message->seq);
	if (!error && !d->raw)
		error = output_put(&d->output, "\n", 1);
	return error;
}

/* What is in the way, and was passed over. */
static int put_gap(struct dump *d, int what, uint64_t position,
		   uint64_t numbers)
{
	const char *word = what == SHMQ_SKIPPED_DAMAGE ? "damaged" :
							 "unfinished";
	int error;

	fprintf(stderr,
		"shmq dump: %s: %s at position %" PRIu64 ": %" PRIu64
		" number%s passed over\n",
		d->name, word, position, numbers, numbers == 1 ? "" : "s");
	if (what == SHMQ_SKIPPED_DAMAGE)
		d->damaged = true;
	if (!d->json)
		return 0;
	error = put_json(d, json_pack("{s:s,s:I,s:I}", "gap", word, "position",
				      (json_int_t)position, "numbers",
				      (json_int_t)numbers));
	return error ? error : output_put(&d->output, "\n", 1);
}

/* 1: go on; 0: that was the last; or a negative errno of the output. */
static int put_all(struct dump *d, const struct shmq_msg *messages, int n)
{
	for (int i = 0; i < n; i++) {
		int error;

		if (messages[i].seq >= d->end_seq || d->shown == d->count)
			return 0;
		error = put(d, &messages[i]);
		if (error)
			return error;
		d->shown++;
	}
	return 1;
}

static int dump_failed(struct dump *d, int error)
{
	if (error == -EINTR)
		return STATUS_SIGNAL + stop_signal();
	if (error == -EPIPE)
		return STATUS_SIGNAL + 13; /* as SIGPIPE would */
	return fault_refused(d->verb, d->name, "standard output: %s",
			     strerror(-error));
}

static int dump_all(struct dump *d)
{
	struct shmq_msg messages[BATCH];
	uint64_t position = 0, numbers = 0;
	int n, more = 1, error = 0;

	while (more > 0 && !error) {
		if (stop_signal())
			return STATUS_SIGNAL + stop_signal();
		n = shmq_receive(d->tap, messages, BATCH, SHMQ_NOWAIT);
		if (n > 0) {
			more = put_all(d, messages, n);
			shmq_release(d->tap);
		} else if (n == -EAGAIN || n == -EBADMSG) {
			more = shmq_tap_skip(d->tap, &position, &numbers);
			if (more > 0)
				error = put_gap(d, more, position, numbers);
			else if (more < 0)
				return fault(d->verb, d->name, more);
		} else {
			return fault(d->verb, d->name, n);
		}
		if (more >= 0 && !error)
			error = output_flush(&d->output);
	}
	if (more < 0 || error)
		return dump_failed(d, error ? error : more);
	return d->damaged ? STATUS_DAMAGED : STATUS_DONE;
}

static int dump_opened(struct dump *d, struct shmq *q)
{
	struct shmq_stat st = SHMQ_STAT_INIT;
	int status, error = shmq_stat(q, &st);

	/* Where the groups are may be damaged, and the messages not. */
	if (error && error != -EBADMSG)
		return fault(d->verb, d->name, error);
	d->end_seq = error ? UINT64_MAX :
			     st.sent_messages +
				     st.capacity_bytes / RECORD_BYTES;
	d->damaged = error;
	error = shmq_consumer_open(&d->tap, q, NULL, SHMQ_TAP);
	if (error)
		return fault(d->verb, d->name, error);
	error = output_init(&d->output, STDOUT_FILENO);
	status = error ? fault(d->verb, d->name, error) : dump_all(d);
	output_fini(&d->output);
	shmq_consumer_close(d->tap);
	return status;
}

enum {
	OPT_COUNT = 256,
	OPT_JSON,
	OPT_RAW,
};

static const struct option options[] = {
	{ "count", required_argument, NULL, OPT_COUNT },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "raw", no_argument, NULL, OPT_RAW },
	OPTION_HELP,
	OPTION_END,
};

static int dump_named(struct dump *d)
{
	struct shmq *q;
	int status, error = stop_init();

	if (error)
		return fault(d->verb, d->name, error);
	error = shmq_open(&q, d->name, SHMQ_RDONLY, 0, NULL);
	if (error)
		return fault_open(d->verb, d->name, error);
	status = dump_opened(d, q);
	shmq_close(q);
	return status;
}

int dump_objects(const struct verb *verb, const char *name)
{
	struct dump d = {
		.verb = verb, .name = name, .json = true, .count = UINT64_MAX
	};

	return dump_named(&d);
}

static int run(const struct verb *verb, int argc, char **argv)
{
	struct dump d = { .verb = verb, .count = UINT64_MAX };
	int value;

	while ((value = option_next(verb, argc, argv, options)) != -1) {
		if (value == OPT_COUNT)
			d.count = option_count(verb, "--count", optarg,
					       UINT64_MAX - 1);
		d.json |= value == OPT_JSON;
		d.raw |= value == OPT_RAW;
	}
	d.name = option_words(verb, argc, argv, 1, 1)[0];
	if (d.raw && d.json)
		return fault_usage(verb, "--raw and --json exclude each other");
	return dump_named(&d);
}

const struct verb verb_dump = {
	.name = "dump",
	.summary = "show what a queue still holds, without changing it",
	.run = run,
	.help = "usage: shmq dump NAME [OPTION]...\n"
		"\n"
		"Shows the messages that a queue still holds, oldest first, "
		"one per line, and\n"
		"changes nothing. Read permission is enough. It also works on "
		"the file of a\n"
		"queue all of whose processes are dead.\n"
		"\n"
		"  --count N   stop after N messages\n"
		"  --raw       write the bytes as they are, no newline after "
		"each message\n"
		"  --json      write each message, and each gap, as a JSON "
		"object\n"
		"  -h, --help  this text\n"
		"\n"
		"Of a queue that overwrites, that is all that has not been "
		"written over. Of\n"
		"others, what some group has not received, and what was "
		"received and not\n"
		"released; of a journal, all of it. Sends that were not finished, and damage, are "
		"reported on standard\n"
		"error with their position, and passed over.\n"
		"\n"
		"Exit status: 0 shown, also if there was nothing, 1 refused, "
		"2 wrong usage,\n"
		"3 something is damaged, 128+N ended by signal N.\n"
		"\n"
		"Examples:\n"
		"  shmq dump recorder | tail\n"
		"  shmq dump --json ./recorder.queue | jq -r .data\n",
};
