/* SPDX-License-Identifier: MIT */
/*
 * shmq recv: messages to standard output.
 *
 * A batch is borrowed, written, flushed, and only then released. Until that
 * release the messages are the queue's: if writing fails, or the program is
 * killed, the whole batch goes to the next receiver, marked as redelivered.
 * Nothing is held and nothing is unwritten while waiting.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <shmq.h>

#include "deadline.h"
#include "fault.h"
#include "message.h"
#include "option.h"
#include "output.h"
#include "progress.h"
#include "stop.h"

#define BATCH 256
/* A batch holds at most about this part of the ring, so that senders go on. */
#define RING_PART 8

struct recv {
	const struct verb *verb;
	const char *name;
	const char *group;
	unsigned int consumer_flags;
	bool raw;
	bool json;
	bool show_lost;
	uint64_t count;     /* UINT64_MAX: all */
	int64_t timeout_ns; /* for each next message */
	bool seeks;         /* from there: of a journal */
	unsigned int where;
	uint64_t value;
	struct shmq *q;
	struct shmq_consumer *consumer;
	struct output output;
	struct progress progress;
	uint64_t received;
	uint64_t part_bytes; /* capacity / RING_PART */
	unsigned int batch;  /* messages to borrow at a time, 1 to BATCH */
};

/* How many to borrow next, after n messages of so many bytes. */
static void adapt_batch(struct recv *r, unsigned int n, uint64_t bytes)
{
	if (bytes > r->part_bytes && r->batch > 1)
		r->batch /= 2;
	else if (bytes < r->part_bytes / 2 && n == r->batch &&
		 r->batch <= BATCH / 2)
		r->batch *= 2;
}

/* shmq_receive() that outlasts signals which do not ask us to end. */
static int receive(struct recv *r, struct shmq_msg *messages)
{
	struct deadline deadline = deadline_start(r->timeout_ns);
	int64_t left_ns = r->timeout_ns;
	uint64_t wanted = r->count - r->received;
	unsigned int n = wanted < r->batch ? (unsigned int)wanted : r->batch;
	int rc;

	for (;;) {
		if (stop_signal())
			return -EINTR;
		rc = shmq_receive(r->consumer, messages, n, left_ns);
		if (rc != -EINTR)
			break;
		left_ns = deadline_left_ns(&deadline);
	}
	/*
	 * Messages may lie behind what a dead member left unfinished. Waiting
	 * finds that out by itself; who does not wait has to ask.
	 */
	if (rc == -EAGAIN && shmq_recover(r->q) > 0)
		rc = shmq_receive(r->consumer, messages, n, SHMQ_NOWAIT);
	return rc;
}

static int put_json(struct recv *r, const struct shmq_msg *message)
{
	json_t *object = message_json(message);
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	int error = text ? output_put(&r->output, text, strlen(text)) : -ENOMEM;

	free(text);
	json_decref(object);
	return error;
}

static int put(struct recv *r, const struct shmq_msg *message)
{
	int error;

	if (r->show_lost && message->lost)
		fprintf(stderr,
			"shmq recv: %s: lost %llu messages before number "
			"%llu\n",
			r->name, (unsigned long long)message->lost,
			(unsigned long long)message->seq);
	if (r->json)
		error = put_json(r, message);
	else
		error = output_put(&r->output, message->data, message->len);
	if (!error && !r->raw)
		error = output_put(&r->output, "\n", 1);
	return error;
}

static int put_all(struct recv *r, const struct shmq_msg *messages, int n)
{
	uint64_t bytes = 0;
	int error = 0;

	for (int i = 0; i < n && !error; i++) {
		error = put(r, &messages[i]);
		bytes += messages[i].len;
	}
	if (!error)
		error = output_flush(&r->output);
	if (!error) {
		adapt_batch(r, (unsigned int)n, bytes);
		r->received += (unsigned int)n;
		progress_add(&r->progress, (unsigned int)n, bytes);
	}
	return error;
}

/* Why the next message did not come. */
static int end_of_messages(struct recv *r, int error)
{
	struct shmq_stat st = SHMQ_STAT_INIT;

	switch (error) {
	case -EINTR:
		return STATUS_SIGNAL + stop_signal();
	case -EAGAIN:
	case -ETIMEDOUT:
		if (r->received)
			return STATUS_DONE;
		if (r->consumer_flags & SHMQ_TAP)
			return fault_refused(r->verb, r->name,
					     "there is nothing to see");
		if (!shmq_stat(r->q, &st) && st.depth_messages)
			return fault_refused(r->verb, r->name,
					     "no message is ready: 'shmq stat' "
					     "shows whose send is unfinished");
		return fault_refused(r->verb, r->name,
				     error == -EAGAIN ?
					     "the queue is empty" :
					     "no message came in time");
	default:
		return fault(r->verb, r->name, error);
	}
}

/* Why a batch was not written; it goes back to the queue. */
static int output_failed(struct recv *r, int error)
{
	switch (error) {
	case -EINTR:
		return STATUS_SIGNAL + stop_signal();
	case -EPIPE:
		return STATUS_SIGNAL + 13; /* as SIGPIPE would */
	default:
		return fault_refused(r->verb, r->name,
				     "standard output: %s: what is not written "
				     "stays in the queue",
				     strerror(-error));
	}
}

static int recv_all(struct recv *r)
{
	struct shmq_msg messages[BATCH];
	int n, error;

	while (r->received < r->count) {
		n = receive(r, messages);
		if (n < 0) {
			progress_fini(&r->progress);
			return end_of_messages(r, n);
		}
		error = put_all(r, messages, n);
		if (error) {
			progress_fini(&r->progress);
			return output_failed(r, error);
		}
		error = shmq_release(r->consumer);
		if (error)
			return fault(r->verb, r->name, error);
	}
	return STATUS_DONE;
}

static int recv_opened(struct recv *r)
{
	struct shmq_stat st = SHMQ_STAT_INIT;
	int status;
	int error = shmq_stat(r->q, &st);

	if (!error)
		error = shmq_consumer_open(&r->consumer, r->q, r->group,
					   r->consumer_flags);
	if (!error && r->seeks) {
		error = shmq_seek(r->consumer, r->where, r->value);
		if (error)
			shmq_consumer_close(r->consumer);
	}
	if (error)
		return error == -EBADMSG ? fault(r->verb, r->name, error) :
					   fault_open(r->verb, r->name, error);
	r->part_bytes = st.capacity_bytes / RING_PART;
	error = output_init(&r->output, STDOUT_FILENO);
	progress_init(&r->progress, !isatty(STDOUT_FILENO), 0);
	status = error ? fault(r->verb, r->name, error) : recv_all(r);
	progress_fini(&r->progress);
	if (r->show_lost)
		fprintf(stderr, "shmq recv: %s: lost %llu messages in all\n",
			r->name,
			(unsigned long long)shmq_consumer_lost(r->consumer));
	output_fini(&r->output);
	shmq_consumer_close(r->consumer);
	return status;
}

enum {
	OPT_COUNT = 256,
	OPT_FOLLOW,
	OPT_FROM,
	OPT_GROUP,
	OPT_JSON,
	OPT_RAW,
	OPT_SHOW_LOST,
	OPT_TAP,
	OPT_TIMEOUT,
};

static const struct option options[] = {
	{ "count", required_argument, NULL, OPT_COUNT },
	{ "follow", no_argument, NULL, OPT_FOLLOW },
	{ "from", required_argument, NULL, OPT_FROM },
	{ "group", required_argument, NULL, OPT_GROUP },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "raw", no_argument, NULL, OPT_RAW },
	{ "show-lost", no_argument, NULL, OPT_SHOW_LOST },
	{ "tap", no_argument, NULL, OPT_TAP },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	OPTION_HELP,
	OPTION_END,
};

/* Seconds since 1970, or a local date and time; in nanoseconds. */
static bool parse_time(const char *text, uint64_t *ns)
{
	struct tm tm = { .tm_isdst = -1 };
	double seconds;
	char *end;

	end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (end && !*end) {
		time_t t = mktime(&tm);

		*ns = (uint64_t)t * 1000000000;
		return t >= 0;
	}
	seconds = strtod(text, &end);
	if (end == text || *end || !(seconds >= 0 && seconds < 1e10))
		return false;
	*ns = (uint64_t)seconds * 1000000000 +
	      (uint64_t)((seconds - (double)(uint64_t)seconds) * 1e9);
	return true;
}

static void parse_from(struct recv *r, const char *text)
{
	r->seeks = true;
	if (!strcmp(text, "oldest")) {
		r->where = SHMQ_SEEK_OLDEST;
	} else if (!strcmp(text, "newest")) {
		r->where = SHMQ_SEEK_NEWEST;
	} else if (!strncmp(text, "seq:", 4)) {
		r->where = SHMQ_SEEK_SEQ;
		r->value = option_number(r->verb, "--from seq:", text + 4,
					 UINT64_MAX);
	} else if (!strncmp(text, "time:", 5) &&
		   parse_time(text + 5, &r->value)) {
		r->where = SHMQ_SEEK_TIME;
	} else {
		exit(fault_usage(r->verb, "--from takes oldest, newest, seq:N "
					  "or time:T, T in seconds since 1970 "
					  "or like 2026-11-22T10:00:00"));
	}
}

static void parse_one(struct recv *r, int value, bool *timed)
{
	switch (value) {
	case OPT_COUNT:
		r->count = option_count(r->verb, "--count", optarg,
					UINT64_MAX - 1);
		break;
	case OPT_FOLLOW:
		if (!*timed)
			r->timeout_ns = SHMQ_FOREVER;
		break;
	case OPT_FROM:
		parse_from(r, optarg);
		break;
	case OPT_GROUP:
		r->group = optarg;
		break;
	case OPT_JSON:
		r->json = true;
		break;
	case OPT_RAW:
		r->raw = true;
		break;
	case OPT_SHOW_LOST:
		r->show_lost = true;
		break;
	case OPT_TAP:
		r->consumer_flags |= SHMQ_TAP;
		break;
	case OPT_TIMEOUT:
		r->timeout_ns = option_seconds(r->verb, "--timeout", optarg);
		*timed = true;
		break;
	}
}

static int run(const struct verb *verb, int argc, char **argv)
{
	struct recv r = {
		.verb = verb,
		.count = UINT64_MAX,
		.timeout_ns = SHMQ_NOWAIT,
		.batch = 8,
	};
	bool timed = false;
	int value, status, error;

	while ((value = option_next(verb, argc, argv, options)) != -1)
		parse_one(&r, value, &timed);
	r.name = option_words(verb, argc, argv, 1, 1)[0];
	if (r.raw && r.json)
		return fault_usage(verb, "--raw and --json exclude each other");
	if (r.group && r.consumer_flags & SHMQ_TAP)
		return fault_usage(verb, "a tap has no group: leave out --tap, "
					 "or --group");
	/* Where a group is to go, nobody else may be. */
	if (r.seeks && !(r.consumer_flags & SHMQ_TAP))
		r.consumer_flags |= SHMQ_EXCLUSIVE;
	error = stop_init();
	if (error)
		return fault(verb, r.name, error);
	/* A tap does with read permission, and cannot do more. */
	error = shmq_open(&r.q, r.name,
			  r.consumer_flags & SHMQ_TAP ? SHMQ_RDONLY : 0, 0,
			  NULL);
	if (error)
		return fault_open(verb, r.name, error);
	status = recv_opened(&r);
	shmq_close(r.q);
	return status;
}

const struct verb verb_recv = {
	.name = "recv",
	.summary = "receive messages to standard output",
	.run = run,
	.help = "usage: shmq recv NAME [OPTION]...\n"
		"\n"
		"Receives messages and writes them to standard output, one per "
		"line.\n"
		"Stops when the queue is empty.\n"
		"\n"
		"  --count N      stop after N messages\n"
		"  --follow       wait for more instead of stopping when empty\n"
		"  --timeout SEC  wait at most so long for each next message\n"
		"  --from WHERE   of a journal: oldest, newest, seq:N or "
		"time:T, in seconds since\n"
		"                 1970 or like 2026-11-22T10:00:00; as a tap, "
		"or the group's only\n"
		"                 receiver, with which the group goes there\n"
		"  --raw          write the bytes as they are, no newline "
		"after each message\n"
		"  --json         write each message as a JSON object\n"
		"  --group G      receive as a member of group G\n"
		"  --tap          look on without consuming\n"
		"  --show-lost    report missed messages on standard error\n"
		"  -h, --help     this text\n"
		"\n"
		"Exit status: 0 at least one message (with --follow --count: "
		"N), 1 none, or\n"
		"another refusal, 2 wrong usage, 3 damaged queue, 128+N ended "
		"by signal N.\n"
		"\n"
		"Examples:\n"
		"  shmq recv jobs\n"
		"  shmq recv jobs --count 1 --timeout 10\n"
		"  shmq recv --raw --timeout 5 backup > disk.img\n"
		"  shmq recv --follow --json jobs | jq -r .data\n",
};
