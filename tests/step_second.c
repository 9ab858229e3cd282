/* SPDX-License-Identifier: MIT */
/* The other group. See step_second.h. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "step_second.h"

/* Whoever belongs to it in the row, the survivors' own is the other one. */
static const char *name_of(const struct second *g)
{
	return g->state->row->group ? "default" : SECOND;
}

static bool is_there(const struct second *g)
{
	struct shmq_group_info info = SHMQ_GROUP_INFO_INIT;

	for (uint32_t i = 0; i < shmq_group_entries(g->q); i++)
		if (shmq_stat_group(g->q, i, &info) == 1 &&
		    !strcmp(info.name, name_of(g)))
			return true;
	return false;
}

void second_join(struct second *g)
{
	int r;

	if (g->state->row->max_groups < 2 || !is_there(g))
		return;
	g->l->doing = "shmq_consumer_open of the other group";
	r = shmq_consumer_open(&g->c, g->q, name_of(g),
			       state_consumer_flags(g->state));
	if (r)
		ledger_break(g->l, "the other group: joining: %s",
			     shmq_strerror(r));
}

static void take(struct second *g, const struct shmq_msg *m)
{
	int id = message_read(m->data, m->len);

	if (id < 0) {
		ledger_break(g->l, "the other group: not a whole message");
		return;
	}
	if (g->l->second[id] & LEDGER_CAME)
		ledger_break(g->l, "the other group: message %d came twice",
			     id);
	g->l->second[id] |= LEDGER_CAME;
	if (m->flags & SHMQ_REDELIVERED)
		return;
	if (m->seq + 1 <= g->last_seq1)
		ledger_break(g->l, "the other group: a number goes back");
	g->last_seq1 = m->seq + 1;
}

void second_drain(struct second *g)
{
	struct shmq_msg msgs[4];
	int n = 0;

	if (!g->c)
		return;
	g->l->doing = "shmq_receive of the other group";
	while (!g->l->broken[0] &&
	       (n = shmq_receive(g->c, msgs, 4, SHMQ_NOWAIT)) > 0) {
		for (int i = 0; i < n; i++)
			take(g, &msgs[i]);
		n = shmq_release(g->c);
	}
	if (n < 0 && n != -EAGAIN)
		ledger_break(g->l, "the other group: receiving: %s",
			     shmq_strerror(n));
}

void second_note_sent(struct second *g, uint32_t id)
{
	if (g->c)
		g->l->second[id] |= LEDGER_OWED;
}

/* One that was there all the time gets all that was sent. */
static bool is_owed(const struct second *g, uint32_t id)
{
	return g->l->second[id] & LEDGER_OWED ||
	       (g->c && g->state->row->group &&
		g->l->entries[id].sent == ENTRY_SENT);
}

static void check_all_came(const struct second *g)
{
	for (uint32_t id = 0; id < LEDGER_IDS; id++)
		if (is_owed(g, id) && !(g->l->second[id] & LEDGER_CAME))
			ledger_break(g->l,
				     "the other group: message %u is missing",
				     id);
}

static void remove_group(const struct second *g)
{
	struct shmq_stat st = SHMQ_STAT_INIT;
	int r;

	g->l->doing = "shmq_group_remove";
	r = shmq_group_remove(g->q, name_of(g));
	if (r && r != -ENOENT)
		ledger_break(g->l, "the other group: removing: %s",
			     shmq_strerror(r));
	r = shmq_stat(g->q, &st);
	if (!r && st.groups != 1)
		ledger_break(g->l, "%u groups are left", st.groups);
}

void second_leave(struct second *g, bool last)
{
	if (g->state->row->max_groups < 2)
		return;
	second_drain(g);
	if (last)
		check_all_came(g);
	g->l->doing = "shmq_consumer_close of the other group";
	shmq_consumer_close(g->c);
	g->c = NULL;
	if (last && !g->l->broken[0])
		remove_group(g);
}
