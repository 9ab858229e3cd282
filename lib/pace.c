/* SPDX-License-Identifier: MIT */
/* The pace of a stream. See pace.h. */
#include "config.h"

#include "pace.h"

/* Fast: so many messages at least, and each within so long. */
#define FAST_MESSAGES 16
#define FAST_NS 2000

bool shmqi_pace_fast(struct pace *pace, int64_t ns, uint64_t seq)
{
	struct pace last = *pace;

	*pace = (struct pace){ ns, seq };
	return last.ns && seq - last.seq >= FAST_MESSAGES &&
	       (uint64_t)(ns - last.ns) / FAST_NS < seq - last.seq;
}
