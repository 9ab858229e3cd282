/* SPDX-License-Identifier: MIT */
/*
 * Mappings. The ring is mapped twice, back to back, so that a record that runs
 * over the end of the ring is contiguous in memory all the same.
 */
#include "config.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "error.h"
#include "map.h"

#define HUGE_PAGE ((uint64_t)1 << 21)

static int protection(unsigned how)
{
	return how & MAP_FOR_WRITING ? PROT_READ | PROT_WRITE : PROT_READ;
}

static int share(unsigned how)
{
	return how & MAP_TOUCHED ? MAP_SHARED | MAP_POPULATE : MAP_SHARED;
}

int shmqi_map_plain(void **out, int fd, uint64_t bytes, unsigned how)
{
	void *map = mmap(NULL, bytes, protection(how), share(how), fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	*out = map;
	return 0;
}

/* Reserve bytes of addresses that start at a multiple of align. */
static char *reserve(uint64_t bytes, uint64_t align)
{
	char *map, *start;

	map = mmap(NULL, bytes + align, PROT_NONE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return NULL;
	start = map + (align - (uintptr_t)map % align) % align;
	if (start > map)
		munmap(map, (size_t)(start - map));
	if (start < map + align)
		munmap(start + bytes, (size_t)(map + align - start));
	return start;
}

int shmqi_map_twice(void **out, int fd, uint64_t offset, uint64_t bytes,
		    unsigned how)
{
	/* Where address and offset are alike to the size of a huge page, the
	 * kernel maps large folios whole. Elsewhere it goes through all of a
	 * file's folio for each of its pages: five times as long. */
	uint64_t align = how & MAP_HUGE || bytes >= HUGE_PAGE ?
				 HUGE_PAGE :
				 (uint64_t)sysconf(_SC_PAGESIZE);
	char *start = reserve(2 * bytes, align);

	if (!start)
		return -errno;
	for (int i = 0; i < 2; i++) {
		char *half = start + (uint64_t)i * bytes;

		/* Advice has to come before the pages. */
		if (mmap(half, bytes, protection(how),
			 (how & MAP_HUGE ? MAP_SHARED : share(how)) | MAP_FIXED,
			 fd, (off_t)offset) == MAP_FAILED) {
			int r = -errno;

			munmap(start, 2 * bytes);
			return r;
		}
		if (how & MAP_HUGE)
			madvise(half, bytes, MADV_HUGEPAGE);
	}
#ifdef MADV_POPULATE_READ
	if (how & MAP_HUGE && how & MAP_TOUCHED)
		madvise(start, 2 * bytes,
			how & MAP_FOR_WRITING ? MADV_POPULATE_WRITE :
						MADV_POPULATE_READ);
#endif
	*out = start;
	return 0;
}

void shmqi_map_touch(void *from, uint64_t bytes, bool there)
{
#ifdef MADV_POPULATE_WRITE
	KEEP_ERRNO;
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	char *start = (char *)from - (uintptr_t)from % page;

	bytes += (uint64_t)((char *)from - start);
	/* To read, the kernel maps 16 pages at a time; and where no disk is to be
	 * told of a change, it lets them be written at once. */
	if (there)
		madvise(start, bytes, MADV_POPULATE_READ);
	/* Kernels before 5.14 cannot: then each page is a fault of its own. */
	madvise(start, bytes, MADV_POPULATE_WRITE);
#else
	(void)from;
	(void)bytes;
	(void)there;
#endif
}

void shmqi_map_free(void *map, uint64_t bytes)
{
	if (map)
		munmap(map, bytes);
}

void *shmqi_map_private_page(size_t bytes)
{
	void *page = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return NULL;
	/* Where the kernel cannot, the fork handler clears the magic word. */
	madvise(page, bytes, MADV_WIPEONFORK);
	return page;
}
