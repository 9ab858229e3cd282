/* SPDX-License-Identifier: MIT */
/*
 * Findings: kept until all are there, as the verdict comes first.
 */
#include "findings.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "facts.h"

/* A queue of which so much is said is clear enough. */
#define FINDINGS_MAX 1000

struct finding {
	enum findings_kind kind;
	char *text;
};

static const char *const words[FINDING_KINDS] = { "note", "mended", "left",
						  "damage" };

void findings_add(struct findings *findings, enum findings_kind kind,
		  const char *format, ...)
{
	struct finding *list;
	va_list args;
	char *text;
	int n;

	findings->of[kind]++;
	if (findings->n == FINDINGS_MAX)
		return;
	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	list = n < 0 ? NULL :
		       reallocarray(findings->list, findings->n + 1,
				    sizeof(*list));
	if (!list) {
		if (n >= 0)
			free(text);
		findings->failed = true;
		return;
	}
	/* It may come from a scribbled queue. */
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || (unsigned char)*p >= 0x7f)
			*p = '?';
	findings->list = list;
	list[findings->n++] = (struct finding){ kind, text };
}

void findings_drop(struct findings *findings, enum findings_kind kind)
{
	size_t kept = 0;

	for (size_t i = 0; i < findings->n; i++) {
		if (findings->list[i].kind == kind)
			free(findings->list[i].text);
		else
			findings->list[kept++] = findings->list[i];
	}
	findings->n = kept;
	findings->of[kind] = 0;
}

void findings_fini(struct findings *findings)
{
	for (size_t i = 0; i < findings->n; i++)
		free(findings->list[i].text);
	free(findings->list);
	*findings = (struct findings){ 0 };
}

const char *findings_verdict(const struct findings *findings)
{
	if (findings->of[FINDING_DAMAGE])
		return "damaged";
	if (findings->of[FINDING_LEFT])
		return "left";
	return findings->of[FINDING_MENDED] ? "mended" : "sound";
}

void findings_print(const struct findings *findings, const char *name)
{
	const char *verdict = findings_verdict(findings);

	printf("%s: %s\n", name,
	       findings->of[FINDING_LEFT] && !findings->of[FINDING_DAMAGE] ?
		       "sound, but for what dead members left" :
		       verdict);
	for (size_t i = 0; i < findings->n; i++)
		printf("  %-7s %s\n", words[findings->list[i].kind],
		       findings->list[i].text);
	if (findings->n == FINDINGS_MAX)
		puts("  and more");
}

json_t *findings_json(const struct findings *findings, const char *name)
{
	json_t *list = json_array();

	for (size_t i = 0; i < findings->n; i++)
		json_array_append_new(list,
				      json_pack("{s:s,s:s}", "kind",
						words[findings->list[i].kind],
						"text",
						findings->list[i].text));
	/* "o" takes the reference even when packing fails, and fails on NULL. */
	return json_pack("{s:o,s:s,s:o}", "name",
			 facts_json_text(name, PATH_MAX), "verdict",
			 findings_verdict(findings), "findings", list);
}
