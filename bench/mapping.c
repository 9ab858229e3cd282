/* SPDX-License-Identifier: MIT */
/*
 * mapping: what happens to a mapping, and to a queue, that is larger than
 * memory. Each case has its processes in a control group that may use little
 * memory; doc/MAPPING.md says what comes of it, and why.
 *
 *	make bench/mapping && bench/mapping [OPTION]...
 *
 * Exit status: 0 each case ended as it should, 1 one did not, 2 wrong usage,
 * 77 it cannot be tried here.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <linux/magic.h>
#include <shmq.h>

#include "../tools/quantity.h"
#include "../tools/stop.h"
#include "mapping.h"

#define PAGE UINT64_C(4096)
#define MIB (UINT64_C(1) << 20)
#define CANNOT 77

/* How a case should end. */
enum wanted {
	GOES_ON,
	REFUSED,
	ONE_KILLED,
	KILLED, /* or refused */
};

struct row {
	struct mapping_case load;
	enum wanted wanted;
};

bool mapping_stopped(void)
{
	return stop_signal() != 0;
}

/* ---------------------------------------------------------------------- cases */

#define ROWS 16

/*
 * The table that this repeats had 16 GiB of memory and swap, and mappings of 30
 * and of twice 15 GiB: these proportions are kept. What a machine refuses to
 * map depends on the machine's memory and not on the group's.
 */
static unsigned int list_mappings(const struct mapping_setup *setup,
				  struct row *rows)
{
	uint64_t one = setup->limit_bytes / 16 * 30 / PAGE * PAGE,
		 two = setup->limit_bytes / 16 * 15 / PAGE * PAGE,
		 huge = setup->machine_bytes / 16 * 30 / PAGE * PAGE;
	const struct row list[] = {
		{ { "private", MAPPING_PRIVATE, false, 1, 0, 0, huge, one },
		  REFUSED },
		{ { "private, no reserve", MAPPING_PRIVATE, true, 1, 0, 0, huge,
		    one },
		  KILLED },
		{ { "private", MAPPING_PRIVATE, false, 1, 0, 0, one, one },
		  KILLED },
		{ { "shared, no file", MAPPING_SHARED, true, 1, 0, 0, one,
		    one },
		  KILLED },
		{ { "shared, of a file", MAPPING_FILE, false, 1, 0, 0, huge,
		    one },
		  GOES_ON },
		{ { "private", MAPPING_PRIVATE, false, 2, 0, 0, two, two },
		  ONE_KILLED },
		{ { "private, no reserve", MAPPING_PRIVATE, true, 2, 0, 0, two,
		    two },
		  ONE_KILLED },
		{ { "shared, of a file", MAPPING_FILE, false, 2, 0, 0, two,
		    two },
		  GOES_ON },
	};

	memcpy(rows, list, sizeof(list));
	return sizeof(list) / sizeof(list[0]);
}

static unsigned int list_queues(const struct mapping_setup *setup,
				struct row *rows)
{
	const struct row list[] = {
		{ { "queue without a file", MAPPING_RING, false, 1,
		    setup->readers, 0, setup->bytes, setup->bytes },
		  KILLED },
		{ { "queue in a file", MAPPING_FILE_RING, false, 1,
		    setup->readers, 0, setup->bytes, setup->bytes },
		  GOES_ON },
		{ { "journal", MAPPING_JOURNAL, false, 1, setup->readers, 1,
		    setup->bytes, setup->bytes },
		  GOES_ON },
	};

	memcpy(rows, list, sizeof(list));
	return sizeof(list) / sizeof(list[0]);
}

/* -------------------------------------------------------------------- outcome */

static bool is_as_wanted(enum wanted wanted, const struct mapping_outcome *o)
{
	switch (wanted) {
	case GOES_ON:
		return o->whole;
	case REFUSED:
		return o->board.refused;
	case ONE_KILLED:
		return o->board.killed == 1;
	case KILLED:
		return o->board.refused || o->board.killed || o->leader_killed;
	}
	return false;
}

static void outcome_text(char *text, size_t size, const struct mapping_case *c,
			 const struct mapping_outcome *o)
{
	if (o->whole)
		snprintf(text, size, "goes on");
	else if (o->board.refused)
		snprintf(text, size, "refused: %s", strerror(o->board.refused));
	else if (o->leader_killed)
		snprintf(text, size, "killed%s",
			 o->board.written ? "" : ", when it is made");
	else if (o->board.killed && c->writers > 1)
		snprintf(text, size, "%u of %u killed", o->board.killed,
			 c->writers);
	else if (o->board.killed)
		snprintf(text, size, "killed");
	else
		snprintf(text, size, "failed: %s", strerror(o->board.error));
}

static void bytes_text(char *text, uint64_t bytes)
{
	if (bytes)
		snprintf(text, QUANTITY_SIZE, "%s",
			 quantity_bytes((double)bytes).text);
	else
		snprintf(text, QUANTITY_SIZE, "-");
}

static void print_head(void)
{
	puts("| what                 | processes  | maps      | writes    | "
	     "outcome                          | written   | read      | "
	     "of the group | resident  | faults   | time    |");
	puts("|----------------------|------------|----------:|----------:|"
	     "----------------------------------|----------:|----------:|"
	     "-------------:|----------:|---------:|--------:|");
}

static void print_row(const struct mapping_case *c,
		      const struct mapping_outcome *o)
{
	char text[7][QUANTITY_SIZE], outcome[80];

	bytes_text(text[0], c->map_bytes);
	bytes_text(text[1], c->use_bytes);
	bytes_text(text[2], o->board.written);
	bytes_text(text[3], o->board.got);
	bytes_text(text[4], o->peak_bytes);
	bytes_text(text[5], o->board.resident_bytes);
	if (mapping_is_queue(c))
		snprintf(text[6], QUANTITY_SIZE, "1, %u read",
			 c->readers + c->late);
	else
		snprintf(text[6], QUANTITY_SIZE, "%u", c->writers);
	outcome_text(outcome, sizeof(outcome), c, o);
	printf("| %-20s | %-10s | %9s | %9s | %-32s | %9s | %9s | %12s | %9s | "
	       "%8" PRIu64 " | %5.1f s |\n",
	       c->name, text[6], text[0], text[1], outcome, text[2], text[3],
	       text[4], text[5], o->board.major_faults, o->seconds);
	fflush(stdout);
}

/* ------------------------------------------------------------------ directory */

static int begin_directory(struct mapping_setup *setup, const char *where)
{
	/* Segments are made ahead; headers and checksums are in them too. */
	uint64_t need = setup->bytes / 2 * 3 + 2 * setup->segment_bytes;
	struct statvfs space;
	struct statfs type;

	if (statvfs(where, &space) || statfs(where, &type)) {
		fprintf(stderr, "mapping: %s: %m\n", where);
		return 2;
	}
	if (type.f_type == TMPFS_MAGIC || type.f_type == RAMFS_MAGIC) {
		fprintf(stderr,
			"mapping: %s is memory: choose a directory on a disk "
			"with --dir\n",
			where);
		return CANNOT;
	}
	if (space.f_bavail * space.f_frsize < need) {
		fprintf(stderr,
			"mapping: %s: %s are needed, %s are free: choose "
			"another with --dir, or less with --bytes\n",
			where, quantity_bytes((double)need).text,
			quantity_bytes(
				(double)(space.f_bavail * space.f_frsize))
				.text);
		return CANNOT;
	}
	snprintf(setup->dir, sizeof(setup->dir), "%.400s/shmq-mapping.XXXXXX",
		 where);
	if (mkdtemp(setup->dir))
		return 0;
	fprintf(stderr, "mapping: %s: %m\n", setup->dir);
	return 2;
}

static void end_directory(const struct mapping_setup *setup)
{
	if (rmdir(setup->dir))
		fprintf(stderr, "mapping: %s: left behind: %m\n", setup->dir);
}

static int run_rows(const struct mapping_setup *setup, const struct row *rows,
		    unsigned int n)
{
	char queue[MAPPING_PATH + 32];
	int status = 0;

	snprintf(queue, sizeof(queue), "%s/queue", setup->dir);
	for (unsigned int i = 0; i < n; i++) {
		struct mapping_outcome outcome;
		int error = mapping_case_run(setup, &rows[i].load, &outcome);

		/* A ring without a name was never there. */
		(void)shmq_unlink(queue);
		if (error == -EINTR)
			return 1;
		if (error) {
			fprintf(stderr, "mapping: %s: %s\n", rows[i].load.name,
				outcome.why[0] ? outcome.why :
						 strerror(-error));
			return error == -ETIMEDOUT ? 1 : CANNOT;
		}
		if (!i)
			print_head();
		print_row(&rows[i].load, &outcome);
		if (!is_as_wanted(rows[i].wanted, &outcome)) {
			fprintf(stderr, "mapping: %s: not as it should end\n",
				rows[i].load.name);
			status = 1;
		}
	}
	return status;
}

/* -------------------------------------------------------------------- options */

static const char usage[] =
	"usage: mapping [--limit SIZE] [--bytes SIZE] [--segment SIZE]\n"
	"               [--readers N] [--message BYTES] [--dir DIR] "
	"[--cgroup DIR]\n"
	"\n"
	"Maps, writes and reads more than the memory that processes may have.\n"
	"\n"
	"  --limit SIZE     of that memory; default 256M\n"
	"  --bytes SIZE     that go through a queue and a journal; default 4G\n"
	"  --segment SIZE   of each file of the journal; default 512M\n"
	"  --readers N      beside the writer, 1 to 16; default 3. One more\n"
	"                   reads the journal when it has been written\n"
	"  --message BYTES  a multiple of 8, up to 64K; default 1024\n"
	"  --dir DIR        where the files are, on a disk; default /var/tmp\n"
	"  --cgroup DIR     a control group to make another in; default: the\n"
	"                   topmost\n";

static uint64_t size_of(const char *option, const char *text, uint64_t least,
			uint64_t most)
{
	static const char units[] = "KMG";
	unsigned int shift = 0;
	const char *unit;
	char *end;
	uint64_t size;

	errno = 0;
	size = strtoull(text, &end, 10);
	unit = *end ? strchr(units, *end) : NULL;
	if (unit) {
		shift = 10 * (unsigned int)(unit - units + 1);
		end++;
	}
	if (*text >= '0' && *text <= '9' && !*end && !errno &&
	    size <= most >> shift && size << shift >= least)
		return size << shift;
	fprintf(stderr, "mapping: %s '%s' is not what it can be\n%s", option,
		text, usage);
	exit(2);
}

static const char *read_options(int argc, char **argv,
				struct mapping_setup *setup)
{
	static const struct option options[] = {
		{ "limit", required_argument, NULL, 'l' },
		{ "bytes", required_argument, NULL, 'b' },
		{ "segment", required_argument, NULL, 's' },
		{ "readers", required_argument, NULL, 'r' },
		{ "message", required_argument, NULL, 'm' },
		{ "dir", required_argument, NULL, 'd' },
		{ "cgroup", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *where = "/var/tmp";
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'l')
			setup->limit_bytes = size_of("--limit", optarg,
						     16 * MIB, MIB << 20);
		else if (option == 'b')
			setup->bytes = size_of("--bytes", optarg, MIB,
					       MIB << 20);
		else if (option == 's')
			setup->segment_bytes = size_of("--segment", optarg, MIB,
						       MIB << 20);
		else if (option == 'r')
			setup->readers = (unsigned int)size_of("--readers",
							       optarg, 1, 16);
		else if (option == 'm')
			setup->len = size_of("--message", optarg, 8, 65536);
		else if (option == 'd')
			where = optarg;
		else if (option == 'c')
			setup->cgroup = optarg;
		else {
			fputs(usage, option == 'h' ? stdout : stderr);
			exit(option == 'h' ? 0 : 2);
		}
	}
	if (optind == argc && setup->len % 8 == 0)
		return where;
	fputs(usage, stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	static struct mapping_setup setup = {
		.limit_bytes = 256 * MIB,
		.bytes = 4096 * MIB,
		.segment_bytes = 512 * MIB,
		.len = 1024,
		.readers = 3,
	};
	const char *where = read_options(argc, argv, &setup);
	struct row rows[ROWS];
	struct sysinfo machine;
	unsigned int n;
	int status;

	if (stop_init() || sysinfo(&machine)) {
		fprintf(stderr, "mapping: %m\n");
		return 2;
	}
	setup.machine_bytes = (machine.totalram + machine.totalswap) *
			      machine.mem_unit;
	status = begin_directory(&setup, where);
	if (status)
		return status;
	n = list_mappings(&setup, rows);
	n += list_queues(&setup, rows + n);
	status = run_rows(&setup, rows, n);
	end_directory(&setup);
	return stop_signal() ? 128 + stop_signal() : status;
}
