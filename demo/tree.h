/* SPDX-License-Identifier: MIT */
/*
 * Something real to send: the objects of a git repository's history, or the
 * files below a directory, in memory, each with its SHA-256.
 */
#ifndef DEMO_TREE_H
#define DEMO_TREE_H

#include <stddef.h>
#include <stdint.h>

#define TREE_DIGEST_BYTES 32

/* A commit, directory or file of the history, or a file. */
struct tree_object {
	char *name;         /* git's, or the file's path */
	size_t offset, len; /* in the tree's data */
	uint8_t digest[TREE_DIGEST_BYTES];
};

struct tree {
	const char *kind; /* what its objects are, in words */
	struct tree_object *objects;
	unsigned count;
	unsigned char *data;
	size_t bytes;
	int truncated; /* there was more than TREE_MAX_BYTES */
};

#define TREE_MAX_BYTES (32u << 20)

/*
 * Read the history of the git repository that dir is in or, where there is
 * none or no git, the files below dir. The tree may turn out empty.
 */
void tree_read(struct tree *tree, const char *dir);

void tree_free(struct tree *tree);

void tree_digest(uint8_t digest[TREE_DIGEST_BYTES], const void *data,
		 size_t len);

#endif /* DEMO_TREE_H */
