/* SPDX-License-Identifier: MIT */
/* Journals: there are none here, so nothing of this is ever called. */
#include <errno.h>
#include <stdlib.h>

#include "world.h"
#include "consumer.h"
#include "index.h"
#include "journal.h"
#include "producer.h"
#include "provider.h"
#include "scan.h"
#include "seal.h"
#include "syncer.h"

int shmqi_producer_sync(struct shmq_producer *p, uint64_t pos,
			int64_t timeout_ns)
{
	(void)p;
	(void)pos;
	(void)timeout_ns;
	abort();
}

void shmqi_index_flush(struct segment *seg)
{
	(void)seg;
	abort();
}

/* Where there are no journals there is none. */
void shmqi_provider_start(struct segment *seg)
{
	(void)seg;
}

void shmqi_provider_stop(struct segment *seg)
{
	(void)seg;
}

/* At intervals of 0 there is none. */
int shmqi_syncer_start(struct segment *seg)
{
	(void)seg;
	return 0;
}

void shmqi_syncer_stop(struct segment *seg)
{
	(void)seg;
}

void shmqi_journal_join(struct shmq_producer *p)
{
	(void)p;
	abort();
}

int shmqi_journal_find_room(struct shmq_producer *p, uint64_t tail,
			    uint64_t end)
{
	(void)p;
	(void)tail;
	(void)end;
	abort();
}

int shmqi_journal_ring(struct segment *seg, uint64_t pos, bool writable,
		       struct ring *ring)
{
	(void)seg;
	(void)pos;
	(void)writable;
	(void)ring;
	abort();
}

void shmqi_journal_rings(struct segment *seg, bool writable,
			 struct rings *rings)
{
	(void)seg;
	(void)writable;
	(void)rings;
	abort();
}

void shmqi_journal_nowhere(struct endpoint *ep, struct ring *ring)
{
	(void)ep;
	(void)ring;
	abort();
}

bool shmqi_journal_gone(const struct segment *seg, uint64_t pos)
{
	(void)seg;
	(void)pos;
	abort();
}

int shmqi_consumer_pass_gone(struct shmq_consumer *c)
{
	(void)c;
	abort();
}

int shmqi_journal_oldest(struct segment *seg, struct cursor *place)
{
	(void)seg;
	(void)place;
	abort();
}

const struct ring *shmqi_journal_ring_at(const struct rings *rings,
					 uint64_t pos)
{
	(void)rings;
	(void)pos;
	abort();
}

bool shmqi_journal_unlinked(const struct segment *seg)
{
	(void)seg;
	abort();
}

void shmqi_scan_begin(struct scan *scan, struct segment *seg)
{
	(void)scan;
	(void)seg;
	abort();
}

void shmqi_scan_end(struct scan *scan)
{
	(void)scan;
	abort();
}

int shmqi_scan_to(struct scan *scan, uint64_t pos)
{
	(void)scan;
	(void)pos;
	abort();
}

void shmqi_scan_behind(struct scan *scan, struct cursor tail, struct cursor *at)
{
	(void)scan;
	(void)tail;
	(void)at;
	abort();
}

void shmqi_seal(struct sh_record *record, const struct sealing *what)
{
	(void)record;
	(void)what;
	abort();
}

bool shmqi_seal_read(const struct ring *ring, struct found *found)
{
	(void)ring;
	(void)found;
	abort();
}
