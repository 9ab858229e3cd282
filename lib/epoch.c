/* SPDX-License-Identifier: MIT */
/* Waiting for readers. See epoch.h. */
#include "config.h"

#include <errno.h>

#include "epoch.h"
#include "error.h"
#include "lease.h"
#include "members.h"
#include "wake.h"

/* Does it read since before this epoch, and live? */
static bool reads(const struct segment *seg, uint32_t index, uint64_t epoch)
{
	/* edge EPOCH: pairs with epoch_leave */
	uint64_t since = load_acquire(&member_at(seg, index)->epoch);

	return since & 1 && since < epoch && shmqi_member_alive(seg, index);
}

int shmqi_epoch_wait(struct segment *seg)
{
	uint64_t epoch = atomic_fetch_add_explicit(&seg->control->epoch, 2,
						   memory_order_seq_cst) +
			 2;

	if (!shmqi_bells_fence(&seg->control->recv))
		return shmqi_error_say(-ENOSYS,
				       "this process may not use membarrier");
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
