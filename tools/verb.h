/* SPDX-License-Identifier: MIT */
/*
 * A verb of the command: what follows the word shmq. Each lives in the file of
 * its name and is listed in main.c.
 */
#ifndef VERB_H
#define VERB_H

struct verb {
	const char *name;
	const char *summary; /* half a line, for the list of verbs */
	const char *help;    /* usage, options, examples */
	/* argv[0] is the verb; returns the exit status */
	int (*run)(const struct verb *verb, int argc, char **argv);
};

/* Exit statuses; 128 + n: ended by signal n. */
enum {
	STATUS_DONE = 0,
	STATUS_REFUSED = 1, /* the queue or the system said no */
	STATUS_USAGE = 2,   /* wrong whatever the queue looks like */
	STATUS_DAMAGED = 3, /* damaged, or not a queue */
	STATUS_SIGNAL = 128,
};

extern const struct verb verb_create;
extern const struct verb verb_send;
extern const struct verb verb_recv;
extern const struct verb verb_dump;
extern const struct verb verb_stat;
extern const struct verb verb_group;
extern const struct verb verb_doctor;
extern const struct verb verb_journal;
extern const struct verb verb_ls;
extern const struct verb verb_resize;
extern const struct verb verb_rm;
extern const struct verb verb_set;
extern const struct verb verb_bench;

#endif /* VERB_H */
