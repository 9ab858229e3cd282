/* SPDX-License-Identifier: MIT */
/*
 * eventfd: memory in one place, and an eventfd that says it is there. One
 * message at a time. eventfd-epoll: the consumer waits in an event loop.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ends.h"
#include "epoll.h"
#include "loops.h"
#include "shared.h"
#include "transports.h"

struct event {
	int fd;
	int epoll; /* of eventfd-epoll's consumer */
	void *place;
	size_t bytes;
};

static void event_destroy(struct bench_channel *ch)
{
	struct event *event = ch->state;

	if (!event)
		return;
	if (event->place)
		munmap(event->place, event->bytes);
	if (event->fd >= 0)
		close(event->fd);
	free(event);
}

static int create(struct bench_channel *ch, int flags)
{
	struct event *event = malloc(sizeof(*event));

	if (!event)
		return -ENOMEM;
	ch->state = event;
	event->fd = eventfd(0, EFD_CLOEXEC | flags);
	event->bytes = ch->len;
	event->place = bench_shared_create(event->bytes);
	return event->fd >= 0 && event->place ? 0 : -errno;
}

static int event_create(struct bench_channel *ch)
{
	return create(ch, ch->sleeps ? 0 : EFD_NONBLOCK);
}

static int event_attach(struct bench_channel *ch)
{
	const struct event *event = ch->state;

	bench_shared_touch(event->place, event->bytes);
	return 0;
}

BENCH_INLINE int event_put(struct bench_channel *ch, uint64_t number)
{
	const struct event *event = ch->state;
	const uint64_t one = 1;

	content_fill(event->place, number, ch->len);
	return ends_write(event->fd, &one, sizeof(one));
}

BENCH_INLINE int event_take(struct bench_channel *ch, uint64_t *number)
{
	const struct event *event = ch->state;
	uint64_t count;
	int error = ends_read(event->fd, &count, sizeof(count));

	if (error)
		return error;
	return content_check(event->place, ch->len, number) ? 0 : -EBADMSG;
}

BENCH_LOOPS(event)

const struct bench_transport bench_eventfd = {
	.name = "eventfd",
	.about = "memory in one place, and an eventfd",
	.flags = BENCH_POLLS | BENCH_SLEEPS | BENCH_TRIPS | BENCH_IN_PLACE,
	.create = event_create,
	.attach = event_attach,
	.destroy = event_destroy,
	BENCH_OPERATIONS(event),
};

/* ---------------------------------------------------------- in an event loop */

static int looped_create(struct bench_channel *ch)
{
	return create(ch, EFD_NONBLOCK);
}

static int looped_attach(struct bench_channel *ch)
{
	struct event *event = ch->state;

	event_attach(ch);
	if (ch->side == BENCH_PRODUCER)
		return 0;
	event->epoll = bench_epoll_create(event->fd);
	return event->epoll < 0 ? event->epoll : 0;
}

BENCH_INLINE int looped_put(struct bench_channel *ch, uint64_t number)
{
	return event_put(ch, number);
}

BENCH_INLINE int looped_take(struct bench_channel *ch, uint64_t *number)
{
	const struct event *event = ch->state;
	int error;

	while ((error = event_take(ch, number)) == -EAGAIN) {
		error = bench_epoll_sleep(event->epoll);
		if (error)
			return error;
	}
	return error;
}

BENCH_LOOPS(looped)

const struct bench_transport bench_eventfd_epoll = {
	.name = "eventfd-epoll",
	.about = "memory in one place, an eventfd through epoll",
	.flags = BENCH_SLEEPS | BENCH_TRIPS | BENCH_IN_PLACE,
	.create = looped_create,
	.attach = looped_attach,
	.destroy = event_destroy,
	BENCH_OPERATIONS(looped),
};
