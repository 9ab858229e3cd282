/* SPDX-License-Identifier: MIT */
/*
 * Death at an instruction of what only journals do: rolling, syncing, removing,
 * seeking, mending, making and unlinking. crash_step does the same for the rest
 * in a queue of one file. Each operation is recorded once, instruction by
 * instruction; then it is begun again and again on a journal made anew, killed
 * at some place, and others go on: what was there is there, what was being sent
 * is there or not, and everything works.
 *
 * Here a few places are chosen by SHMQ_SEED, most of them behind system calls;
 * SHMQ_DEATHS says how many of each operation, "all" kills at each place.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "layout.h"
#include "step_trace.h"
#include "support.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif

#define SEGMENT 65536
#define LEN 1000
#define IN_SEGMENT 60 /* messages of that length */
#define DEATHS 6
#define BATCH 70

/* What the messages of each say who sent them. */
#define ACTOR 100000
#define SURVIVOR 200000

struct actor {
	const struct op *op;
	struct shmq *q;
	struct shmq_producer *p;
	struct shmq_consumer *c;
	int64_t *result; /* shared; INT64_MIN: it has not ended */
};

struct op {
	const char *name;
	struct shmq_attr attr;
	unsigned prepared; /* messages that are in it */
	unsigned received; /* of them, and released */
	unsigned flags;    /* of the actor's consumer, if it has one */
	unsigned sends;
	bool produces, consumes;
	bool missing;   /* there is no journal, or perhaps none afterwards */
	bool went_down; /* the machine, before it is opened */
	bool loses;     /* messages that were not received may be gone */
	int64_t (*call)(struct actor *a);
};

/* -------------------------------------------------------------- operations */

static const bool traced = true;

static void message_of(uint8_t *buf, uint64_t id)
{
	memset(buf, (int)id, LEN);
	memcpy(buf, &id, sizeof(id));
}

static int64_t call_send(struct actor *a)
{
	uint8_t buf[LEN];

	message_of(buf, ACTOR);
	return shmq_send(a->p, buf, LEN, SHMQ_NOWAIT);
}

static int64_t call_batch(struct actor *a)
{
	static uint8_t bufs[BATCH][LEN];
	struct iovec iov[BATCH];
	int r;

	for (unsigned i = 0; i < BATCH; i++) {
		message_of(bufs[i], ACTOR + i);
		iov[i] = (struct iovec){ bufs[i], LEN };
	}
	r = shmq_send_batch(a->p, iov, BATCH, SHMQ_NOWAIT);
	return r == BATCH ? 0 : -1;
}

static int64_t call_receive(struct actor *a)
{
	struct shmq_msg msgs[80];

	for (int i = 0; i < 2; i++)
		if (shmq_receive(a->c, msgs, 40, SHMQ_NOWAIT) <= 0)
			return -1;
	return 0;
}

static int64_t call_seek(struct actor *a)
{
	return shmq_seek(a->c, SHMQ_SEEK_SEQ, 100);
}

static int64_t call_sync(struct actor *a)
{
	return shmq_sync(a->q, SHMQ_NOWAIT);
}

static int64_t call_index(struct actor *a)
{
	return shmq_journal_index(a->q);
}

static int64_t call_compact(struct actor *a)
{
	return shmq_journal_compact(a->q) > 0 ? 0 : -1;
}

static int64_t call_look(struct actor *a)
{
	struct shmq_journal_info info = SHMQ_JOURNAL_INFO_INIT;

	return shmq_journal_info(a->q, &info) ||
	       shmq_journal_verify(a->q, NULL, NULL);
}

static int64_t call_open(struct actor *a)
{
	return shmq_open(&a->q, "j", SHMQ_CREATE, 0600, &a->op->attr);
}

static int64_t call_unlink(struct actor *a)
{
	(void)a;
	return shmq_unlink("j");
}

/* -------------------------------------------------------------- the table */

#define ATTR                                                                   \
	.size = sizeof(struct shmq_attr), .flags = SHMQ_JOURNAL,               \
	.segment_bytes = SEGMENT
#define NAMED(n) .name = #n, .call = call_##n

static const struct op ops[] = {
	{ NAMED(send), .attr = { ATTR }, .prepared = 5, .produces = true,
	  .sends = 1 },
	/* The first to come to another segment. */
	{ NAMED(send), .attr = { ATTR }, .prepared = IN_SEGMENT,
	  .produces = true, .sends = 1 },
	{ NAMED(send), .attr = { ATTR, .durability = SHMQ_DURABLE_EACH },
	  .prepared = IN_SEGMENT, .produces = true, .sends = 1 },
	/* The one before the last goes. */
	{ NAMED(send), .attr = { ATTR, .retain_bytes = 1 },
	  .prepared = 3 * IN_SEGMENT, .received = 3 * IN_SEGMENT,
	  .produces = true, .sends = 1 },
	{ NAMED(batch), .attr = { ATTR }, .prepared = 7, .produces = true,
	  .sends = BATCH },
	{ NAMED(receive), .attr = { ATTR }, .prepared = 130, .consumes = true },
	{ NAMED(receive), .attr = { ATTR }, .prepared = 130, .consumes = true,
	  .flags = SHMQ_EXCLUSIVE },
	/* Of a group whose next messages are gone. */
	{ NAMED(receive),
	  .attr = { ATTR, .retain_messages = 100,
		    .keep_unread = SHMQ_UNREAD_LOST },
	  .prepared = 400, .loses = true, .consumes = true },
	{ NAMED(receive),
	  .attr = { ATTR, .retain_messages = 100,
		    .keep_unread = SHMQ_UNREAD_LOST },
	  .prepared = 400, .loses = true, .consumes = true,
	  .flags = SHMQ_EXCLUSIVE },
	{ NAMED(seek), .attr = { ATTR }, .prepared = 200, .consumes = true,
	  .flags = SHMQ_EXCLUSIVE },
	{ NAMED(compact), .attr = { ATTR, .retain_messages = 1 },
	  .prepared = 200, .received = 150 },
	{ NAMED(sync), .attr = { ATTR }, .prepared = 100 },
	{ NAMED(index), .attr = { ATTR }, .prepared = 70 },
	{ NAMED(look), .attr = { ATTR }, .prepared = 5 },
	{ NAMED(open), .attr = { ATTR }, .prepared = 70, .received = 20,
	  .went_down = true },
	{ NAMED(open), .attr = { ATTR }, .missing = true },
	{ NAMED(unlink), .attr = { ATTR }, .prepared = 70, .missing = true },
};
#define N_OPS (sizeof(ops) / sizeof(ops[0]))

/* ------------------------------------------------------------ the journal */

static struct shmq *open_journal(const struct op *op)
{
	struct shmq *q;

	must_be(shmq_open(&q, "j", SHMQ_CREATE, 0600, &op->attr), 0);
	return q;
}

static void send_from(struct shmq *q, uint64_t id, unsigned n)
{
	struct shmq_producer *p = producer_join(q);
	uint8_t buf[LEN];

	for (; n; n--) {
		message_of(buf, id++);
		must_be(shmq_send(p, buf, LEN, SHMQ_NOWAIT), 0);
	}
	shmq_producer_close(p);
}

/* As if it came from a disk: what is shared in it is not to be believed. */
static void let_go_down(void)
{
	const uint64_t none = 0;
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/j/control", shmq_runtime_dir());
	fd = open(path, O_WRONLY);
	must(fd >= 0);
	must_be(pwrite(fd, &none, sizeof(none),
		       SH_CONTROL_OFF +
			       __builtin_offsetof(struct sh_control, boot)),
		sizeof(none));
	close(fd);
}

static void prepare(const struct op *op)
{
	struct shmq_consumer *c;
	struct shmq *q;
	uint8_t buf[LEN];

	shmq_unlink("j");
	if (op->missing && !op->prepared)
		return;
	q = open_journal(op);
	send_from(q, 0, op->prepared);
	if (op->received) {
		c = consumer_join(q, 0);
		for (unsigned i = 0; i < op->received; i++)
			must_be(shmq_recv(c, buf, LEN, SHMQ_NOWAIT), LEN);
		shmq_consumer_close(c);
	}
	if (op->loses && op->consumes)
		must(shmq_journal_compact(q) >= 0);
	shmq_close(q);
	if (op->went_down)
		let_go_down();
}

static void region(void *arg)
{
	struct actor *a = arg;

	*a->result = a->op->call(a);
}

static void act(void *arg)
{
	struct actor *a = arg;

	if (!a->op->missing && !a->op->went_down)
		a->q = open_journal(a->op);
	if (a->op->produces)
		a->p = producer_join(a->q);
	if (a->op->consumes)
		must_be(shmq_consumer_open(&a->c, a->q, NULL, a->op->flags), 0);
	trace_region(region, a, &traced);
	_exit(0);
}

/* -------------------------------------------------------------- survivors */

struct seen {
	uint8_t prepared[1024];
	uint64_t actor;    /* messages of it, in order */
	uint64_t survivor; /* likewise */
};

static void see(struct seen *seen, const struct shmq_msg *msg)
{
	uint64_t id;

	must_be(msg->len, LEN);
	memcpy(&id, msg->data, sizeof(id));
	must(((const uint8_t *)msg->data)[LEN - 1] == (uint8_t)id);
	if (id >= SURVIVOR) {
		must_be(id, SURVIVOR + seen->survivor);
		seen->survivor++;
	} else if (id >= ACTOR) {
		must_be(id, ACTOR + seen->actor);
		seen->actor++;
	} else if (id < sizeof(seen->prepared)) {
		must(!seen->prepared[id] || msg->flags & SHMQ_REDELIVERED);
		seen->prepared[id] = 1;
	} else {
		must(!"sent by nobody");
	}
}

static void drain(struct shmq_consumer *c, struct seen *seen)
{
	struct shmq_msg msgs[16];
	int n;

	while ((n = shmq_receive(c, msgs, 16, SHMQ_NOWAIT)) > 0) {
		for (int i = 0; i < n; i++)
			see(seen, &msgs[i]);
		must_be(shmq_release(c), 0);
	}
	must_be(n, -EAGAIN);
}

/* Every message that is there and was not received. */
static void must_have_seen(const struct op *op, const struct seen *seen,
			   bool moved)
{
	bool begun = !op->loses && !moved;

	for (unsigned i = op->received; i < op->prepared; i++) {
		begun |= seen->prepared[i];
		must_be(seen->prepared[i], begun);
	}
	/* Whatever was lost, the last ones were not. */
	must(begun || op->received == op->prepared);
}

static void must_work(struct shmq *q, bool keeps)
{
	struct shmq_consumer *tap;
	struct shmq_msg msg;

	must_be(shmq_sync(q, SHMQ_NOWAIT), 0);
	must_be(shmq_check(q, NULL, NULL), 0);
	must_be(shmq_journal_verify(q, NULL, NULL), 0);
	must(shmq_journal_compact(q) >= 0);
	must_be(shmq_journal_index(q), 0);
	must_be(shmq_consumer_open(&tap, q, NULL, SHMQ_TAP), 0);
	must_be(shmq_seek(tap, SHMQ_SEEK_OLDEST, 0), 0);
	must(!keeps || shmq_receive(tap, &msg, 1, SHMQ_NOWAIT) == 1);
	shmq_consumer_close(tap);
}

static void survive(const struct op *op, int64_t result)
{
	struct shmq *q = open_journal(op);
	struct shmq_journal_info info = SHMQ_JOURNAL_INFO_INIT;
	bool gone, ended = result != INT64_MIN;
	struct shmq_consumer *c;
	struct seen seen = { 0 };

	must(!ended || result == 0);
	must(shmq_recover(q) >= 0);
	must_be(shmq_journal_info(q, &info), 0);
	gone = op->missing && !info.next_seq;
	c = consumer_join(q, 0);
	drain(c, &seen);
	if (!gone)
		must_have_seen(op, &seen, op->call == call_seek);
	must(seen.actor <= op->sends);
	must(!ended || seen.actor == op->sends);
	send_from(q, SURVIVOR, IN_SEGMENT + 10);
	drain(c, &seen);
	must_be(seen.survivor, IN_SEGMENT + 10);
	shmq_consumer_close(c);
	must_work(q, true);
	shmq_close(q);
}

/* ----------------------------------------------------------------- deaths */

/* Of a directory that was being made or removed. */
static void sweep(void)
{
	char command[4200];

	snprintf(command, sizeof(command), "rm -rf '%s'/.shmq-*",
		 shmq_runtime_dir());
	must_be(system(command), 0);
}

static pid_t begin(struct actor *a)
{
	pid_t pid;

	prepare(a->op);
	*a->result = INT64_MIN;
	pid = trace_start(act, a);
	must(pid > 0);
	return pid;
}

static void die_at(struct actor *a, const struct trace *t, unsigned k)
{
	pid_t pid = begin(a);
	bool ended;

	must(trace_go(t, pid, k, &ended));
	must(trace_kill(pid));
	survive(a->op, *a->result);
	if (a->op->missing)
		sweep();
}

/* A place behind a system call, or any. */
static unsigned choose(const struct trace *t, struct chance *chance)
{
	unsigned k = (unsigned)chance_below(chance, t->n);

	if (chance_below(chance, 4))
		for (unsigned i = 0; i < t->n; i++)
			if (t->at[(k + i) % t->n].edge)
				return (k + i) % t->n;
	return k;
}

static void die(const struct op *op, uint64_t seed)
{
	struct chance chance = chance_of(seed, (uint64_t)(op - ops));
	const char *deaths = getenv("SHMQ_DEATHS");
	struct actor a = { .op = op, .result = shared_memory(64) };
	unsigned n = deaths ? (unsigned)atoi(deaths) : DEATHS;
	struct trace t = { 0 };
	pid_t pid = begin(&a);

	must(trace_record(&t, pid, NULL, 0));
	must(trace_kill(pid));
	survive(op, *a.result);
	if (deaths && !strcmp(deaths, "all"))
		for (unsigned k = 0; k < t.n; k++)
			die_at(&a, &t, k);
	for (unsigned i = 0; i < n; i++)
		die_at(&a, &t, choose(&t, &chance));
	printf("%s: %u instructions\n", op->name, t.n);
	trace_free(&t);
	shared_free(a.result, 64);
	shmq_unlink("j");
	sweep();
}

static void deaths_leave_a_journal_that_works(void **state)
{
	uint64_t seed = chance_seed();

	(void)state;
	for (size_t i = 0; i < N_OPS; i++)
		die(&ops[i], seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(deaths_leave_a_journal_that_works),
	};
	const char *why = trace_impossible();

#ifdef SANITIZED
	why = "what a sanitizer adds is not to be died in";
#endif
	if (why) {
		printf("skipped: %s\n", why);
		return 77;
	}
	return cmocka_run_group_tests_name("crash_journal", tests, NULL, NULL);
}
