/* SPDX-License-Identifier: MIT */
/*
 * Where it was measured. What the system does not tell stays "unknown".
 */
#include "machine.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <shmq.h>

#include "clock.h"
#include "bench/built.h"
#include "job.h"

/* The first line of a file, without its end. */
static bool first_line(const char *path, char *to, size_t size)
{
	FILE *file = fopen(path, "re");
	bool got = file && fgets(to, (int)size, file);

	if (file)
		fclose(file);
	if (got)
		to[strcspn(to, "\n")] = '\0';
	return got;
}

static void processor(struct machine *machine)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[8192], *colon;

	snprintf(machine->processor, MACHINE_TEXT, "unknown");
	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		colon = strchr(line, ':');
		if (!colon || colon[1] != ' ')
			continue;
		if (!strncmp(line, "model name", 10))
			snprintf(machine->processor, MACHINE_TEXT, "%.*s",
				 MACHINE_TEXT - 1, colon + 2);
		if (!strncmp(line, "flags", 5) && strstr(colon, " hypervisor"))
			machine->virtual = true;
	}
	if (file)
		fclose(file);
	machine->processors = (int)sysconf(_SC_NPROCESSORS_ONLN);
}

static void siblings_of(int core, char *to, size_t size)
{
	char path[96];

	snprintf(path, sizeof(path),
		 "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
		 core);
	if (!first_line(path, to, size))
		snprintf(to, size, "unknown");
}

static bool in_list(const char *list, int core)
{
	while (*list >= '0' && *list <= '9') {
		char *end;
		long from = strtol(list, &end, 10), to = from;

		if (*end == '-')
			to = strtol(end + 1, &end, 10);
		if (core >= from && core <= to)
			return true;
		if (*end != ',')
			break;
		list = end + 1;
	}
	return false;
}

int machine_choose_cores(int *cores)
{
	char siblings[MACHINE_TEXT];
	int n = 0, second = -1;
	cpu_set_t allowed;

	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		return 0;
	for (int core = 0; core < CPU_SETSIZE && n < 2; core++) {
		if (!CPU_ISSET(core, &allowed))
			continue;
		if (n == 1) {
			siblings_of(cores[0], siblings, sizeof(siblings));
			if (in_list(siblings, core)) {
				second = second < 0 ? core : second;
				continue;
			}
		}
		cores[n++] = core;
	}
	if (n == 1 && second >= 0)
		cores[n++] = second;
	return n;
}

static void clock_words(struct machine *machine)
{
	char source[64];

	if (!first_line("/sys/devices/system/clocksource/clocksource0/"
			"current_clocksource",
			source, sizeof(source)))
		snprintf(source, sizeof(source), "unknown");
#if defined(__x86_64__)
	snprintf(machine->clock, MACHINE_TEXT,
		 "%s, a tick is %.3f ns (kernel: %s)",
		 bench_counter_is_even() ? "counter of the processor" :
					   "of the system",
		 bench_tick_ns(), source);
#else
	snprintf(machine->clock, MACHINE_TEXT, "a tick is %.3f ns (kernel: %s)",
		 bench_tick_ns(), source);
#endif
}

static void core_words(struct machine *machine, const int *cores, int n)
{
	size_t used = 0;

	machine->cores[0] = '\0';
	for (int i = 0; i < n && used < MACHINE_TEXT; i++)
		used += (size_t)snprintf(machine->cores + used,
					 MACHINE_TEXT - used, "%s%d",
					 i ? "," : "", cores[i]);
	siblings_of(cores[0], machine->siblings, MACHINE_TEXT);
	machine->are_siblings = n > 1 && in_list(machine->siblings, cores[1]);
}

void machine_get(struct machine *machine, const int *cores, int n)
{
	struct utsname name;
	char line[64];

	memset(machine, 0, sizeof(*machine));
	processor(machine);
	if (!uname(&name))
		snprintf(machine->kernel, MACHINE_TEXT, "%.20s %.60s %.20s",
			 name.sysname, name.release, name.machine);
#if defined(__clang__)
	snprintf(machine->compiler, MACHINE_TEXT, "%s", __VERSION__);
#else
	snprintf(machine->compiler, MACHINE_TEXT, "gcc %s", __VERSION__);
#endif
	machine->flags = BENCH_CFLAGS;
	machine->commit = BENCH_COMMIT;
	machine->library = shmq_version();
	core_words(machine, cores, n);
	clock_words(machine);
	machine->offset_ns = job_offset_ticks * bench_tick_ns();
	if (first_line("/proc/loadavg", line, sizeof(line)))
		machine->load = strtod(line, NULL);
}
