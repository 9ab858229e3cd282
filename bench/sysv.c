/* SPDX-License-Identifier: MIT */
/*
 * sysv: a System V message queue, as long as the system allows.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/msg.h>

#include "loops.h"
#include "transports.h"

struct sysv {
	int id;
	struct {
		long type;
		uint64_t words[];
	} * message; /* type, then what is in ch->buf */
};

/* The largest message, from the kernel's settings. */
static size_t message_max(void)
{
	FILE *file = fopen("/proc/sys/kernel/msgmax", "re");
	char line[32];
	unsigned long max = 8192;

	if (file) {
		if (fgets(line, sizeof(line), file))
			max = strtoul(line, NULL, 10);
		fclose(file);
	}
	return max;
}

static int sysv_create(struct bench_channel *ch)
{
	struct sysv *sysv;
	struct msqid_ds facts;

	if (ch->len > message_max())
		return -EMSGSIZE;
	sysv = malloc(sizeof(*sysv));
	if (!sysv)
		return -ENOMEM;
	sysv->message = malloc(sizeof(*sysv->message) + ch->len);
	sysv->id = sysv->message ? msgget(IPC_PRIVATE, 0600) : -1;
	if (sysv->id < 0) {
		int error = sysv->message ? -errno : -ENOMEM;

		free(sysv->message);
		free(sysv);
		return error;
	}
	if (!msgctl(sysv->id, IPC_STAT, &facts)) {
		facts.msg_qbytes = ch->room;
		msgctl(sysv->id, IPC_SET, &facts); /* needs a privilege */
	}
	ch->state = sysv;
	return 0;
}

static int sysv_attach(struct bench_channel *ch)
{
	(void)ch;
	return 0;
}

static void sysv_destroy(struct bench_channel *ch)
{
	struct sysv *sysv = ch->state;

	if (!sysv)
		return;
	msgctl(sysv->id, IPC_RMID, NULL);
	free(sysv->message);
	free(sysv);
}

static int result(void)
{
	return errno == EINTR || errno == ENOMSG ? -EAGAIN : -errno;
}

BENCH_INLINE int sysv_put(struct bench_channel *ch, uint64_t number)
{
	const struct sysv *sysv = ch->state;

	sysv->message->type = 1;
	content_fill(sysv->message->words, number, ch->len);
	if (msgsnd(sysv->id, sysv->message, ch->len,
		   ch->sleeps ? 0 : IPC_NOWAIT))
		return result();
	return 0;
}

BENCH_INLINE int sysv_take(struct bench_channel *ch, uint64_t *number)
{
	const struct sysv *sysv = ch->state;
	ssize_t got = msgrcv(sysv->id, sysv->message, ch->len, 0,
			     ch->sleeps ? 0 : IPC_NOWAIT);

	if (got < 0)
		return result();
	if ((size_t)got != ch->len)
		return -EBADMSG;
	return content_check(sysv->message->words, ch->len, number) ? 0 :
								      -EBADMSG;
}

BENCH_LOOPS(sysv)

const struct bench_transport bench_sysv = {
	.name = "sysv",
	.about = "a System V message queue",
	.flags = BENCH_POLLS | BENCH_SLEEPS | BENCH_TRIPS | BENCH_STREAMS |
		 BENCH_MANY,
	.create = sysv_create,
	.attach = sysv_attach,
	.destroy = sysv_destroy,
	BENCH_OPERATIONS(sysv),
};
