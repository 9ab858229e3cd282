/* SPDX-License-Identifier: MIT */
/*
 * Storage. Memory needs a look first: a memfd has no size limit, nor has every
 * tmpfs, and the kernel would rather kill processes, of anybody, than refuse a
 * page to fallocate(). What is available changes while we look, so this keeps
 * mistakes and malice from being fatal; it is no reservation.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "error.h"
#include "fd.h"
#include "segment.h"
#include "storage.h"

/* A line of /proc/meminfo, in bytes. 0: not there. */
static uint64_t meminfo(const char *text, const char *key)
{
	const char *line = strstr(text, key);

	return line ? strtoull(line + strlen(key), NULL, 10) * 1024 : 0;
}

/* What could be had without killing anybody; without /proc, all there is. */
static uint64_t available(void)
{
	char text[4096];
	struct sysinfo info;
	uint64_t bytes = 0;
	ssize_t n;
	int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
		text[n > 0 ? n : 0] = '\0';
		bytes = meminfo(text, "MemAvailable:");
		if (bytes)
			return bytes + meminfo(text, "SwapFree:");
	}
	if (sysinfo(&info) < 0)
		return UINT64_MAX;
	return ((uint64_t)info.totalram + info.totalswap) * info.mem_unit;
}

static bool is_memory(const struct statfs *fs)
{
	return fs->f_type == TMPFS_MAGIC || fs->f_type == RAMFS_MAGIC;
}

bool shmqi_storage_in_memory(int fd)
{
	struct statfs fs;

	return !fstatfs(fd, &fs) && is_memory(&fs);
}

/* A file system that is full is left to say so itself. */
static bool is_unlimited_memory(int fd, uint64_t bytes)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0 || !is_memory(&fs))
		return false;
	return !fs.f_blocks || fs.f_bavail >= bytes / (uint64_t)fs.f_bsize;
}

static int check_memory(int fd, uint64_t bytes)
{
	uint64_t there;

	if (!is_unlimited_memory(fd, bytes))
		return 0;
	there = available();
	if (bytes <= there)
		return 0;
	return shmqi_error_say(-ENOMEM,
			       "%llu MiB of memory are needed, %llu available",
			       (unsigned long long)bytes >> 20,
			       (unsigned long long)there >> 20);
}

/* Past this limit the kernel sends SIGXFSZ, which ends the process. */
static int check_limit(uint64_t bytes)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_FSIZE, &limit) < 0 ||
	    limit.rlim_cur == RLIM_INFINITY || bytes <= limit.rlim_cur)
		return 0;
	return shmqi_error_say(-EFBIG,
			       "larger than this process's limit on the size "
			       "of a file, 'ulimit -f'");
}

int shmqi_storage_allocate(int fd, uint64_t offset, uint64_t bytes)
{
	int r = check_memory(fd, bytes);

	if (!r)
		r = check_limit(offset + bytes);
	if (r)
		return r;
	do
		r = posix_fallocate(fd, (off_t)offset, (off_t)bytes);
	while (r == EINTR);
	return -r;
}

void shmqi_storage_punch(int fd, uint64_t offset, uint64_t bytes)
{
	KEEP_ERRNO;
	const int how = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	/* A file system that cannot keeps it for the next ring. */
	while (fallocate(fd, how, (off_t)offset, (off_t)bytes) < 0 &&
	       errno == EINTR)
		;
}

static int write_zeros(int fd, uint64_t offset, uint64_t bytes)
{
	static const char zeros[65536];

	while (bytes) {
		size_t part = bytes < sizeof(zeros) ? bytes : sizeof(zeros);
		ssize_t n = pwrite(fd, zeros, part, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		offset += (uint64_t)n;
		bytes -= (uint64_t)n;
	}
	return 0;
}

int shmqi_storage_fresh(int fd, uint64_t offset, uint64_t bytes)
{
	int r = shmqi_storage_allocate(fd, offset, bytes);

	return !r && shmqi_storage_in_memory(fd) ?
		       write_zeros(fd, offset, bytes) :
		       r;
}

int shmqi_storage_zero(int fd, uint64_t offset, uint64_t bytes)
{
	KEEP_ERRNO;
	const int ways[] = { FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
			     FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE };

	if (!bytes)
		return 0;
	for (size_t i = 0; i < 2; i++)
		if (!fallocate(fd, ways[i], (off_t)offset, (off_t)bytes))
			return i ? shmqi_storage_allocate(fd, offset, bytes) :
				   0;
	return write_zeros(fd, offset, bytes);
}

int shmqi_storage_memory(uint64_t bytes)
{
	/* It may grow: by a ring, and then nobody is hurt by more. */
	const int seals = F_SEAL_SHRINK | F_SEAL_SEAL;
	int fd, r;

	fd = shmqi_own_fd(
		memfd_create("shmq", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	if (fd < 0)
		return fd;
	r = shmqi_storage_allocate(fd, 0, bytes);
	if (!r && fcntl(fd, F_ADD_SEALS, seals) < 0)
		r = -errno;
	if (r) {
		close(fd);
		return r;
	}
	return fd;
}

/*
 * A copy made with holes would be SIGBUS on a full file system: fill them.
 * Not posix_fallocate, whose stand-in writes and could race with members.
 */
int shmqi_storage_fill(int fd, uint64_t offset, uint64_t bytes,
		       uint64_t missing)
{
	int r = check_memory(fd, missing);

	if (!r)
		r = check_limit(offset + bytes);
	if (r)
		return r;
	while (fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)bytes) <
	       0) {
		if (errno == EOPNOTSUPP || errno == EPERM)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}
