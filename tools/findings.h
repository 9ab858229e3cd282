/* SPDX-License-Identifier: MIT */
/* What shmq doctor has found, in the order of finding. */
#ifndef FINDINGS_H
#define FINDINGS_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

enum findings_kind {
	FINDING_NOTE,   /* worth knowing */
	FINDING_MENDED, /* was wrong, and is right now */
	FINDING_LEFT,   /* wrong; could be mended, but not by us */
	FINDING_DAMAGE, /* beyond mending */
	FINDING_KINDS
};

struct findings {
	struct finding *list;
	size_t n;
	size_t of[FINDING_KINDS]; /* how many */
	bool failed;              /* memory was short: the list is incomplete */
};

void findings_add(struct findings *findings, enum findings_kind kind,
		  const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Forget those of a kind: they have been looked at again. */
void findings_drop(struct findings *findings, enum findings_kind kind);
void findings_fini(struct findings *findings);

/* "sound", "mended", "left" or "damaged". */
const char *findings_verdict(const struct findings *findings);

/* To standard output, for people; for programs, a new reference. */
void findings_print(const struct findings *findings, const char *name);
json_t *findings_json(const struct findings *findings, const char *name);

#endif /* FINDINGS_H */
