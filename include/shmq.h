/* SPDX-License-Identifier: MIT */
/*
 * libshmq: a message queue between processes, in shared memory.
 *
 * Caveats first.
 *  - A queue connects processes of one machine that run the same architecture.
 *  - A producer or a consumer belongs to one thread. Open one per thread; a
 *    queue handle may be shared by all threads of a process.
 *  - After fork() the child keeps the queue handle and opens its own producers
 *    and consumers. An inherited one answers -ESTALE, and closing it is
 *    harmless. A child made without the C library (a bare clone system call)
 *    must exec or exit before its parent's death can be noticed.
 *  - A stopped process is not dead. What it has claimed stays claimed, and
 *    later messages of the same queue wait behind it, until it goes on or dies.
 *  - A message is at most a quarter of the queue's capacity.
 *  - Do not truncate the file of a queue in use: that is the one way to make
 *    the kernel send SIGBUS to everybody who has it open.
 *
 * Errors are negative errno values; errno itself is left alone. Each function
 * lists every error it can return. shmq_strerror() explains a value in the
 * words of this library, shmq_errdetail() says what exactly was wrong with the
 * last queue that the calling thread failed to open.
 *
 * Times are int64_t nanoseconds: SHMQ_NOWAIT, SHMQ_FOREVER, a positive time, or
 * a point in time from shmq_until(). A call that may wait returns -EINTR when a
 * signal handler ran meanwhile. Whoever wakes up without a reason goes to sleep
 * again unnoticed.
 *
 * In every comment below:
 *   Blocks    whether the call may sleep, and for what
 *   Shared    who may call it at the same time on the same object
 *   Progress  what a stopped or dead process elsewhere can do to the call
 *   Order     what is known about other processes once it has returned
 *   Return    the closed list of results
 */
#ifndef SHMQ_H
#define SHMQ_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SHMQ_VERSION_MAJOR 0
#define SHMQ_VERSION_MINOR 1
#define SHMQ_VERSION_PATCH 0

/* ------------------------------------------------------------------ times */

#define SHMQ_NOWAIT ((int64_t)0)
#define SHMQ_FOREVER ((int64_t)-1)

/*
 * A point in time, for any timeout_ns: wait until CLOCK_MONOTONIC says
 * monotonic_ns, however often the wait is begun again. One that is past makes
 * a call try once and return -ETIMEDOUT.
 *
 *   monotonic_ns  1 to 2^62 nanoseconds; what is outside counts as the nearest
 *
 * Blocks never · Shared anybody · Progress independent of other processes
 * Return    a value below SHMQ_FOREVER that stands for that time
 */
int64_t shmq_until(int64_t monotonic_ns);

/* ------------------------------------------------------------------ flags */

/* shmq_open */
#define SHMQ_CREATE 0x1 /* create the queue if there is none of that name */
#define SHMQ_EXCL 0x2   /* with SHMQ_CREATE: -EEXIST if there is one */
#define SHMQ_RDONLY 0x4 /* look only: shmq_stat and its relatives */

/* shmq_attr.flags */
#define SHMQ_SINGLE_PRODUCER 0x1 /* one producer at a time; spares the claim */
#define SHMQ_SINGLE_CONSUMER 0x2 /* one consumer a group at a time; likewise */
#define SHMQ_OVERWRITE 0x4       /* producers never wait for consumers */
#define SHMQ_TOPIC 0x8           /* no group to begin with */
#define SHMQ_HUGEPAGES 0x10      /* lay out for, and ask for, huge pages */
#define SHMQ_PREFAULT 0x20       /* touch every page when mapping */
#define SHMQ_JOURNAL 0x40        /* a directory: messages stay */

/* shmq_consumer_open */
#define SHMQ_TAP 0x1       /* read-only observer */
#define SHMQ_EXCLUSIVE 0x2 /* the group's only consumer; spares the claim */
#define SHMQ_OLDEST 0x4    /* a new group starts at the oldest message kept */
#define SHMQ_NEWEST 0x8    /* a new group starts at the next message */

/* shmq_msg.flags */
#define SHMQ_REDELIVERED 0x1 /* somebody held it before and did not finish */

/* ------------------------------------------------------------------ types */

struct shmq;
struct shmq_producer;
struct shmq_consumer;

/*
 * What a new queue is to be. Start from SHMQ_ATTR_INIT and set what matters;
 * a field that is 0 means its default. The structure grows at its end from one
 * version to the next; a tail that the library does not know must be zero.
 */
struct shmq_attr {
	size_t size;            /* sizeof(struct shmq_attr) */
	uint64_t capacity;      /* bytes of ring, 4096 to 2^40; rounded up to a
				 power of two; 0: 1 MiB */
	uint64_t flags;         /* SHMQ_SINGLE_PRODUCER and so on */
	uint32_t max_members;   /* producers and consumers alive at a time, 1 to
				 4000; 0: 64 */
	uint32_t max_groups;    /* 1 to 250; 0: 16 */
	uint64_t segment_bytes; /* of a journal, instead of capacity: bytes of
				   each segment file, 65536 to 2^40; rounded up
				   to a power of two; 0: 512 MiB */
	uint32_t durability;    /* of a journal: SHMQ_DURABLE_ */
	uint32_t interval_ms;   /* with SHMQ_DURABLE_INTERVAL: 1 to 3600000 */
	/* How much a journal keeps; 0: no limit. */
	uint64_t retain_bytes;    /* 0 to 2^62 */
	uint64_t retain_seconds;  /* 0 to 10^9 */
	uint64_t retain_messages; /* 0 to 2^62 */
	uint32_t keep_unread;     /* SHMQ_UNREAD_ */
	uint32_t reserved;        /* 0 */
};
#define SHMQ_DURABLE_NONE 0u /* shmq_sync() says when */
#define SHMQ_DURABLE_EACH 1u /* a send returns when the disk has it */
/*
 * What has been sent is on the disk interval_ms and the time of a sync later, by
 * a thread that each process has which has producers of that journal. Closing
 * the last one of a process waits for the disk.
 */
#define SHMQ_DURABLE_INTERVAL 2u
#define SHMQ_UNREAD_KEPT 0u /* what a group has not received stays */
#define SHMQ_UNREAD_LOST 1u /* it goes like the rest, and counts as lost */
#define SHMQ_ATTR_INIT                                                         \
	{                                                                      \
		sizeof(struct shmq_attr), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0   \
	}

/* One message as shmq_receive() lends it. */
struct shmq_msg {
	const void *data;  /* read only, valid until the release */
	size_t len;        /* bytes */
	uint64_t seq;      /* number in the queue, dense over records, from 0 */
	uint64_t lost;     /* missed since this consumer's previous message */
	uint32_t producer; /* number of the sender's member entry */
	uint32_t flags;    /* SHMQ_REDELIVERED */
};

/* The state of a queue at about one moment. Grows at its end. */
struct shmq_stat {
	size_t size;             /* sizeof(struct shmq_stat) */
	uint64_t capacity_bytes; /* of the ring */
	uint64_t depth_messages; /* sent, and not yet received by the group that
				    is furthest behind; numbers, see seq */
	uint64_t depth_bytes;    /* the same in bytes of ring */
	uint64_t sent_messages;  /* sequence numbers given out */
	uint64_t flags;          /* SHMQ_SINGLE_PRODUCER and so on */
	uint32_t members;        /* producers and consumers alive */
	uint32_t groups;         /* existing */
	uint64_t stalls;         /* times somebody slept behind an open claim */
	uint64_t recoveries;     /* dead members cleaned up */
};
#define SHMQ_STAT_INIT                                                         \
	{                                                                      \
		sizeof(struct shmq_stat), 0, 0, 0, 0, 0, 0, 0, 0, 0            \
	}

/* shmq_stat_member: role */
#define SHMQ_ROLE_PRODUCER 1
#define SHMQ_ROLE_CONSUMER 2
#define SHMQ_ROLE_RETURNED 3 /* gone; what it held waits for its group */

/*
 * One member as the table shows it. Process facts are for people: they come
 * from the member itself and decide nothing. Grows at its end.
 */
struct shmq_member_info {
	size_t size;          /* sizeof(struct shmq_member_info) */
	uint32_t index;       /* its entry, as in shmq_msg.producer */
	uint32_t role;        /* SHMQ_ROLE_PRODUCER and so on */
	uint32_t alive;       /* 1: its lease is held */
	uint32_t claims;      /* spans it holds */
	int32_t pid;          /* in its own PID namespace */
	int32_t tid;          /* likewise */
	uint64_t start_ticks; /* process start, clock ticks after boot */
	uint64_t joined_ns;   /* CLOCK_REALTIME at its opening */
	uint64_t held_seq;    /* number of the first message it holds */
	uint64_t held_bytes;  /* bytes of ring in its claims */
	uint64_t noticed_ns;  /* CLOCK_REALTIME when somebody first saw it hold
				 the first of these claims; 0: nobody has */
	char command[16];     /* its command name */
	char group[32];       /* of a consumer; empty for a producer */
	uint64_t reads;       /* 1: it is reading attributes. Stopped there, it
				 holds up shmq_setattr() */
	uint64_t pending;     /* 1: it has not yet followed the last change of
				 "overwrite". A consumer is respected so long */
};
#define SHMQ_MEMBER_INFO_INIT                                                  \
	{                                                                      \
		sizeof(struct shmq_member_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
			0, { 0 }, { 0 }, 0, 0                                  \
	}

/* One group as the table shows it. Grows at its end. */
struct shmq_group_info {
	size_t size;           /* sizeof(struct shmq_group_info) */
	uint32_t index;        /* its entry */
	uint32_t consumers;    /* alive */
	uint64_t next_seq;     /* number of the next message it will receive */
	uint64_t lag_messages; /* sent and not yet received by it; numbers */
	uint64_t lag_bytes;    /* the same in bytes of ring */
	uint64_t held_bytes;   /* of ring, received and not yet released */
	char name[32];
};
#define SHMQ_GROUP_INFO_INIT                                                   \
	{                                                                      \
		sizeof(struct shmq_group_info), 0, 0, 0, 0, 0, 0,              \
		{                                                              \
			0                                                      \
		}                                                              \
	}

/* ----------------------------------------------------------------- queues */

/*
 * Open the queue called name, or create it.
 *
 *   out    receives the handle; untouched on error
 *   name   without a slash: a queue in the runtime directory (environment
 *          variable SHMQ_DIR, else /dev/shm), 1 to 255 bytes, not "." or "..";
 *          with a slash: the path of a file; of a journal, a directory
 *   flags  SHMQ_CREATE, SHMQ_EXCL, SHMQ_RDONLY
 *   mode   permissions of a new queue, less the umask. To send or to receive
 *          a process needs read and write permission, to look only read
 *   attr   what a new queue is to be; NULL: all defaults. An existing queue
 *          keeps its own geometry, and attr is not looked at
 *
 * Opening a queue again in the same process shares its mapping.
 *
 * Blocks    for the file system only
 * Shared    anybody, any time
 * Progress  independent of other processes
 * Order     a queue appears complete or not at all
 * Return    0; -EINVAL (argument, attribute out of range), -E2BIG (attr has a
 *           tail this library does not know), -ENAMETOOLONG, -ENOENT, -EEXIST,
 *           -EACCES, -EPERM, -EROFS, -EISDIR, -ENOTDIR, -ELOOP, -EIO,
 *           -ENOSPC, -EDQUOT, -EFBIG,
 *           -ENOMEM, -EMFILE, -ENFILE, -EOPNOTSUPP (a kind of queue or a file
 *           system that this version does not know), -EBADMSG (not a queue, or
 *           a damaged one), -EPROTONOSUPPORT (a queue of another layout
 *           version or architecture), -ENOSYS (no /proc where one is needed);
 *           of a journal after a crash of the machine: -EUCLEAN (with
 *           SHMQ_RDONLY), -EBUSY (somebody has been mending it for a minute),
 *           -ENOLCK
 */
int shmq_open(struct shmq **out, const char *name, int flags, mode_t mode,
	      const struct shmq_attr *attr);

/*
 * With SHMQ_JOURNAL the queue is a journal: messages stay when they have been
 * received. The name is that of a directory with a control file and the files
 * of the stream, segment_bytes each; they appear as the stream grows, and no
 * file is ever used again. A thread of each process that has producers makes
 * pages and the next file ahead of them, if the process may use two processors
 * and segments have 1 MiB or more; it takes no signals, sleeps while nobody
 * sends, and is gone with the last producer. Every group, whenever it is made, begins with the
 * first message (SHMQ_NEWEST: the next), and so does a tap. Senders wait for
 * nobody. What is in a journal outlives any process. It is the page cache, so
 * it may be far larger than memory; what has reached the disk when the power
 * fails is up to the kernel. The largest message is a quarter of segment_bytes.
 *
 * What is to be kept is said when the journal is made. A segment file has
 * outlived its time when retain_bytes, or retain_messages, are behind it, or
 * when all that is in it was sent retain_seconds ago; one of them that is set
 * suffices. Then it goes, the oldest first, as soon as a sender comes to another
 * segment or somebody calls shmq_journal_compact(); but not as long as a group
 * has not received all that is in it, unless keep_unread is SHMQ_UNREAD_LOST,
 * and never as long as somebody holds a message of it. A group that is further
 * behind than what is there goes on at the oldest message, as a tap does; the
 * consumer to which that happens learns how many were lost.
 *
 * After the machine went down, or where a journal was copied, whoever first
 * opens it for writing mends it: what is behind the first message that is not
 * whole is cut off, and what the groups have not received by what the disk knew
 * comes flagged SHMQ_REDELIVERED, as it may have been received. This reads what
 * was not known to be on the disk. Until then it cannot be opened with
 * SHMQ_RDONLY: -EUCLEAN.
 *
 * A journal does not go with SHMQ_OVERWRITE, SHMQ_HUGEPAGES or SHMQ_PREFAULT,
 * and cannot be anonymous.
 */

/*
 * Create a queue without a name. Children inherit it; others get it by passing
 * shmq_fd() over a Unix socket to shmq_open_fd().
 *
 * Blocks, Shared, Progress, Order  as shmq_open
 * Return    0; -EINVAL, -E2BIG, -ENOSPC, -EFBIG, -ENOMEM, -EMFILE, -ENFILE,
 *           -EOPNOTSUPP, -ENOSYS, -EACCES, -EPERM, -EIO
 */
int shmq_open_anonymous(struct shmq **out, const struct shmq_attr *attr);

/*
 * Open the queue behind a file descriptor. The descriptor stays the caller's
 * and may be closed afterwards.
 *
 *   fd     opened for reading and writing (for reading: with SHMQ_RDONLY)
 *   flags  0 or SHMQ_RDONLY
 *
 * Blocks, Shared, Progress, Order  as shmq_open
 * Return    0; -EINVAL, -EBADF, -EISDIR, -EACCES, -EPERM, -EIO, -ENOSPC,
 *           -EDQUOT, -EFBIG,
 *           -ENOMEM, -EMFILE, -ENFILE, -ELOOP, -ENOENT, -EOPNOTSUPP, -EBADMSG,
 *           -EPROTONOSUPPORT, -ENOSYS, -EUCLEAN, -EBUSY, -ENOLCK
 */
int shmq_open_fd(struct shmq **out, int fd, int flags);

/*
 * A descriptor of the queue's file, to be passed over a socket. It belongs to
 * the handle: do not close it. It is closed by exec.
 *
 * Blocks never · Shared anybody · Return the descriptor; -EINVAL (q is NULL)
 */
int shmq_fd(const struct shmq *q);

/*
 * Close a handle. Producers and consumers opened through it stay usable. NULL
 * is ignored.
 *
 * Blocks    for a grace period of threads that are opening queues
 * Shared    nobody else may use this handle from here on; other handles of the
 *           same queue are not touched
 */
void shmq_close(struct shmq *q);

/*
 * Remove a name. Processes that have the queue open go on using it, but nobody
 * sleeps on it any more: a call that sleeps, or would have to, returns -EIDRM.
 * A call that was told not to wait goes on returning -EAGAIN. The files of a
 * journal are gone, so a call that comes to another of them returns -EIDRM, too.
 *
 * Blocks    for the file system only
 * Shared    anybody, any time
 * Progress  independent of other processes
 * Return    0; -EINVAL, -ENAMETOOLONG, -ENOENT, -EACCES, -EPERM, -EROFS,
 *           -EISDIR, -ENOTDIR, -ELOOP, -EIO, -EBUSY, -ENOMEM, -EMFILE, -ENFILE,
 *           -EBADMSG (that file is not a queue; it is left alone), -ENOTEMPTY
 *           (a journal's directory with other files in it; likewise)
 */
int shmq_unlink(const char *name);

/*
 * See that all that has been sent to a journal so far is on the disk, and so is
 * what its groups have received. Who syncs at the same time shares the work.
 *
 *   timeout_ns  how long to wait for a sender that has begun before this call
 *               and not finished. The disk is waited for in any case
 *
 * Blocks    for the disk, and behind others that sync
 * Shared    anybody, any time
 * Progress  waits behind a claim that a live (perhaps stopped) producer holds,
 *           because what comes behind it would be cut off with it; a dead one's
 *           is cleaned up; and a tenth of a second behind a stopped one that
 *           syncs
 * Order     after a crash of the machine all that was sent before is there
 * Return    0; -ETIMEDOUT (a sender is in the way), -EINTR, -EOPNOTSUPP (not a
 *           journal), -EBADF (the handle is read only), -EIDRM (the directory
 *           has been removed), -EIO, -ENOSPC, -EDQUOT (the disk says no, or has
 *           said so since the journal was made, or mended), -EFBIG, -EMFILE,
 *           -ENFILE, -EINVAL, -EBADMSG, -ENOMEM
 */
int shmq_sync(struct shmq *q, int64_t timeout_ns);

/* ---------------------------------------------------------------- sending */

/*
 * Become a producer of a queue: take a member entry and its lease.
 *
 *   flags  0
 *
 * Blocks    a moment behind others who clean up after the same dead member; up
 *           to about a second if one of them has been stopped
 * Shared    anybody, any time
 * Progress  entries of dead members are freed on the way; a dead single
 *           producer's place is free at once
 * Return    0; -EINVAL, -EBADF (the handle is read only), -EBUSY (a single
 *           producer is alive), -EUSERS (every member entry is in use by
 *           somebody alive), -ENOMEM, -EMFILE, -ENFILE, -ENOLCK, -ENOSYS (in a
 *           forked child, where /proc is not mounted), -EBADMSG
 */
int shmq_producer_open(struct shmq_producer **out, struct shmq *q,
		       unsigned flags);

/*
 * Leave. An open reservation is discarded. NULL is ignored.
 *
 * Blocks    never; the last one of a journal in a process until the journal's
 *           thread has ended: a moment of work, or a sync (SHMQ_DURABLE_INTERVAL)
 * Shared    nobody else may use p from here on
 */
void shmq_producer_close(struct shmq_producer *p);

/*
 * Send one message of len bytes from buf. Success means sent: it will be
 * delivered even if this process is killed in the next instruction.
 *
 *   len         0 to shmq_max_message()
 *   timeout_ns  how long to wait for room
 *
 * Blocks    while the queue is full, up to the timeout
 * Shared    p belongs to one thread
 * Progress  never waits for another producer, stopped or dead
 * Order     whoever receives the message sees all that this thread stored
 *           before; messages of one producer are received in sending order
 * Return    0; -EAGAIN (full, SHMQ_NOWAIT), -ETIMEDOUT (full, time is up),
 *           -EMSGSIZE (too large), -EINTR, -ECANCELED, -EIDRM (full, or a
 *           journal that needs another segment file, and the queue has been
 *           unlinked), -EBUSY (a reservation is open), -EINVAL,
 *           -ESTALE (inherited by fork), -EBADMSG (the queue is damaged),
 *           -ENOMEM (it was resized, and the new ring cannot be mapped),
 *           -EOVERFLOW (2^62 bytes or 2^57 messages have passed through);
 *           of a journal that needs another segment file, at once, whatever
 *           the timeout: -ENOSPC, -EDQUOT, -EFBIG, -EIO, -EMFILE, -ENFILE; of
 *           one with SHMQ_DURABLE_EACH: -EINPROGRESS (it was sent, but the disk
 *           has not said that it has it: shmq_sync() tells why)
 */
int shmq_send(struct shmq_producer *p, const void *buf, size_t len,
	      int64_t timeout_ns);

/*
 * Send one message gathered from iovcnt parts.
 *
 *   iovcnt  0 to 1024
 *
 * Blocks, Shared, Progress, Order, Return  as shmq_send
 */
int shmq_sendv(struct shmq_producer *p, const struct iovec *iov, int iovcnt,
	       int64_t timeout_ns);

/*
 * Send n messages, each one iovec, with as few claims as can be: one for up to
 * a quarter of the capacity. Waits only while there is room for none; then
 * sends as many as there is room for.
 *
 * Blocks, Shared, Progress  as shmq_send
 * Order     the messages follow each other in order; within one claim nothing
 *           comes between them
 * Return    how many were sent, counted from the first; 0 only if n is 0; the
 *           errors of shmq_send, when none was sent (-EMSGSIZE: one of them is
 *           too large, none was sent; but -EINPROGRESS: some or all were)
 */
int shmq_send_batch(struct shmq_producer *p, const struct iovec *messages,
		    unsigned n, int64_t timeout_ns);

/*
 * Take room for a message of len bytes, to be written in place at *out (16
 * bytes past a 64-byte boundary). Later messages of all producers wait behind
 * it, so commit or discard soon. One reservation at a time.
 *
 * Blocks, Shared, Progress  as shmq_send
 * Return    as shmq_send, except -EINPROGRESS
 * Order     the message has its number from here on
 */
int shmq_reserve(struct shmq_producer *p, size_t len, void **out,
		 int64_t timeout_ns);

/*
 * Send what was reserved; len may be less than was reserved.
 *
 * Blocks never · Shared p belongs to one thread · Order as shmq_send
 * Return    0; -EINVAL (nothing reserved, or len is more than was; the
 *           reservation stays), -ESTALE, -EINPROGRESS (as shmq_send)
 */
int shmq_commit(struct shmq_producer *p, size_t len);

/*
 * Give up what was reserved. Its number is used up and skipped by readers.
 *
 * Blocks never · Shared p belongs to one thread
 * Return    0; -EINVAL (nothing reserved), -ESTALE
 */
int shmq_discard(struct shmq_producer *p);

/* -------------------------------------------------------------- receiving */

/*
 * Become a consumer of a group: take a member entry and its lease.
 *
 *   group  its name, up to 31 bytes; NULL: "default". One that does not exist
 *          is created, as by shmq_group_add()
 *   flags  SHMQ_EXCLUSIVE, SHMQ_OLDEST, SHMQ_NEWEST (the latter two matter
 *          only where the call creates the group)
 *
 * With SHMQ_TAP, and group NULL, it is an observer of all messages, in any
 * queue: it has no group and no member entry, changes nothing and holds nobody
 * back, needs read permission only (SHMQ_RDONLY), and counts what it misses:
 * shmq_msg.lost. It begins at the oldest message, or with SHMQ_NEWEST at the
 * next one; in a queue that does not overwrite the oldest is what some group
 * has yet to receive. Where it is too slow it goes on at the oldest one that is
 * whole. It cannot be rung for: a tap that waits looks every millisecond at
 * least. It follows where the queue is resized; until it receives again it
 * holds up the memory of the ring it was in, see shmq_resize().
 *
 * In a queue that overwrites, and for a tap, messages are lent as private
 * copies, aligned to 16 bytes, whole until the release.
 *
 * Blocks    as shmq_producer_open, and as shmq_group_add
 * Shared    anybody, any time
 * Progress  as shmq_producer_open
 * Return    0; -EINVAL, -ENAMETOOLONG, -EBADF (the handle is read only),
 *           -EBUSY (the group has its one consumer, or has others and
 *           SHMQ_EXCLUSIVE was asked for), -EUSERS (members, or groups, are as
 *           many as there may be), -ENOMEM,
 *           -EMFILE, -ENFILE, -ENOLCK, -ENOSYS, -EBADMSG
 */
int shmq_consumer_open(struct shmq_consumer **out, struct shmq *q,
		       const char *group, unsigned flags);

/*
 * Leave. What was borrowed and not released goes to the group's next consumer,
 * flagged SHMQ_REDELIVERED. NULL is ignored.
 *
 * Blocks never · Shared nobody else may use c from here on
 */
void shmq_consumer_close(struct shmq_consumer *c);

/*
 * Receive one message into buf.
 *
 *   size        bytes at buf
 *   timeout_ns  how long to wait for a message
 *
 * Blocks    while there is none, up to the timeout
 * Shared    c belongs to one thread
 * Progress  waits behind a claim that a live (perhaps stopped) producer holds;
 *           a dead one's is cleaned up on the way
 * Order     all that the sender stored before sending is seen; a group sees
 *           the messages in one order, that of their numbers
 * Return    the message's length; -EAGAIN (none, SHMQ_NOWAIT), -ETIMEDOUT
 *           (none, time is up), -EMSGSIZE (larger than size; it stays in the
 *           queue), -EINTR, -ECANCELED, -EIDRM (none, and the queue has been
 *           unlinked; or it was a journal's, and its file has been removed with
 *           the directory), -ENOBUFS (as shmq_receive), -ENOMEM (private copies
 *           need it), -EINVAL, -ESTALE, -EBADMSG
 */
ssize_t shmq_recv(struct shmq_consumer *c, void *buf, size_t size,
		  int64_t timeout_ns);

/*
 * Borrow up to max messages in place. Waits for the first only. A second call
 * before the release borrows more. Borrowed messages keep their place in the
 * ring: hold few, or hold them briefly.
 *
 *   msgs  receives their description, oldest first
 *   max   1 to INT_MAX
 *
 * Blocks, Shared, Progress, Order  as shmq_recv
 * Return    how many, at least 1; the errors of shmq_recv except -EMSGSIZE;
 *           -ENOBUFS (this consumer holds 32 separate spans, between which
 *           others received: release first)
 */
int shmq_receive(struct shmq_consumer *c, struct shmq_msg *msgs, unsigned max,
		 int64_t timeout_ns);

/*
 * Done with all borrowed messages.
 *
 * Blocks never · Shared c belongs to one thread
 * Return    0, also if nothing was borrowed; -ESTALE, -EINVAL
 */
int shmq_release(struct shmq_consumer *c);

/*
 * Wait until one of several consumers, of any queues, has a message. The next
 * one of the list gets its turn when several have.
 *
 *   cs          consumers of the calling thread; one may be there twice
 *   n           1 to 128
 *   timeout_ns  how long to wait
 *
 * A competing consumer may find that another one was faster: then its receive
 * returns -EAGAIN, as it may for a message that was recalled by its sender's
 * death.
 *
 * Blocks    while none has a message, up to the timeout; in one system call
 *           where the kernel has futex_waitv. Where it has not, each consumer
 *           gets a descriptor as from shmq_consumer_fd(), and keeps it; where
 *           that fails too, by looking every 5 ms
 * Shared    all of them belong to the calling thread
 * Progress  as shmq_recv
 * Return    the index of a consumer with a message, 0 to n - 1; -EAGAIN (none,
 *           SHMQ_NOWAIT), -ETIMEDOUT, -EINTR, -ECANCELED (one of them was
 *           cancelled), -EIDRM (none, and one of the queues has been
 *           unlinked), -EINVAL, -EOPNOTSUPP (one of them is a tap), -ESTALE,
 *           -ENOMEM, -EBADMSG (one of the queues is damaged)
 */
int shmq_wait(struct shmq_consumer *const *cs, unsigned n, int64_t timeout_ns);

/*
 * A descriptor for event loops: readable while a message waits for this
 * consumer. For poll, select, epoll (with EPOLLET too) and io_uring; only
 * readability means something. It stays the consumer's: do not read or close
 * it. shmq_consumer_close() closes it, a forked child does not keep it.
 *
 * When it is readable, receive without waiting until a receive returns
 * -EAGAIN: only that arms it again. So it may also be readable when nothing is
 * there; with SHMQ_NOWAIT that costs one receive. While it has not been armed
 * producers make no system call. The first call of this function arms it.
 *
 * With a descriptor, a receive with SHMQ_NOWAIT that finds nothing goes to
 * sleep, so to say, and answers as one that sleeps: -ECANCELED, -EIDRM. The
 * latter leaves the descriptor readable.
 *
 * It is made of a FIFO beside the queue's file, or in the runtime directory if
 * the queue has none or nothing may be made there; a socket in the abstract
 * namespace, for who cannot reach that FIFO; a timer, which runs only while
 * the group has other consumers, or an open claim is in the way; and an epoll
 * descriptor over these. Neither reaches a producer that is in another network
 * namespace and sees another directory, or that has no descriptor left.
 *
 * Blocks    for the file system only
 * Shared    c belongs to one thread; any thread may poll the descriptor
 * Progress  who dies owning one leaves its FIFO to whoever cleans up after it
 * Return    the descriptor, the same each time; -EINVAL, -EOPNOTSUPP (a tap),
 *           -ESTALE, -EMFILE, -ENFILE, -ENOMEM, -ENOSPC, -EDQUOT, -EACCES,
 *           -EPERM, -EROFS, -ENOENT, -ENOTDIR, -ELOOP, -EIO, -ENOSYS
 */
int shmq_consumer_fd(struct shmq_consumer *c);

/*
 * The same for a producer: readable while there is room. (What is readable is
 * an epoll descriptor, which cannot be writable.) It is readable until a send
 * returns -EAGAIN, and again when a consumer has made room since; which may be
 * too little for a large message, and then the send says -EAGAIN again. So
 * poll it only after a send has said so.
 *
 * Blocks, Shared, Progress  as shmq_consumer_fd
 * Return    as shmq_consumer_fd, except -EOPNOTSUPP
 */
int shmq_producer_fd(struct shmq_producer *p);

/*
 * End the wait that the consumer's thread is in, or else the next one that it
 * begins, with -ECANCELED. Its descriptor, if it has one, becomes readable, and
 * the receive that then finds nothing says so. A call that need not wait is not
 * affected, and a wait that ends by itself leaves it to the next. Twice before
 * it is noticed is once.
 *
 * Blocks    never
 * Shared    any thread, and signal handlers, as long as c is not being closed
 * Progress  independent of other processes
 * Return    0; -EINVAL, -ESTALE
 */
int shmq_consumer_cancel(struct shmq_consumer *c);

/*
 * The same for a producer that waits for room.
 *
 * Blocks, Shared, Progress, Return  as shmq_consumer_cancel
 */
int shmq_producer_cancel(struct shmq_producer *p);

/*
 * How many messages this consumer has missed so far: none, except from
 * overwriting queues, from journals with SHMQ_UNREAD_LOST, and for taps.
 *
 * Blocks never · Shared c belongs to one thread · Return the sum
 */
uint64_t shmq_consumer_lost(const struct shmq_consumer *c);

/*
 * Go to another place of a journal, forwards or backwards: what is received next
 * is from there on.
 *
 *   c      a tap; or the only consumer of its group (SHMQ_EXCLUSIVE, or a queue
 *          with SHMQ_SINGLE_CONSUMER), with nothing borrowed: then it is the
 *          group that goes there. What others returned comes first all the same
 *   where  SHMQ_SEEK_OLDEST, SHMQ_SEEK_NEWEST: behind the last one sent;
 *          SHMQ_SEEK_SEQ: the message of that number, or if it is no longer
 *          kept, the oldest; SHMQ_SEEK_TIME: the first that was sent at that
 *          time or later
 *   value  a number; or nanoseconds of CLOCK_REALTIME, which the journal knows
 *          to some milliseconds
 *
 * Messages whose times are not in order, because a clock was set back, are found
 * where the index leads.
 *
 * Blocks    for the file system only
 * Shared    c belongs to one thread · Progress independent of other processes
 * Return    0; -ERANGE (no such number has been sent), -EBUSY (c has borrowed
 *           messages), -EOPNOTSUPP (not a journal, or c has, or may have, others
 *           in its group), -EINVAL, -ESTALE, -EBADMSG (also: that message is
 *           damaged; what is behind it is found), -EIDRM (the directory has
 *           been removed), -ENOMEM
 */
int shmq_seek(struct shmq_consumer *c, unsigned where, uint64_t value);
#define SHMQ_SEEK_OLDEST 0u
#define SHMQ_SEEK_NEWEST 1u
#define SHMQ_SEEK_SEQ 2u
#define SHMQ_SEEK_TIME 3u

/*
 * For a tap, when a receive says -EAGAIN or -EBADMSG and there is more behind:
 * go on behind what is in the way.
 *
 *   position  receives where that is in the stream, in bytes; may be NULL
 *   numbers   receives how many sequence numbers were passed over; may be NULL
 *
 * Blocks never · Shared c belongs to one thread · Progress independent of other
 * processes
 * Return    SHMQ_SKIPPED_OPEN: a send that is not finished; whoever waits gets
 *           its messages, this tap will not; SHMQ_SKIPPED_DAMAGE: records that
 *           cannot be read, counted as lost; 0: nothing is in the way; -EINVAL,
 *           -ESTALE, -EOPNOTSUPP (not a tap), -EBADMSG (there is no way on)
 */
int shmq_tap_skip(struct shmq_consumer *c, uint64_t *position,
		  uint64_t *numbers);
#define SHMQ_SKIPPED_OPEN 1
#define SHMQ_SKIPPED_DAMAGE 2

/* ---------------------------------------------------- looking and mending */

/*
 * Describe a queue. Fields past st->size are not written.
 *
 * Blocks never · Shared anybody · Progress independent of other processes
 * Return    0; -EINVAL, -EBADMSG
 */
int shmq_stat(struct shmq *q, struct shmq_stat *st);

/*
 * Describe the member entry number index, 0 to shmq_member_entries() - 1.
 *
 * Blocks never · Shared anybody · Progress independent of other processes
 * Return    1: described; 0: that entry is free; -EINVAL (also: no such entry)
 */
int shmq_stat_member(struct shmq *q, uint32_t index,
		     struct shmq_member_info *info);
uint32_t shmq_member_entries(const struct shmq *q);

/*
 * Create a group: a place in the stream of its own, from which its consumers
 * receive every message once. It outlives its consumers, and keeps messages
 * from the beginning, until they are received or it is removed.
 *
 *   flags  SHMQ_OLDEST (or 0): it begins at the oldest message that is kept
 *          for another group; SHMQ_NEWEST: at the next one to be sent. With
 *          no other group there is only the latter. In a queue that overwrites
 *          the oldest is what has not been written over
 *
 * Blocks    up to a second behind another process that changes groups
 * Shared    anybody, any time
 * Progress  a process that dies inside is cleaned up after; one that is stopped
 *           inside makes others fail with -EBUSY, senders and receivers go on
 * Return    0; -EEXIST, -EUSERS (max_groups exist), -EINVAL, -ENAMETOOLONG,
 *           -EBADF (the handle is read only), -EBUSY, -ENOMEM, -ENOLCK,
 *           -EBADMSG
 */
int shmq_group_add(struct shmq *q, const char *name, unsigned flags);

/*
 * Remove a group that has no live consumer: what it had not received, or what
 * its dead consumers held, it holds no longer.
 *
 * Blocks, Shared, Progress  as shmq_group_add
 * Return    0; -ENOENT (no such group), -EBUSY (it has consumers), -EPERM (the
 *           last group of a queue that is no topic), -EINVAL, -ENAMETOOLONG,
 *           -EBADF, -ENOMEM, -ENOLCK, -EBADMSG
 */
int shmq_group_remove(struct shmq *q, const char *name);

/*
 * Describe the group entry number index, 0 to shmq_group_entries() - 1.
 *
 * Blocks never · Shared anybody · Progress independent of other processes
 * Return    1: described; 0: that entry is free; -EINVAL; -EBADMSG
 */
int shmq_stat_group(struct shmq *q, uint32_t index,
		    struct shmq_group_info *info);
uint32_t shmq_group_entries(const struct shmq *q);

/*
 * Clean up after dead members now. It happens by itself whenever somebody is
 * held up, so this is for tools and tests.
 *
 * Blocks never · Shared anybody · Progress independent of other processes
 * Return    how many dead members were cleaned up; -EINVAL, -EBADF (the handle
 *           is read only), -EBADMSG, -ENOMEM, -ENOLCK
 */
int shmq_recover(struct shmq *q);

/*
 * Give the queue another capacity, larger or smaller, while it is in use.
 * capacity: bytes of ring, as in struct shmq_attr. Whoever sends or receives
 * goes on, in order and with nothing lost: what is in the old ring stays there
 * until it has been received, what is sent from now on goes to the new one. The
 * old one's memory goes back to the system when everybody has left it, which
 * the next who passes by sees to, or shmq_recover().
 *
 * In a queue that overwrites, the producers leave the old ring soon, and up to
 * a sixteenth of it gives way for that. The rest stays until the new ring has
 * been filled once, or the next change but one.
 *
 * A single producer (SHMQ_SINGLE_PRODUCER) that is open fills the old ring
 * first. shmq_send() of a message that is too large for the ring that it comes
 * to is -EMSGSIZE.
 *
 * Blocks    while another process resizes the queue, a second at most; and as
 *           long as the file system takes to give the storage
 * Shared    anybody · Progress independent of stopped members
 * Return    0, also if it has that capacity already; -EINVAL, -EBADF (the
 *           handle is read only), -EBUSY (messages from before the last resize
 *           have not been received yet, or a consumer or tap is still in a
 *           ring of long ago, or somebody is resizing), -EOPNOTSUPP (a
 *           journal), -EOVERFLOW, -ENOSPC, -EFBIG, -ENOMEM, -EIO, -EDQUOT
 *           (then all is as it was), -EBADMSG, -ENOLCK
 */
int shmq_resize(struct shmq *q, uint64_t capacity);

/*
 * Attributes that can change while the queue is in use. Members see a new value
 * the next time they wait.
 *
 *   key    "label"  a text for people, at most 63 bytes, no control
 *                   characters; empty at first. `shmq stat` shows it
 *          "spin"   how often somebody who has to wait looks again before he
 *                   sleeps, 0 to 2048, a decimal number; 2048 at first. Less
 *                   where processors are scarce
 *          "overwrite"  "on": producers write over what has not been received,
 *                   "off": they wait for their readers; at first as the queue
 *                   was created. Followed by each member at its next call: a
 *                   producer when it needs room, a consumer when it receives
 *                   with nothing on loan. Until it does, what a consumer has
 *                   not received, or has on loan, is not written over: see
 *                   pending in struct shmq_member_info. Each reader knows what
 *                   it lost, as ever
 *   value  the new one
 *
 * Blocks    behind another process that changes attributes, or a member that
 *           is just reading them: a second at most
 * Shared    anybody, any time
 * Progress  a process that dies inside leaves the old value or the new one;
 *           one that is stopped inside makes others fail with -EBUSY, senders
 *           and receivers go on
 * Return    0; -EINVAL (the value is out of range), -ENOENT (no such key),
 *           -ENAMETOOLONG, -EBADF (the handle is read only), -EBUSY,
 *           -EOVERFLOW (switched 2^32 times), -EBADMSG, -ENOLCK
 */
int shmq_setattr(struct shmq *q, const char *key, const char *value);

/*
 * The value of an attribute, as a string.
 *
 *   buf, size  where to put it and its NUL, size bytes; 64 are enough
 *
 * Blocks never · Shared anybody · Progress independent of other processes
 * Return    its length; -ERANGE (longer than buf), -ENOENT (no such key),
 *           -EINVAL, -EBADMSG
 */
int shmq_getattr(struct shmq *q, const char *key, char *buf, size_t size);

/* One thing that shmq_check() found. */
struct shmq_finding {
	size_t size;     /* sizeof(struct shmq_finding); it grows at the end */
	uint32_t kind;   /* SHMQ_FINDING_ */
	uint32_t member; /* the entry that it is about, or UINT32_MAX */
	char text[240];  /* a sentence */
};
#define SHMQ_FINDING_NOTE 0u   /* worth knowing */
#define SHMQ_FINDING_LEFT 1u   /* a dead member's: shmq_recover() mends it */
#define SHMQ_FINDING_DAMAGE 2u /* cannot be, and cannot be mended */

/*
 * See whether all that is shared makes sense: the header, the control words,
 * groups, members, their claims, and every message that is kept. Members may
 * be at work meanwhile; what looks wrong is looked at again, and is told only
 * if it stays. Changes nothing, except that a message which a dead producer
 * left unfinished in the way is cleaned up after, where the handle can write.
 *
 *   tell  called with arg for each finding, from within; or NULL
 *
 * Blocks    for the time of reading what the queue holds; some milliseconds
 *           for each thing that looks wrong
 * Shared    anybody, any time
 * Progress  independent of other processes; bounded, whoever scribbles
 * Return    how many damages were told; -EINVAL, -ENOMEM
 */
int shmq_check(struct shmq *q,
	       void (*tell)(void *arg, const struct shmq_finding *finding),
	       void *arg);

/*
 * Remove what a journal is not asked to keep any longer: see shmq_open(). This
 * happens by itself when a sender comes to another segment file; nobody needs
 * to call it but where nobody sends, and time passes.
 *
 * Blocks    for the file system only · Shared anybody, any time
 * Progress  independent of other processes
 * Return    how many segment files are gone; -EINVAL, -EOPNOTSUPP (not a
 *           journal), -EBADF (the handle is read only), -EBADMSG, -ENOLCK
 */
int shmq_journal_compact(struct shmq *q);

/* A journal as a whole. Grows at its end. */
struct shmq_journal_info {
	size_t size;            /* sizeof(struct shmq_journal_info) */
	uint64_t segment_bytes; /* of each file */
	uint64_t segments;      /* files that messages are in */
	uint64_t first_seq;     /* number of the oldest message */
	uint64_t next_seq;      /* number of the next one to be sent */
	uint64_t bytes;         /* of the stream between them */
	uint64_t mended_ns;     /* CLOCK_REALTIME when it was last mended, see
				   shmq_open(); 0: never */
	uint64_t mended_bytes;  /* that were cut off its end then */
	/* As it was made: see struct shmq_attr. */
	uint64_t retain_bytes;
	uint64_t retain_seconds;
	uint64_t retain_messages;
	uint32_t keep_unread;
	uint32_t durability;
};
#define SHMQ_JOURNAL_INFO_INIT                                                 \
	{                                                                      \
		sizeof(struct shmq_journal_info), 0, 0, 0, 0, 0, 0, 0, 0, 0,   \
			0, 0, 0                                                \
	}

/*
 * Describe a journal. Fields past info->size are not written.
 *
 * Blocks never · Shared anybody · Progress independent of other processes
 * Return    0; -EINVAL, -EOPNOTSUPP (not a journal), -EBADMSG, -ENOMEM
 */
int shmq_journal_info(struct shmq *q, struct shmq_journal_info *info);

/*
 * Is every message of a journal as it was sent, by its checksum? Members may be
 * at work meanwhile. Changes nothing.
 *
 *   tell  called with arg for each damage, from within; or NULL
 *
 * Blocks    for the time of reading the whole journal
 * Shared    anybody, any time · Progress independent of other processes
 * Return    how many damages were told; -EINVAL, -EOPNOTSUPP (not a journal),
 *           -EBADMSG, -ENOMEM
 */
int shmq_journal_verify(struct shmq *q,
			void (*tell)(void *arg,
				     const struct shmq_finding *finding),
			void *arg);

/*
 * Write the index files of a journal anew. They are hints: what is missing or
 * wrong in them makes shmq_seek() slower, and is mended by it.
 *
 * Blocks    for the time of reading the whole journal
 * Shared    anybody, any time · Progress independent of other processes
 * Return    0; -EINVAL, -EOPNOTSUPP (not a journal), -EBADF (the handle is read
 *           only), -EBADMSG, -ENOMEM, -ENOSPC, -EDQUOT, -EFBIG, -EIO, -EMFILE,
 *           -ENFILE
 */
int shmq_journal_index(struct shmq *q);

/*
 * Largest message in bytes: a quarter of the capacity, less than 4 GiB. It
 * changes with shmq_resize(). 0: the queue is damaged.
 */
uint64_t shmq_max_message(const struct shmq *q);

/* What an error means here; any int. Never NULL, never to be freed. */
const char *shmq_strerror(int error);

/*
 * What was wrong with the queue that the calling thread last failed to open or
 * to unlink, in a sentence; empty if there is no more to say than
 * shmq_strerror() does. Valid until the thread's next call of this library.
 */
const char *shmq_errdetail(void);

/* Where names without a slash live: SHMQ_DIR, else /dev/shm. */
const char *shmq_runtime_dir(void);

/* Of the library that is running, "0.1.0". */
const char *shmq_version(void);

#ifdef __cplusplus
}
#endif

#endif /* SHMQ_H */
