/* SPDX-License-Identifier: MIT */
/*
 * shmq send: a message from the command line, or the standard input cut into
 * messages. A message is whole in the queue or not there at all, and those
 * before it are there: wherever the transfer ends, it ends between two.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <shmq.h>

#include "deadline.h"
#include "fault.h"
#include "input.h"
#include "option.h"
#include "progress.h"
#include "stop.h"

#define BATCH 512
#define MODE_DEFAULT 0666

struct send {
	const struct verb *verb;
	const char *name;
	const char *message; /* NULL: standard input */
	uint64_t block;      /* 0: lines */
	int64_t timeout_ns;
	int open_flags;
	struct shmq *q;
	struct shmq_producer *producer;
	struct progress progress;
	uint64_t sent;
};

/* 0 when all n are in the queue; `sent` counts them in any case. */
static int send_all(struct send *s, const struct iovec *messages, unsigned n)
{
	struct deadline deadline = deadline_start(s->timeout_ns);
	int64_t left_ns = s->timeout_ns;
	int rc;

	while (n) {
		rc = shmq_send_batch(s->producer, messages, n, left_ns);
		if (rc > 0) {
			s->sent += (unsigned)rc;
			messages += rc;
			n -= (unsigned)rc;
			/* The timeout is for each message anew. */
			if (n)
				deadline = deadline_start(s->timeout_ns);
		} else if (rc != -EINTR) {
			return rc;
		}
		if (n && stop_signal())
			return -EINTR;
		left_ns = deadline_left_ns(&deadline);
	}
	return 0;
}

static int complain_length(struct send *s, unsigned long long number)
{
	unsigned long long max = shmq_max_message(s->q);

	if (s->message)
		return fault_refused(s->verb, s->name,
				     "the message is longer than %llu bytes, "
				     "the largest of this queue: create it "
				     "with a larger --capacity",
				     max);
	return fault_refused(s->verb, s->name,
			     "line %llu is longer than %llu bytes, the largest "
			     "message of this queue: cut with --block, or "
			     "create it with a larger --capacity",
			     number, max);
}

/* Why message number sent + 1 of the input is not in the queue. */
static int complain(struct send *s, int error, uint64_t unsent_bytes)
{
	const char *unit = s->block ? "block" : "line";
	unsigned long long number = s->sent + 1;

	progress_fini(&s->progress);
	switch (error) {
	case -EINTR:
		if (unsent_bytes)
			fault_refused(s->verb, s->name,
				      "ended by %s after %llu messages: %llu "
				      "bytes of input are read and not sent",
				      stop_name(), number - 1,
				      (unsigned long long)unsent_bytes);
		return STATUS_SIGNAL + stop_signal();
	case -EAGAIN:
	case -ETIMEDOUT:
		if (s->message)
			return fault_refused(s->verb, s->name,
					     "the queue is full: nothing sent");
		return fault_refused(s->verb, s->name,
				     "the queue is full: %llu messages sent, "
				     "%s %llu and later not",
				     number - 1, unit, number);
	case -EMSGSIZE:
		return complain_length(s, number);
	default:
		if (!s->message)
			fault_refused(s->verb, s->name,
				      "%llu messages sent, %s %llu and later "
				      "not",
				      number - 1, unit, number);
		return fault(s->verb, s->name, error);
	}
}

static int send_message(struct send *s)
{
	struct iovec message = {
		.iov_base = (void *)(uintptr_t)s->message,
		.iov_len = strlen(s->message),
	};
	int error = send_all(s, &message, 1);

	return error ? complain(s, error, message.iov_len) : STATUS_DONE;
}

/* Send whatever complete messages have been read. */
static int send_cut(struct send *s, struct input *input)
{
	struct iovec messages[BATCH];
	int n, error;

	while ((n = input_cut(input, messages, BATCH)) > 0) {
		const char *begin = messages[0].iov_base;
		uint64_t before = s->sent;

		error = send_all(s, messages, (unsigned)n);
		if (error) {
			const char *unsent =
				messages[s->sent - before].iov_base;

			return complain(s, error,
					(uint64_t)(input->buf + input->end -
						   unsent));
		}
		progress_add(&s->progress, (uint64_t)n,
			     (uint64_t)(input->buf + input->start - begin));
	}
	return n ? complain(s, n, input_rest(input)) : STATUS_DONE;
}

/* Bytes to come, for the progress line; 0: cannot know. */
static uint64_t expected_bytes(void)
{
	struct stat st;
	off_t offset;

	if (fstat(STDIN_FILENO, &st) || !S_ISREG(st.st_mode))
		return 0;
	offset = lseek(STDIN_FILENO, 0, SEEK_CUR);
	return offset >= 0 && offset < st.st_size ?
		       (uint64_t)(st.st_size - offset) :
		       0;
}

static int send_input(struct send *s)
{
	struct input input;
	int status = STATUS_DONE;
	int error = input_init(&input, STDIN_FILENO, s->block,
			       shmq_max_message(s->q));

	if (error)
		return fault(s->verb, s->name, error);
	progress_init(&s->progress, !isatty(STDIN_FILENO), expected_bytes());
	while (!input.ended && status == STATUS_DONE) {
		error = input_read(&input);
		if (error == -EINTR) {
			status = complain(s, error, input_rest(&input));
		} else if (error) {
			progress_fini(&s->progress);
			status = fault_refused(
				s->verb, s->name,
				"standard input: %s: %llu messages sent",
				strerror(-error), (unsigned long long)s->sent);
		} else {
			status = send_cut(s, &input);
		}
	}
	progress_fini(&s->progress);
	input_fini(&input);
	return status;
}

static int send_opened(struct send *s)
{
	uint64_t max = shmq_max_message(s->q);
	int status, error;

	if (s->block > max)
		return fault_refused(
			s->verb, s->name,
			"--block %llu is more than %llu bytes, the largest "
			"message of this queue: use a smaller one, or create "
			"the queue with a larger --capacity",
			(unsigned long long)s->block, (unsigned long long)max);
	error = shmq_producer_open(&s->producer, s->q, 0);
	if (error)
		return fault(s->verb, s->name, error);
	status = s->message ? send_message(s) : send_input(s);
	shmq_producer_close(s->producer);
	return status;
}

enum {
	OPT_BLOCK = 256,
	OPT_CREATE,
	OPT_TIMEOUT
};

static const struct option options[] = {
	{ "block", required_argument, NULL, OPT_BLOCK },
	{ "create", no_argument, NULL, OPT_CREATE },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	OPTION_HELP,
	OPTION_END,
};

static void parse(struct send *s, int argc, char **argv)
{
	char **words;
	int value;

	while ((value = option_next(s->verb, argc, argv, options)) != -1) {
		switch (value) {
		case OPT_BLOCK:
			s->block = option_size(s->verb, "--block", optarg);
			break;
		case OPT_CREATE:
			s->open_flags = SHMQ_CREATE;
			break;
		case OPT_TIMEOUT:
			s->timeout_ns = option_seconds(s->verb, "--timeout",
						       optarg);
			break;
		}
	}
	words = option_words(s->verb, argc, argv, 1, 2);
	s->name = words[0];
	s->message = words[1];
}

static int run(const struct verb *verb, int argc, char **argv)
{
	struct send s = { .verb = verb, .timeout_ns = SHMQ_FOREVER };
	int status, error;

	parse(&s, argc, argv);
	if (s.message && s.block)
		return fault_usage(verb, "--block cuts standard input, and "
					 "there is a MESSAGE");
	error = stop_init();
	if (error)
		return fault(verb, s.name, error);
	error = shmq_open(&s.q, s.name, s.open_flags, MODE_DEFAULT, NULL);
	if (error)
		return fault_open(verb, s.name, error);
	status = send_opened(&s);
	shmq_close(s.q);
	return status;
}

const struct verb verb_send = {
	.name = "send",
	.summary = "send a message, or standard input as messages",
	.run = run,
	.help = "usage: shmq send NAME [MESSAGE] [OPTION]...\n"
		"\n"
		"Sends MESSAGE; without it, each line of standard input as one "
		"message.\n"
		"Waits while the queue is full.\n"
		"\n"
		"  --block SIZE   cut standard input into messages of SIZE "
		"bytes (K, M, G)\n"
		"  --create       create the queue if there is none, with all "
		"defaults\n"
		"  --timeout SEC  wait at most so long for room, each time; 0: "
		"do not wait\n"
		"  -h, --help     this text\n"
		"\n"
		"Exit status: 0 all sent, 1 the queue is full or another "
		"refusal (what came\n"
		"before is sent), 2 wrong usage, 3 damaged queue, 128+N ended "
		"by signal N.\n"
		"\n"
		"Examples:\n"
		"  shmq send jobs 'resize photo-17'\n"
		"  seq 1000000 | shmq send jobs --create\n"
		"  shmq send --block 64K backup < disk.img\n"
		"  shmq send jobs -- -message-with-a-dash\n",
};
