/* SPDX-License-Identifier: MIT */
/* Images of the queue's file. See step_image.h. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layout.h"
#include "ring.h"
#include "step_image.h"

/* A stamp that is a sequence number of a short test, see below. */
#define SMALL_SEQ 65536

void queue_file_forget(struct queue_file *f)
{
	if (f->fd < 0)
		return;
	munmap(f->map, f->bytes);
	close(f->fd);
	f->fd = -1;
	f->bytes = 0;
}

bool queue_file_look(struct queue_file *f)
{
	struct stat st;

	if (stat(f->path, &st) < 0) {
		queue_file_forget(f);
		return errno == ENOENT;
	}
	if (f->fd >= 0 && st.st_ino == f->ino && (size_t)st.st_size == f->bytes)
		return true;
	queue_file_forget(f);
	f->fd = open(f->path, O_RDWR | O_CLOEXEC);
	if (f->fd < 0)
		return false;
	f->bytes = (size_t)st.st_size;
	f->ino = st.st_ino;
	f->map = mmap(NULL, f->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd,
		      0);
	if (f->map != MAP_FAILED)
		return true;
	close(f->fd);
	f->fd = -1;
	return false;
}

bool image_take(struct image *image, struct queue_file *f)
{
	image_free(image);
	if (!queue_file_look(f))
		return false;
	if (f->fd < 0)
		return true;
	image->bytes = malloc(f->bytes);
	if (!image->bytes)
		return false;
	image->size = f->bytes;
	memcpy(image->bytes, f->map, f->bytes);
	return true;
}

static bool new_file(const struct image *image, struct queue_file *f)
{
	int fd = open(f->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, image->bytes, image->size) == (ssize_t)image->size;
	close(fd);
	return ok && queue_file_look(f);
}

bool image_restore(const struct image *image, struct queue_file *f)
{
	if (!queue_file_look(f))
		return false;
	if (image->bytes && f->fd >= 0 && f->bytes == image->size) {
		memcpy(f->map, image->bytes, image->size);
		return true;
	}
	queue_file_forget(f);
	if (unlink(f->path) < 0 && errno != ENOENT)
		return false;
	return !image->bytes || new_file(image, f);
}

void image_free(struct image *image)
{
	free(image->bytes);
	*image = (struct image){ 0 };
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

static uint64_t word_at(const char *bytes, size_t at)
{
	uint64_t word;

	memcpy(&word, bytes + at, sizeof(word));
	return word;
}

static void mask(char *bytes, size_t at, size_t n)
{
	memset(bytes + at, 0, n);
}

#define MASK(bytes, at, type, from, to)                                        \
	mask((bytes), (at) + offsetof(struct type, from),                      \
	     offsetof(struct type, to) - offsetof(struct type, from))

/* All that lies before the ring. */
static uint64_t hash_tables(const struct sh_header *h, const char *map)
{
	uint64_t hash = 0;
	char *copy = malloc(h->ring_off);

	if (!copy)
		return 0;
	memcpy(copy, map, h->ring_off);
	MASK(copy, 0, sh_header, cookie, flags);
	MASK(copy, 0, sh_header, created_ns, start_pos);
	mask(copy, offsetof(struct sh_header, check), sizeof(h->check));
	for (uint32_t i = 0; i < h->max_groups; i++)
		MASK(copy, h->groups_off + i * sizeof(struct sh_group),
		     sh_group, created_ns, name);
	for (uint32_t i = 0; i < h->member_entries; i++) {
		size_t at = h->members_off + i * sizeof(struct sh_member);

		MASK(copy, at, sh_member, pid, command);
		MASK(copy, at, sh_member, watch_ns, epoch);
	}
	for (size_t at = 0; at < h->ring_off; at += sizeof(hash))
		hash = mix(hash, word_at(copy, at));
	free(copy);
	return hash;
}

/*
 * A first word of a line that is the stamp of a small number counts as that
 * number: so queues with other cookies hash alike.
 */
static uint64_t hash_ring(const struct sh_header *h, char *map, uint64_t hash)
{
	const struct ring ring = { .base = map + h->ring_off,
				   .mask = h->capacity - 1,
				   .cookie = h->cookie };

	for (size_t at = 0; at < h->capacity; at += sizeof(hash)) {
		uint64_t word = word_at(map, h->ring_off + at);

		if (at % SH_LINE == 0 && record_seq(&ring, at) < SMALL_SEQ)
			word = record_seq(&ring, at);
		hash = mix(hash, word);
	}
	return hash;
}

uint64_t queue_file_hash(const struct queue_file *f)
{
	struct sh_header h;

	if (f->fd < 0 || f->bytes < sizeof(h))
		return 1;
	memcpy(&h, f->map, sizeof(h));
	if (h.magic != SH_MAGIC || h.ring_off + h.capacity != f->bytes)
		return 2;
	return hash_ring(&h, f->map, hash_tables(&h, f->map));
}
