/* SPDX-License-Identifier: MIT */
/* Preparing a state, in processes that go again. See step_states.h. */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "step_states.h"

#define ALARM_S 20
#define FILLER_BYTES 48
#define LINE 64u

/* Run fn(p) in a child that must exit with 0, or be killed by signal. */
static void in_child(struct preparing *p,
		     void (*fn)(struct preparing *, void *), void *arg,
		     int signal)
{
	pid_t pid;
	int status;

	if (p->wrong)
		return;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(ALARM_S);
		fn(p, arg);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid ||
	    (signal ? !WIFSIGNALED(status) || WTERMSIG(status) != signal :
		      !WIFEXITED(status) || WEXITSTATUS(status)))
		p->wrong = "a process that prepares the state failed";
}

/* In a child: anything that goes wrong ends it. */
static void need(int r)
{
	if (r < 0) {
		fprintf(stderr, "while preparing: %s\n", shmq_strerror(r));
		_exit(1);
	}
}

struct ends {
	struct shmq *q;
	struct shmq_producer *p;
	struct shmq_consumer *c;
};

static void ends_open(const struct state *s, struct ends *e)
{
	struct shmq_attr attr;

	state_attr(s, &attr);
	need(shmq_open(&e->q, QUEUE_NAME, SHMQ_CREATE, 0600, &attr));
	need(shmq_producer_open(&e->p, e->q, 0));
	need(shmq_consumer_open(&e->c, e->q, NULL, 0));
}

static void ends_close(struct ends *e)
{
	shmq_producer_close(e->p);
	shmq_consumer_close(e->c);
	shmq_close(e->q);
}

/* Messages of one line each go through, and are not in the ledger. */
static void pass_fillers(struct ends *e, unsigned n)
{
	char buf[FILLER_BYTES] = { 0 };

	while (n--) {
		need(shmq_send(e->p, buf, sizeof(buf), SHMQ_NOWAIT));
		need((int)shmq_recv(e->c, buf, sizeof(buf), SHMQ_NOWAIT));
	}
}

static uint32_t free_id(const struct ledger *l)
{
	uint32_t id = LEDGER_OTHERS;

	while (id && l->entries[id - 1].sent == ENTRY_UNSENT)
		id--;
	return id;
}

/* Returns whether there was room. */
static bool send_one(struct preparing *p, struct shmq_producer *to, uint32_t id)
{
	char buf[MESSAGE_MAX];
	int r;

	message_write(id, buf);
	r = shmq_send(to, buf, message_size(id), SHMQ_NOWAIT);
	if (r == -EAGAIN)
		return false;
	need(r);
	p->stage->ledger.entries[id].sent = ENTRY_SENT;
	return true;
}

static void fill_queue(struct preparing *p, struct ends *e)
{
	uint32_t id = LEDGER_PREPARED + 1;
	uint64_t depth = 0;

	if (p->state->fill != FILL_HALF && p->state->fill != FILL_FULL)
		return;
	/* Ids that do not fit are left out; a smaller one may still. */
	for (; id < LEDGER_OTHERS / 2; id++) {
		struct shmq_stat st = SHMQ_STAT_INIT;

		send_one(p, e->p, id);
		need(shmq_stat(e->q, &st));
		depth = st.depth_bytes;
		if (p->state->fill == FILL_HALF && depth >= CAPACITY / 2)
			break;
		/* It would go on for ever. */
		if (p->state->kind == KIND_OVER &&
		    depth >= CAPACITY - 2 * MESSAGE_MAX)
			break;
	}
}

static void prepare_fill(struct preparing *p, void *unused)
{
	const struct state *s = p->state;
	struct shmq_stat st = SHMQ_STAT_INIT;
	struct ends e;

	(void)unused;
	ends_open(s, &e);
	/* A lap and a half: then old stamps lie about. */
	if (s->fill == FILL_FULL)
		pass_fillers(&e, CAPACITY / LINE * 3 / 2);
	if (s->fill == FILL_WRAP)
		pass_fillers(&e, CAPACITY / LINE - 1);
	need(shmq_stat(e.q, &st));
	p->stage->ledger.first_seq = st.sent_messages;
	fill_queue(p, &e);
	/* For whoever receives. The first takes several lines. */
	if (s->fill == FILL_WRAP)
		for (uint32_t i = 1; i <= s->row->takes; i++)
			send_one(p, e.p, LEDGER_PREPARED + i);
	ends_close(&e);
}

static void send_more(struct preparing *p, void *n)
{
	uint32_t id = free_id(&p->stage->ledger);
	struct ends e;

	ends_open(p->state, &e);
	for (unsigned i = 0; i < *(unsigned *)n; i++)
		if (!send_one(p, e.p, id + i))
			need(-EAGAIN);
	ends_close(&e);
}

void prepare_messages(struct preparing *p, unsigned n)
{
	in_child(p, send_more, &n, 0);
}

struct performance {
	struct actor *actor;
	bool dies;
};

static void perform(struct preparing *p, void *arg)
{
	const struct performance *it = arg;

	if (!actor_ready(it->actor)) {
		fprintf(stderr, "while preparing: %s\n",
			p->stage->ledger.broken);
		_exit(1);
	}
	it->actor->row->run(it->actor);
	if (it->dies)
		kill(getpid(), SIGKILL);
	actor_close(it->actor);
}

void prepare_actor(struct preparing *p, const struct row *row, bool dies)
{
	struct stage *stage = p->stage;
	struct performance it = { NULL, dies };

	if (stage->holders_used == STAGE_HOLDERS) {
		p->wrong = "too many actors for one state";
		return;
	}
	it.actor = &stage->holders[stage->holders_used];
	actor_reset(it.actor, row,
		    LEDGER_OTHERS + (3 + stage->holders_used++) * LEDGER_EACH,
		    0);
	in_child(p, perform, &it, dies ? SIGKILL : 0);
	if (!p->wrong)
		actor_settle(it.actor);
}

const char *state_prepare(const struct state *s, struct stage *stage,
			  struct queue_file *file)
{
	struct preparing p = { s, stage, file, NULL };

	memset(stage, 0, sizeof(*stage));
	for (unsigned i = 0; i < STAGE_HOLDERS; i++)
		stage->holders[i].ledger = &stage->ledger;
	stage->actor.ledger = stage->rival.ledger = &stage->ledger;
	stage->ledger.overwritten = s->kind == KIND_OVER ||
				    s->row->needs & OVERWRITES_QUEUE;
	queue_file_forget(file);
	if (unlink(file->path) < 0 && errno != ENOENT)
		return "the old queue cannot be removed";
	if (!(s->row->needs & MAKES_QUEUE))
		in_child(&p, prepare_fill, NULL, 0);
	if (!p.wrong && s->row->prepare)
		s->row->prepare(&p);
	if (!p.wrong && stage->ledger.broken[0])
		p.wrong = stage->ledger.broken;
	if (!p.wrong && !queue_file_look(file))
		p.wrong = "the prepared queue cannot be opened";
	return p.wrong;
}
