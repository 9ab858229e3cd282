/* SPDX-License-Identifier: MIT */
/*
 * The geometry of a queue. One function lays out the file from capacity,
 * members, groups and flags; planning a new queue and checking an old one both
 * use it, so a header is right exactly if it is what we would have written.
 */
#include "config.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bsd/stdlib.h>

#include "error.h"
#include "format.h"

#define CAPACITY_MIN UINT64_C(4096)
#define CAPACITY_DEFAULT (UINT64_C(1) << 20)
#define HUGE_PAGE (UINT64_C(1) << 21)
#define SEGMENT_MIN (UINT64_C(1) << 16)
#define SEGMENT_DEFAULT (UINT64_C(1) << 29)
#define RETAIN_MAX (UINT64_C(1) << 62)
#define SECONDS_MAX UINT64_C(1000000000)
#define INTERVAL_MAX 3600000u

/* What an attr has at least: up to its first version's last field. */
#define ATTR_SIZE_MIN                                                          \
	(__builtin_offsetof(struct shmq_attr, max_groups) + sizeof(uint32_t))

#define KNOWN_FLAGS                                                            \
	(SHMQ_SINGLE_PRODUCER | SHMQ_SINGLE_CONSUMER | SHMQ_OVERWRITE |        \
	 SHMQ_TOPIC | SHMQ_HUGEPAGES | SHMQ_PREFAULT | SHMQ_JOURNAL)

/* What makes no sense in a journal, or cannot be done there. */
#define NOT_IN_JOURNALS (SHMQ_OVERWRITE | SHMQ_HUGEPAGES | SHMQ_PREFAULT)

#if defined(__x86_64__)
#define THIS_MACHINE EM_X86_64
#elif defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define THIS_MACHINE EM_AARCH64
#else
#error "libshmq runs on x86-64 and little-endian aarch64"
#endif

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

static uint64_t power_of_two(uint64_t n)
{
	uint64_t p = CAPACITY_MIN;

	while (p < n)
		p <<= 1;
	return p;
}

/*
 * More than may be alive, for what the dead have returned. That is at most
 * what max_members and their adopters can hold, SH_CLAIMS spans each, packed
 * into entries of SH_CLAIMS - 1; so as long as there is room for one more
 * member, an entry can be freed for it.
 */
static uint32_t member_entries(uint32_t max_members)
{
	return max_members + max_members / 8 + 4;
}

static uint64_t bounds_off(const struct geometry *geo)
{
	return geo->members_off +
	       (uint64_t)geo->member_entries * sizeof(struct sh_member);
}

uint64_t shmqi_format_max_message(uint64_t capacity)
{
	const uint64_t most = UINT32_MAX - 4096;

	return capacity / 4 < most ? capacity / 4 : most;
}

uint64_t shmqi_format_align(const struct geometry *geo)
{
	return geo->flags & SHMQ_HUGEPAGES ? HUGE_PAGE : geo->page_bytes;
}

int shmqi_format_capacity(uint64_t *capacity, uint64_t flags)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	if (*capacity < CAPACITY_MIN || *capacity > SH_CAPACITY_MAX)
		return shmqi_error_say(-EINVAL,
				       "capacity %ju is not within 4096 and "
				       "2^40 bytes",
				       (uintmax_t)*capacity);
	if (flags & SHMQ_HUGEPAGES && *capacity < HUGE_PAGE)
		*capacity = HUGE_PAGE;
	*capacity = power_of_two(*capacity < page ? page : *capacity);
	return 0;
}

/* Everything that follows from capacity, members, groups and flags. */
static void lay_out(struct geometry *geo, uint64_t page)
{
	geo->page_bytes = (uint32_t)page;
	geo->member_entries = member_entries(geo->max_members);
	geo->members_off = SH_GROUPS_OFF +
			   (uint64_t)geo->max_groups * sizeof(struct sh_group);
	geo->ring_off = round_up(bounds_off(geo) +
					 SH_BOUNDS * sizeof(struct sh_bound),
				 shmqi_format_align(geo));
	geo->file_bytes = geo->ring_off;
	if (!geometry_journal(geo))
		geo->file_bytes += geo->capacity;
}

/* The caller's, as long as it is, in ours. 0, -EINVAL, -E2BIG. */
static int take_attr(struct shmq_attr *out, const struct shmq_attr *attr)
{
	const uint8_t *tail = (const uint8_t *)attr;
	size_t size = attr->size;

	if (size < ATTR_SIZE_MIN)
		return shmqi_error_say(-EINVAL,
				       "attr.size is %zu: start from "
				       "SHMQ_ATTR_INIT",
				       size);
	for (size_t i = sizeof(*out); i < size; i++)
		if (tail[i])
			return shmqi_error_say(-E2BIG,
					       "attr sets what this version "
					       "does not know, at byte %zu",
					       i);
	memset(out, 0, sizeof(*out));
	memcpy(out, attr, size < sizeof(*out) ? size : sizeof(*out));
	return out->reserved ?
		       shmqi_error_say(-E2BIG, "attr.reserved is not 0") :
		       0;
}

static bool interval_fits(uint32_t durability, uint32_t interval_ms)
{
	return durability == SHMQ_DURABLE_INTERVAL ?
		       interval_ms && interval_ms <= INTERVAL_MAX :
		       !interval_ms;
}

static int plan_durability(const struct shmq_attr *attr)
{
	if (attr->durability > SHMQ_DURABLE_INTERVAL)
		return shmqi_error_say(-EINVAL, "unknown durability %u",
				       attr->durability);
	if (!interval_fits(attr->durability, attr->interval_ms))
		return shmqi_error_say(-EINVAL,
				       "interval_ms goes with "
				       "SHMQ_DURABLE_INTERVAL, and is 1 to "
				       "3600000 then");
	return 0;
}

static int plan_retention(const struct shmq_attr *attr)
{
	if (attr->retain_bytes > RETAIN_MAX ||
	    attr->retain_messages > RETAIN_MAX)
		return shmqi_error_say(-EINVAL, "retain_bytes and "
						"retain_messages are at most "
						"2^62");
	if (attr->retain_seconds > SECONDS_MAX)
		return shmqi_error_say(-EINVAL,
				       "retain_seconds is at most 10^9");
	if (attr->keep_unread > SHMQ_UNREAD_LOST)
		return shmqi_error_say(-EINVAL, "unknown keep_unread %u",
				       attr->keep_unread);
	return 0;
}

/* Which size a ring, or a journal's segment, is to have. */
static int plan_capacity(uint64_t *capacity, const struct shmq_attr *attr)
{
	int r;

	if (!(attr->flags & SHMQ_JOURNAL)) {
		if (attr->segment_bytes || attr->durability ||
		    attr->interval_ms || attr->retain_bytes ||
		    attr->retain_seconds || attr->retain_messages ||
		    attr->keep_unread)
			return shmqi_error_say(-EINVAL,
					       "only journals have segments, "
					       "durability and retention");
		*capacity = attr->capacity ? attr->capacity : CAPACITY_DEFAULT;
		return shmqi_format_capacity(capacity, attr->flags);
	}
	if (attr->flags & NOT_IN_JOURNALS)
		return shmqi_error_say(-EINVAL,
				       "a journal does not overwrite, and has "
				       "no huge pages and no prefault");
	if (attr->capacity)
		return shmqi_error_say(-EINVAL, "a journal has segment_bytes, "
						"and no capacity");
	*capacity = attr->segment_bytes ? attr->segment_bytes : SEGMENT_DEFAULT;
	if (*capacity < SEGMENT_MIN || *capacity > SH_CAPACITY_MAX)
		return shmqi_error_say(-EINVAL,
				       "segment_bytes %ju is not within 65536 "
				       "and 2^40 bytes",
				       (uintmax_t)*capacity);
	*capacity = power_of_two(*capacity);
	r = plan_durability(attr);
	return r ? r : plan_retention(attr);
}

int shmqi_format_plan(struct geometry *out, const struct shmq_attr *attr)
{
	struct shmq_attr wanted = SHMQ_ATTR_INIT;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t capacity = 0;
	int r = attr ? take_attr(&wanted, attr) : 0;

	if (r)
		return r;
	attr = &wanted;
	if (attr->flags & ~(uint64_t)KNOWN_FLAGS)
		return shmqi_error_say(-EINVAL, "unknown attribute flags %#jx",
				       (uintmax_t)(attr->flags &
						   ~(uint64_t)KNOWN_FLAGS));
	r = plan_capacity(&capacity, attr);
	if (r)
		return r;
	if (attr->max_members > SH_MEMBERS_MAX)
		return shmqi_error_say(-EINVAL, "max_members is at most %u",
				       SH_MEMBERS_MAX);
	if (attr->max_groups > SH_GROUPS_MAX)
		return shmqi_error_say(-EINVAL, "max_groups is at most %u",
				       SH_GROUPS_MAX);

	memset(out, 0, sizeof(*out));
	out->capacity = capacity;
	out->flags = attr->flags;
	out->durability = attr->durability;
	out->interval_ms = attr->interval_ms;
	out->retain_bytes = attr->retain_bytes;
	out->retain_seconds = attr->retain_seconds;
	out->retain_messages = attr->retain_messages;
	out->drop_unread = attr->keep_unread == SHMQ_UNREAD_LOST;
	out->max_members = attr->max_members ? attr->max_members : 64;
	out->max_groups = attr->max_groups ? attr->max_groups : 16;
	arc4random_buf(&out->cookie, sizeof(out->cookie));
	lay_out(out, page);
	return 0;
}

static uint64_t header_check(const struct sh_header *h)
{
	const uint8_t *byte = (const uint8_t *)h;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = sizeof(h->magic);
	     i < __builtin_offsetof(struct sh_header, check); i++)
		hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
	return hash;
}

void shmqi_format_write(const struct geometry *geo, struct sh_header *h)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	memset(h, 0, sizeof(*h));
	h->version = SH_VERSION;
	h->header_bytes = sizeof(*h);
	h->features = geometry_journal(geo) ? SH_FEATURE_JOURNAL : 0;
	h->file_bytes = geo->file_bytes;
	h->capacity = geo->capacity;
	h->cookie = geo->cookie;
	h->flags = geo->flags;
	h->groups_off = SH_GROUPS_OFF;
	h->members_off = geo->members_off;
	h->bounds_off = bounds_off(geo);
	h->ring_off = geo->ring_off;
	h->max_members = geo->max_members;
	h->member_entries = geo->member_entries;
	h->max_groups = geo->max_groups;
	h->page_bytes = (uint32_t)sysconf(_SC_PAGESIZE);
	h->created_ns = (uint64_t)now.tv_sec * 1000000000 +
			(uint64_t)now.tv_nsec;
	h->start_pos = geo->start_pos;
	h->start_seq = geo->start_seq;
	h->architecture = THIS_MACHINE;
	h->durability = geo->durability;
	h->interval_ms = geo->interval_ms;
	h->retain_bytes = geo->retain_bytes;
	h->retain_seconds = geo->retain_seconds;
	h->retain_messages = geo->retain_messages;
	h->keep_unread = geo->drop_unread ? SHMQ_UNREAD_LOST : SHMQ_UNREAD_KEPT;
	h->check = header_check(h);
}

static int check_identity(const struct sh_header *h)
{
	if (h->magic != SH_MAGIC)
		return shmqi_error_say(-EBADMSG,
				       "not a queue: it does not begin with "
				       "the magic number");
	if (h->version != SH_VERSION)
		return shmqi_error_say(-EPROTONOSUPPORT,
				       "layout version %u, this library knows "
				       "%u: drain it with the version that "
				       "made it, then create it anew",
				       h->version, SH_VERSION);
	if (h->header_bytes != sizeof(*h) || h->check != header_check(h))
		return shmqi_error_say(-EBADMSG,
				       "damaged: the header's checksum is "
				       "wrong");
	if (h->features & ~(uint64_t)SH_FEATURE_JOURNAL)
		return shmqi_error_say(-EPROTONOSUPPORT,
				       "needs features %#jx that this library "
				       "does not have",
				       (uintmax_t)h->features);
	if (h->architecture != THIS_MACHINE)
		return shmqi_error_say(-EPROTONOSUPPORT,
				       "made on another architecture (ELF "
				       "machine %u)",
				       h->architecture);
	return 0;
}

int shmqi_format_check(struct geometry *out, const struct sh_header *h,
		       uint64_t file_bytes)
{
	struct geometry geo = { 0 };
	int r = check_identity(h);

	if (r)
		return r;
	geo.capacity = h->capacity;
	geo.cookie = h->cookie;
	geo.flags = h->flags;
	geo.start_pos = h->start_pos;
	geo.start_seq = h->start_seq;
	geo.durability = h->durability;
	geo.interval_ms = h->interval_ms;
	geo.retain_bytes = h->retain_bytes;
	geo.retain_seconds = h->retain_seconds;
	geo.retain_messages = h->retain_messages;
	geo.drop_unread = h->keep_unread == SHMQ_UNREAD_LOST;
	geo.max_members = h->max_members;
	geo.max_groups = h->max_groups;
	if (geo.capacity < CAPACITY_MIN || geo.capacity > SH_CAPACITY_MAX ||
	    (geo.capacity & (geo.capacity - 1)) || !geo.max_members ||
	    geo.max_members > SH_MEMBERS_MAX || !geo.max_groups ||
	    geo.max_groups > SH_GROUPS_MAX ||
	    geo.flags & ~(uint64_t)KNOWN_FLAGS ||
	    (geometry_journal(&geo) && geo.flags & NOT_IN_JOURNALS) ||
	    geo.durability >
		    (geometry_journal(&geo) ? SHMQ_DURABLE_INTERVAL : 0) ||
	    !interval_fits(geo.durability, geo.interval_ms) ||
	    geo.retain_seconds > SECONDS_MAX || geo.retain_bytes > RETAIN_MAX ||
	    geo.retain_messages > RETAIN_MAX ||
	    h->keep_unread > SHMQ_UNREAD_LOST || geo.start_pos % SH_LINE ||
	    geo.start_pos >= SH_POS_MAX || geo.start_seq >= SH_SEQ_MAX)
		return shmqi_error_say(-EBADMSG,
				       "damaged: the header's geometry is out "
				       "of range");
	if (h->page_bytes != (uint64_t)sysconf(_SC_PAGESIZE))
		return shmqi_error_say(-EPROTONOSUPPORT,
				       "made for pages of %u bytes",
				       h->page_bytes);
	lay_out(&geo, h->page_bytes);
	if (h->groups_off != SH_GROUPS_OFF ||
	    h->members_off != geo.members_off ||
	    h->bounds_off != bounds_off(&geo) ||
	    h->member_entries != geo.member_entries ||
	    h->ring_off != geo.ring_off || h->file_bytes != geo.file_bytes ||
	    h->features != (geometry_journal(&geo) ? SH_FEATURE_JOURNAL : 0))
		return shmqi_error_say(-EBADMSG,
				       "damaged: the header contradicts "
				       "itself");
	if (file_bytes < geo.file_bytes || file_bytes % h->page_bytes)
		return shmqi_error_say(-EBADMSG,
				       "the file has %ju bytes and should "
				       "have %ju: %s",
				       (uintmax_t)file_bytes,
				       (uintmax_t)geo.file_bytes,
				       file_bytes < geo.file_bytes ?
					       "truncated" :
					       "something was appended");
	*out = geo;
	return 0;
}
