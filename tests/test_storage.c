/* SPDX-License-Identifier: MIT */
/* Queues as files: creating, attributes, names, permissions, room. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

#define MIB (UINT64_C(1) << 20)

static char *path_of(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", shmq_runtime_dir(), name);
	return path;
}

/* It is refused, with a sentence if that says more, and nothing is made. */
static void must_refuse(const char *name, int flags,
			const struct shmq_attr *attr, int error)
{
	struct shmq *q = (void *)&q;
	unsigned entries = directory_entries();

	must_be(shmq_open(&q, name, flags, 0600, attr), error);
	must(q == (void *)&q);
	must_be(directory_entries(), entries);
}

static void a_new_queue_has_the_defaults(void **state)
{
	struct stat st;
	struct shmq *q;
	struct shmq_stat about;

	(void)state;
	must_be(shmq_open(&q, "q", SHMQ_CREATE, 0600, NULL), 0);
	about = stat_of(q);
	must_be(about.capacity_bytes, MIB);
	must_be(about.flags, 0);
	must_be(about.groups, 1);
	must_be(about.members, 0);
	must_be(about.sent_messages, 0);
	must_be(shmq_max_message(q), MIB / 4);
	must_be(shmq_member_entries(q), 64 + 64 / 8 + 4);
	must_be(shmq_group_entries(q), 16);
	must_be(stat(path_of("q"), &st), 0);
	must((uint64_t)st.st_blocks * 512 >= (uint64_t)st.st_size);
	must_be(directory_entries(), 1);
	shmq_close(q);
}

static void capacity_is_rounded_up_to_a_power_of_two(void **state)
{
	const uint64_t asked[] = { 4096, 4097, 8192, 100000, MIB, MIB + 1 };
	const uint64_t given[] = { 4096, 8192, 8192, 131072, MIB, 2 * MIB };
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	(void)state;
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		struct shmq *q = queue_anonymous(asked[i], 0);

		must_be(stat_of(q).capacity_bytes,
			given[i] < page ? page : given[i]);
		shmq_close(q);
	}
}

/* The structure as it was before it grew. */
#define FIRST_SIZE 32

static void a_bad_attribute_is_refused(void **state)
{
#define ALL .size = sizeof(struct shmq_attr)
	static const struct {
		struct shmq_attr attr;
		int error;
	} bad[] = {
		{ { ALL, .capacity = 1 }, -EINVAL },
		{ { ALL, .capacity = 4095 }, -EINVAL },
		{ { ALL, .capacity = (UINT64_C(1) << 40) + 1 }, -EINVAL },
		{ { ALL, .capacity = UINT64_MAX }, -EINVAL },
		{ { ALL, .flags = 0x80 }, -EINVAL },
		{ { ALL, .flags = UINT64_C(1) << 63 }, -EINVAL },
		{ { ALL, .max_members = 4001 }, -EINVAL },
		{ { ALL, .max_members = UINT32_MAX }, -EINVAL },
		{ { ALL, .max_groups = 257 }, -EINVAL },
		{ { ALL, .max_groups = UINT32_MAX }, -EINVAL },
		{ { .size = 0 }, -EINVAL },
		{ { .size = FIRST_SIZE - 1 }, -EINVAL },
#undef ALL
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct shmq *q = NULL;

		must_refuse("q", SHMQ_CREATE, &bad[i].attr, bad[i].error);
		must(*shmq_errdetail());
		must_be(shmq_open_anonymous(&q, &bad[i].attr), bad[i].error);
		must(*shmq_errdetail());
	}
}

static void attributes_of_an_older_version_will_do(void **state)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *q;

	(void)state;
	attr.size = FIRST_SIZE;
	attr.capacity = 8192;
	/* Behind its end: not looked at. */
	attr.segment_bytes = 1;
	must_be(shmq_open(&q, "q", SHMQ_CREATE, 0600, &attr), 0);
	must_be(stat_of(q).capacity_bytes, 8192);
	shmq_close(q);
}

static void
attributes_of_a_newer_version_are_refused_if_they_are_set(void **state)
{
	struct {
		struct shmq_attr attr;
		uint64_t tail[2];
	} newer = { SHMQ_ATTR_INIT, { 0, 0 } };
	struct shmq *q;

	(void)state;
	newer.attr.size = sizeof(newer);
	newer.tail[1] = 1;
	must_refuse("q", SHMQ_CREATE, &newer.attr, -E2BIG);
	must(*shmq_errdetail());
	newer.tail[1] = 0;
	must_be(shmq_open(&q, "q", SHMQ_CREATE, 0600, &newer.attr), 0);
	shmq_close(q);
}

static void an_existing_queue_keeps_its_geometry(void **state)
{
	struct shmq_attr other = SHMQ_ATTR_INIT;
	struct shmq *a = queue_create("q", 65536, SHMQ_SINGLE_PRODUCER), *b;

	(void)state;
	other.capacity = 4 * MIB;
	must_be(shmq_open(&b, "q", SHMQ_CREATE, 0600, &other), 0);
	must_be(stat_of(b).capacity_bytes, 65536);
	must_be(stat_of(b).flags, SHMQ_SINGLE_PRODUCER);
	shmq_close(b);
	/* Nor does it matter whether they make sense. */
	other.flags = UINT64_MAX;
	must_be(shmq_open(&b, "q", 0, 0, &other), 0);
	shmq_close(b);
	shmq_close(a);
}

static void flags_that_contradict_each_other_are_refused(void **state)
{
	(void)state;
	must_refuse("q", SHMQ_EXCL, NULL, -EINVAL);
	must_refuse("q", SHMQ_CREATE | SHMQ_RDONLY, NULL, -EINVAL);
	must_refuse("q", 0x8, NULL, -EINVAL);
	must_refuse("q", -1, NULL, -EINVAL);
	must_be(shmq_open(NULL, "q", SHMQ_CREATE, 0600, NULL), -EINVAL);
	must_be(shmq_open_anonymous(NULL, NULL), -EINVAL);
	must_be(directory_entries(), 0);
}

static void exclusive_creation_finds_the_name_taken(void **state)
{
	struct shmq *q = queue_create("q", 4096, 0);

	(void)state;
	must_refuse("q", SHMQ_CREATE | SHMQ_EXCL, NULL, -EEXIST);
	must_be(symlink("nowhere", path_of("dangling")), 0);
	must_refuse("dangling", SHMQ_CREATE | SHMQ_EXCL, NULL, -EEXIST);
	must_be(mkdir(path_of("dir"), 0700), 0);
	must_refuse("dir", SHMQ_CREATE | SHMQ_EXCL, NULL, -EEXIST);
	shmq_close(q);
}

static void names_that_are_no_names_are_refused(void **state)
{
	static const struct {
		const char *name;
		int error;
	} bad[] = {
		{ "", -EINVAL },
		{ NULL, -EINVAL },
		{ ".", -EINVAL },
		{ "..", -EINVAL },
		{ "/", -EINVAL },
		{ "./", -EINVAL },
		{ "./..", -EINVAL },
		{ "/missing-directory/q", -ENOENT },
		{ "/proc/self/status/q", -ENOTDIR },
	};
	char name[258];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		must_refuse(bad[i].name, SHMQ_CREATE, NULL, bad[i].error);
		must_be(shmq_unlink(bad[i].name), bad[i].error);
		must_refuse(bad[i].name, SHMQ_CREATE | SHMQ_EXCL, NULL,
			    bad[i].error);
	}
	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	must_refuse(name, SHMQ_CREATE, NULL, -ENAMETOOLONG);
	must_be(shmq_unlink(name), -ENAMETOOLONG);
	must_refuse("missing", 0, NULL, -ENOENT);
	must_be(shmq_unlink("missing"), -ENOENT);
}

static void a_path_is_at_most_path_max(void **state)
{
	char *path = malloc(PATH_MAX + 16);

	(void)state;
	must(path);
	for (int i = 0; i < PATH_MAX + 8; i++)
		path[i] = i % 2 ? '.' : '/';
	strcpy(path + PATH_MAX + 8, "/q");
	must_refuse(path, SHMQ_CREATE, NULL, -ENAMETOOLONG);
	must_be(shmq_unlink(path), -ENAMETOOLONG);
	free(path);
}

static void a_loop_of_links_is_no_queue(void **state)
{
	(void)state;
	must_be(symlink("loop", path_of("loop")), 0);
	must_refuse("loop", 0, NULL, -ELOOP);
	must_refuse("loop", SHMQ_CREATE, NULL, -ELOOP);
	must_be(shmq_unlink("loop"), -ELOOP);
}

static void a_name_is_a_file_wherever_it_points(void **state)
{
	char longest[256], cwd[PATH_MAX];
	struct shmq *a, *b;
	struct stat st;

	(void)state;
	memset(longest, 'n', 255);
	longest[255] = '\0';
	shmq_close(queue_create(longest, 4096, 0));
	must_be(stat(path_of(longest), &st), 0);
	must_be(shmq_unlink(longest), 0);

	must(getcwd(cwd, sizeof(cwd)));
	must_be(chdir(shmq_runtime_dir()), 0);
	a = queue_create("./here", 4096, 0);
	b = queue_open("here");
	must_be(stat(path_of("here"), &st), 0);
	shmq_close(a);
	shmq_close(b);
	must_be(shmq_unlink(path_of("here")), 0);
	must_be(chdir(cwd), 0);
	must_be(directory_entries(), 0);
}

static void mode_and_umask_give_the_permissions(void **state)
{
	mode_t old = umask(027);
	struct shmq *q;
	struct stat st;

	(void)state;
	must_be(shmq_open(&q, "q", SHMQ_CREATE, 0666, NULL), 0);
	umask(old);
	must_be(stat(path_of("q"), &st), 0);
	must_be(st.st_mode & 07777, 0640);
	shmq_close(q);
}

static void someone_who_may_only_look(void *arg)
{
	struct shmq_consumer *c;
	struct shmq_producer *p;
	struct shmq *q;

	(void)arg;
	must_be(chdir(shmq_runtime_dir()), 0);
	must_be(setresgid(65534, 65534, 65534), 0);
	must_be(setresuid(65534, 65534, 65534), 0);
	must_be(shmq_open(&q, "./secret", 0, 0, NULL), -EACCES);
	must_be(shmq_open(&q, "./secret", SHMQ_RDONLY, 0, NULL), -EACCES);
	must_be(shmq_open(&q, "./public", 0, 0, NULL), -EACCES);
	must_be(shmq_open(&q, "./new", SHMQ_CREATE, 0600, NULL), -EACCES);
	must_be(shmq_unlink("./public"), -EACCES);
	must_be(shmq_open(&q, "./public", SHMQ_RDONLY, 0, NULL), 0);
	must_be(stat_of(q).members, 0);
	must_be(shmq_producer_open(&p, q, 0), -EBADF);
	must_be(shmq_consumer_open(&c, q, NULL, 0), -EBADF);
	shmq_close(q);
}

static void who_may_not_write_cannot_become_a_member(void **state)
{
	struct shmq *q;
	mode_t old;

	(void)state;
	if (geteuid() != 0) {
		print_message("only root can be somebody else\n");
		skip();
	}
	old = umask(0);
	shmq_close(queue_create("secret", 4096, 0));
	must_be(shmq_open(&q, "public", SHMQ_CREATE, 0644, NULL), 0);
	umask(old);
	shmq_close(q);
	must_be(chmod(shmq_runtime_dir(), 0755), 0);
	child_run(someone_who_may_only_look, NULL);
	must_be(directory_entries(), 2);
}

static void a_handle_that_only_looks(void **state)
{
	struct shmq *q = queue_create("q", 4096, 0), *look;
	struct shmq_producer *p = producer_join(q), *none;
	struct shmq_consumer *c;

	(void)state;
	must_be(shmq_send(p, "x", 1, SHMQ_NOWAIT), 0);
	must_be(shmq_open(&look, "q", SHMQ_RDONLY, 0, NULL), 0);
	must_be(shmq_producer_open(&none, look, 0), -EBADF);
	must_be(shmq_consumer_open(&c, look, NULL, 0), -EBADF);
	must_be(shmq_recover(look), -EBADF);
	must_be(stat_of(look).depth_messages, 1);
	must_be(stat_of(look).members, 1);
	shmq_producer_close(p);
	must_be(stat_of(look).members, 0);
	shmq_close(look);
	shmq_close(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(a_new_queue_has_the_defaults),
		TEST_IN_DIRECTORY(capacity_is_rounded_up_to_a_power_of_two),
		TEST_IN_DIRECTORY(a_bad_attribute_is_refused),
		TEST_IN_DIRECTORY(attributes_of_an_older_version_will_do),
		TEST_IN_DIRECTORY(
			attributes_of_a_newer_version_are_refused_if_they_are_set),
		TEST_IN_DIRECTORY(an_existing_queue_keeps_its_geometry),
		TEST_IN_DIRECTORY(flags_that_contradict_each_other_are_refused),
		TEST_IN_DIRECTORY(exclusive_creation_finds_the_name_taken),
		TEST_IN_DIRECTORY(names_that_are_no_names_are_refused),
		TEST_IN_DIRECTORY(a_path_is_at_most_path_max),
		TEST_IN_DIRECTORY(a_loop_of_links_is_no_queue),
		TEST_IN_DIRECTORY(a_name_is_a_file_wherever_it_points),
		TEST_IN_DIRECTORY(mode_and_umask_give_the_permissions),
		TEST_IN_DIRECTORY(who_may_not_write_cannot_become_a_member),
		TEST_IN_DIRECTORY(a_handle_that_only_looks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
