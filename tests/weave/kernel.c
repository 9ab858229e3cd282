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
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "world.h"
#include "attributes.h"
#include "chime.h"
#include "error.h"
#include "lease.h"
#include "strike.h"
#include "map.h"
#include "storage.h"
#include "wait.h"

#define BYTES 24
#define ALONE 0x80u /* its holder shares it with nobody */

/* Who holds each byte: a bit for each process. */
static uint8_t leases[BYTES];
static uint8_t kept_leases[BYTES];

static unsigned byte_of(int64_t byte)
{
	if (byte < SH_LEASE_PRODUCER)
		return (unsigned)(byte - SH_LEASE_MEMBER);
	if (byte == SH_LEASE_PRODUCER)
		return BYTES - 1;
	if (byte < SH_LEASE_GROUPS)
		return BYTES - 3 + (unsigned)(byte - SH_LEASE_GROUP);
	if (byte == SH_LEASE_GROUPS)
		return BYTES - 4;
	return BYTES - 10 + (unsigned)(byte - SH_LEASE_RINGS);
}

/* Of no interest where there is one ring. */
static bool is_seen(int64_t byte)
{
	return byte < SH_LEASE_RINGS || world.rings;
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

static void let(unsigned who, uint8_t *lease)
{
	if (*lease & 1u << who)
		*lease &= (uint8_t) ~(1u << who | ALONE);
}

void kernel_death(unsigned who)
{
	for (unsigned i = 0; i < BYTES; i++)
		let(who, &leases[i]);
}

uint64_t kernel_hash(void)
{
	uint64_t hash = 0;

	for (unsigned i = 0; i < BYTES; i++)
		hash = weave_mix(hash, leases[i]);
	return weave_mix(hash, world.first_is_gone);
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

static void enter_lease(const char *where, int64_t byte)
{
	if (is_seen(byte))
		enter(where);
}

static bool held_by_others(int fd, int64_t byte)
{
	return leases[byte_of(byte)] & ~(1u << fd | ALONE);
}

int shmqi_lease_take(int fd, int64_t byte)
{
	uint8_t *lease = &leases[byte_of(byte)];
	bool held;

	enter_lease("lease_take", byte);
	held = held_by_others(fd, byte) &&
	       !mutant_hits("lease_take", WEAVE_FREE);
	learn(held);
	if (held)
		return -EBUSY;
	*lease = (uint8_t)(1u << fd | ALONE);
	return 0;
}

int shmqi_lease_share(int fd, int64_t byte)
{
	uint8_t *lease = &leases[byte_of(byte)];
	bool held;

	enter_lease("lease_share", byte);
	held = held_by_others(fd, byte) && *lease & ALONE;
	learn(held);
	if (held)
		return -EBUSY;
	*lease = (uint8_t)((*lease & ~ALONE) | 1u << fd);
	return 0;
}

void shmqi_lease_drop(int fd, int64_t byte)
{
	enter_lease("lease_drop", byte);
	let((unsigned)fd, &leases[byte_of(byte)]);
}

bool shmqi_lease_held(int fd, int64_t byte)
{
	bool held;

	enter_lease("lease_held", byte);
	held = held_by_others(fd, byte);
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

/* What the file would hold at an offset is somewhere in the world. */
int shmqi_map_twice(void **out, int fd, uint64_t offset, uint64_t bytes,
		    unsigned how)
{
	(void)fd;
	(void)bytes;
	(void)how;
	*out = offset == RING_OFFSET ? world.ring : world.second;
	return 0;
}

void shmqi_map_free(void *map, uint64_t bytes)
{
	(void)map;
	(void)bytes;
}

/* Large enough for all that there may be. */
int weave_fstat(int fd, struct stat *st);
int weave_fstat(int fd, struct stat *st)
{
	(void)fd;
	*st = (struct stat){ .st_size = 1 << 20 };
	return 0;
}

int shmqi_storage_allocate(int fd, uint64_t offset, uint64_t bytes)
{
	(void)fd;
	(void)offset;
	(void)bytes;
	return 0;
}

/* From now on nobody may touch it: on a full file system that is SIGBUS. */
void shmqi_storage_punch(int fd, uint64_t offset, uint64_t bytes)
{
	(void)fd;
	enter("punch");
	if (offset <= RING_OFFSET && offset + bytes > RING_OFFSET)
		world.first_is_gone = true;
}

uint32_t shmqi_attributes_spin(const struct endpoint *ep, uint32_t spin)
{
	(void)ep;
	return spin;
}

uint64_t shmqi_format_max_message(uint64_t capacity)
{
	return capacity / 4;
}

uint64_t shmqi_format_align(const struct geometry *geo)
{
	return geo->page_bytes;
}

int shmqi_format_capacity(uint64_t *capacity, uint64_t flags)
{
	(void)flags;
	return *capacity == RING_BYTES || *capacity == SECOND_BYTES ? 0 :
								      -EINVAL;
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
