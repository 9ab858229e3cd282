/* SPDX-License-Identifier: MIT */
/*
 * The shared layout, version 1: every byte that processes share. This file is
 * the ABI. doc/LAYOUT.md is checked against it.
 *
 * A queue file, offsets in bytes:
 *
 *        0  struct sh_header     256  written once, before the file has a name
 *      256  zero                      up to 4096
 *     4096  struct sh_control   1024  the words that everybody meets at
 *     5120  struct sh_group      256  each, max_groups of them
 *        .  struct sh_member    1152  each, member_entries of them
 *        .  struct sh_bound       16  each, 64 of them: where records begin
 *        .  zero                      up to a page (2 MiB with huge pages)
 *  ring_off the ring         capacity records; mapped twice, back to back
 *        .  rings that took its place: shmq_resize(), see rings.h
 *
 * The control file of a journal ends at ring_off; its records are in files of
 * capacity bytes each, see journal.h.
 *
 * Only fixed-width integers and _Atomic of them; offsets, never pointers.
 * A *position* counts bytes of the stream from its beginning and is a multiple
 * of 64; position & (capacity - 1) is its place in the ring. A *sequence*
 * number counts records. Positions end at 2^62, sequence numbers at 2^57.
 *
 * Edges. Every release store that another process acquires has a tag here; the
 * code cites it on both sides as "edge TAG". tests/test_edges.sh keeps the
 * list, the code and doc/ORDERING.md together.
 *
 *   edge      stored by                     loaded by             it carries
 *   STAMP     a producer; a rescuer         consumers             the record
 *   TAIL      a producer claiming           everybody             the claim of
 *                                                                 the last owner
 *   CURSOR    a consumer claiming           producers, consumers  likewise; and
 *             or releasing (serial)                               done reading
 *   ANNOUNCE  a claimant, its claim slot    helpers, rescuers,    end, seq and
 *                                           room seekers          count of it
 *   DONE      a producer or a consumer,     rescuers, room        its records;
 *             its claim slot                seekers               done reading
 *   STATE     a member joining or leaving,  everybody             its identity;
 *             a rescuer                                           its claims
 *   LAP       a producer claiming           who copies            that a place
 *                                                                 is claimed anew
 *   MOVE      an adopter of returned spans  room seekers          the new holder
 *   RETURN    a closer, a rescuer           consumers             returned spans
 *   RING      who resizes, or decides       everybody             the ring's entry
 *             where a ring begins
 *   EPOCH     who changes attributes;       members; who changes  the version;
 *             a member that has read        them                  done reading
 *   SYNCED    who has synced a journal      who wants that        it is on the
 *                                                                 disk
 *   OLDEST    who removes segments of a     who misses one        that it may be
 *             journal                                             gone
 *   POLICY    who switches overwriting; members                that others may
 *             producers and consumers                           rely on it
 *   ARM       a sleeper                     wakers                (with membarrier)
 *                                                                 its chime
 */
#ifndef SHMQI_LAYOUT_H
#define SHMQI_LAYOUT_H

#include <assert.h>
#include <stdint.h>

#include "atomic.h"

#define SH_MAGIC UINT64_C(0x0a1a0a0d716d6873) /* "shmq\r\n\x1a\n" */
#define SH_VERSION 1u
#define SH_CONTROL_OFF 4096u
#define SH_GROUPS_OFF 5120u
#define SH_BOUNDS 64u

#define SH_LINE 64u                    /* alignment of records, bytes */
#define SH_POS_MAX (UINT64_C(1) << 62) /* exclusive */
#define SH_SEQ_MAX (UINT64_C(1) << 57) /* exclusive */
#define SH_NOBODY 0xfffu               /* owner of a cursor: none */
#define SH_MEMBERS_MAX 4000u
#define SH_GROUPS_MAX 250u
#define SH_CAPACITY_MAX (UINT64_C(1) << 40)
#define SH_FEATURE_JOURNAL 1u /* of sh_header.features */

/*
 * What never changes. magic is stored last, so a file without it is unfinished
 * or foreign; check covers bytes 8 to 247, so one flipped bit is noticed.
 * Opening copies it into private memory, validates that, and never looks again.
 */
struct sh_header {
	uint64_t magic;        /*   0  SH_MAGIC */
	uint32_t version;      /*   8  SH_VERSION */
	uint32_t header_bytes; /*  12  sizeof(struct sh_header) */
	uint64_t features;     /*  16  bits an opener must know */
	uint64_t file_bytes;   /*  24  ring_off + capacity; journal: ring_off */
	uint64_t capacity;     /*  32  bytes of ring, a power of two; of a
					 journal, of a segment file */
	uint64_t cookie;       /*  40  random: where stamps begin */
	uint64_t flags;        /*  48  SHMQ_SINGLE_PRODUCER and so on */
	uint64_t groups_off;   /*  56  SH_GROUPS_OFF */
	uint64_t members_off;  /*  64  behind the groups */
	uint64_t bounds_off;   /*  72  behind the members */
	uint64_t ring_off;     /*  80  a multiple of page_bytes */
	uint32_t max_members;  /*  88  1 to SH_MEMBERS_MAX */
	uint32_t member_entries;  /*  92  max_members and some: format.c */
	uint32_t max_groups;      /*  96  1 to SH_GROUPS_MAX */
	uint32_t page_bytes;      /* 100  of the creator's kernel */
	uint64_t created_ns;      /* 104  CLOCK_REALTIME */
	uint64_t start_pos;       /* 112  where the stream begins */
	uint64_t start_seq;       /* 120  likewise; 0 outside tests */
	uint32_t architecture;    /* 128  ELF e_machine of the creator */
	uint32_t reserved0;       /* 132  0 */
	uint32_t durability;      /* 136  of a journal: SHMQ_DURABLE_ */
	uint32_t interval_ms;     /* 140  with SHMQ_DURABLE_INTERVAL */
	uint64_t retain_bytes;    /* 144  of a journal: see struct shmq_attr */
	uint64_t retain_seconds;  /* 152 */
	uint64_t retain_messages; /* 160 */
	uint32_t keep_unread;     /* 168  SHMQ_UNREAD_ */
	uint32_t reserved1;       /* 172  0 */
	uint64_t reserved[9];     /* 176  0 */
	uint64_t check;           /* 248  FNV-1a of bytes 8 to 247 */
};

/*
 * A cursor: where the next claim starts, and who won the latest one. Changed
 * only by a 16-byte compare-and-swap while several may claim at it; its one
 * writer may store the words singly.
 */
struct sh_cursor {
	struct sh_pair at; /* lo: position | low 6 bits of owner;
			      hi: sequence << 6 | high 6 bits of owner */
};

/*
 * Where one side sleeps. Awake wakers only read lo. A waker that has struck all
 * chimes takes CHIMES back, by a swap of both words: only if nobody has armed
 * one since it began.
 */
struct sh_bell {
	struct sh_pair at; /* lo: SH_BELL_ bits; its lower half is the futex,
			      whose bits from 1 on count the rings.
			      hi: how often a chime was armed */
};
#define SH_BELL_ARMED UINT64_C(1) /* somebody may be asleep */
#define SH_BELL_FENCED (UINT64_C(1) << 32)
#define SH_BELL_CHIMES (UINT64_C(1) << 33) /* some member's chime is armed */
/* FENCED: membarrier does not reach every waker, so each passes a fence before
 * it looks. Never taken back. */
#define SH_BELL_ASKS (SH_BELL_ARMED | SH_BELL_FENCED | SH_BELL_CHIMES)

/*
 * A ring: where the records of the positions from from.lo on are, up to where
 * the next ring begins. from.hi is a hash of the entry, its number and the
 * cookie (rings.c). Written before control.ring says that there is one; only
 * the decision where it begins comes later, in one 16-byte swap.
 */
struct sh_ring {
	struct sh_pair from;       /*  0  position, or SH_UNDECIDED; hash */
	_Atomic uint64_t offset;   /* 16  in the file, a multiple of a page */
	_Atomic uint64_t capacity; /* 24  bytes, a power of two */
};
#define SH_UNDECIDED UINT64_MAX
#define SH_RINGS 4u

/*
 * The attributes that can change, in versions: written where no member reads
 * any more, then put in force by one store (epoch.h, attributes.c).
 */
struct sh_attributes {
	_Atomic uint64_t check; /*   0  hash of the rest, number and cookie */
	_Atomic uint64_t spin;  /*   8  looks before a sleep, at most */
	_Atomic uint64_t label[8]; /*  16  text, NUL-padded */
	uint64_t reserved[6];      /*  80  0 */
};
#define SH_VERSIONS 2u
#define SH_SPIN_MAX 2048u

/* Words on lines of their own: pairs of lines, for the adjacent prefetcher. */
struct sh_control {
	struct sh_cursor tail; /*   0  producers claim here. A single producer
				       stores lo before it writes, and hi
				       after it has published */
	uint8_t pad0[112];
	struct sh_bell recv; /* 128  consumers sleep here */
	uint8_t pad1[112];
	struct sh_bell send; /* 256  producers sleep here */
	uint8_t pad2[112];
	_Atomic uint32_t moved;      /* 384  1: the name is being removed */
	_Atomic uint32_t member_top; /* 388  entries from here on are unused;
					      grows only */
	_Atomic uint64_t moves;      /* 392  spans that changed their holder;
					      any change means: look again */
	_Atomic uint64_t stalls;     /* 400  sleeps behind an open claim */
	_Atomic uint64_t recoveries; /* 408  dead members cleaned up */
	/* Of a journal: journal_mend.c. */
	_Atomic uint64_t boot;  /* 416  a hash of the boot id under which
					       all that is shared is true, */
	_Atomic uint64_t inode; /* 424  in the file of this number */
	struct sh_pair synced;  /* 432  lo: position, hi: number; what is before
				       it is whole on the disk. Its lower
				       half is a futex */
	_Atomic uint64_t mended_ns;  /* 448  CLOCK_REALTIME of the last mending;
					    0: there was none */
	_Atomic uint64_t mended_pos; /* 456  where the stream ended then */
	_Atomic uint64_t mended_bytes; /* 464  bytes behind it that were cut */
	_Atomic uint64_t oldest; /* 472  number of the first segment file */
	_Atomic uint64_t sync_failed; /* 480  1: the disk has refused something
					      since */
	uint8_t pad3[24];
	_Atomic uint64_t ring;          /* 512  number of the newest ring; the
					       header's is number 0 */
	_Atomic uint64_t given_back;    /* 520  rings below this are gone */
	_Atomic uint64_t switches;      /* 528  times that the policy of
					       overwriting was changed */
	_Atomic uint64_t claimed;       /* 536  1: a single producer claims as
					       many do, from now on */
	uint8_t pad4[32];               /* 544 */
	struct sh_ring rings[SH_RINGS]; /* 576  number n at n % SH_RINGS */
	_Atomic uint64_t epoch;      /* 704  grows by 2 for each grace period */
	_Atomic uint64_t attributes; /* 712  number of the version in force */
	uint8_t pad5[48];
	struct sh_attributes versions[SH_VERSIONS]; /* 768  number n at
						       n % SH_VERSIONS */
};

/* A group. Entry 0 is "default" unless the queue is a topic. */
struct sh_group {
	struct sh_cursor cursor;          /*   0  consumers claim here. A serial
						 consumer keeps lo: all before
						 it is released */
	_Atomic uint64_t redelivered_pos; /* 16  what is before it has been out
						 with a consumer already */
	_Atomic uint64_t returns; /*  24  grows whenever spans come back;
						 any change means: look */
	uint8_t pad0[96];
	_Atomic uint32_t state; /* 128  SH_GROUP_, see groups.c */
	uint32_t reserved0;     /* 132  0 */
	uint64_t created_ns;    /* 136  CLOCK_REALTIME */
	uint8_t name[32];       /* 144  NUL-padded */
	uint8_t pad1[80];
};
#define SH_GROUP_FREE 0u
#define SH_GROUP_USED 1u
#define SH_GROUP_MAKING 2u   /* holds the ring, is not found by name */
#define SH_GROUP_REMOVING 3u /* neither */

/*
 * A claim slot names a span [position, end). The word holds the position in
 * bits 6 to 61 and, in the others, the state, so that one store or swap changes
 * both. An announcement says at which cursor, and no position is won twice at
 * one cursor; so a word that names a win and is read twice alike has not
 * changed meanwhile, even if its entry has changed hands.
 *
 *                 announce            cursor swapped, or a helper
 *        NONE ------------> ANNOUNCED ---------------------------> OWNED
 *         ^                     | lost the swap                      |
 *         +---------------------+                                    |
 *         +----------------------------------------------------------+
 *                 done (the owner), or cleaned up (a rescuer)
 *
 *        NONE --> ADOPTING --> OWNED     a span that a member returned, on
 *                                        its way to another (span.h)
 *
 * A producer uses slot 0; end of slot 1 says how far it may claim. A consumer
 * claims in slot 0 and moves what it still holds to slots 1 and up before
 * claiming again. A serial consumer keeps what it has taken in end of slot 0,
 * and pairs of position and number in count and seq of slots 0 and 1
 * (group.h); only slots 2 and up may name spans.
 */
struct sh_claim {
	_Atomic uint64_t word; /*  0  position | state & 63 | state >> 6 << 62 */
	_Atomic uint64_t end;  /*  8  position behind the span */
	_Atomic uint64_t seq;  /* 16  producer, and consumer of an overwriting
				       queue: number of its first record */
	_Atomic uint64_t count; /* 24  bits 0 to 39, likewise: numbers in it;
				       adopting: bits 40 to 47 the slot, 48 on
				       the member entry that it comes from */
};
/*
 * SERIAL: position 0, and end says how far it has taken. ANNOUNCED + 0: at the
 * tail; ANNOUNCED + 1 + g: at the cursor of group g.
 */
#define SH_CLAIM_NONE 0u
#define SH_CLAIM_OWNED 1u
#define SH_CLAIM_ADOPTING 2u
#define SH_CLAIM_SERIAL 3u
#define SH_CLAIM_ANNOUNCED 4u
#define SH_CLAIMS 32u

/*
 * A member entry. Its lease is the lock on byte SH_LEASE_MEMBER + index of the
 * file: whoever holds that may write the entry, and nobody else, except that
 * helpers may turn ANNOUNCED into OWNED, rescuers drop a stale ADOPTING,
 * wakers make chime_armed even, and anybody may note what it saw in watch_*.
 */
struct sh_member {
	_Atomic uint32_t state; /*   0  SH_MEMBER_ */
	_Atomic uint32_t group; /*   4  of a consumer: group entry */
	int32_t pid;            /*   8  for people, never to decide */
	int32_t tid;            /*  12  likewise */
	uint64_t start_ticks;   /*  16  process start, ticks after boot */
	uint64_t joined_ns;     /*  24  CLOCK_REALTIME */
	uint8_t command[16];    /*  32  NUL-padded */
	uint8_t boot_id[16];    /*  48  of the kernel it ran under */

	_Atomic uint64_t watch_word; /*  64  a claim word somebody waited for */
	_Atomic uint64_t watch_ns;   /*  72  CLOCK_REALTIME when first seen */
	_Atomic uint64_t epoch;      /*  80  odd: reads what changes in
					     versions, since that epoch */
	_Atomic uint64_t sleeps;     /*  88  times it went to sleep */
	_Atomic uint32_t slots;      /*  96  claim slots in use are below this;
					     at least 1, grows while it lives */
	_Atomic uint32_t policy;     /* 100  producer: under which its limit
					     was found; consumer: SH_COPIES,
					     or it receives in place */
	/* Of one who waits through a descriptor: chime.h. */
	_Atomic uint64_t chime_armed; /* 104  odd: strike it, then make it
					      even; never an old value again */
	_Atomic uint64_t chime_name;  /* 112  random, of its FIFO and socket;
					      0: there is none */
	_Atomic uint32_t chime_place; /* 120  SH_CHIME_ */
	_Atomic uint32_t chime_sent;  /* 124  1: its socket has been used */

	struct sh_claim claims[SH_CLAIMS]; /* 128 */
};
#define SH_COPIES 1u        /* what it claims holds no room: policy.h */
#define SH_CHIME_SOCKET 0u  /* there is no FIFO */
#define SH_CHIME_BESIDE 1u  /* a FIFO beside the queue's file */
#define SH_CHIME_RUNTIME 2u /* a FIFO in the runtime directory */
#define SH_MEMBER_FREE 0u
#define SH_MEMBER_PRODUCER 1u
#define SH_MEMBER_CONSUMER 2u
#define SH_MEMBER_RETURNED 3u /* no lease; its claims wait for its group */

/*
 * Of an overwriting queue: where a record begins, and its number. Entry i: in
 * the i-th 64th of the ring. A hint: bounds.h.
 */
struct sh_bound {
	_Atomic uint64_t pos;
	_Atomic uint64_t seq;
};

/*
 * A record. It is published when its stamp says so: a reader at a position
 * knows which sequence number comes next there, and no other lap ever used it.
 *
 * Every line is where a stamp may once be looked for, and a payload that ends
 * in a line's first word leaves part of what was there: perhaps of the stamp
 * of an older lap. So stamps of one time differ in all their bytes. They go in
 * steps of 2^64 over the golden ratio, which spreads them as far apart as can
 * be: those of numbers less than n apart differ by more than 2^62 / n, and
 * those whose low n bits are alike are 2^n numbers apart.
 *
 * The next record starts 64-byte aligned behind the payload, unless SH_RECORD_
 * TAIL says that a struct sh_record_tail follows the payload, 8-byte aligned.
 */
struct sh_record {
	_Atomic uint64_t stamp; /*  0  cookie + sequence * SH_STAMP_STEP */
	_Atomic uint64_t about; /*  8  size in bytes | SH_RECORD_ flags << 32
				       | member entry of the producer << 48 */
};
#define SH_STAMP_STEP UINT64_C(0x9e3779b97f4a7c15)
#define SH_RECORD_SKIP 0x1u /* no message: discarded, or its producer died */
#define SH_RECORD_TAIL 0x2u /* takes more room or numbers than its size says */
#define SH_RECORD_SEAL 0x4u /* of a journal: a struct sh_seal follows */

struct sh_record_tail {
	_Atomic uint64_t span;  /* 0  bytes from this record to the next */
	_Atomic uint64_t count; /* 8  numbers used up, 1 to span / 64 */
};

/*
 * What makes a record of a journal describe itself: behind the payload, 4-byte
 * aligned, and before the tail, if there is one. Records with a seal begin
 * SH_SEALED_LINE aligned. Published by the stamp, like the payload.
 */
struct sh_seal {
	uint32_t crc;     /* 0  CRC32C of sequence, about, time; the payload;
				 the tail, if there is one */
	uint32_t time_lo; /* 4  nanoseconds, CLOCK_REALTIME */
	uint32_t time_hi; /* 8 */
};
#define SH_SEALED_LINE 64u

/*
 * An entry of a segment's index: a record begins there. Entry i is the first, or
 * at least one, in the i-th window of the segment. A hint: index.h.
 */
struct sh_index {
	uint64_t pos;   /*  0 */
	uint64_t seq;   /*  8 */
	uint64_t check; /* 16  hash of both and the cookie: index.c */
};

/*
 * Lock bytes of the file, far behind its data: of each member entry; of the
 * single producer; of each group, shared by its consumers or held by one; of
 * the table of groups, for whoever changes it; of the table of rings, likewise;
 * of each ring, shared by the processes that read it, held by who gives it back;
 * of who resizes, while it has the place of the single producer; of the
 * attributes, for whoever changes them; of who prepares a journal's next
 * segment; of who mends it after the machine went down; of who syncs it.
 */
#define SH_LEASE_MEMBER (INT64_C(1) << 61)
#define SH_LEASE_PRODUCER (SH_LEASE_MEMBER + (1 << 20))
#define SH_LEASE_GROUP (SH_LEASE_MEMBER + (1 << 21))
#define SH_LEASE_GROUPS (SH_LEASE_MEMBER + (1 << 22))
#define SH_LEASE_RINGS (SH_LEASE_MEMBER + (1 << 23))
#define SH_LEASE_RING (SH_LEASE_RINGS + 1)
#define SH_LEASE_TURN (SH_LEASE_RING + SH_RINGS)
#define SH_LEASE_ATTRIBUTES (SH_LEASE_TURN + 1)
#define SH_LEASE_PREPARE (SH_LEASE_ATTRIBUTES + 1)
#define SH_LEASE_MEND (SH_LEASE_PREPARE + 1)
#define SH_LEASE_SYNC (SH_LEASE_MEND + 1)

#define SH_AT(type, field, offset)                                             \
	static_assert(__builtin_offsetof(struct type, field) == (offset),      \
		      #type "." #field)
SH_AT(sh_header, magic, 0);
SH_AT(sh_header, version, 8);
SH_AT(sh_header, header_bytes, 12);
SH_AT(sh_header, features, 16);
SH_AT(sh_header, file_bytes, 24);
SH_AT(sh_header, capacity, 32);
SH_AT(sh_header, cookie, 40);
SH_AT(sh_header, flags, 48);
SH_AT(sh_header, groups_off, 56);
SH_AT(sh_header, members_off, 64);
SH_AT(sh_header, bounds_off, 72);
SH_AT(sh_header, ring_off, 80);
SH_AT(sh_header, max_members, 88);
SH_AT(sh_header, member_entries, 92);
SH_AT(sh_header, max_groups, 96);
SH_AT(sh_header, page_bytes, 100);
SH_AT(sh_header, created_ns, 104);
SH_AT(sh_header, start_pos, 112);
SH_AT(sh_header, start_seq, 120);
SH_AT(sh_header, architecture, 128);
SH_AT(sh_header, durability, 136);
SH_AT(sh_header, interval_ms, 140);
SH_AT(sh_header, retain_bytes, 144);
SH_AT(sh_header, retain_seconds, 152);
SH_AT(sh_header, retain_messages, 160);
SH_AT(sh_header, keep_unread, 168);
SH_AT(sh_header, reserved, 176);
SH_AT(sh_header, check, 248);
static_assert(sizeof(struct sh_header) == 256, "sh_header");
SH_AT(sh_control, tail, 0);
SH_AT(sh_control, recv, 128);
SH_AT(sh_control, send, 256);
SH_AT(sh_control, moved, 384);
SH_AT(sh_control, member_top, 388);
SH_AT(sh_control, moves, 392);
SH_AT(sh_control, stalls, 400);
SH_AT(sh_control, recoveries, 408);
SH_AT(sh_control, boot, 416);
SH_AT(sh_control, inode, 424);
SH_AT(sh_control, synced, 432);
SH_AT(sh_control, mended_ns, 448);
SH_AT(sh_control, mended_pos, 456);
SH_AT(sh_control, mended_bytes, 464);
SH_AT(sh_control, oldest, 472);
SH_AT(sh_control, sync_failed, 480);
SH_AT(sh_control, ring, 512);
SH_AT(sh_control, given_back, 520);
SH_AT(sh_control, switches, 528);
SH_AT(sh_control, claimed, 536);
SH_AT(sh_control, rings, 576);
SH_AT(sh_control, epoch, 704);
SH_AT(sh_control, attributes, 712);
SH_AT(sh_control, versions, 768);
static_assert(sizeof(struct sh_control) == 1024, "sh_control");
SH_AT(sh_attributes, check, 0);
SH_AT(sh_attributes, spin, 8);
SH_AT(sh_attributes, label, 16);
SH_AT(sh_attributes, reserved, 80);
static_assert(sizeof(struct sh_attributes) == 128, "sh_attributes");
SH_AT(sh_ring, from, 0);
SH_AT(sh_ring, offset, 16);
SH_AT(sh_ring, capacity, 24);
static_assert(sizeof(struct sh_ring) == 32, "sh_ring");
SH_AT(sh_group, cursor, 0);
SH_AT(sh_group, redelivered_pos, 16);
SH_AT(sh_group, returns, 24);
SH_AT(sh_group, state, 128);
SH_AT(sh_group, created_ns, 136);
SH_AT(sh_group, name, 144);
static_assert(sizeof(struct sh_group) == 256, "sh_group");
SH_AT(sh_claim, word, 0);
SH_AT(sh_claim, end, 8);
SH_AT(sh_claim, seq, 16);
SH_AT(sh_claim, count, 24);
static_assert(sizeof(struct sh_claim) == 32, "sh_claim");
SH_AT(sh_member, state, 0);
SH_AT(sh_member, group, 4);
SH_AT(sh_member, pid, 8);
SH_AT(sh_member, tid, 12);
SH_AT(sh_member, start_ticks, 16);
SH_AT(sh_member, joined_ns, 24);
SH_AT(sh_member, command, 32);
SH_AT(sh_member, boot_id, 48);
SH_AT(sh_member, watch_word, 64);
SH_AT(sh_member, watch_ns, 72);
SH_AT(sh_member, epoch, 80);
SH_AT(sh_member, sleeps, 88);
SH_AT(sh_member, slots, 96);
SH_AT(sh_member, policy, 100);
SH_AT(sh_member, chime_armed, 104);
SH_AT(sh_member, chime_name, 112);
SH_AT(sh_member, chime_place, 120);
SH_AT(sh_member, chime_sent, 124);
SH_AT(sh_member, claims, 128);
static_assert(sizeof(struct sh_member) == 1152, "sh_member");
static_assert(sizeof(struct sh_bound) == 16, "sh_bound");
SH_AT(sh_record, stamp, 0);
SH_AT(sh_record, about, 8);
static_assert(sizeof(struct sh_record) == 16, "sh_record");
static_assert(sizeof(struct sh_record_tail) == 16, "sh_record_tail");
SH_AT(sh_seal, crc, 0);
SH_AT(sh_seal, time_lo, 4);
SH_AT(sh_seal, time_hi, 8);
static_assert(sizeof(struct sh_seal) == 12, "sh_seal");
SH_AT(sh_index, pos, 0);
SH_AT(sh_index, seq, 8);
SH_AT(sh_index, check, 16);
static_assert(sizeof(struct sh_index) == 24, "sh_index");
#undef SH_AT

#endif
