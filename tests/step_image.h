/* SPDX-License-Identifier: MIT */
/*
 * The queue's file, as the tracer sees it, and images of it. A queue without
 * live members is nothing but its file, so an image brings it back.
 */
#ifndef STEP_IMAGE_H
#define STEP_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct queue_file {
	char path[256];
	int fd; /* -1: there is none */
	char *map;
	size_t bytes;
	ino_t ino;
};

struct image {
	char *bytes; /* NULL: no file */
	size_t size;
};

/* Look at what is at the path now. */
bool queue_file_look(struct queue_file *f);
void queue_file_forget(struct queue_file *f);

bool image_take(struct image *image, struct queue_file *f);

/* The file is as it was; with a new inode only if the old one is gone. */
bool image_restore(const struct image *image, struct queue_file *f);
void image_free(struct image *image);

/*
 * A number for the contents, the same for two that differ only in what a
 * clock, a process number or the queue's cookie put there.
 */
uint64_t queue_file_hash(const struct queue_file *f);

#endif
