/* SPDX-License-Identifier: MIT */
/*
 * What the participants ask of the kernel: leases, futexes, membarrier, the
 * time; and what is the same for all processes here: mappings, endpoints. A
 * system call is a fence, as the locks that the kernel takes for these are.
 */
#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "world.h"
#include "attributes.h"
#include "chime.h"
#include "error.h"
#include "lease.h"
#include "strike.h"
#include "turn.h"
#include "views.h"

#define BYTES 16

/* Who holds each byte: a bit for each process. */
static uint8_t leases[BYTES];
static uint8_t kept_leases[BYTES];

static unsigned byte_of(int64_t byte)
{
	if (byte == SH_LEASE_PRODUCER)
		return BYTES - 1;
	if (byte == SH_LEASE_GROUP)
		return BYTES - 2;
	if (byte == SH_LEASE_GROUPS)
		return BYTES - 3;
	return (unsigned)(byte - SH_LEASE_MEMBER);
}

/* Outside of executions leases are set up; inside they begin as they were. */
void kernel_begin(void)
{
	memcpy(leases, kept_leases, sizeof(leases));
}

void kernel_forget(void)
{
	memset(leases, 0, sizeof(leases));
	memset(kept_leases, 0, sizeof(kept_leases));
}

void kernel_keep(void)
{
	memcpy(kept_leases, leases, sizeof(leases));
}

void kernel_death(unsigned who)
{
	for (unsigned i = 0; i < BYTES; i++)
		leases[i] &= (uint8_t) ~(1u << who);
}

uint64_t kernel_hash(void)
{
	uint64_t hash = 0;

	for (unsigned i = 0; i < BYTES; i++)
		hash = weave_mix(hash, leases[i]);
	return hash;
}

static void enter(const char *where)
{
	if (weave_self() < 0)
		return;
	weave_step(where);
	memory_meet();
}

static void learn(uint64_t value)
{
	if (weave_self() >= 0)
		weave_learn(value);
}

/* ------------------------------------------------------------------ leases */

int shmqi_lease_take(int fd, int64_t byte)
{
	uint8_t *lease = &leases[byte_of(byte)];
	bool held;

	enter("lease_take");
	held = *lease & ~(1u << fd) && !mutant_hits("lease_take", WEAVE_FREE);
	learn(held);
	if (held)
		return -EBUSY;
	*lease = (uint8_t)(1u << fd);
	return 0;
}

int shmqi_lease_share(int fd, int64_t byte)
{
	enter("lease_share");
	leases[byte_of(byte)] |= (uint8_t)(1u << fd);
	return 0;
}

void shmqi_lease_drop(int fd, int64_t byte)
{
	enter("lease_drop");
	leases[byte_of(byte)] &= (uint8_t) ~(1u << fd);
}

bool shmqi_lease_held(int fd, int64_t byte)
{
	bool held;

	enter("lease_held");
	held = leases[byte_of(byte)] & ~(1u << fd);
	learn(held);
	return held;
}

/* ----------------------------------------------------------------- futexes */

static long futex_wait(void *word, uint32_t value,
		       const struct timespec *deadline)
{
	int64_t until = deadline->tv_sec > INT64_C(9000000000) ?
				INT64_MAX :
				deadline->tv_sec * INT64_C(1000000000) +
					deadline->tv_nsec;
	bool arms = mutant_hits("futex_wait", WEAVE_LATE);
	uint64_t now = weave_rmw(word, 8, WEAVE_OR, arms, memory_order_seq_cst,
				 "futex_wait");

	memory_meet();
	if (!arms && (uint32_t)now != value) {
		errno = EAGAIN;
		return -1;
	}
	if (weave_sleep(word, until))
		return 0;
	errno = ETIMEDOUT;
	return -1;
}

static long futex_wake(void *word)
{
	uint64_t old = SH_BELL_ARMED;

	while (!weave_cas(word, 8, &old, old >> 32 << 32 | (uint32_t)(old + 1),
			  "futex_wake"))
		;
	if (mutant_hits("futex_wake", WEAVE_HALVES))
		weave_step("futex_wake, second half");
	memory_meet();
	weave_wake(word);
	return 0;
}

static long membarrier(int command)
{
	if (world.no_membarrier) {
		errno = ENOSYS;
		return -1;
	}
	if (command != MEMBARRIER_CMD_GLOBAL_EXPEDITED || weave_self() < 0)
		return 0;
	weave_step("membarrier");
	weave_learn(3);
	if (!mutant_hits("membarrier", WEAVE_NOTHING))
		memory_barrier();
	return 0;
}

long weave_syscall(long number, ...);
long weave_syscall(long number, ...)
{
	va_list args;
	void *word;
	uint32_t value;
	long r = 0;
	int what;

	va_start(args, number);
	if (number == SYS_membarrier) {
		r = membarrier(va_arg(args, int));
	} else if (number == SYS_futex && weave_self() >= 0) {
		word = va_arg(args, void *);
		what = va_arg(args, int);
		if (what == FUTEX_WAKE_OP) {
			r = futex_wake(word);
		} else {
			value = va_arg(args, uint32_t);
			r = futex_wait(word, value,
				       va_arg(args, struct timespec *));
		}
	}
	va_end(args);
	return r;
}

int weave_clock_gettime(clockid_t clock, struct timespec *now);
int weave_clock_gettime(clockid_t clock, struct timespec *now)
{
	(void)clock;
	now->tv_sec = weave_now_ns() / 1000000000;
	now->tv_nsec = weave_now_ns() % 1000000000;
	return 0;
}

int weave_sched_yield(void);
int weave_sched_yield(void)
{
	if (weave_self() >= 0)
		weave_yield();
	return 0;
}

int weave_usleep(unsigned us);
int weave_usleep(unsigned us)
{
	(void)us;
	return weave_sched_yield();
}

/* Nobody here waits through a descriptor. */
int64_t shmqi_chime_poll(const struct waiter *waiter)
{
	(void)waiter;
	return -EAGAIN;
}

void shmqi_chime_close(struct endpoint *ep)
{
	(void)ep;
}

void shmqi_chime_sweep(struct segment *seg, uint32_t index)
{
	(void)seg;
	(void)index;
}

void shmqi_strike_all(struct segment *seg, struct sh_bell *bell)
{
	(void)seg;
	(void)bell;
}

bool shmqi_lease_let_pass(int look)
{
	weave_sched_yield();
	return look < 100;
}

/* Nobody needs to know their names. */
int weave_open(const char *path, int flags, ...);
int weave_open(const char *path, int flags, ...)
{
	(void)path;
	(void)flags;
	errno = ENOENT;
	return -1;
}

/* ----------------------------------------------------- mappings, endpoints */

/* There is one ring, and nobody resizes. */
static const struct reach reach = { 0, RING_BYTES, RING_BYTES };

static struct ring the_ring(const struct segment *seg)
{
	return (struct ring){ .base = world.ring,
			      .mask = RING_BYTES - 1,
			      .cookie = seg->geo.cookie,
			      .max_message = RING_MESSAGE };
}

int shmqi_rings_read(const struct segment *seg, struct ring_table *table)
{
	(void)seg;
	*table = (struct ring_table){ .at[0].capacity = RING_BYTES };
	return 0;
}

int shmqi_rings_settled(const struct segment *seg, struct ring_table *table)
{
	return shmqi_rings_read(seg, table);
}

bool shmqi_rings_same(const struct segment *seg, const struct ring_table *table)
{
	(void)seg;
	return table->newest == 0;
}

int shmqi_rings_reach(const struct segment *seg, struct reach *out)
{
	(void)seg;
	*out = reach;
	return 0;
}

int shmqi_views_get(struct segment *seg, bool writable, struct rings *rings)
{
	(void)writable;
	*rings = (struct rings){ reach, the_ring(seg), the_ring(seg) };
	return 0;
}

void shmqi_views_let(struct segment *seg)
{
	(void)seg;
}

void shmqi_views_keep(struct endpoint *ep, const struct rings *rings,
		      uint64_t pos)
{
	(void)ep;
	(void)rings;
	(void)pos;
}

int shmqi_views_enter(struct endpoint *ep, uint64_t pos, bool on_loan,
		      struct ring *ring)
{
	(void)pos;
	(void)on_loan;
	*ring = the_ring(ep->seg);
	return 0;
}

void shmqi_views_add_reader(struct endpoint *ep)
{
	(void)ep;
}

void shmqi_views_remove_reader(struct endpoint *ep)
{
	(void)ep;
}

int shmqi_views_give_back(struct segment *seg, bool holding)
{
	(void)seg;
	(void)holding;
	return 0;
}

bool shmqi_views_changing(const struct segment *seg)
{
	(void)seg;
	return false;
}

uint32_t shmqi_attributes_spin(const struct endpoint *ep, uint32_t spin)
{
	(void)ep;
	return spin;
}

bool shmqi_views_turning(const struct segment *seg)
{
	(void)seg;
	return false;
}

int shmqi_consumer_follow(struct shmq_consumer *c)
{
	(void)c;
	return 0;
}

int shmqi_consumer_follow_locked(struct shmq_consumer *c, uint64_t pos)
{
	(void)c;
	(void)pos;
	return 0;
}

int shmqi_turn_follow(struct shmq_producer *p, uint64_t pos)
{
	(void)p;
	(void)pos;
	return 0;
}

int shmqi_turn_take(struct shmq_producer *p, struct cursor c)
{
	(void)p;
	(void)c;
	return -EBADMSG;
}

int shmqi_turn_outgrown(struct shmq_producer *p, uint64_t len)
{
	(void)p;
	(void)len;
	return -EMSGSIZE;
}

int shmqi_claim_find_room_single(struct shmq_producer *p, uint64_t span)
{
	return shmqi_claim_find_room(p, p->at.pos, p->at.pos + span);
}

uint64_t shmqi_format_max_message(uint64_t capacity)
{
	return capacity / 4;
}

void *shmqi_endpoint_new(struct segment *seg, size_t bytes)
{
	struct process *me = &world.processes[seg->lease_fd];

	for (unsigned i = 0; i < ENDPOINTS; i++) {
		struct endpoint *ep = (void *)&me->endpoints[i];

		if (me->used[i])
			continue;
		me->used[i] = true;
		memset(ep, 0, bytes);
		ep->seg = seg;
		return ep;
	}
	return NULL;
}

void shmqi_endpoint_free(struct endpoint *ep, size_t bytes)
{
	struct process *me = &world.processes[ep->seg->lease_fd];

	(void)bytes;
	for (unsigned i = 0; i < ENDPOINTS; i++)
		if ((void *)ep == (void *)&me->endpoints[i])
			me->used[i] = false;
}
