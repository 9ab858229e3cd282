/* SPDX-License-Identifier: MIT */
/* The files of journals. See journal_files.h. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal_files.h"
#include "layout.h"
#include "support.h"

#define FILES 10000

char *path_of(const char *journal, const char *file)
{
	static char path[2][4096];
	static unsigned turn;

	turn ^= 1;
	snprintf(path[turn], sizeof(path[0]), "%s/%s%s%s", shmq_runtime_dir(),
		 journal, *file ? "/" : "", file);
	return path[turn];
}

static char *name_of(uint64_t number, const char *end)
{
	static char name[32];

	snprintf(name, sizeof(name), "%016llx.%s", (unsigned long long)number,
		 end);
	return name;
}

char *segment_name(uint64_t number)
{
	return name_of(number, "seg");
}

char *index_name(uint64_t number)
{
	return name_of(number, "idx");
}

bool has_file(const char *journal, const char *file)
{
	return !access(path_of(journal, file), F_OK);
}

uint64_t lowest_file(const char *journal)
{
	uint64_t n = 0;

	while (!has_file(journal, segment_name(n)))
		must(++n < FILES);
	return n;
}

uint64_t highest_file(const char *journal)
{
	uint64_t n = FILES;

	while (!has_file(journal, segment_name(n)))
		must(n--);
	return n;
}

bool copy_file(const char *from, const char *to, const char *name)
{
	static char buf[65536];
	int in = open(path_of(from, name), O_RDONLY), out;
	ssize_t n;

	if (in < 0)
		return false;
	out = open(path_of(to, name), O_CREAT | O_EXCL | O_WRONLY, 0600);
	must(out >= 0);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		must_be(write(out, buf, (size_t)n), n);
	close(in);
	close(out);
	return true;
}

void copy_from(const char *from, const char *to, uint64_t first)
{
	must_be(mkdir(path_of(to, ""), 0700), 0);
	must(copy_file(from, to, "control"));
	while (copy_file(from, to, segment_name(first)))
		first++;
}

void copy_journal(const char *from, const char *to)
{
	copy_from(from, to, lowest_file(from));
}

void scribble(const char *journal, const char *file, off_t where,
	      const void *what, size_t n)
{
	int fd = open(path_of(journal, file), O_WRONLY);

	must(fd >= 0);
	must_be(pwrite(fd, what, n, where), n);
	close(fd);
}

void look_at(const char *journal, const char *file, off_t where, void *what,
	     size_t n)
{
	int fd = open(path_of(journal, file), O_RDONLY);

	must(fd >= 0);
	must_be(pread(fd, what, n, where), n);
	close(fd);
}

void set_word(const char *journal, size_t offset, uint64_t value)
{
	scribble(journal, "control", (off_t)(SH_CONTROL_OFF + offset), &value,
		 sizeof(value));
}

uint64_t word_at(const char *journal, size_t offset)
{
	uint64_t value;

	look_at(journal, "control", (off_t)(SH_CONTROL_OFF + offset), &value,
		sizeof(value));
	return value;
}

struct shmq_journal_info info_of(struct shmq *q)
{
	struct shmq_journal_info info = SHMQ_JOURNAL_INFO_INIT;

	must_be(shmq_journal_info(q, &info), 0);
	return info;
}

struct shmq *journal_of(uint64_t segment_bytes)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *q;

	attr.flags = SHMQ_JOURNAL;
	attr.segment_bytes = segment_bytes;
	must_be(shmq_open(&q, "j", SHMQ_CREATE | SHMQ_EXCL, 0600, &attr), 0);
	return q;
}

void send_numbered(struct shmq *q, uint64_t from, uint64_t to, size_t len)
{
	struct shmq_producer *p = producer_join(q);
	uint8_t buf[1024] = { 0 };

	must(len >= sizeof(from) && len <= sizeof(buf));
	for (; from < to; from++) {
		memcpy(buf, &from, sizeof(from));
		must_be(shmq_send(p, buf, len, SHMQ_NOWAIT), 0);
	}
	shmq_producer_close(p);
}
