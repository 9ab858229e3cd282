/* SPDX-License-Identifier: MIT */
/*
 * Attributes, in two versions: one is in force, the other is written when
 * nobody reads it any more. What a death leaves: before the store that puts the
 * new one in force, the old one; after it, the new one.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shmq.h>

#include "attributes.h"
#include "epoch.h"
#include "error.h"
#include "handle.h"
#include "lease.h"
#include "members.h"
#include "policy.h"
#include "wait.h"

#define LOOKS 1000

static_assert(SH_SPIN_MAX == WAIT_SPIN_MAX, "the whole of the budget");

/* As it lies there. */
struct words {
	uint64_t spin;
	uint64_t label[LABEL_SIZE / 8];
};

static uint64_t hash_of(const struct geometry *geo, uint64_t number,
			const struct words *words)
{
	const uint64_t prime = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t hash = ((geo->cookie ^ number) * prime ^ words->spin) * prime;

	for (int i = 0; i < LABEL_SIZE / 8; i++)
		hash = (hash ^ hash >> 32 ^ words->label[i]) * prime;
	return hash ^ hash >> 32;
}

static bool read_version(const struct segment *seg, uint64_t number,
			 struct words *words)
{
	struct sh_attributes *sh =
		&seg->control->versions[number % SH_VERSIONS];

	/* Relaxed: the number was acquired, and the hash tells the rest. */
	words->spin = load_relaxed(&sh->spin);
	for (int i = 0; i < LABEL_SIZE / 8; i++)
		words->label[i] = load_relaxed(&sh->label[i]);
	return load_relaxed(&sh->check) == hash_of(&seg->geo, number, words) &&
	       words->spin <= SH_SPIN_MAX;
}

static bool read_in_force(const struct segment *seg, uint64_t *number,
			  struct words *words)
{
	/* edge EPOCH: pairs with shmq_setattr */
	*number = load_acquire(&seg->control->attributes);
	return read_version(seg, *number, words);
}

static int read_words(const struct segment *seg, const struct endpoint *ep,
		      uint64_t *number, struct words *words)
{
	bool whole = false;

	if (ep) {
		epoch_enter(ep);
		whole = read_in_force(seg, number, words);
		epoch_leave(ep);
	}
	/* Who is no member is not waited for. */
	for (int i = 0; i < LOOKS && !ep && !whole; i++)
		whole = read_in_force(seg, number, words);
	return whole ? 0 : shmqi_error_say(-EBADMSG, "damaged: the attributes");
}

int shmqi_attributes_read(const struct segment *seg, const struct endpoint *ep,
			  struct attributes *attributes)
{
	struct words words;
	uint64_t number;
	int r = read_words(seg, ep, &number, &words);

	if (r)
		return r;
	attributes->spin = words.spin;
	memcpy(attributes->label, words.label, LABEL_SIZE);
	attributes->label[LABEL_SIZE - 1] = '\0';
	return 0;
}

uint32_t shmqi_attributes_spin(const struct endpoint *ep, uint32_t spin)
{
	struct attributes attributes;

	/* Damaged: whatever comes of the wait says so. */
	if (shmqi_attributes_read(ep->seg, ep, &attributes))
		return spin;
	if (spin < WAIT_SPIN_MIN)
		spin = WAIT_SPIN_MIN;
	return spin < attributes.spin ? spin : (uint32_t)attributes.spin;
}

bool shmqi_attributes_whole(const struct segment *seg)
{
	struct words words;
	uint64_t number;

	return read_in_force(seg, &number, &words);
}

static void write_version(const struct geometry *geo,
			  struct sh_control *control, uint64_t number,
			  const struct words *words)
{
	struct sh_attributes *sh = &control->versions[number % SH_VERSIONS];

	store_relaxed(&sh->spin, words->spin);
	for (int i = 0; i < LABEL_SIZE / 8; i++)
		store_relaxed(&sh->label[i], words->label[i]);
	store_relaxed(&sh->check, hash_of(geo, number, words));
}

void shmqi_attributes_format(const struct geometry *geo,
			     struct sh_control *control)
{
	const struct words words = { SH_SPIN_MAX, { 0 } };

	write_version(geo, control, 0, &words);
}

/* ---------------------------------------------------------------- changing */

static int set_spin(struct words *words, const char *value)
{
	unsigned long long spin;
	char *end;

	if (*value < '0' || *value > '9')
		goto bad;
	spin = strtoull(value, &end, 10);
	if (*end || spin > SH_SPIN_MAX)
		goto bad;
	words->spin = spin;
	return 0;
bad:
	return shmqi_error_say(-EINVAL, "spin is a number from 0 to %u",
			       SH_SPIN_MAX);
}

static int set_label(struct words *words, const char *value)
{
	size_t len = strlen(value);

	if (len >= LABEL_SIZE)
		return shmqi_error_say(-ENAMETOOLONG,
				       "a label has at most %d bytes",
				       LABEL_SIZE - 1);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)value[i] < ' ' || value[i] == 0x7f)
			return shmqi_error_say(-EINVAL,
					       "a label has no control "
					       "characters");
	memset(words->label, 0, sizeof(words->label));
	memcpy(words->label, value, len);
	return 0;
}

static int unknown(const char *key)
{
	return shmqi_error_say(-ENOENT, "there is no attribute '%s'", key);
}

static int change(struct words *words, const char *key, const char *value)
{
	if (!strcmp(key, "spin"))
		return set_spin(words, value);
	if (!strcmp(key, "label"))
		return set_label(words, value);
	return unknown(key);
}

/* Holding SH_LEASE_ATTRIBUTES. */
static int set_overwrite(struct segment *seg, const char *value)
{
	bool on = !strcmp(value, "on");

	if (on && seg->journal)
		return shmqi_error_say(-EOPNOTSUPP,
				       "a journal writes nothing over");

	if (!on && strcmp(value, "off"))
		return shmqi_error_say(-EINVAL, "overwrite is on or off");
	return shmqi_policy_switch(seg, on);
}

/* Holding SH_LEASE_ATTRIBUTES. */
static int put_in_force(struct segment *seg, const char *key, const char *value)
{
	struct words words;
	uint64_t number;
	int r;

	/* It is no version: policy.h. */
	if (!strcmp(key, "overwrite"))
		return set_overwrite(seg, value);
	r = read_words(seg, NULL, &number, &words);

	if (!r)
		r = change(&words, key, value);
	/* Of the version before, whose place it is, nobody reads any more. */
	if (!r)
		r = shmqi_epoch_wait(seg);
	if (r)
		return r;
	write_version(&seg->geo, seg->control, number + 1, &words);
	/* edge EPOCH: pairs with read_in_force */
	store_release(&seg->control->attributes, number + 1);
	return 0;
}

int shmq_setattr(struct shmq *q, const char *key, const char *value)
{
	KEEP_ERRNO;
	struct segment *seg;
	int r;

	shmqi_error_clear();
	if (!q || !key || !value)
		return -EINVAL;
	seg = q->seg;
	if (!seg->writable)
		return -EBADF;
	r = shmqi_members_hold(seg, &seg->setting, SH_LEASE_ATTRIBUTES);
	if (r)
		return r;
	r = put_in_force(seg, key, value);
	shmqi_members_let(seg, &seg->setting, SH_LEASE_ATTRIBUTES);
	return r;
}

int shmq_getattr(struct shmq *q, const char *key, char *buf, size_t size)
{
	KEEP_ERRNO;
	struct attributes attributes;
	char number[24];
	const char *value;
	size_t len;
	int r;

	shmqi_error_clear();
	if (!q || !key || (!buf && size))
		return -EINVAL;
	r = shmqi_attributes_read(q->seg, NULL, &attributes);
	if (r)
		return r;
	snprintf(number, sizeof(number), "%u", (unsigned)attributes.spin);
	value = !strcmp(key, "spin")                  ? number :
		!strcmp(key, "label")                 ? attributes.label :
		strcmp(key, "overwrite")              ? NULL :
		policy_overwrites(policy_now(q->seg)) ? "on" :
							"off";
	if (!value)
		return unknown(key);
	len = strlen(value);
	if (len >= size)
		return -ERANGE;
	memcpy(buf, value, len + 1);
	return (int)len;
}
