/* SPDX-License-Identifier: MIT */
/* Sending, receiving and looking, in all the ways there are. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "atomic.h"
#include "torture_player.h"

#define BATCH 6
#define LOANS (4 * BATCH)

/* The player of this process, and its endpoint. */
static struct player *self;
static struct ledger *ledger;
static struct shmq_producer *p;
static struct shmq_consumer *c;
static uint8_t *buf; /* BATCH messages of self->max */
static bool removed; /* the queue has been unlinked */

static bool one_in(uint64_t n)
{
	return chance_below(&self->chance, n) == 0;
}

static void linger(void)
{
	if (one_in(16))
		nap();
}

/* Sometimes only look whether it goes, sometimes not for long. */
static int64_t patience(void)
{
	switch (chance_below(&self->chance, 8)) {
	case 0:
		return SHMQ_NOWAIT;
	case 1:
		return 1 + (int64_t)chance_below(&self->chance, 2000000);
	default:
		return PATIENCE_NS;
	}
}

/*
 * Is r what a queue that is full, or empty, may say? A full patience that was
 * in vain is not for the player to judge: the driver watches for progress.
 */
static bool may_refuse(int64_t r, int64_t timeout_ns)
{
	removed |= r == -EIDRM;
	return r == -EIDRM ||
	       r == (timeout_ns == SHMQ_NOWAIT ? -EAGAIN : -ETIMEDOUT);
}

/* -------------------------------------------------------------------- fork */

/* A child has the handle, and not the endpoints; its parent may die. */
static void inherit(void)
{
	struct shmq_stat st = SHMQ_STAT_INIT;
	struct shmq_msg msg;

	if (p) {
		must_be(shmq_send(p, "x", 1, SHMQ_NOWAIT), -ESTALE);
		shmq_producer_close(p);
	}
	if (c) {
		must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), -ESTALE);
		shmq_consumer_close(c);
	}
	must_be(shmq_stat(self->q, &st), 0);
	if (one_in(2))
		must(shmq_recover(self->q) >= 0);
	if (one_in(2))
		usleep((useconds_t)chance_below(&self->chance, 30000));
	_exit(0);
}

/* The child outlives us, perhaps; then the driver gets it. */
static void fork_sometimes(void)
{
	pid_t pid;

	if (!one_in(200))
		return;
	pid = fork();
	must(pid >= 0);
	if (!pid)
		inherit();
	if (one_in(2)) {
		int status;

		must(waitpid(pid, &status, 0) == pid);
		must_be(status, 0);
	}
}

/* -------------------------------------------------------------------- send */

static void *next_letter(size_t len, uint8_t *at, struct letter *letter)
{
	*letter = ledger_begin(ledger, self->me);
	letter_write(at, len, *letter);
	return at;
}

static void note_sent(struct letter letter, int64_t r, int64_t timeout_ns)
{
	if (r && !may_refuse(r, timeout_ns))
		must_be(r, 0);
	ledger_note(ledger, letter, r ? LEDGER_DROPPED : LEDGER_ACKED);
}

static void send_one(void)
{
	size_t len = letter_length(&self->chance, self->max);
	int64_t timeout_ns = patience();
	struct letter letter;

	next_letter(len, buf, &letter);
	note_sent(letter, shmq_send(p, buf, len, timeout_ns), timeout_ns);
}

static void send_parts(void)
{
	size_t len = letter_length(&self->chance, self->max);
	size_t cut = chance_below(&self->chance, len);
	struct iovec parts[2] = { { buf, cut }, { buf + cut, len - cut } };
	int64_t timeout_ns = patience();
	struct letter letter;

	next_letter(len, buf, &letter);
	note_sent(letter, shmq_sendv(p, parts, 2, timeout_ns), timeout_ns);
}

static void send_batch(void)
{
	struct iovec messages[BATCH];
	struct letter letters[BATCH];
	int64_t timeout_ns = patience();
	int r;

	for (int i = 0; i < BATCH; i++) {
		size_t len = letter_length(&self->chance, self->max);

		messages[i].iov_len = len;
		messages[i].iov_base =
			next_letter(len, buf + (uint64_t)i * self->max,
				    &letters[i]);
	}
	r = shmq_send_batch(p, messages, BATCH, timeout_ns);
	must((r > 0 && r <= BATCH) || may_refuse(r, timeout_ns));
	for (int i = 0; i < BATCH; i++)
		ledger_note(ledger, letters[i],
			    i < r ? LEDGER_ACKED : LEDGER_DROPPED);
}

static void send_in_place(void)
{
	size_t len = letter_length(&self->chance, self->max);
	size_t more = chance_below(&self->chance, self->max - len + 1);
	int64_t timeout_ns = patience();
	struct letter letter;
	void *out;
	int r = shmq_reserve(p, len + more, &out, timeout_ns);

	if (r) {
		must(may_refuse(r, timeout_ns));
		return;
	}
	next_letter(len, out, &letter);
	linger();
	if (!one_in(4)) {
		must_be(shmq_commit(p, len), 0);
		ledger_note(ledger, letter, LEDGER_ACKED);
		return;
	}
	ledger_note(ledger, letter, LEDGER_DROPPED);
	if (one_in(4)) {
		/* Leaving gives it up as well. */
		shmq_producer_close(p);
		p = NULL;
	} else {
		must_be(shmq_discard(p), 0);
	}
}

/*
 * The place of a single one may be held for a moment by what is left of its
 * predecessor: a child that has not yet left its parent's descriptions, or a
 * rescuer that was stopped.
 */
static bool may_retry(int r, int64_t since_ns)
{
	must(r == -EBUSY);
	must(clock_now_ns() - since_ns < PATIENCE_NS);
	nap();
	return true;
}

static void send_until_enough(void)
{
	int64_t since_ns = clock_now_ns();
	uint64_t n = 1 + chance_below(&self->chance, 4000);
	int r;

	while ((r = shmq_producer_open(&p, self->q, 0)))
		may_retry(r, since_ns);
	for (; n && p && !removed; n--) {
		if (load_acquire(&ledger->stop) ||
		    load_relaxed(&ledger->next[self->me]) >
			    LEDGER_NUMBERS - BATCH)
			break;
		switch (chance_below(&self->chance, 5)) {
		case 0:
			send_batch();
			break;
		case 1:
			send_in_place();
			break;
		case 2:
			send_parts();
			break;
		default:
			send_one();
		}
		fork_sometimes();
	}
	shmq_producer_close(p);
	p = NULL;
}

/* ----------------------------------------------------------------- receive */

/* What is borrowed, and what has been seen fresh in this life as a consumer. */
static struct letter loans[LOANS];
static unsigned lent;
static uint64_t last[LEDGER_SENDERS];
static uint64_t next_seq;

static void receive_copy(void)
{
	int64_t timeout_ns = patience();
	ssize_t n;

	store_release(&ledger->copying[self->me], true);
	n = shmq_recv(c, buf, self->max, timeout_ns);
	/* A copy does not say whether it is a second delivery. */
	if (n >= 0)
		ledger_receive(ledger, buf, (size_t)n, true, last);
	else
		must(may_refuse(n, timeout_ns));
	store_release(&ledger->copying[self->me], false);
}

static void take(const struct shmq_msg *msg)
{
	bool again = msg->flags & SHMQ_REDELIVERED;
	struct letter letter = ledger_receive(ledger, msg->data, msg->len,
					      again, last);

	must_be(msg->lost, 0);
	if (!again) {
		must(msg->seq >= next_seq);
		next_seq = msg->seq + 1;
	}
	ledger_hold(ledger, self->me, self->life, letter);
	loans[lent++] = letter;
}

static void give_back(void)
{
	while (lent)
		ledger_let_go(ledger, loans[--lent]);
}

/* False: it keeps what it has, and must leave. */
static bool receive_in_place(void)
{
	unsigned max = 1 + (unsigned)chance_below(&self->chance, BATCH);
	struct shmq_msg msgs[BATCH];
	int64_t timeout_ns = patience();
	int n;

	do {
		n = shmq_receive(c, msgs, max, timeout_ns);
		must(n > 0 || may_refuse(n, timeout_ns) || n == -ENOBUFS);
		for (int i = 0; i < n; i++)
			take(&msgs[i]);
		timeout_ns = SHMQ_NOWAIT;
	} while (n > 0 && lent + BATCH <= LOANS && one_in(4));
	linger();
	give_back();
	if (one_in(100))
		return false;
	must_be(shmq_release(c), 0);
	return true;
}

static void receive_until_enough(void)
{
	int64_t since_ns = clock_now_ns();
	uint64_t n = 1 + chance_below(&self->chance, 4000);
	bool copies = self->copies && one_in(2);
	int r;

	memset(last, 0, sizeof(last));
	next_seq = 0;
	while ((r = shmq_consumer_open(&c, self->q, NULL,
				       self->kind->consumer_flags)))
		may_retry(r, since_ns);
	for (; n && !removed; n--) {
		if (copies && one_in(2))
			receive_copy();
		else if (!receive_in_place())
			break;
		fork_sometimes();
	}
	shmq_consumer_close(c);
	c = NULL;
}

/* -------------------------------------------------------------------- look */

/* Reads along: each message whole, and each sender's in order. */
static void tap(void)
{
	uint64_t n = chance_below(&self->chance, 500), seen[LEDGER_SENDERS];
	uint64_t next = 0;
	struct shmq_msg msg;
	int r;

	memset(seen, 0, sizeof(seen));
	/* Where somebody scribbled nothing, an error is one. */
	must_be(shmq_consumer_open(&c, self->q, NULL,
				   SHMQ_TAP | (one_in(2) ? SHMQ_NEWEST : 0)),
		0);
	for (; n; n--) {
		struct letter letter;

		r = shmq_receive(c, &msg, 1, 1000000);
		if (r != 1) {
			must(may_refuse(r, 1000000));
			break;
		}
		letter = letter_read(msg.data, msg.len);
		must(letter.sender < LEDGER_SENDERS);
		must(letter.number >= seen[letter.sender]);
		must(msg.seq >= next + (next ? msg.lost : 0));
		seen[letter.sender] = letter.number + 1;
		next = msg.seq + 1;
		must_be(shmq_release(c), 0);
	}
	shmq_consumer_close(c);
	c = NULL;
}

static bool is_journal(void)
{
	struct shmq_stat st = SHMQ_STAT_INIT;

	must_be(shmq_stat(self->q, &st), 0);
	return st.flags & SHMQ_JOURNAL;
}

static int see_to_journal(void)
{
	struct shmq_journal_info info = SHMQ_JOURNAL_INFO_INIT;
	int r;

	switch (chance_below(&self->chance, 4)) {
	case 0:
		r = shmq_sync(self->q, SHMQ_NOWAIT);
		/* Somebody is stopped, or dead, while he sends. */
		return r == -ETIMEDOUT ? 0 : r;
	case 1:
		r = shmq_journal_compact(self->q);
		return r < 0 ? r : 0;
	case 2:
		return shmq_journal_index(self->q);
	default:
		must_be(shmq_journal_info(self->q, &info), 0);
		return shmq_journal_verify(self->q, NULL, NULL);
	}
}

/* What can change while the others are at it; the largest message still fits. */
static void change(void)
{
	static const char *const spins[] = { "0", "100", "2048" };
	uint64_t capacity = 4 * self->max << chance_below(&self->chance, 7);
	int r;

	switch (chance_below(&self->chance, 4)) {
	case 0:
		r = is_journal() ? see_to_journal() :
				   shmq_resize(self->q, capacity);
		break;
	case 1:
		r = shmq_setattr(self->q, "spin",
				 spins[chance_below(&self->chance, 3)]);
		break;
	case 2:
		r = shmq_setattr(self->q, "label", one_in(2) ? "a" : "b");
		break;
	default:
		tap();
		return;
	}
	/* Not while somebody who does the same is stopped at it. */
	must(r == 0 || r == -EBUSY);
}

static void look(void)
{
	struct shmq_stat st = SHMQ_STAT_INIT;
	struct shmq *q = self->q;
	int r = -ENOENT;

	if (self->name && one_in(4))
		r = shmq_open(&q, self->name, one_in(2) ? SHMQ_RDONLY : 0, 0,
			      NULL);
	must(r == 0 || r == -ENOENT);
	must_be(shmq_stat(q, &st), 0);
	for (uint32_t i = 0; i < shmq_member_entries(q); i++) {
		struct shmq_member_info info = SHMQ_MEMBER_INFO_INIT;

		must(shmq_stat_member(q, i, &info) >= 0);
	}
	for (uint32_t i = 0; i < shmq_group_entries(q); i++) {
		struct shmq_group_info info = SHMQ_GROUP_INFO_INIT;

		must(shmq_stat_group(q, i, &info) >= 0);
	}
	must(shmq_recover(self->q) >= 0);
	if (q != self->q)
		shmq_close(q);
	change();
	fork_sometimes();
	usleep((useconds_t)chance_below(&self->chance, 5000));
}

/* -------------------------------------------------------------------- play */

static void enter(struct player *player)
{
	self = player;
	ledger = player->ledger;
	buf = malloc(BATCH * player->max);
	must(buf);
}

void player_run(struct player *player)
{
	enter(player);
	do {
		switch (player->role) {
		case PLAYER_SENDER:
			send_until_enough();
			break;
		case PLAYER_RECEIVER:
			receive_until_enough();
			break;
		case PLAYER_LOOKER:
			look();
		}
	} while (!removed && !load_acquire(&ledger->stop) && !one_in(64));
	free(buf);
}

void player_drain(struct player *player)
{
	struct shmq_msg msgs[BATCH];
	int n;

	enter(player);
	must(shmq_recover(player->q) >= 0);
	c = consumer_join(player->q, player->kind->consumer_flags);
	while ((n = shmq_receive(c, msgs, BATCH, SHMQ_NOWAIT)) > 0) {
		for (int i = 0; i < n; i++)
			take(&msgs[i]);
		give_back();
		must_be(shmq_release(c), 0);
	}
	must_be(n, -EAGAIN);
	shmq_consumer_close(c);
	free(buf);
}
