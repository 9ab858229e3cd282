/* SPDX-License-Identifier: MIT */
/*
 * git tells everything through one pipe. What is not complete, because git
 * ended early or a file shrank meanwhile, is left out.
 */
#include "tree.h"

#include "check.h"

#include <ftw.h>
#include <string.h>
#include <sha2.h>
#include <sys/stat.h>

static struct tree *walked; /* nftw() has no argument for it */

void tree_digest(uint8_t digest[TREE_DIGEST_BYTES], const void *data,
		 size_t len)
{
	SHA2_CTX context;

	SHA256Init(&context);
	SHA256Update(&context, data, len);
	SHA256Final(digest, &context);
}

/* Take one object's len bytes. Returns 0 if it cannot be had. */
static int add(struct tree *tree, const char *name, FILE *from, size_t len)
{
	struct tree_object *object;
	void *objects;

	if (len > TREE_MAX_BYTES - tree->bytes) {
		tree->truncated = 1;
		return 0;
	}
	if (fread(tree->data + tree->bytes, 1, len, from) != len)
		return 0;
	objects = realloc(tree->objects,
			  (tree->count + 1ul) * sizeof(*tree->objects));
	check(objects ? 0 : -ENOMEM, "keep an object");
	tree->objects = objects;
	object = &tree->objects[tree->count];
	object->name = strdup(name);
	object->offset = tree->bytes;
	object->len = len;
	check(object->name ? 0 : -ENOMEM, "keep a name");
	tree_digest(object->digest, tree->data + tree->bytes, len);
	tree->bytes += len;
	tree->count++;
	return 1;
}

/* Each object comes as a line "name type size", its bytes, a newline. */
static void read_history(struct tree *tree, const char *dir)
{
	char name[80];
	size_t len;
	FILE *git;

	tree->kind = "objects of the git history";
	check_errno(setenv("DEMO_TREE", dir, 1), "name the directory to git");
	fflush(NULL);
	git = popen("git -C \"$DEMO_TREE\" rev-list --objects --all 2>/dev/null"
		    " | cut -d' ' -f1 |"
		    " git -C \"$DEMO_TREE\" cat-file --batch 2>/dev/null",
		    "r");
	check_errno(git ? 0 : -1, "start git");
	while (fscanf(git, "%79s %*s %zu%*1[\n]", name, &len) == 2) {
		if (!add(tree, name, git, len) || fgetc(git) != '\n')
			break;
	}
	pclose(git);
}

static int read_file(const char *path, const struct stat *st, int type,
		     struct FTW *where)
{
	FILE *file;

	if (type == FTW_D && !strcmp(path + where->base, ".git"))
		return FTW_SKIP_SUBTREE;
	if (type != FTW_F || !S_ISREG(st->st_mode))
		return FTW_CONTINUE;
	file = fopen(path, "r");
	if (file) {
		add(walked, path, file, st->st_size);
		fclose(file);
	}
	return walked->truncated ? FTW_STOP : FTW_CONTINUE;
}

void tree_read(struct tree *tree, const char *dir)
{
	memset(tree, 0, sizeof(*tree));
	tree->data = malloc(TREE_MAX_BYTES);
	check(tree->data ? 0 : -ENOMEM, "keep a tree");
	read_history(tree, dir);
	if (tree->count)
		return;
	tree->kind = "files";
	walked = tree;
	nftw(dir, read_file, 16, FTW_PHYS | FTW_ACTIONRETVAL);
}

void tree_free(struct tree *tree)
{
	for (unsigned i = 0; i < tree->count; i++)
		free(tree->objects[i].name);
	free(tree->objects);
	free(tree->data);
}
