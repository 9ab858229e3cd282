/* SPDX-License-Identifier: MIT */
/*
 * iceoryx: a publisher of each producer, a subscriber of the consumer that
 * blocks them when its queue is full. Messages are written and read where they
 * lie.
 *
 * The first channel of a run starts iceoryx's daemon, the last one ends it. Only
 * the processes of a run are iceoryx programs, the one that starts them is not.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <iceoryx_hoofs/log/logmanager.hpp>
#include <iceoryx_posh/popo/untyped_publisher.hpp>
#include <iceoryx_posh/popo/untyped_subscriber.hpp>
#include <iceoryx_posh/popo/wait_set.hpp>
#include <iceoryx_posh/runtime/posh_runtime.hpp>

#include "loops.h"
#include "roudi.h"
#include "shared.h"

#define NAME_SIZE 128      /* as long as iceoryx reads */
#define SUBSCRIBED_MS 4000 /* until there is a subscriber */
#define LOOK_MS 2
#define WAIT_MS 1000 /* at most asleep at a time */

/* Of the process that starts the others: one run at a time. */
static struct {
	unsigned int number;
	unsigned int channels; /* that are there */
	char name[40];
} run;

struct queue {
	char name[NAME_SIZE]; /* of what is published */
	iox::popo::UntypedPublisher *publisher;
	iox::popo::UntypedSubscriber *subscriber;
	iox::popo::WaitSet<1> *sleeper;
};

/* Of a subscriber's queue. */
static size_t slots(const struct bench_channel *ch)
{
	size_t n = bench_slots(ch->room, ch->len);

	return n < iox::MAX_SUBSCRIBER_QUEUE_CAPACITY ?
		       n :
		       iox::MAX_SUBSCRIBER_QUEUE_CAPACITY;
}

/* ----------------------------------------------------------------- a process */

/* Channels of this process, which is an iceoryx program while it has any. */
static unsigned int attached;

static void process_name(char *name, size_t size, int side, unsigned int index)
{
	snprintf(name, size, "%s-%s-%u", run.name,
		 side == BENCH_CONSUMER ? "in" : "out", index);
}

/* What processes that were killed have left. */
static void processes_clean(int side, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		char name[NAME_SIZE], path[NAME_SIZE + 16];

		process_name(name, sizeof(name), side, i);
		snprintf(path, sizeof(path), ROUDI_SOCKETS "%s", name);
		unlink(path);
		snprintf(path, sizeof(path), ROUDI_SOCKETS "%s.lock", name);
		unlink(path);
	}
}

static void process_join(const struct bench_channel *ch)
{
	char name[NAME_SIZE];

	if (attached++)
		return;
	iox::log::LogManager::GetLogManager().SetDefaultLogLevel(
		iox::log::LogLevel::kOff,
		iox::log::LogLevelOutput::kHideLogLevel);
	process_name(name, sizeof(name), ch->side, ch->index);
	iox::runtime::PoshRuntime::initRuntime(
		iox::RuntimeName_t(iox::cxx::TruncateToCapacity, name));
}

/* A static object, but a process of a run ends without their destructors. */
static void process_leave(void)
{
	if (!--attached)
		iox::runtime::PoshRuntime::getInstance().~PoshRuntime();
}

/* ------------------------------------------------------------------ a channel */

static const char *run_begin(const struct bench_channel *ch)
{
	snprintf(run.name, sizeof(run.name), "shmq-bench-%d-%u", getpid(),
		 run.number++);
	/* Those in two channels, and in the hands of each process. */
	return roudi_start(ch->path, ch->len,
			   2 * (slots(ch) + 4 * ch->producers + 8));
}

static int queue_create(struct bench_channel *ch)
{
	struct queue *q = static_cast<struct queue *>(calloc(1, sizeof(*q)));

	ch->state = q;
	if (!run.channels++)
		ch->why = run_begin(ch);
	if (ch->why)
		return -ENOTSUP;
	if (!q)
		return -ENOMEM;
	snprintf(q->name, sizeof(q->name), "%s-%u", run.name, run.channels);
	return 0;
}

static void queue_destroy(struct bench_channel *ch)
{
	free(ch->state);
	if (--run.channels)
		return;
	roudi_stop();
	processes_clean(BENCH_PRODUCER, ch->producers);
	processes_clean(BENCH_CONSUMER, ch->consumers);
}

static iox::capro::ServiceDescription service(const struct queue *q)
{
	return { "shmq-bench",
		 iox::capro::IdString_t(iox::cxx::TruncateToCapacity, q->name),
		 "messages" };
}

static void subscribe(const struct bench_channel *ch, struct queue *q)
{
	iox::popo::SubscriberOptions options;

	options.queueCapacity = slots(ch);
	options.queueFullPolicy = iox::popo::QueueFullPolicy::BLOCK_PRODUCER;
	q->subscriber = new iox::popo::UntypedSubscriber(service(q), options);
	if (!ch->sleeps)
		return;
	q->sleeper = new iox::popo::WaitSet<1>();
	q->sleeper
		->attachState(*q->subscriber,
			      iox::popo::SubscriberState::HAS_DATA)
		.or_else([](auto &) { abort(); });
}

/* What is published before there is a subscriber is lost. */
static int publish(struct queue *q)
{
	iox::popo::PublisherOptions options;

	options.subscriberTooSlowPolicy =
		iox::popo::ConsumerTooSlowPolicy::WAIT_FOR_CONSUMER;
	q->publisher = new iox::popo::UntypedPublisher(service(q), options);
	for (unsigned int ms = 0; !q->publisher->hasSubscribers();
	     ms += LOOK_MS) {
		if (ms >= SUBSCRIBED_MS)
			return -ETIMEDOUT;
		poll(NULL, 0, LOOK_MS);
	}
	return 0;
}

static int queue_attach(struct bench_channel *ch)
{
	struct queue *q = static_cast<struct queue *>(ch->state);

	process_join(ch);
	if (ch->side == BENCH_PRODUCER)
		return publish(q);
	subscribe(ch, q);
	return 0;
}

static void queue_detach(struct bench_channel *ch)
{
	struct queue *q = static_cast<struct queue *>(ch->state);

	delete q->sleeper;
	delete q->subscriber;
	delete q->publisher;
	process_leave();
}

/* Publishing waits, and gives the core away, while the queue is full. */
BENCH_INLINE int queue_put(struct bench_channel *ch, uint64_t number)
{
	struct queue *q = static_cast<struct queue *>(ch->state);
	auto loan = q->publisher->loan(static_cast<uint32_t>(ch->len));

	if (loan.has_error())
		return loan.get_error() == iox::popo::AllocationError::
						   RUNNING_OUT_OF_CHUNKS ?
			       -EAGAIN :
			       -EIO;
	content_fill(loan.value(), number, ch->len);
	q->publisher->publish(loan.value());
	return 0;
}

BENCH_INLINE int queue_take(struct bench_channel *ch, uint64_t *number)
{
	struct queue *q = static_cast<struct queue *>(ch->state);
	auto taken = q->subscriber->take();
	int right;

	if (taken.has_error()) {
		if (taken.get_error() !=
		    iox::popo::ChunkReceiveResult::NO_CHUNK_AVAILABLE)
			return -EIO;
		if (q->sleeper)
			q->sleeper->timedWait(
				iox::units::Duration::fromMilliseconds(
					WAIT_MS));
		return -EAGAIN;
	}
	right = iox::mepoo::ChunkHeader::fromUserPayload(taken.value())
				->userPayloadSize() == ch->len &&
		content_check(taken.value(), ch->len, number);
	q->subscriber->release(taken.value());
	return right ? 0 : -EBADMSG;
}

BENCH_LOOPS(queue)

/* In the order of bench.h: C++ of this age knows no names here. */
static const struct bench_transport iceoryx = {
	"iceoryx",
	"iceoryx, in place; a full queue is polled",
	BENCH_PEER | BENCH_POLLS | BENCH_SLEEPS | BENCH_TRIPS | BENCH_STREAMS |
		BENCH_MANY_PUT | BENCH_IN_PLACE,
	0,
	0,
	queue_create,
	queue_attach,
	queue_detach,
	queue_destroy,
	queue_put,
	queue_take,
	{ queue_ping, queue_echo, queue_produce, queue_consume, queue_drain },
};

extern "C" {
BENCH_EXPORT extern const struct bench_transport *const bench_peers[];
const struct bench_transport *const bench_peers[] = { &iceoryx, NULL };
}
