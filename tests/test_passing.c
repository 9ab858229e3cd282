/* SPDX-License-Identifier: MIT */
/*
 * What others do with a journal between two steps of somebody: segments go
 * while they are looked for, come while they are missed, and somebody else
 * mends. Each second look of journals is there for one of these. A child does
 * it, when the call is made that comes between.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "handle.h"
#include "journal.h"
#include "journal_files.h"
#include "lease.h"
#include "segfile.h"
#include "support.h"

#define SEGMENT 65536
#define SPAN 1024
#define LEN 990
#define IN_SEGMENT (SEGMENT / SPAN)

int __real_openat(int dir, const char *name, int flags, ...);
int __wrap_openat(int dir, const char *name, int flags, ...);
int __real_linkat(int from_dir, const char *from, int to_dir, const char *to,
		  int flags);
int __wrap_linkat(int from_dir, const char *from, int to_dir, const char *to,
		  int flags);
int __real_fcntl(int fd, int cmd, ...);
int __wrap_fcntl(int fd, int cmd, ...);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_usleep(unsigned us);
bool __real_shmqi_check_open(const struct segment *seg, uint64_t pos);
bool __wrap_shmqi_check_open(const struct segment *seg, uint64_t pos);

enum call {
	NO_CALL,
	OPEN,
	OPENED,
	LINK,
	LEASE,
	SYNC,
	SLEEP
};

/* A child, which acts when one certain call is made. */
static struct moment {
	enum call call;
	unsigned earlier; /* so many of these calls come before */
	uint64_t number;  /* of the segment that is opened or linked */
	int64_t byte;     /* the lease */
	pid_t pid;
	bool stays; /* until moment_end() */
	void (*act)(void);
	step *now; /* 1: it acts; 2: it has; 3: it is to end */
} moment;

static unsigned naps;
static struct shmq_producer *late; /* who commits when he is looked for */

static void act(void *arg)
{
	struct moment m = moment;

	(void)arg;
	moment.call = NO_CALL;
	step_wait(m.now, 1);
	m.act();
	step_to(m.now, 2);
	if (m.stays)
		step_wait(m.now, 3);
}

static void moment_begin(struct moment m)
{
	moment = m;
	moment.now = shared_memory(sizeof(step));
	moment.pid = child_start(act, NULL);
}

static void moment_end(void)
{
	must_be(moment.call, NO_CALL);
	step_to(moment.now, 3);
	child_join(moment.pid);
	shared_free((void *)(uintptr_t)moment.now, sizeof(step));
}

static void is_called(enum call call)
{
	if (moment.call != call || moment.earlier--)
		return;
	moment.call = NO_CALL;
	step_to(moment.now, 1);
	step_wait(moment.now, 2);
}

int __wrap_openat(int dir, const char *name, int flags, ...)
{
	bool is_it = !strcmp(name, segment_name(moment.number));
	va_list args;
	int fd, before;
	mode_t mode;

	va_start(args, flags);
	mode = va_arg(args, mode_t);
	va_end(args);
	if (is_it)
		is_called(OPEN);
	fd = __real_openat(dir, name, flags, mode);
	before = errno;
	if (is_it)
		is_called(OPENED);
	errno = before;
	return fd;
}

int __wrap_linkat(int from_dir, const char *from, int to_dir, const char *to,
		  int flags)
{
	if (!strcmp(to, segment_name(moment.number)))
		is_called(LINK);
	return __real_linkat(from_dir, from, to_dir, to, flags);
}

int __wrap_fcntl(int fd, int cmd, ...)
{
	const struct flock *lock;
	va_list args;
	void *arg;

	va_start(args, cmd);
	arg = va_arg(args, void *);
	va_end(args);
	lock = arg;
	if (cmd == F_OFD_SETLK && lock->l_type == F_WRLCK &&
	    lock->l_start == moment.byte)
		is_called(LEASE);
	return __real_fcntl(fd, cmd, arg);
}

int __wrap_fdatasync(int fd)
{
	is_called(SYNC);
	return __real_fdatasync(fd);
}

int __wrap_usleep(unsigned us)
{
	(void)us;
	naps++;
	is_called(SLEEP);
	nap();
	return 0;
}

bool __wrap_shmqi_check_open(const struct segment *seg, uint64_t pos)
{
	if (late)
		must_be(shmq_commit(late, LEN), 0);
	late = NULL;
	return __real_shmqi_check_open(seg, pos);
}

/* ------------------------------------------------------------------- actors */

static void send_some(struct shmq *q, unsigned n)
{
	struct shmq_producer *p = producer_join(q);
	uint8_t buf[LEN] = { 0 };

	while (n--)
		must_be(shmq_send(p, buf, LEN, SHMQ_NOWAIT), 0);
	shmq_producer_close(p);
}

static void receive_some(struct shmq_consumer *c, unsigned n)
{
	uint8_t buf[LEN];

	while (n--)
		must_be(shmq_recv(c, buf, LEN, SHMQ_NOWAIT), LEN);
}

static void receive_and_compact(unsigned n)
{
	struct shmq *q = queue_open("j");
	struct shmq_consumer *c = consumer_join(q, 0);

	receive_some(c, n);
	shmq_consumer_close(c);
	must(shmq_journal_compact(q) >= 0);
	shmq_close(q);
}

static void create(uint64_t retain_bytes, unsigned messages)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *q;

	attr.flags = SHMQ_JOURNAL;
	attr.segment_bytes = SEGMENT;
	attr.retain_bytes = retain_bytes;
	must_be(shmq_open(&q, "j", SHMQ_CREATE | SHMQ_EXCL, 0600, &attr), 0);
	send_some(q, messages);
	shmq_close(q);
}

/* Five segments; the first one has been removed, and all but the last can be. */
static void five_segments(void)
{
	create(1, 5 * IN_SEGMENT);
	receive_and_compact(IN_SEGMENT);
	must_be(lowest_file("j"), 1);
}

static void remove_three(void)
{
	receive_and_compact(3 * IN_SEGMENT);
	must_be(lowest_file("j"), 4);
}

/* --------------------------------------------------------- segments that go */

static void the_oldest_goes_while_it_is_looked_for(void **state)
{
	struct shmq *q;

	(void)state;
	five_segments();
	moment_begin((struct moment){
		.call = OPEN, .number = 1, .act = remove_three });
	q = queue_open("j");
	must_be(info_of(q).first_seq, 4 * IN_SEGMENT);
	must_be(info_of(q).bytes, SEGMENT);
	moment_end();
	shmq_close(q);
}

/* The first look is at its first record, the second one is to map it. */
static void what_is_sought_goes_before_it_is_mapped(void **state)
{
	struct shmq_consumer *tap;
	struct shmq_msg msg;
	struct shmq *q;

	(void)state;
	five_segments();
	q = queue_open("j");
	must_be(shmq_consumer_open(&tap, q, NULL, SHMQ_TAP | SHMQ_NEWEST), 0);
	moment_begin((struct moment){
		.call = OPEN, .number = 2, .earlier = 1, .act = remove_three });
	must_be(shmq_seek(tap, SHMQ_SEEK_SEQ, 2 * IN_SEGMENT + 5), 0);
	moment_end();
	must_be(shmq_receive(tap, &msg, 1, SHMQ_NOWAIT), 1);
	must_be(msg.seq, 4 * IN_SEGMENT);
	shmq_consumer_close(tap);
	shmq_close(q);
}

static void what_is_verified_or_indexed_goes(void **state)
{
	struct shmq *q;

	(void)state;
	for (int indexed = 0; indexed < 2; indexed++) {
		five_segments();
		q = queue_open("j");
		moment_begin((struct moment){
			.call = OPEN, .number = 3, .act = remove_three });
		if (indexed)
			must_be(shmq_journal_index(q), 0);
		else
			must_be(shmq_journal_verify(q, NULL, NULL), 0);
		moment_end();
		shmq_close(q);
		must_be(shmq_unlink("j"), 0);
	}
}

static void go_on_and_compact(void)
{
	struct shmq *q = queue_open("j");

	send_some(q, 4 * IN_SEGMENT);
	shmq_close(q);
	receive_and_compact(4 * IN_SEGMENT);
	must(lowest_file("j") >= 3);
}

/* Who gives a file its name, late, leaves none behind the others. */
static void what_is_made_has_come_and_gone(void **state)
{
	struct shmq *q;
	int r;

	(void)state;
	create(1, 5);
	moment_begin((struct moment){
		.call = LINK, .number = 1, .act = go_on_and_compact });
	q = queue_open("j");
	pthread_mutex_lock(&q->seg->lock);
	r = shmqi_segfile_make(q->seg, 1);
	pthread_mutex_unlock(&q->seg->lock);
	must_be(r, -ESTALE);
	must(!has_file("j", segment_name(1)));
	moment_end();
	shmq_close(q);
}

/* -------------------------------------------------------- segments that come */

static void send_on(void)
{
	struct shmq *q = queue_open("j");

	send_some(q, 3);
	shmq_close(q);
}

/* Who begins where the next segment does, and finds none. */
static void what_is_missed_comes(void **state)
{
	static const unsigned flags[] = { 0, SHMQ_EXCLUSIVE, SHMQ_TAP };

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct shmq_consumer *c;
		struct shmq *q;

		create(0, IN_SEGMENT);
		must_be(unlink(path_of("j", segment_name(1))), 0);
		q = queue_open("j");
		moment_begin((struct moment){
			.call = OPENED, .number = 1, .act = send_on });
		must_be(shmq_consumer_open(&c, q, i < 2 ? "late" : NULL,
					   flags[i] | SHMQ_NEWEST),
			0);
		receive_some(c, 3);
		moment_end();
		shmq_consumer_close(c);
		shmq_close(q);
		must_be(shmq_unlink("j"), 0);
	}
}

static void commits_while_it_is_looked_for(void **state)
{
	struct shmq *q;
	void *room;

	(void)state;
	create(0, 5);
	q = queue_open("j");
	late = producer_join(q);
	must_be(shmq_reserve(late, LEN, &room, SHMQ_NOWAIT), 0);
	memset(room, 0, LEN);
	send_some(q, 5);
	{
		struct shmq_producer *p = late;

		/* While it is open, it is the end. */
		late = NULL;
		must_be(shmq_journal_verify(q, NULL, NULL), 0);
		late = p;
		must_be(shmq_journal_verify(q, NULL, NULL), 0);
		must(!late);
		shmq_producer_close(p);
	}
	shmq_close(q);
}

/* ------------------------------------------------------- mending and syncing */

static void open_and_join(void)
{
	producer_join(queue_open("copy"));
}

/* What the other one has put there since stays. */
static void others_mend_first(void **state)
{
	struct shmq *q;

	(void)state;
	create(0, 5);
	copy_journal("j", "copy");
	moment_begin((struct moment){ .call = LEASE,
				      .byte = SH_LEASE_MEND,
				      .act = open_and_join,
				      .stays = true });
	q = queue_open("copy");
	must_be(stat_of(q).members, 1);
	moment_end();
	shmq_close(q);
}

static void hold_lease(void *arg)
{
	int fd = open(path_of("copy", "control"), O_RDWR);
	step *now = arg;

	must_be(shmqi_lease_take(fd, SH_LEASE_MEND), 0);
	step_to(now, 1);
	step_wait(now, 2);
	close(fd);
	step_to(now, 3);
}

static step *holder;

static void end_holder(void)
{
	step_to(holder, 2);
	step_wait(holder, 3);
}

static void who_mends_is_waited_for(void **state)
{
	struct shmq *q;
	pid_t pid;

	(void)state;
	holder = shared_memory(sizeof(*holder));
	create(0, 5);
	copy_journal("j", "copy");
	pid = child_start(hold_lease, (void *)(uintptr_t)holder);
	step_wait(holder, 1);
	naps = 0;
	moment_begin((struct moment){
		.call = SLEEP, .earlier = 3, .act = end_holder });
	q = queue_open("copy");
	must(naps >= 4);
	moment_end();
	child_join(pid);
	/* And nobody has to wait any more. */
	*holder = 0;
	pid = child_start(hold_lease, (void *)(uintptr_t)holder);
	step_wait(holder, 1);
	step_to(holder, 2);
	child_join(pid);
	shmq_close(q);
	shared_free((void *)(uintptr_t)holder, sizeof(*holder));
}

static void send_and_sync(void)
{
	struct shmq *q = queue_open("j");

	send_some(q, 3);
	must_be(shmq_sync(q, PATIENCE_NS), 0);
	shmq_close(q);
}

/* Somebody has lost patience with us, and has come further. */
static void others_sync_further(void **state)
{
	struct shmq *q;

	(void)state;
	create(0, 5);
	q = queue_open("j");
	moment_begin((struct moment){ .call = SYNC, .act = send_and_sync });
	must_be(shmq_sync(q, SHMQ_NOWAIT), 0);
	must_be(load_relaxed(&q->seg->control->synced.lo), 8 * SPAN);
	must_be(load_relaxed(&q->seg->control->synced.hi), 8);
	moment_end();
	shmq_close(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(the_oldest_goes_while_it_is_looked_for),
		TEST_IN_DIRECTORY(what_is_sought_goes_before_it_is_mapped),
		TEST_IN_DIRECTORY(what_is_verified_or_indexed_goes),
		TEST_IN_DIRECTORY(what_is_made_has_come_and_gone),
		TEST_IN_DIRECTORY(what_is_missed_comes),
		TEST_IN_DIRECTORY(commits_while_it_is_looked_for),
		TEST_IN_DIRECTORY(others_mend_first),
		TEST_IN_DIRECTORY(who_mends_is_waited_for),
		TEST_IN_DIRECTORY(others_sync_further),
	};

	return cmocka_run_group_tests_name("passing", tests, NULL, NULL);
}
