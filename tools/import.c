/* SPDX-License-Identifier: MIT */
/*
 * Sending what was dumped: the messages of JSON objects as message.c makes
 * them. Objects that tell of a gap are passed over. Each message is sent when
 * its line has been read, so all before a line that is wrong are there.
 */
#include "import.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "fault.h"
#include "stop.h"

struct import {
	const struct verb *verb;
	const char *name;
	struct shmq_producer *producer;
	unsigned long long line;
};

static int digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* In place. How many bytes, or -1. */
static ssize_t decode(char *text, size_t len)
{
	size_t n = 0, padding = 0;

	if (len % 4)
		return -1;
	while (padding < 2 && padding < len && text[len - 1 - padding] == '=')
		padding++;
	len -= padding;
	for (size_t i = 0; i < len; i += 4) {
		size_t rest = len - i < 4 ? len - i : 4;
		unsigned bits = 0;

		if (rest == 1)
			return -1;
		for (size_t k = 0; k < 4; k++) {
			int d = k < rest ? digit(text[i + k]) : 0;

			if (d < 0)
				return -1;
			bits = bits << 6 | (unsigned)d;
		}
		for (size_t k = 0; k + 1 < rest; k++)
			text[n++] = (char)(bits >> (16 - 8 * k));
	}
	return (ssize_t)n;
}

static int wrong(const struct import *im, const char *what)
{
	return fault_refused(im->verb, im->name, "line %llu of the input: %s",
			     im->line, what);
}

static int send_bytes(const struct import *im, const char *data, size_t len)
{
	int error = shmq_send(im->producer, data, len, SHMQ_FOREVER);

	while (error == -EINTR && !stop_signal())
		error = shmq_send(im->producer, data, len, SHMQ_FOREVER);
	if (error == -EINTR)
		return STATUS_SIGNAL + stop_signal();
	return error ? fault(im->verb, im->name, error) : STATUS_DONE;
}

static int send_object(const struct import *im, json_t *object)
{
	json_t *data = json_object_get(object, "data");
	const char *encoding = json_string_value(
		json_object_get(object, "encoding"));
	size_t len = json_string_length(data);
	int status;
	ssize_t n;
	char *copy;

	if (json_object_get(object, "gap"))
		return STATUS_DONE;
	if (!json_is_string(data) || !encoding)
		return wrong(im, "an object without \"data\" or \"encoding\"");
	if (!strcmp(encoding, "text"))
		return send_bytes(im, json_string_value(data), len);
	if (strcmp(encoding, "base64"))
		return wrong(im, "an unknown \"encoding\"");
	copy = malloc(len + 1);
	if (!copy)
		return fault(im->verb, im->name, -ENOMEM);
	memcpy(copy, json_string_value(data), len);
	n = decode(copy, len);
	status = n < 0 ? wrong(im, "\"data\" is no base64") :
			 send_bytes(im, copy, (size_t)n);
	free(copy);
	return status;
}

static int send_line(const struct import *im, const char *line, size_t len)
{
	json_t *object;
	int status;

	if (strspn(line, " \t\r\n") == len)
		return STATUS_DONE;
	object = json_loadb(line, len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES,
			    NULL);
	if (!json_is_object(object))
		status = wrong(im, "no JSON object");
	else
		status = send_object(im, object);
	json_decref(object);
	return status;
}

int import_objects(const struct verb *verb, const char *name, struct shmq *q)
{
	struct import im = { .verb = verb, .name = name };
	int status = STATUS_DONE, error;
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	error = shmq_producer_open(&im.producer, q, 0);
	if (error)
		return fault(verb, name, error);
	while (status == STATUS_DONE &&
	       (n = getline(&line, &size, stdin)) > 0) {
		im.line++;
		status = send_line(&im, line, (size_t)n);
	}
	if (status == STATUS_DONE && stop_signal())
		status = STATUS_SIGNAL + stop_signal();
	else if (status == STATUS_DONE && ferror(stdin))
		status = fault_refused(verb, name, "standard input: %s",
				       strerror(errno));
	free(line);
	shmq_producer_close(im.producer);
	return status;
}
