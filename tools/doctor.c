/* SPDX-License-Identifier: MIT */
/*
 * shmq doctor: see whether a queue is sound, and mend what dead members left.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#include <shmq.h>

#include "facts.h"
#include "fault.h"
#include "findings.h"
#include "option.h"
#include "process.h"
#include "quantity.h"

/* Members may go on dying while we look. */
#define ROUNDS 3

struct patient {
	const struct verb *verb;
	const char *name;
	struct shmq *q;
	bool writable;
	struct findings findings;
};

static const char *role_word(uint32_t role)
{
	return role == SHMQ_ROLE_PRODUCER ? "producer" : "consumer";
}

/* ", holding 2 KiB from message 7 on", or nothing. */
static const char *held(const struct shmq_member_info *info, char *buf,
			size_t size)
{
	buf[0] = '\0';
	if (info->claims)
		snprintf(buf, size, ", holding %s from message %llu on",
			 quantity_bytes((double)info->held_bytes).text,
			 (unsigned long long)info->held_seq);
	return buf;
}

/* The dead: to be mended, if we can. */
static void tell_dead(struct patient *p, const struct shmq_member_info *info)
{
	char what[96];

	findings_add(&p->findings, p->writable ? FINDING_MENDED : FINDING_LEFT,
		     "member %u, %s %d (%.*s), is dead%s", info->index,
		     role_word(info->role), info->pid,
		     (int)sizeof(info->command), info->command,
		     held(info, what, sizeof(what)));
}

/* What others may wait for, though nothing is wrong. */
static void tell_alive(struct patient *p, const struct shmq_member_info *info)
{
	char what[96];

	if (!info->claims || !process_stopped(info->pid, info->start_ticks))
		return;
	findings_add(&p->findings, FINDING_NOTE,
		     "member %u, %s %d (%.*s), is stopped%s", info->index,
		     role_word(info->role), info->pid,
		     (int)sizeof(info->command), info->command,
		     held(info, what, sizeof(what)));
}

static void each_member(struct patient *p, bool dead)
{
	for (uint32_t i = 0; i < shmq_member_entries(p->q); i++) {
		struct shmq_member_info info = SHMQ_MEMBER_INFO_INIT;

		if (shmq_stat_member(p->q, i, &info) != 1)
			continue;
		if (info.role == SHMQ_ROLE_RETURNED) {
			if (!dead && info.claims)
				findings_add(&p->findings, FINDING_NOTE,
					     "%s wait to be received again, by "
					     "group %.*s",
					     quantity_bytes(
						     (double)info.held_bytes)
						     .text,
					     (int)sizeof(info.group),
					     info.group);
		} else if (dead && !info.alive) {
			tell_dead(p, &info);
		} else if (!dead && info.alive) {
			tell_alive(p, &info);
		}
	}
}

static int mend(struct patient *p)
{
	int r;

	if (!p->writable)
		return 0;
	r = shmq_recover(p->q);
	if (r == -EBADMSG)
		findings_add(&p->findings, FINDING_DAMAGE,
			     "what a dead member left makes no sense, and "
			     "cannot be mended");
	return r == -EBADMSG ? 0 : r;
}

static void note(void *arg, const struct shmq_finding *finding)
{
	static const enum findings_kind kinds[] = {
		[SHMQ_FINDING_NOTE] = FINDING_NOTE,
		[SHMQ_FINDING_LEFT] = FINDING_LEFT,
		[SHMQ_FINDING_DAMAGE] = FINDING_DAMAGE,
	};
	struct patient *p = arg;

	/* Who could not be mended has been told of already. */
	if (finding->kind == SHMQ_FINDING_LEFT && !p->writable)
		return;
	findings_add(&p->findings, kinds[finding->kind], "%s", finding->text);
}

static int examine(struct patient *p)
{
	int r;

	each_member(p, true);
	r = mend(p);
	for (int i = 0; r >= 0 && i < ROUNDS; i++) {
		if (p->writable)
			findings_drop(&p->findings, FINDING_LEFT);
		r = shmq_check(p->q, note, p);
		if (r || !p->findings.of[FINDING_LEFT] || !p->writable)
			break;
		r = mend(p);
	}
	if (r >= 0)
		each_member(p, false);
	return r < 0 ? r : 0;
}

static int tell(struct patient *p, bool json)
{
	int error = 0;

	if (json)
		error = facts_json_print(findings_json(&p->findings, p->name));
	else
		findings_print(&p->findings, p->name);
	if (error || p->findings.failed)
		return fault(p->verb, p->name, error ? error : -ENOMEM);
	if (p->findings.of[FINDING_DAMAGE])
		return STATUS_DAMAGED;
	return p->findings.of[FINDING_LEFT] ? STATUS_REFUSED : STATUS_DONE;
}

enum {
	OPT_JSON = 256
};

static const struct option options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	OPTION_HELP,
	OPTION_END,
};

static int open_patient(struct patient *p)
{
	int error = shmq_open(&p->q, p->name, 0, 0, NULL);

	p->writable = !error;
	if (error == -EACCES || error == -EPERM || error == -EROFS)
		error = shmq_open(&p->q, p->name, SHMQ_RDONLY, 0, NULL);
	return error;
}

static int run(const struct verb *verb, int argc, char **argv)
{
	struct patient patient = { .verb = verb };
	bool json = false;
	int error, status;

	while (option_next(verb, argc, argv, options) != -1)
		json = true;
	patient.name = option_words(verb, argc, argv, 1, 1)[0];
	error = open_patient(&patient);
	if (error == -EBADMSG && json)
		findings_add(&patient.findings, FINDING_DAMAGE, "%s",
			     *shmq_errdetail() ? shmq_errdetail() :
						 shmq_strerror(error));
	else if (error)
		return fault_open(verb, patient.name, error);
	else
		error = examine(&patient);
	status = error && error != -EBADMSG ? fault(verb, patient.name, error) :
					      tell(&patient, json);
	shmq_close(patient.q);
	findings_fini(&patient.findings);
	return status;
}

const struct verb verb_doctor = {
	.name = "doctor",
	.summary = "see whether a queue is sound, and mend it",
	.run = run,
	.help = "usage: shmq doctor NAME [--json]\n"
		"\n"
		"Checks a queue, also one that is in use: its header, its "
		"groups and members,\n"
		"what they hold, and every message that is kept. What dead "
		"members left is\n"
		"mended; what cannot be true is told.\n"
		"\n"
		"  --json      as a JSON object\n"
		"  -h, --help  this text\n"
		"\n"
		"Exit status: 0 sound, or mended; 1 no such queue, or another "
		"refusal (also if\n"
		"something is to be mended and the file may not be written); 2 "
		"wrong usage;\n"
		"3 damaged beyond mending, or not a queue.\n"
		"\n"
		"Examples:\n"
		"  shmq doctor jobs\n"
		"  shmq doctor --json jobs | jq -r .verdict\n",
};
