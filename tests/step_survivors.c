/* SPDX-License-Identifier: MIT */
/* Survivors. See step_survivors.h. */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handle.h"
#include "step_second.h"
#include "step_survivors.h"

#define SENDS 5
#define PATIENCE_NS (INT64_C(500000000) * SURVIVORS_ALARM_S)
#define QUARTERS 4

struct survivor {
	const struct state *state;
	struct ledger *l;
	const struct queue_file *file;
	struct shmq *q;
	struct shmq_producer *p; /* either may be left to a rival */
	struct shmq_consumer *c;
	struct second second;
	bool first;
	unsigned variant;
	uint64_t last_seq1; /* of what came unflagged */
};

static bool fails(struct survivor *s, const char *what, long r)
{
	if (r < 0)
		ledger_break(s->l, "survivors: %s: %s", what,
			     shmq_strerror((int)r));
	return r < 0;
}

/* A live rival may hold the only place. */
static bool may_be_busy(const struct survivor *s, unsigned rival)
{
	return s->first && s->state->rival == rival;
}

static bool join_producers(struct survivor *s)
{
	int r;

	/* Whoever waits for room gets it from receivers. */
	if (s->first && rival_awaits_room(s->state))
		return true;
	s->l->doing = "shmq_producer_open";
	r = shmq_producer_open(&s->p, s->q, 0);
	return (r == -EBUSY && may_be_busy(s, RIVAL_STOPPED_PRODUCER)) ||
	       !fails(s, "producer_open", r);
}

static bool join_consumers(struct survivor *s)
{
	int r;

	if (s->first && rival_awaits_message(s->state))
		return true;
	s->l->doing = "shmq_consumer_open";
	r = shmq_consumer_open(&s->c, s->q, s->state->row->group,
			       state_consumer_flags(s->state));
	return (r == -EBUSY && may_be_busy(s, RIVAL_STOPPED_CONSUMER)) ||
	       !fails(s, "consumer_open", r);
}

static bool come(struct survivor *s)
{
	struct shmq_attr attr;
	struct stat st;

	state_attr(s->state, &attr);
	s->l->doing = "shmq_open";
	if (fails(s, "open",
		  shmq_open(&s->q, QUEUE_NAME, SHMQ_CREATE, 0600, &attr)))
		return false;
	if (s->state->row->needs & REMOVES_QUEUE &&
	    (fstat(shmq_fd(s->q), &st) < 0 || st.st_ino != s->file->ino))
		ledger_forget(s->l);
	s->second = (struct second){ .state = s->state, .l = s->l, .q = s->q };
	if (!join_producers(s) || !join_consumers(s))
		return false;
	second_join(&s->second);
	return true;
}

/* 1: something came; 0: nothing; a negative errno. */
static int receive_borrowed(struct survivor *s, int64_t timeout_ns)
{
	struct shmq_msg msgs[3];
	int n;

	s->l->doing = "shmq_receive";
	n = shmq_receive(s->c, msgs, 1 + s->variant % 3, timeout_ns);
	if (n <= 0)
		return n == -EAGAIN ? 0 : n;
	for (int i = 0; i < n; i++) {
		const struct shmq_msg *m = &msgs[i];

		ledger_deliver(s->l, m->data, m->len, m->seq, m->flags, false);
		if (m->lost && !s->l->overwritten)
			ledger_break(s->l, "%ju messages are said to be lost",
				     (uintmax_t)m->lost);
		if (m->flags & SHMQ_REDELIVERED)
			continue;
		if (m->seq + 1 <= s->last_seq1)
			ledger_break(s->l, "number %ju came after %ju",
				     (uintmax_t)m->seq,
				     (uintmax_t)s->last_seq1 - 1);
		s->last_seq1 = m->seq + 1;
	}
	s->l->doing = "shmq_release";
	n = shmq_release(s->c);
	return n < 0 ? n : 1;
}

static int receive(struct survivor *s, int64_t timeout_ns)
{
	char buf[4 * MESSAGE_MAX];
	ssize_t n;

	if (s->variant % QUARTERS)
		return receive_borrowed(s, timeout_ns);
	s->l->doing = "shmq_recv";
	n = shmq_recv(s->c, buf, sizeof(buf), timeout_ns);
	if (n < 0)
		return n == -EAGAIN ? 0 : (int)n;
	ledger_deliver(s->l, buf, (size_t)n, 0, 0, true);
	return 1;
}

/* All there is. False: an error. */
static bool drain(struct survivor *s)
{
	int r = 1;

	while (s->c && r > 0 && !s->l->broken[0]) {
		r = receive(s, SHMQ_NOWAIT);
		if (fails(s, "receive", r))
			return false;
	}
	return true;
}

/* Room is made where it is needed and can be had. */
static bool send_some(struct survivor *s)
{
	uint32_t id = LEDGER_OTHERS + (s->first ? 12u : 13u) * LEDGER_EACH;
	unsigned sent = 0;

	while (s->p && sent < SENDS && !s->l->broken[0]) {
		char buf[MESSAGE_MAX];
		int r;

		message_write(id + sent, buf);
		s->l->doing = "shmq_send";
		s->l->entries[id + sent].sent = ENTRY_TRIED;
		r = shmq_send(s->p, buf, message_size(id + sent), SHMQ_NOWAIT);
		if (r == 0) {
			second_note_sent(&s->second, id + sent);
			s->l->entries[id + sent++].sent = ENTRY_SENT;
			continue;
		}
		s->l->entries[id + sent].sent = ENTRY_UNSENT;
		if (r != -EAGAIN)
			return !fails(s, "send", r);
		if (s->first)
			return true;
		second_drain(&s->second);
		r = receive(s, PATIENCE_NS);
		if (fails(s, "full, and receiving", r))
			return false;
	}
	return true;
}

/* Who died has left no room unusable: the whole ring can be filled. */
static bool check_room(struct survivor *s)
{
	static char buf[CAPACITY / QUARTERS - 16];
	int n = 0, r;

	if (s->l->overwritten)
		return true;
	s->l->doing = "shmq_send into the empty ring";
	while ((r = shmq_send(s->p, buf, sizeof(buf), SHMQ_NOWAIT)) == 0)
		n++;
	if (r != -EAGAIN && fails(s, "filling", r))
		return false;
	/* Up to the end of the ring, and the next one. */
	if (n < QUARTERS ||
	    (n > QUARTERS && !(s->state->row->needs & RESIZES_QUEUE)) ||
	    n > 4 * QUARTERS)
		ledger_break(s->l, "%d quarters of the ring can be filled", n);
	while (n-- > 0)
		if (fails(s, "emptying",
			  shmq_recv(s->c, buf, sizeof(buf), SHMQ_NOWAIT)))
			return false;
	return true;
}

static bool check_stat(struct survivor *s, unsigned members, uint64_t *numbers)
{
	struct shmq_stat st = SHMQ_STAT_INIT;

	s->l->doing = "shmq_stat";
	if (fails(s, "stat", shmq_stat(s->q, &st)))
		return false;
	if (st.depth_messages || st.depth_bytes)
		ledger_break(s->l, "empty, but for %ju messages, %ju bytes",
			     (uintmax_t)st.depth_messages,
			     (uintmax_t)st.depth_bytes);
	if (st.members != members)
		ledger_break(s->l, "%u members, not %u", st.members, members);
	*numbers = st.sent_messages;
	return true;
}

/* The old attributes or the new ones, and they can be changed. */
static bool check_attributes(struct survivor *s)
{
	char label[64];

	s->l->doing = "shmq_getattr";
	if (fails(s, "getattr",
		  shmq_getattr(s->q, "label", label, sizeof(label))))
		return false;
	if (strcmp(label, "") && strcmp(label, "changed"))
		ledger_break(s->l, "the label is \"%s\"", label);
	s->l->doing = "shmq_setattr";
	return !fails(s, "setattr", shmq_setattr(s->q, "label", ""));
}

static bool check_recover(struct survivor *s)
{
	int r;

	s->l->doing = "shmq_recover";
	if (fails(s, "recover", shmq_recover(s->q)))
		return false;
	r = shmq_recover(s->q);
	if (r > 0)
		ledger_break(s->l, "%d to clean up the second time", r);
	return !fails(s, "recover again", r);
}

/* No entry holds anything once the survivors have gone. */
static void check_entries(struct survivor *s)
{
	for (uint32_t i = 0; i < shmq_member_entries(s->q); i++) {
		struct shmq_member_info info = SHMQ_MEMBER_INFO_INIT;
		int r = shmq_stat_member(s->q, i, &info);

		if (fails(s, "stat_member", r))
			return;
		if (r)
			ledger_break(s->l,
				     "entry %u is still in use: role %u, %u "
				     "claims",
				     i, info.role, info.claims);
	}
}

/* Whatever became of the change: there can be another. */
static void resize_back(struct survivor *s)
{
	struct shmq_stat st = SHMQ_STAT_INIT;

	s->l->doing = "shmq_resize";
	if (fails(s, "resize", shmq_resize(s->q, 2 * CAPACITY)) ||
	    fails(s, "resize back", shmq_resize(s->q, CAPACITY)) ||
	    fails(s, "stat", shmq_stat(s->q, &st)))
		return;
	if (st.capacity_bytes != CAPACITY)
		ledger_break(s->l, "the capacity is %ju",
			     (uintmax_t)st.capacity_bytes);
	if (s->q->seg->control->ring != s->q->seg->control->given_back)
		ledger_break(s->l, "an old ring is still there");
}

static void leave(struct survivor *s)
{
	s->l->doing = "shmq_producer_close";
	shmq_producer_close(s->p);
	s->l->doing = "shmq_consumer_close";
	shmq_consumer_close(s->c);
}

static void meet_first(struct survivor *s)
{
	if (come(s) && send_some(s) && drain(s) &&
	    (s->variant & 1 || !fails(s, "recover", shmq_recover(s->q))))
		drain(s);
	if (s->q)
		second_leave(&s->second, false);
	leave(s);
}

static void meet_last(struct survivor *s)
{
	uint64_t numbers = 0;

	if (!come(s) || !send_some(s))
		return;
	while (ledger_owed(s->l) && !s->l->broken[0])
		if (fails(s, "receiving what is owed", receive(s, PATIENCE_NS)))
			return;
	if (!drain(s) || !check_recover(s) || !drain(s))
		return;
	second_leave(&s->second, true);
	if (!check_stat(s, 2, &numbers))
		return;
	ledger_close(s->l, numbers);
	if (!check_room(s))
		return;
	leave(s);
	if (s->state->row->needs & RESIZES_QUEUE)
		resize_back(s);
	if (check_stat(s, 0, &numbers) && check_attributes(s))
		check_entries(s);
}

static int lowest_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

static void survive(struct survivor *s)
{
	int before = lowest_fd();

	if (s->first)
		meet_first(s);
	else
		meet_last(s);
	if (s->l->broken[0])
		return;
	s->l->doing = "shmq_close";
	shmq_close(s->q);
	if (lowest_fd() != before)
		ledger_break(s->l, "survivors: a descriptor was left open");
}

bool survivors_meet(const struct state *s, struct stage *stage,
		    const struct queue_file *file, bool first, unsigned variant)
{
	struct survivor survivor = { .state = s,
				     .l = &stage->ledger,
				     .file = file,
				     .first = first,
				     .variant = variant };
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(SURVIVORS_ALARM_S);
		survive(&survivor);
		_exit(0);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid < 0)
		ledger_break(&stage->ledger, "no process for the survivors");
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		ledger_break(&stage->ledger, "wedged for %d s in %s",
			     SURVIVORS_ALARM_S, stage->ledger.doing);
	else if (status)
		ledger_break(&stage->ledger, "a survivor ended with %#x in %s",
			     status, stage->ledger.doing);
	return !stage->ledger.broken[0];
}
