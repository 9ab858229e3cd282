/* SPDX-License-Identifier: MIT */
/* Waiting for readers. See epoch.h. */
#include "config.h"

#include <errno.h>
#include <unistd.h>

#include "epoch.h"
#include "error.h"
#include "lease.h"
#include "members.h"
#include "wake.h"

/* Microseconds, after which a store is no longer on its way. */
#define DRAINED_US 10000

/* Does it read since before this epoch, and live? */
static bool reads(struct segment *seg, uint32_t index, uint64_t epoch)
{
	/* edge EPOCH: pairs with epoch_leave */
	uint64_t since = load_acquire(&member_at(seg, index)->epoch);

	bool alive;

	if (!(since & 1) || since >= epoch)
		return false;
	pthread_mutex_lock(&seg->lock);
	alive = shmqi_member_alive(seg, index);
	pthread_mutex_unlock(&seg->lock);
	return alive;
}

/*
 * What members have stored is seen from now on. Where membarrier is denied,
 * they pass fences of their own: those that see that we ask for it. What the
 * others have stored is in its cache long before this is over: no processor
 * keeps a store for so long.
 */
static void fence_members(struct segment *seg)
{
	struct sh_bell *bell = &seg->control->recv;
	bool asked = load_acquire(&bell->at.lo) & SH_BELL_FENCED;

	if (!shmqi_bells_fence(bell) && !asked)
		usleep(DRAINED_US);
}

int shmqi_epoch_wait(struct segment *seg)
{
	uint64_t epoch = atomic_fetch_add_explicit(&seg->control->epoch, 2,
						   memory_order_seq_cst) +
			 2;

	fence_members(seg);
	for (uint32_t i = 0; i < shmqi_member_top(seg); i++)
		for (int look = 0; reads(seg, i, epoch); look++)
			if (!shmqi_lease_let_pass(look))
				return shmqi_error_say(
					-EBUSY,
					"member %u, process %d, was stopped "
					"while it read the attributes",
					i, member_at(seg, i)->pid);
	return 0;
}
