/* SPDX-License-Identifier: MIT */
/* Attributes that change while the queue is in use, and who may be reading. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attributes.h"
#include "consumer.h"
#include "deny.h"
#include "epoch.h"
#include "fd.h"
#include "handle.h"
#include "lease.h"
#include "support.h"
#include "wait.h"

#define CAPACITY 4096

static void must_read(struct shmq *q, const char *key, const char *value)
{
	char buf[64];

	must_be(shmq_getattr(q, key, buf, sizeof(buf)), strlen(value));
	must(!strcmp(buf, value));
}

static void values_are_read_by_all_handles(void **state)
{
	struct shmq *q = queue_create("q", CAPACITY, 0), *look;
	char long_label[64];

	(void)state;
	must_be(shmq_open(&look, "q", SHMQ_RDONLY, 0, NULL), 0);
	must_read(look, "label", "");
	must_read(look, "spin", "2048");
	must_be(shmq_setattr(q, "label", "what it is for"), 0);
	must_read(look, "label", "what it is for");
	must_read(look, "spin", "2048");
	must_be(shmq_setattr(q, "spin", "0"), 0);
	must_read(look, "label", "what it is for");
	must_read(look, "spin", "0");
	memset(long_label, 'x', 63);
	long_label[63] = '\0';
	must_be(shmq_setattr(q, "label", long_label), 0);
	shmq_close(q);
	must_read(look, "label", long_label);
	must_read(look, "spin", "0");
	shmq_close(look);
	must_be(shmq_unlink("q"), 0);
}

static void bad_values_are_refused_and_change_nothing(void **state)
{
	static const struct {
		const char *key, *value;
		int error;
	} bad[] = {
		{ "spin", "", -EINVAL },
		{ "spin", "-1", -EINVAL },
		{ "spin", "2049", -EINVAL },
		{ "spin", "99999999999999999999", -EINVAL },
		{ "spin", "1x", -EINVAL },
		{ "spin", " 1", -EINVAL },
		{ "label", "two\nlines", -EINVAL },
		{ "label", "\x7f", -EINVAL },
		{ "colour", "red", -ENOENT },
		{ "overwrite", "yes", -EINVAL },
		{ "overwrite", "", -EINVAL },
		{ "", "", -ENOENT },
		{ "label",
		  "0123456789012345678901234567890123456789012345678901234567"
		  "890123",
		  -ENAMETOOLONG },
	};
	struct shmq *q = queue_create("q", CAPACITY, 0), *look;
	char buf[8];

	(void)state;
	must_be(shmq_open(&look, "q", SHMQ_RDONLY, 0, NULL), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		must_be(shmq_setattr(q, bad[i].key, bad[i].value),
			bad[i].error);
		must(*shmq_errdetail());
	}
	must_be(shmq_setattr(look, "spin", "1"), -EBADF);
	must_be(shmq_setattr(NULL, "spin", "1"), -EINVAL);
	must_be(shmq_setattr(q, NULL, "1"), -EINVAL);
	must_be(shmq_setattr(q, "spin", NULL), -EINVAL);
	must_be(shmq_getattr(NULL, "spin", buf, 8), -EINVAL);
	must_be(shmq_getattr(q, "spin", NULL, 8), -EINVAL);
	must_be(shmq_getattr(q, "spin", buf, 4), -ERANGE);
	must_be(shmq_getattr(q, "spin", NULL, 0), -ERANGE);
	must_be(shmq_getattr(q, "colour", buf, 8), -ENOENT);
	must_read(q, "spin", "2048");
	must_read(q, "label", "");
	shmq_close(look);
	shmq_close(q);
	must_be(shmq_unlink("q"), 0);
}

static void a_member_spins_as_it_is_told(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);
	struct shmq_consumer *c = consumer_join(q, 0);

	(void)state;
	must_be(c->spin, WAIT_SPIN_MAX);
	must_be(shmq_setattr(q, "spin", "0"), 0);
	must_be(shmq_recv(c, NULL, 0, 1), -ETIMEDOUT);
	must_be(c->spin, 0);
	must_be(shmq_setattr(q, "spin", "100"), 0);
	must_be(shmq_recv(c, NULL, 0, 1), -ETIMEDOUT);
	must(c->spin >= 1 && c->spin <= 100);
	shmq_consumer_close(c);
	shmq_close(q);
}

/* ----------------------------------------------------------------- readers */

struct meeting {
	struct shmq *q;
	step step;
};

/* It stays inside its section. */
static void read_and_stay(void *arg)
{
	struct meeting *m = arg;
	struct shmq_consumer *c = consumer_join(m->q, 0);

	epoch_enter(&c->ep);
	step_to(&m->step, 1);
	step_wait(&m->step, 2);
	epoch_leave(&c->ep);
	step_to(&m->step, 3);
	step_wait(&m->step, 4);
	shmq_consumer_close(c);
}

static uint64_t readers(struct shmq *q)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < shmq_member_entries(q); i++) {
		struct shmq_member_info info = SHMQ_MEMBER_INFO_INIT;

		if (shmq_stat_member(q, i, &info) == 1)
			n += info.reads;
	}
	return n;
}

static void who_stays_inside_holds_up_only_the_change(void **state)
{
	struct meeting *m = shared_memory(sizeof(*m));
	struct shmq_producer *p;
	struct shmq_consumer *c;
	char byte, pid_text[32];
	pid_t pid;

	(void)state;
	m->q = queue_anonymous(CAPACITY, 0);
	pid = child_start(read_and_stay, m);
	step_wait(&m->step, 1);
	must_be(readers(m->q), 1);
	must_be(shmq_setattr(m->q, "label", "x"), -EBUSY);
	snprintf(pid_text, sizeof(pid_text), "process %d", (int)pid);
	must(strstr(shmq_errdetail(), pid_text));
	must_read(m->q, "label", "");
	p = producer_join(m->q);
	c = consumer_join(m->q, 0);
	must_be(shmq_send(p, "y", 1, SHMQ_NOWAIT), 0);
	must_be(shmq_recv(c, &byte, 1, SHMQ_NOWAIT), 1);
	must_be(shmq_recv(c, &byte, 1, 1000), -ETIMEDOUT);
	step_to(&m->step, 2);
	step_wait(&m->step, 3);
	must_be(readers(m->q), 0);
	must_be(shmq_setattr(m->q, "label", "x"), 0);
	must_read(m->q, "label", "x");
	step_to(&m->step, 4);
	child_join(pid);
	shmq_producer_close(p);
	shmq_consumer_close(c);
	shmq_close(m->q);
	shared_free(m, sizeof(*m));
}

static void a_reader_that_was_killed_holds_up_nobody(void **state)
{
	struct meeting *m = shared_memory(sizeof(*m));
	struct shmq_consumer *c;
	pid_t pid;

	(void)state;
	m->q = queue_anonymous(CAPACITY, 0);
	pid = child_start(read_and_stay, m);
	step_wait(&m->step, 1);
	child_kill(pid);
	must_be(shmq_setattr(m->q, "label", "x"), 0);
	must_be(shmq_setattr(m->q, "label", "y"), 0);
	must_read(m->q, "label", "y");
	/* Nor does who gets its entry. */
	must_be(shmq_recover(m->q), 1);
	c = consumer_join(m->q, 0);
	must_be(readers(m->q), 0);
	must_be(shmq_setattr(m->q, "label", "z"), 0);
	shmq_consumer_close(c);
	shmq_close(m->q);
	shared_free(m, sizeof(*m));
}

/* Since a later epoch: it sees the new version, and nobody waits for it. */
static void who_began_later_is_not_waited_for(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);
	struct shmq_consumer *c = consumer_join(q, 0);
	struct attributes attributes;

	(void)state;
	q->seg->control->epoch = 10;
	c->ep.member->epoch = 11;
	must_be(shmqi_attributes_read(q->seg, NULL, &attributes), 0);
	c->ep.member->epoch = 13;
	must_be(shmqi_epoch_wait(q->seg), 0);
	c->ep.member->epoch = 0;
	shmq_consumer_close(c);
	shmq_close(q);
}

struct waiting {
	struct shmq *q;
	_Atomic int r;
	_Atomic bool done;
};

static void *set_and_wait(void *arg)
{
	struct waiting *w = arg;

	store_relaxed(&w->r, shmq_setattr(w->q, "label", "x"));
	store_release(&w->done, true);
	return NULL;
}

static void *resize_and_wait(void *arg)
{
	struct waiting *w = arg;

	store_relaxed(&w->r, shmq_resize(w->q, 2 * CAPACITY));
	store_release(&w->done, true);
	return NULL;
}

static void join_and_leave(struct waiting *w)
{
	shmq_producer_close(producer_join(w->q));
	shmq_consumer_close(consumer_join(w->q, 0));
	must(!load_acquire(&w->done));
}

/* It waits a second for somebody, and the others of its process do not. */
static void who_waits_to_change_holds_up_no_thread(void **state)
{
	struct waiting w = { .q = queue_anonymous(CAPACITY, 0) };
	struct shmq_consumer *c = consumer_join(w.q, 0);
	int fd = shmqi_reopen(shmq_fd(w.q), O_RDWR);
	pthread_t thread;

	(void)state;
	c->ep.member->epoch = 1;
	must_be(pthread_create(&thread, NULL, set_and_wait, &w), 0);
	while (!w.q->seg->control->epoch)
		nap();
	join_and_leave(&w);
	must_be(pthread_join(thread, NULL), 0);
	must_be(w.r, -EBUSY);
	c->ep.member->epoch = 0;
	/* Another process resizes it, and is stopped. */
	must(fd >= 0);
	must_be(shmqi_lease_take(fd, SH_LEASE_RINGS), 0);
	store_relaxed(&w.done, false);
	must_be(pthread_create(&thread, NULL, resize_and_wait, &w), 0);
	join_and_leave(&w);
	must_be(pthread_join(thread, NULL), 0);
	must_be(w.r, -EBUSY);
	close(fd);
	shmq_consumer_close(c);
	shmq_close(w.q);
}

static void without_membarrier_it_takes_a_moment(void *arg)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);
	struct shmq_consumer *c = consumer_join(q, 0);

	(void)arg;
	deny(SYS_membarrier, ENOSYS);
	for (int i = 0; i < 3; i++) {
		must_be(shmq_setattr(q, "label", i & 1 ? "x" : "y"), 0);
		must_read(q, "label", i & 1 ? "x" : "y");
		/* Now every member passes a fence of its own. */
		must(q->seg->control->recv.at.lo & SH_BELL_FENCED);
	}
	c->ep.member->epoch = 1;
	/* Who reads is waited for; that one lives. */
	must_be(shmq_setattr(q, "label", "z"), -EBUSY);
	must_read(q, "label", "y");
	/* liburcu cannot close it, once denied what it relies on. */
	_exit(0);
}

static void a_kernel_that_denies_membarrier_allows_changes(void **state)
{
	(void)state;
	skip_unless_deniable();
	child_run(without_membarrier_it_takes_a_moment, NULL);
}

/* --------------------------------------------------------------- the change */

static void keep_changing(void *arg)
{
	struct shmq *q = arg;
	char label[64];

	for (unsigned n = 0;; n++) {
		int r;

		memset(label, 'a' + (int)(n % 26), 63);
		label[63] = '\0';
		r = shmq_setattr(q, "label", label);
		must(r == 0 || r == -EBUSY);
	}
}

static void keep_reading(void *arg)
{
	struct shmq *q = arg;
	struct shmq_consumer *c = consumer_join(q, 0);

	for (;;) {
		struct attributes attributes;

		/* What it finds is whole at the first look. */
		must_be(shmqi_attributes_read(q->seg, &c->ep, &attributes), 0);
		for (int i = 1; i < 63; i++)
			must(attributes.label[i] == attributes.label[0]);
	}
}

static void nobody_reads_half_a_change_whoever_is_killed(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);
	struct chance chance = chance_of(chance_seed(), 0);
	pid_t reading[2], changing[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		reading[i] = child_start(keep_reading, q);
		changing[i] = child_start(keep_changing, q);
	}
	for (int n = 0; n < 200; n++) {
		pid_t *pid = chance_below(&chance, 2) ?
				     &changing[chance_below(&chance, 2)] :
				     &reading[chance_below(&chance, 2)];
		bool changes = pid >= changing && pid < changing + 2;

		nap();
		child_kill(*pid);
		*pid = child_start(changes ? keep_changing : keep_reading, q);
	}
	for (int i = 0; i < 2; i++) {
		child_kill(reading[i]);
		child_kill(changing[i]);
	}
	must_be(shmq_setattr(q, "label", "done"), 0);
	must_read(q, "label", "done");
	shmq_close(q);
}

static void every_flipped_bit_of_the_version_in_force_is_noticed(void **state)
{
	struct shmq *q = queue_anonymous(CAPACITY, 0);
	uint8_t *version = (void *)&q->seg->control->versions[0];
	const size_t size = offsetof(struct sh_attributes, reserved);
	char buf[64];

	(void)state;
	for (size_t bit = 0; bit < 8 * size; bit++) {
		version[bit / 8] ^= (uint8_t)(1u << bit % 8);
		must_be(shmq_getattr(q, "label", buf, sizeof(buf)), -EBADMSG);
		must_be(shmq_setattr(q, "label", "x"), -EBADMSG);
		version[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	must_read(q, "label", "");
	shmq_close(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(values_are_read_by_all_handles),
		TEST_IN_DIRECTORY(bad_values_are_refused_and_change_nothing),
		TEST_IN_DIRECTORY(a_member_spins_as_it_is_told),
		TEST_IN_DIRECTORY(who_stays_inside_holds_up_only_the_change),
		TEST_IN_DIRECTORY(a_reader_that_was_killed_holds_up_nobody),
		TEST_IN_DIRECTORY(who_began_later_is_not_waited_for),
		TEST_IN_DIRECTORY(who_waits_to_change_holds_up_no_thread),
		TEST_IN_DIRECTORY(
			a_kernel_that_denies_membarrier_allows_changes),
		TEST_IN_DIRECTORY(nobody_reads_half_a_change_whoever_is_killed),
		TEST_IN_DIRECTORY(
			every_flipped_bit_of_the_version_in_force_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
