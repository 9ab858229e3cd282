/* SPDX-License-Identifier: MIT */
/*
 * audit LOG record TEXT: add an entry to the audit log LOG, a directory. When
 * this has ended well, the disk has the entry.
 * audit LOG replay [seq:N | since:SECONDS]: entries in order, all or from there
 * on (seconds since 1970). It takes nothing out, and only reads.
 *
 * Every entry has a checksum: `shmq journal verify LOG` looks at them all.
 */
#include "check.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct entry {
	int64_t time_ns; /* CLOCK_REALTIME */
	uint32_t user, process;
	char text[200];
};

static int record(const char *log, const char *text)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq_producer *producer;
	struct entry entry = { .user = getuid() };
	struct timespec now;
	struct shmq *queue;

	attr.flags = SHMQ_JOURNAL;
	attr.durability = SHMQ_DURABLE_EACH;
	attr.segment_bytes = 1 << 20;
	check(shmq_open(&queue, log, SHMQ_CREATE, 0640, &attr), log);
	check(shmq_producer_open(&producer, queue, 0), "become a producer");
	entry.process = (uint32_t)getpid();
	clock_gettime(CLOCK_REALTIME, &now);
	entry.time_ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
	snprintf(entry.text, sizeof(entry.text), "%s", text);
	check(shmq_send(producer, &entry, sizeof(entry), SHMQ_FOREVER), "send");
	shmq_producer_close(producer);
	shmq_close(queue);
	return EXIT_SUCCESS;
}

static void go_to(struct shmq_consumer *reader, const char *from)
{
	unsigned where = SHMQ_SEEK_SEQ;
	uint64_t number;
	char end;

	if (sscanf(from, "since:%" SCNu64 "%c", &number, &end) == 1) {
		where = SHMQ_SEEK_TIME;
		number *= 1000000000;
	} else if (sscanf(from, "seq:%" SCNu64 "%c", &number, &end) != 1) {
		check(-EINVAL, from);
	}
	check(shmq_seek(reader, where, number), from);
}

static int replay(const char *log, const char *from)
{
	struct shmq_consumer *reader;
	struct shmq_msg msg;
	struct shmq *queue;
	int result;

	result = shmq_open(&queue, log, SHMQ_RDONLY, 0, NULL);
	if (result == -EUCLEAN) /* the machine went down: mend it first */
		result = shmq_open(&queue, log, 0, 0, NULL);
	check(result, log);
	check(shmq_consumer_open(&reader, queue, NULL, SHMQ_TAP), "read");
	if (from)
		go_to(reader, from);
	while ((result = shmq_receive(reader, &msg, 1, SHMQ_NOWAIT)) > 0) {
		const struct entry *e = msg.data;

		if (msg.len == sizeof(*e))
			printf("%" PRIu64 " %.3f user %u process %u: %.*s\n",
			       msg.seq, (double)e->time_ns / 1e9, e->user,
			       e->process, (int)sizeof(e->text), e->text);
		check(shmq_release(reader), "release");
	}
	check(result == -EAGAIN ? 0 : result, "receive");
	shmq_consumer_close(reader);
	shmq_close(queue);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[2], "record"))
		return record(argv[1], argv[3]);
	if ((argc == 3 || argc == 4) && !strcmp(argv[2], "replay"))
		return replay(argv[1], argv[3]);
	fprintf(stderr, "usage: audit LOG record TEXT\n"
			"       audit LOG replay [seq:N | since:SECONDS]\n");
	return EXIT_FAILURE;
}
