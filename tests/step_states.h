/* SPDX-License-Identifier: MIT */
/*
 * The state before an operation: kind of queue, what is in it, and a rival,
 * another member at one place of its own operation.
 */
#ifndef STEP_STATES_H
#define STEP_STATES_H

#include "step_image.h"
#include "step_rows.h"
#include "step_trace.h"

#define CAPACITY 4096u
#define MEMBERS 6u

/* Shared by all processes of a worker. */
#define STAGE_HOLDERS 8
struct stage {
	struct ledger ledger;
	struct actor actor; /* who is to die */
	struct actor rival;
	struct actor holders[STAGE_HOLDERS]; /* who died while preparing */
	unsigned holders_used;
};

struct state {
	const struct row *row;
	unsigned row_index;
	unsigned kind;
	unsigned fill;
	unsigned rival;
	unsigned rival_at; /* its place; 0 with RIVAL_NONE */
};

struct preparing {
	const struct state *state;
	struct stage *stage;
	struct queue_file *file;
	const char *wrong; /* NULL, or what failed */
};

extern const char *const step_kind_names[KINDS];
extern const char *const step_fill_names[FILLS];
extern const char *const step_rival_names[RIVALS];

/* Is there such a state? Not all rows make sense in all of them. */
bool state_exists(const struct state *s);

/* "mpmc/half/dead-producer@31" */
void state_name(const struct state *s, char *buf, size_t size);
bool state_parse(struct state *s, const char *name);

bool rival_is_stopped(const struct state *s);
bool rival_is_dead(const struct state *s);
bool rival_is_asleep(const struct state *s);
bool rival_awaits_message(const struct state *s);
bool rival_awaits_room(const struct state *s);
/* Is it at one place of a trace? */
bool rival_has_places(const struct state *s);
const struct row *rival_row(const struct state *s);

/* Flags for a new queue of the state, and for its consumers. */
void state_attr(const struct state *s, struct shmq_attr *attr);
unsigned state_consumer_flags(const struct state *s);

/*
 * Make the queue and the ledger as the state wants them, without the rival.
 * NULL, or what went wrong.
 */
const char *state_prepare(const struct state *s, struct stage *stage,
			  struct queue_file *file);

/* For rows: one more producer sends n messages and leaves. */
void prepare_messages(struct preparing *p, unsigned n);

/* For rows: somebody performs a row, and then dies, or closes and leaves. */
void prepare_actor(struct preparing *p, const struct row *row, bool dies);

#endif
