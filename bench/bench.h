/* SPDX-License-Identifier: MIT */
/*
 * What a way to move messages between processes must offer to be measured: a
 * transport. Each is one small file. Those that need nothing but the C library
 * and libshmq are listed in catalog.c; the others are modules that export a
 * list called bench_peers and are loaded when asked for.
 *
 * A channel leads one way, from producers to consumers, each of them a
 * process. create() runs before the fork, attach() in each process, destroy()
 * when all of them are gone. All messages of a channel have the same length.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_LINE 64 /* bytes of a cache line */

/* What a transport can do: bench_transport.flags. */
enum {
	BENCH_FLOOR = 0x1,      /* bare memory: what nothing does without */
	BENCH_POLLS = 0x2,      /* can be polled */
	BENCH_SLEEPS = 0x4,     /* can sleep until there is something */
	BENCH_TRIPS = 0x8,      /* fit to carry one message at a time */
	BENCH_STREAMS = 0x10,   /* fit to carry many */
	BENCH_MANY_PUT = 0x20,  /* several producers */
	BENCH_MANY_TAKE = 0x40, /* several consumers that compete */
	BENCH_BATCH = 0x80,     /* moves several at once */
	BENCH_IN_PLACE = 0x100, /* written and read where it lies */
	BENCH_PEER = 0x200,     /* of another project */
	BENCH_OURS = 0x400,     /* libshmq */
	BENCH_TO_ALL = 0x800,   /* every consumer gets every message */
};
#define BENCH_MANY (BENCH_MANY_PUT | BENCH_MANY_TAKE)

enum bench_side {
	BENCH_PRODUCER,
	BENCH_CONSUMER
};

struct bench_transport;

struct bench_channel {
	const struct bench_transport *transport;
	const char *path;   /* of a file, socket or queue of its own */
	size_t len;         /* bytes of each message, a multiple of 8 */
	size_t room;        /* bytes that may be on the way, about; 2^n */
	unsigned producers; /* processes that will attach */
	unsigned consumers;
	int sleeps;      /* wait in the kernel; else return -EAGAIN */
	int crowded;     /* more processes than cores: polling gives way */
	const char *why; /* create() failed, in words, or NULL */
	/* Of one process, from attach() on. */
	enum bench_side side;
	unsigned index; /* among those of its side */
	unsigned rests; /* since it began to wait */
	uint64_t *buf;  /* room for one message */
	void *state;    /* the transport's own */
};

/* Times of single trips, in ticks of bench_ticks(). */
struct bench_trips {
	uint64_t first; /* number of the first message */
	uint64_t n;
	uint64_t *out;  /* when a message was sent, or NULL */
	uint64_t *back; /* when it had come back, or arrived */
};

/* What a consumer among others got. */
struct bench_tally {
	uint64_t taken;
	uint64_t *last; /* of each producer */
};

/*
 * The loops of a transport, compiled with its own operations in line. All
 * return 0, or a negative errno; -EBADMSG: a message was not what it should be.
 */
struct bench_loops {
	/* Send, wait for the answer, and again. */
	int (*ping)(struct bench_channel *out, struct bench_channel *in,
		    const struct bench_trips *trips);
	int (*echo)(struct bench_channel *in, struct bench_channel *out,
		    const struct bench_trips *trips);
	/* Send n messages, numbered from first on; receive them. */
	int (*produce)(struct bench_channel *out, uint64_t first, uint64_t n);
	int (*consume)(struct bench_channel *in, uint64_t first, uint64_t n);
	/* Receive until a message numbered BENCH_END. */
	int (*drain)(struct bench_channel *in, struct bench_tally *tally);
};

/* In a crowd a number begins with the producer's index. */
#define BENCH_PRODUCER_SHIFT 48
#define BENCH_END UINT64_MAX

struct bench_transport {
	const char *name;
	const char *about; /* half a line */
	unsigned flags;
	size_t max_bytes;      /* of a message; 0: any */
	size_t many_max_bytes; /* with several on a side; 0: as many */
	int (*create)(struct bench_channel *ch);
	int (*attach)(struct bench_channel *ch);
	void (*detach)(struct bench_channel *ch);
	void (*destroy)(struct bench_channel *ch);
	/*
	 * Write message `number` and send it; receive one, check it, tell its
	 * number. 0 or a negative errno; -EAGAIN: full, empty. NULL where
	 * messages move in batches only.
	 */
	int (*put)(struct bench_channel *ch, uint64_t number);
	int (*take)(struct bench_channel *ch, uint64_t *number);
	struct bench_loops loops;
};

/* In a module: its transports, ended by NULL. */
#define BENCH_MODULE_LIST "bench_peers"
#define BENCH_EXPORT __attribute__((visibility("default")))

#ifdef __cplusplus
}
#endif

#endif /* BENCH_H */
