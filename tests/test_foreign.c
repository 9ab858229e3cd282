/* SPDX-License-Identifier: MIT */
/* Files that are no queues, or no longer: refused, with a reason. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "format.h"
#include "layout.h"
#include "support.h"

/* A whole queue in memory, with three messages in it. */
struct image {
	uint8_t *bytes;
	size_t size;
};

static char *path_of(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", shmq_runtime_dir(), name);
	return path;
}

static void file_write(const char *name, const void *bytes, size_t size)
{
	int fd = open(path_of(name), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC,
		      0600);

	must(fd >= 0);
	must(write(fd, bytes, size) == (ssize_t)size);
	close(fd);
}

/* Zeros behind it. */
#define IMAGE_MORE 8192

static struct image image_make(void)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct image image;
	struct shmq_producer *p;
	struct shmq *q;
	struct stat st;
	int fd;

	attr.capacity = 4096;
	attr.max_members = 2;
	attr.max_groups = 1;
	must_be(shmq_open(&q, "q", SHMQ_CREATE, 0600, &attr), 0);
	p = producer_join(q);
	for (int i = 0; i < 3; i++)
		must_be(shmq_send(p, "message", 7, SHMQ_NOWAIT), 0);
	shmq_producer_close(p);
	shmq_close(q);
	fd = open(path_of("q"), O_RDONLY | O_CLOEXEC);
	must_be(fstat(fd, &st), 0);
	image.size = (size_t)st.st_size;
	image.bytes = malloc(image.size + IMAGE_MORE);
	must(image.bytes);
	must(read(fd, image.bytes, image.size) == st.st_size);
	memset(image.bytes + image.size, 0, IMAGE_MORE);
	close(fd);
	must_be(shmq_unlink("q"), 0);
	return image;
}

/* A header that was changed and is consistent with itself. */
static void image_seal(struct image *image)
{
	struct sh_header *h = (void *)image->bytes;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 8; i < 248; i++)
		hash = (hash ^ image->bytes[i]) * UINT64_C(0x100000001b3);
	h->check = hash;
}

/* Both ways of opening refuse it, say why, and leave the file as it was. */
static void must_refuse(const char *name, int error)
{
	struct shmq *q = NULL;

	for (int flags = 0; flags <= SHMQ_RDONLY; flags += SHMQ_RDONLY) {
		int r = shmq_open(&q, name, flags, 0, NULL);

		if (r != error)
			print_message("%s\n", name);
		must_be(r, error);
		must(*shmq_errdetail());
	}
	must_be(shmq_open(&q, name, SHMQ_CREATE, 0600, NULL), error);
	must(!q);
}

static void the_image_is_a_queue(void **state)
{
	struct image image = image_make();
	struct shmq_consumer *c;
	struct shmq *q;
	char buf[8];

	(void)state;
	file_write("copy", image.bytes, image.size);
	q = queue_open("copy");
	c = consumer_join(q, 0);
	for (int i = 0; i < 3; i++)
		must_be(shmq_recv(c, buf, sizeof(buf), SHMQ_NOWAIT), 7);
	must_be(shmq_recv(c, buf, sizeof(buf), SHMQ_NOWAIT), -EAGAIN);
	shmq_consumer_close(c);
	shmq_close(q);
	free(image.bytes);
}

static void random_bytes_are_no_queue(void **state)
{
	struct chance chance = chance_of(chance_seed(), 0);
	uint64_t words[1024];

	(void)state;
	for (int i = 0; i < 200; i++) {
		size_t size = chance_below(&chance, sizeof(words));

		for (int k = 0; k < 1024; k++)
			words[k] = chance_next(&chance);
		/* Half of them pretend. */
		if (i % 2)
			words[0] = SH_MAGIC;
		if (i % 4 == 3)
			words[1] = (uint64_t)sizeof(struct sh_header) << 32 |
				   SH_VERSION;
		file_write("random", words, size);
		must_refuse("random", i % 4 == 1 && size >= 256 ?
					      -EPROTONOSUPPORT :
					      -EBADMSG);
	}
}

static void small_files_are_no_queues(void **state)
{
	char zeros[8192] = { 0 };

	(void)state;
	file_write("empty", "", 0);
	must_refuse("empty", -EBADMSG);
	file_write("text", "hello\n", 6);
	must_refuse("text", -EBADMSG);
	file_write("zeros", zeros, sizeof(zeros));
	must_refuse("zeros", -EBADMSG);
	must_be(directory_entries(), 3);
}

static void a_truncated_queue_is_refused(void **state)
{
	struct image image = image_make();

	(void)state;
	for (size_t size = 0; size < image.size;
	     size += size < 6000 ? 61 : 997) {
		file_write("short", image.bytes, size);
		must_refuse("short", -EBADMSG);
	}
	file_write("short", image.bytes, image.size - 1);
	must_refuse("short", -EBADMSG);
	free(image.bytes);
}

/* Whole pages may be those of a ring that was never finished. */
static void a_queue_with_something_appended_is_refused(void **state)
{
	const size_t more[] = { 1, 8, 64, 4095, 4097 };
	struct image image = image_make();

	(void)state;
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		file_write("long", image.bytes, image.size + more[i]);
		must_refuse("long", -EBADMSG);
	}
	free(image.bytes);
}

static void every_flipped_bit_of_the_header_is_noticed(void **state)
{
	struct image image = image_make();

	(void)state;
	for (size_t bit = 0; bit < 8 * sizeof(struct sh_header); bit++) {
		size_t at = bit / 8;

		image.bytes[at] ^= (uint8_t)(1u << bit % 8);
		file_write("flipped", image.bytes, image.size);
		/* The version is looked at before the checksum. */
		must_refuse("flipped",
			    at >= 8 && at < 12 ? -EPROTONOSUPPORT : -EBADMSG);
		image.bytes[at] ^= (uint8_t)(1u << bit % 8);
	}
	free(image.bytes);
}

static void a_header_that_lies_is_refused(void **state)
{
	static const struct {
		size_t at;
		size_t size;
		uint64_t value;
		int error;
	} lies[] = {
#define FIELD(field)                                                           \
	offsetof(struct sh_header, field),                                     \
		sizeof(((struct sh_header *)0)->field)
		{ FIELD(version), 2, -EPROTONOSUPPORT },
		{ FIELD(header_bytes), 512, -EBADMSG },
		{ FIELD(features), 2, -EPROTONOSUPPORT },
		{ FIELD(features), SH_FEATURE_JOURNAL, -EBADMSG },
		{ FIELD(flags), SHMQ_JOURNAL, -EBADMSG },
		{ FIELD(durability), SHMQ_DURABLE_EACH, -EBADMSG },
		{ FIELD(file_bytes), UINT64_MAX, -EBADMSG },
		{ FIELD(capacity), 0, -EBADMSG },
		{ FIELD(capacity), 8192, -EBADMSG },
		{ FIELD(capacity), 4097, -EBADMSG },
		{ FIELD(capacity), UINT64_C(1) << 63, -EBADMSG },
		{ FIELD(flags), 0x4000, -EBADMSG },
		{ FIELD(groups_off), 0, -EBADMSG },
		{ FIELD(members_off), UINT64_MAX, -EBADMSG },
		{ FIELD(bounds_off), 0, -EBADMSG },
		{ FIELD(ring_off), 4096, -EBADMSG },
		{ FIELD(max_members), 0, -EBADMSG },
		{ FIELD(max_members), UINT32_MAX, -EBADMSG },
		{ FIELD(member_entries), 1, -EBADMSG },
		{ FIELD(max_groups), 0, -EBADMSG },
		{ FIELD(max_groups), 257, -EBADMSG },
		{ FIELD(page_bytes), 3, -EPROTONOSUPPORT },
		{ FIELD(start_pos), 1, -EBADMSG },
		{ FIELD(start_pos), UINT64_C(1) << 62, -EBADMSG },
		{ FIELD(start_seq), UINT64_C(1) << 57, -EBADMSG },
		{ FIELD(architecture), 2, -EPROTONOSUPPORT },
#undef FIELD
	};
	struct image image = image_make();
	uint8_t right[sizeof(struct sh_header)];
	char name[64];

	(void)state;
	memcpy(right, image.bytes, sizeof(right));
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		memcpy(image.bytes + lies[i].at, &lies[i].value, lies[i].size);
		image_seal(&image);
		snprintf(name, sizeof(name), "lie at byte %zu", lies[i].at);
		file_write(name, image.bytes, image.size);
		must_refuse(name, lies[i].error);
		memcpy(image.bytes, right, sizeof(right));
	}
	free(image.bytes);
}

static void bind_socket(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(fd >= 0);
	must((size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%s",
			      path_of(name)) < sizeof(address.sun_path));
	must_be(bind(fd, (void *)&address, sizeof(address)), 0);
	close(fd);
}

static void what_is_no_regular_file_is_refused(void **state)
{
	struct shmq *q;

	(void)state;
	must_be(mkfifo(path_of("fifo"), 0600), 0);
	must_refuse("fifo", -EBADMSG);
	must_refuse("/dev/null", -EBADMSG);
	must_be(symlink("/dev/null", path_of("null")), 0);
	must_refuse("null", -EBADMSG);
	must_be(mkdir(path_of("dir"), 0700), 0);
	must_be(shmq_open(&q, "dir", 0, 0, NULL), -EISDIR);
	must_be(shmq_open(&q, "dir", SHMQ_RDONLY, 0, NULL), -EISDIR);
	must_be(shmq_open(&q, "dir", SHMQ_CREATE, 0600, NULL), -EISDIR);
}

/* The kernel gives ENXIO and ETXTBSY for these, which shmq.h does not list. */
static void sockets_and_running_programs_are_refused(void **state)
{
	struct shmq *q;

	(void)state;
	bind_socket("socket");
	must_be(shmq_open(&q, "socket", 0, 0, NULL), -EBADMSG);
	must_be(shmq_open(&q, "socket", SHMQ_RDONLY, 0, NULL), -EBADMSG);
	must_be(shmq_unlink("socket"), -EBADMSG);
	must_be(shmq_open(&q, "/proc/self/exe", SHMQ_RDONLY, 0, NULL),
		-EBADMSG);
	must_be(shmq_open(&q, "/proc/self/exe", 0, 0, NULL), -EBADMSG);
}

static void a_link_leads_to_its_queue(void **state)
{
	struct shmq *a = queue_create("q", 4096, 0), *b;

	(void)state;
	must_be(symlink("q", path_of("link")), 0);
	b = queue_open("link");
	must_be(shmq_send(NULL, "", 0, 0), -EINVAL);
	shmq_close(b);
	shmq_close(a);
	must_be(symlink("nowhere", path_of("dangling")), 0);
	must_be(shmq_open(&b, "dangling", 0, 0, NULL), -ENOENT);
}

static void the_sentence_is_gone_after_a_success(void **state)
{
	struct shmq *q;

	(void)state;
	must_be(shmq_open(&q, "", 0, 0, NULL), -EINVAL);
	must(*shmq_errdetail());
	q = queue_create("q", 4096, 0);
	must(!*shmq_errdetail());
	shmq_close(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_IN_DIRECTORY(the_image_is_a_queue),
		TEST_IN_DIRECTORY(random_bytes_are_no_queue),
		TEST_IN_DIRECTORY(small_files_are_no_queues),
		TEST_IN_DIRECTORY(a_truncated_queue_is_refused),
		TEST_IN_DIRECTORY(a_queue_with_something_appended_is_refused),
		TEST_IN_DIRECTORY(every_flipped_bit_of_the_header_is_noticed),
		TEST_IN_DIRECTORY(a_header_that_lies_is_refused),
		TEST_IN_DIRECTORY(what_is_no_regular_file_is_refused),
		TEST_IN_DIRECTORY(sockets_and_running_programs_are_refused),
		TEST_IN_DIRECTORY(a_link_leads_to_its_queue),
		TEST_IN_DIRECTORY(the_sentence_is_gone_after_a_success),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
