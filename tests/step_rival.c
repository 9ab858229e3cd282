/* SPDX-License-Identifier: MIT */
/* Rivals. See step_rival.h. */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cursor.h"
#include "handle.h"
#include "room.h"
#include "step_rival.h"

#define RIVAL_ID (LEDGER_OTHERS + LEDGER_EACH)

/* Within so many looks a sleeper is asleep, or has woken. */
#define LOOK_NS 100000
#define LOOKS 10000

static void pause_ns(long ns)
{
	const struct timespec t = { 0, ns };

	nanosleep(&t, NULL);
}

pid_t actor_start(struct actor *a, const struct row *row, uint32_t first_id,
		  unsigned consumer_flags)
{
	pid_t pid;

	actor_reset(a, row, first_id, consumer_flags);
	a->traced = true;
	pid = trace_start(actor_main, a);
	if (pid < 0 && !a->not_here)
		ledger_break(a->ledger, "%s: did not begin", row->name);
	return pid;
}

void actor_failed(struct actor *a)
{
	ledger_break(a->ledger, "%s: crashed, or was stuck, in its call",
		     a->row->name);
}

void actor_check_result(struct actor *a, const struct row *row)
{
	if (a->result < 0 && a->result != -EAGAIN && a->result != row->error)
		ledger_break(a->ledger, "%s returned %ld: %s", row->name,
			     a->result, shmq_strerror((int)a->result));
}

/* ----------------------------------------------------------- stopped ones */

pid_t rival_start(struct worker *w, const struct state *s)
{
	return actor_start(&w->stage->rival, rival_row(s), RIVAL_ID,
			   state_consumer_flags(s));
}

pid_t rival_stop(struct worker *w, const struct state *s)
{
	pid_t pid = rival_start(w, s);
	bool ended;

	if (pid > 0 && !trace_go(&w->rival_trace, pid, s->rival_at, &ended))
		actor_failed(&w->stage->rival);
	return pid;
}

void rival_finish(struct worker *w, const struct state *s, pid_t pid)
{
	struct actor *rival = &w->stage->rival;
	int status;

	if (rival_is_stopped(s)) {
		rival->traced = false;
		trace_release(pid);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		ledger_break(rival->ledger, "the rival did not finish");
	else if (status)
		ledger_break(rival->ledger, "the rival ended with %#x", status);
	actor_check_result(rival, rival_row(s));
	actor_settle(rival);
}

/* ---------------------------------------------------------- sleeping ones */

static bool is_asleep(pid_t pid)
{
	char path[64], text[256] = "";
	long number;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	number = strtol(text, NULL, 10);
	return text[0] >= '0' && text[0] <= '9' &&
	       (number == SYS_futex || number == SYS_ppoll);
}

pid_t rival_sleep(struct worker *w, const struct state *s)
{
	struct actor *rival = &w->stage->rival;
	pid_t pid;

	actor_reset(rival, rival_row(s), RIVAL_ID, state_consumer_flags(s));
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(RIVAL_ALARM_S);
		actor_sleep(rival);
		_exit(0);
	}
	for (int i = 0; pid > 0 && i < LOOKS; i++) {
		if (is_asleep(pid))
			return pid;
		pause_ns(LOOK_NS);
	}
	ledger_break(rival->ledger, "the rival does not go to sleep");
	return pid;
}

/* Bytes of ring from the tail on that nobody holds or waits for. */
static uint64_t room(struct shmq *q)
{
	uint64_t tail = cursor_pos(&q->seg->control->tail), lowest;

	if (!shmqi_room_lowest(q->seg, tail, &lowest))
		return 0;
	return CAPACITY - (tail - lowest);
}

/* Nothing that the sleeper waits for has come, so it may sleep on. */
static bool may_sleep(struct shmq *q, const struct worker *w,
		      const struct state *s)
{
	struct shmq_group_info g = SHMQ_GROUP_INFO_INIT;

	if (s->row->needs & REMOVES_QUEUE && access(w->file.path, F_OK) < 0)
		return false;
	if (rival_awaits_room(s))
		return room(q) < w->stage->rival.parts[0].iov_len + SH_LINE;
	return shmq_stat_group(q, 0, &g) == 1 && !g.lag_bytes && !g.held_bytes;
}

/*
 * A claim that was won and not yet rung for wakes nobody, and need not: it has
 * no message. Who sleeps beside one that turns out to have had one is wrong.
 */
static bool may_be_unrung(struct shmq *q, const struct state *s)
{
	struct shmq_group_info g = SHMQ_GROUP_INFO_INIT;

	return rival_awaits_message(s) && s->row->sends &&
	       shmq_stat_group(q, 0, &g) == 1 && !g.held_bytes;
}

static void watch(struct worker *w, const struct state *s)
{
	struct ledger *l = &w->stage->ledger;
	struct shmq *q;
	int r = shmq_open_fd(&q, w->file.fd, SHMQ_RDONLY);

	if (r) {
		ledger_break(l, "watching: %s", shmq_strerror(r));
		return;
	}
	for (int i = 0; i < LOOKS; i++) {
		if (w->stage->rival.finished || may_sleep(q, w, s))
			return;
		pause_ns(LOOK_NS);
	}
	if (may_be_unrung(q, s))
		l->unrung = w->stage->actor.first_id;
	else
		ledger_break(l, "a sleeper goes on sleeping beside what it "
				"waits for");
}

void rival_watch(struct worker *w, const struct state *s)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		watch(w, s);
		_exit(0);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid < 0 || status)
		ledger_break(&w->stage->ledger, "no process to watch");
}
