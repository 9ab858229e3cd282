/* SPDX-License-Identifier: MIT */
/* What a queue says about itself, its members and its groups. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "support.h"

static uint64_t realtime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The one entry of that role. */
static struct shmq_member_info member_of(struct shmq *q, uint32_t role)
{
	struct shmq_member_info found = SHMQ_MEMBER_INFO_INIT;
	unsigned n = 0;

	for (uint32_t i = 0; i < shmq_member_entries(q); i++) {
		struct shmq_member_info info = SHMQ_MEMBER_INFO_INIT;
		int r = shmq_stat_member(q, i, &info);

		must(r == 0 || r == 1);
		if (!r || info.role != role)
			continue;
		must_be(info.index, i);
		found = info;
		n++;
	}
	must_be(n, 1);
	return found;
}

static struct shmq_group_info group_of(struct shmq *q)
{
	struct shmq_group_info info = SHMQ_GROUP_INFO_INIT;

	must_be(shmq_stat_group(q, 0, &info), 1);
	must_be(info.index, 0);
	must(!strcmp(info.name, "default"));
	return info;
}

static void depth_counts_messages_and_bytes(void **state)
{
	static const uint64_t flags[] = { 0, SHMQ_SINGLE_PRODUCER,
					  SHMQ_SINGLE_CONSUMER,
					  SHMQ_SINGLE_PRODUCER |
						  SHMQ_SINGLE_CONSUMER };

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct shmq *q = queue_anonymous(65536, flags[i]);
		struct shmq_producer *p = producer_join(q);
		struct shmq_consumer *c = consumer_join(q, 0);
		struct shmq_msg msgs[2];
		char buf[100] = { 0 };

		for (int k = 0; k < 5; k++)
			must_be(shmq_send(p, buf, 100, SHMQ_NOWAIT), 0);
		must_be(stat_of(q).sent_messages, 5);
		must_be(stat_of(q).depth_messages, 5);
		must_be(stat_of(q).depth_bytes, 5 * 128);
		must_be(group_of(q).next_seq, 0);
		must_be(group_of(q).lag_messages, 5);
		must_be(group_of(q).lag_bytes, 5 * 128);
		must_be(group_of(q).held_bytes, 0);
		must_be(shmq_recv(c, buf, 100, SHMQ_NOWAIT), 100);
		must_be(stat_of(q).depth_messages, 4);
		must_be(shmq_receive(c, msgs, 2, SHMQ_NOWAIT), 2);
		must_be(group_of(q).held_bytes, 2 * 128);
		must_be(group_of(q).consumers, 1);
		must_be(shmq_release(c), 0);
		must_be(group_of(q).held_bytes, 0);
		must_be(group_of(q).next_seq, 3);
		must_be(stat_of(q).depth_messages, 2);
		must_be(stat_of(q).depth_bytes, 2 * 128);
		must_be(stat_of(q).flags, flags[i]);
		shmq_producer_close(p);
		shmq_consumer_close(c);
		must_be(group_of(q).consumers, 0);
		shmq_close(q);
	}
}

/* "sent, and not yet received": what is on loan has been received. */
static void what_is_on_loan_is_not_depth(void **state)
{
	static const unsigned flags[] = { 0, SHMQ_EXCLUSIVE };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct shmq *q = queue_anonymous(65536, 0);
		struct shmq_producer *p = producer_join(q);
		struct shmq_consumer *c = consumer_join(q, flags[i]);
		struct shmq_msg msgs[2];

		for (int k = 0; k < 5; k++)
			must_be(shmq_send(p, NULL, 0, SHMQ_NOWAIT), 0);
		must_be(shmq_receive(c, msgs, 2, SHMQ_NOWAIT), 2);
		must_be(stat_of(q).depth_messages, 3);
		must_be(stat_of(q).depth_bytes, 3 * 64);
		must_be(group_of(q).next_seq, 2);
		must_be(group_of(q).lag_messages, 3);
		shmq_producer_close(p);
		shmq_consumer_close(c);
		shmq_close(q);
	}
}

static void a_member_says_who_it_is(void **state)
{
	uint64_t before = realtime_ns();
	struct shmq *q = queue_anonymous(65536, 0);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0);
	struct shmq_member_info info;
	struct shmq_msg msg;

	(void)state;
	must_be(stat_of(q).members, 2);
	must_be(stat_of(q).groups, 1);
	info = member_of(q, SHMQ_ROLE_PRODUCER);
	must_be(info.alive, 1);
	must_be(info.pid, getpid());
	must_be(info.tid, gettid());
	must_be(info.claims, 0);
	must_be(info.held_bytes, 0);
	must_be(info.noticed_ns, 0);
	must(info.start_ticks > 0);
	must(info.joined_ns >= before && info.joined_ns <= realtime_ns());
	must(!strncmp(info.command, "test_stat", 9) ||
	     !strncmp(info.command, "lt-test_stat", 12));
	must(!*info.group);
	must_be(shmq_send(p, NULL, 0, SHMQ_NOWAIT), 0);
	must_be(shmq_receive(c, &msg, 1, SHMQ_NOWAIT), 1);
	must_be(msg.producer, info.index);
	info = member_of(q, SHMQ_ROLE_CONSUMER);
	must(!strcmp(info.group, "default"));
	must_be(info.alive, 1);
	must_be(info.claims, 1);
	must_be(info.held_seq, 0);
	must_be(info.held_bytes, 64);
	must_be(shmq_release(c), 0);
	must_be(member_of(q, SHMQ_ROLE_CONSUMER).claims, 0);
	shmq_producer_close(p);
	shmq_consumer_close(c);
	shmq_close(q);
}

static void what_was_given_back_is_shown(void **state)
{
	struct shmq *q = queue_anonymous(65536, 0);
	struct shmq_producer *p = producer_join(q);
	struct shmq_consumer *c = consumer_join(q, 0);
	struct shmq_member_info info;
	struct shmq_msg msgs[3];

	(void)state;
	for (int k = 0; k < 5; k++)
		must_be(shmq_send(p, NULL, 0, SHMQ_NOWAIT), 0);
	must_be(shmq_recv(c, NULL, 0, SHMQ_NOWAIT), 0);
	must_be(shmq_receive(c, msgs, 3, SHMQ_NOWAIT), 3);
	shmq_consumer_close(c);
	info = member_of(q, SHMQ_ROLE_RETURNED);
	must_be(info.alive, 0);
	must_be(info.claims, 1);
	must_be(info.held_seq, 1);
	must_be(info.held_bytes, 3 * 64);
	must(!strcmp(info.group, "default"));
	must_be(group_of(q).held_bytes, 3 * 64);
	must_be(group_of(q).consumers, 0);
	must_be(stat_of(q).members, 1);
	shmq_producer_close(p);
	shmq_close(q);
}

static void join_and_die(void *arg)
{
	struct shmq *q = arg;

	producer_join(q);
}

static void a_dead_member_is_shown_as_dead(void **state)
{
	struct shmq *q = queue_create("q", 65536, 0), *look;
	pid_t pid;

	(void)state;
	must_be(shmq_open(&look, "q", SHMQ_RDONLY, 0, NULL), 0);
	pid = child_start(join_and_die, q);
	child_join(pid);
	must_be(member_of(q, SHMQ_ROLE_PRODUCER).alive, 0);
	must_be(member_of(q, SHMQ_ROLE_PRODUCER).pid, pid);
	must_be(member_of(look, SHMQ_ROLE_PRODUCER).alive, 0);
	must_be(stat_of(look).members, 0);
	must_be(shmq_recover(q), 1);
	must_be(stat_of(look).recoveries, 1);
	shmq_close(look);
	shmq_close(q);
}

static void older_and_newer_callers_are_served(void **state)
{
	struct shmq *q = queue_anonymous(65536, 0);
	struct {
		struct shmq_stat st;
		uint64_t more[4];
	} newer = { SHMQ_STAT_INIT, { 1, 2, 3, 4 } };
	struct shmq_stat older = SHMQ_STAT_INIT;

	(void)state;
	newer.st.size = sizeof(newer);
	must_be(shmq_stat(q, &newer.st), 0);
	must_be(newer.st.capacity_bytes, 65536);
	must_be(newer.st.size, sizeof(newer));
	for (uint64_t i = 0; i < 4; i++)
		must_be(newer.more[i], i + 1);
	memset(&older, 0x5a, sizeof(older));
	older.size = offsetof(struct shmq_stat, depth_messages);
	must_be(shmq_stat(q, &older), 0);
	must_be(older.capacity_bytes, 65536);
	must_be(older.depth_messages, 0x5a5a5a5a5a5a5a5a);
	shmq_close(q);
}

static void wrong_arguments_are_refused(void **state)
{
	struct shmq *q = queue_anonymous(65536, 0);
	struct shmq_member_info member = SHMQ_MEMBER_INFO_INIT;
	struct shmq_group_info group = SHMQ_GROUP_INFO_INIT;
	struct shmq_stat st = SHMQ_STAT_INIT;

	(void)state;
	must_be(shmq_stat(NULL, &st), -EINVAL);
	must_be(shmq_stat(q, NULL), -EINVAL);
	must_be(shmq_stat_member(NULL, 0, &member), -EINVAL);
	must_be(shmq_stat_member(q, 0, NULL), -EINVAL);
	must_be(shmq_stat_member(q, shmq_member_entries(q), &member), -EINVAL);
	must_be(shmq_stat_member(q, UINT32_MAX, &member), -EINVAL);
	must_be(shmq_stat_member(q, 0, &member), 0);
	must_be(shmq_stat_group(NULL, 0, &group), -EINVAL);
	must_be(shmq_stat_group(q, 0, NULL), -EINVAL);
	must_be(shmq_stat_group(q, shmq_group_entries(q), &group), -EINVAL);
	must_be(shmq_stat_group(q, 1, &group), 0);
	st.size = member.size = group.size = 0;
	must_be(shmq_stat(q, &st), -EINVAL);
	must_be(shmq_stat_member(q, 0, &member), -EINVAL);
	must_be(shmq_stat_group(q, 0, &group), -EINVAL);
	must_be(shmq_max_message(NULL), 0);
	must_be(shmq_member_entries(NULL), 0);
	must_be(shmq_group_entries(NULL), 0);
	shmq_close(q);
}

static void wrong_openings_are_refused(void **state)
{
	struct shmq *q = queue_anonymous(65536, 0);
	struct shmq_producer *p = NULL;
	struct shmq_consumer *c = NULL;

	(void)state;
	must_be(shmq_producer_open(NULL, q, 0), -EINVAL);
	must_be(shmq_producer_open(&p, NULL, 0), -EINVAL);
	must_be(shmq_producer_open(&p, q, 1), -EINVAL);
	must_be(shmq_consumer_open(NULL, q, NULL, 0), -EINVAL);
	must_be(shmq_consumer_open(&c, NULL, NULL, 0), -EINVAL);
	must_be(shmq_consumer_open(&c, q, NULL, 0x10), -EINVAL);
	must_be(shmq_consumer_open(&c, q, "", 0), -EINVAL);
	must_be(shmq_consumer_open(&c, q, NULL, SHMQ_OLDEST | SHMQ_NEWEST),
		-EINVAL);
	must_be(shmq_consumer_open(&c, q, "0123456789abcdef0123456789abcdef",
				   0),
		-ENAMETOOLONG);
	must(!p && !c);
	shmq_producer_close(NULL);
	shmq_consumer_close(NULL);
	must_be(shmq_consumer_open(&c, q, "default", SHMQ_OLDEST), 0);
	shmq_consumer_close(c);
	must_be(shmq_consumer_open(&c, q, "default", SHMQ_NEWEST), 0);
	shmq_consumer_close(c);
	must_be(stat_of(q).members, 0);
	shmq_close(q);
}

static void errors_have_words(void **state)
{
	static const int errors[] = { 0,        ENOENT,   EAGAIN, ETIMEDOUT,
				      EMSGSIZE, EIDRM,    ESTALE, EBADMSG,
				      ENOBUFS,  EUSERS,   EINVAL, 4095,
				      EPERM,    INT32_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		must(*shmq_strerror(errors[i]));
		must(!strcmp(shmq_strerror(errors[i]),
			     shmq_strerror(-errors[i])));
	}
	must(*shmq_strerror(INT32_MIN));
}

static void the_version_is_that_of_the_header(void **state)
{
	char text[32];

	(void)state;
	snprintf(text, sizeof(text), "%d.%d.%d", SHMQ_VERSION_MAJOR,
		 SHMQ_VERSION_MINOR, SHMQ_VERSION_PATCH);
	must(!strcmp(shmq_version(), text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(depth_counts_messages_and_bytes),
		TEST_IN_DIRECTORY(what_is_on_loan_is_not_depth),
		TEST_IN_DIRECTORY(a_member_says_who_it_is),
		TEST_IN_DIRECTORY(what_was_given_back_is_shown),
		TEST_IN_DIRECTORY(a_dead_member_is_shown_as_dead),
		TEST_IN_DIRECTORY(older_and_newer_callers_are_served),
		TEST_IN_DIRECTORY(wrong_arguments_are_refused),
		TEST_IN_DIRECTORY(wrong_openings_are_refused),
		TEST_IN_DIRECTORY(errors_have_words),
		TEST_IN_DIRECTORY(the_version_is_that_of_the_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
