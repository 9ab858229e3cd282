/* SPDX-License-Identifier: MIT */
/*
 * The ledger: what was acknowledged, what was delivered, and which promise was
 * broken first. It lies in memory that all processes of a worker share, so it
 * survives the death of whoever wrote it.
 */
#ifndef STEP_LEDGER_H
#define STEP_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A message is known by its number here, its id; size and content follow from
 * it. Each producer has a range of ids and sends them in ascending order.
 */
#define LEDGER_IDS 512u
#define LEDGER_PREPARED 0u /* ids of messages sent while preparing */
#define LEDGER_OTHERS 256u /* from here on 16 ids for each producer */
#define LEDGER_EACH 16u
#define MESSAGE_MAX 176u

enum {
	ENTRY_UNSENT, /* nobody may receive it */
	ENTRY_TRIED,  /* no answer to its sender: once or not at all */
	ENTRY_SENT,   /* acknowledged */
};

struct entry {
	uint8_t sent;
	uint8_t plain;   /* deliveries without SHMQ_REDELIVERED */
	uint8_t flagged; /* deliveries with it */
	uint8_t copied;  /* deliveries by shmq_recv, which shows no flags */
	uint8_t done;    /* its consumer had finished with it */
	uint8_t held;    /* a consumer held it that died, or left */
	uint8_t loose;   /* a consumer died while finishing with it */
	uint64_t number; /* shmq_msg.seq + 1; 0: not known */
};

/* Of the other group, if there is one. */
#define LEDGER_CAME 1u
#define LEDGER_OWED 2u

struct ledger {
	struct entry entries[LEDGER_IDS];
	uint8_t second[LEDGER_IDS];
	uint64_t first_seq; /* numbers below were used up in preparing */
	unsigned takes;     /* messages that consumers which died in a call
			       may have held besides those they knew of */
	unsigned skips;     /* numbers that may be missing */
	unsigned surprises; /* flagged deliveries of what nobody held */
	uint32_t unrung;    /* nobody woke for this message: it may not come; 0:
			       none */
	bool overwritten;   /* what was sent while preparing may be lost */
	bool forgotten;     /* the queue was removed, and what was in it */
	const char *doing;  /* the survivors' latest call */
	char broken[240];   /* empty, or what was found wrong first */
};

size_t message_size(uint32_t id);
void message_write(uint32_t id, void *buf);

/* The id, or -1 if that is no whole message. */
int message_read(const void *data, size_t len);

/* Remember what was wrong, unless something was before. */
void ledger_break(struct ledger *l, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * A consumer that lived got this message and finished with it. seq and flags
 * are those of shmq_msg; copied: it came by shmq_recv, and they are not known.
 */
void ledger_deliver(struct ledger *l, const void *data, size_t len,
		    uint64_t seq, uint32_t flags, bool copied);

/* Somebody got message id; what became of it comes later. */
void ledger_note(struct ledger *l, uint32_t id, uint64_t seq, uint32_t flags,
		 bool copied);

/* Acknowledged messages that somebody still has to get. */
unsigned ledger_owed(const struct ledger *l);

/* The queue was removed, and what was in it with it. Matters once. */
void ledger_forget(struct ledger *l);

/* The exchange is over and the queue empty: check all that is left to check.
 * numbers: shmq_stat.sent_messages. */
void ledger_close(struct ledger *l, uint64_t numbers);

#endif
