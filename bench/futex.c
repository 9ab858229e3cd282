/* SPDX-License-Identifier: MIT */
/*
 * futex: the bare wake-up. As `line`, and the consumer sleeps until the word
 * that is stored after the message changes. One message at a time.
 */
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "loops.h"
#include "shared.h"
#include "transports.h"

struct place {
	_Alignas(4096) _Atomic uint32_t turn; /* messages so far */
	_Alignas(BENCH_LINE) unsigned char message[];
};

struct futex {
	struct place *place;
	size_t bytes;
	uint32_t turn;
};

static int futex_create(struct bench_channel *ch)
{
	struct futex *futex = calloc(1, sizeof(*futex));

	if (!futex)
		return -ENOMEM;
	ch->state = futex;
	futex->bytes = sizeof(struct place) + ch->len;
	futex->place = bench_shared_create(futex->bytes);
	return futex->place ? 0 : -ENOMEM;
}

static int futex_attach(struct bench_channel *ch)
{
	const struct futex *futex = ch->state;

	bench_shared_touch(futex->place, futex->bytes);
	return 0;
}

static void futex_destroy(struct bench_channel *ch)
{
	struct futex *futex = ch->state;

	if (futex && futex->place)
		munmap(futex->place, futex->bytes);
	free(futex);
}

BENCH_INLINE int futex_put(struct bench_channel *ch, uint64_t number)
{
	struct futex *futex = ch->state;
	struct place *place = futex->place;

	content_fill(place->message, number, ch->len);
	atomic_store_explicit(&place->turn, ++futex->turn,
			      memory_order_release);
	if (syscall(SYS_futex, &place->turn, FUTEX_WAKE, 1, NULL, NULL, 0) < 0)
		return -errno;
	return 0;
}

BENCH_INLINE int futex_take(struct bench_channel *ch, uint64_t *number)
{
	struct futex *futex = ch->state;
	struct place *place = futex->place;

	while (atomic_load_explicit(&place->turn, memory_order_acquire) ==
	       futex->turn) {
		if (syscall(SYS_futex, &place->turn, FUTEX_WAIT, futex->turn,
			    NULL, NULL, 0) < 0 &&
		    errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	futex->turn++;
	return content_check(place->message, ch->len, number) ? 0 : -EBADMSG;
}

BENCH_LOOPS(futex)

const struct bench_transport bench_futex = {
	.name = "futex",
	.about = "bare wake-up: memory in one place, and a futex",
	.flags = BENCH_FLOOR | BENCH_SLEEPS | BENCH_TRIPS | BENCH_IN_PLACE,
	.create = futex_create,
	.attach = futex_attach,
	.destroy = futex_destroy,
	BENCH_OPERATIONS(futex),
};
