/* SPDX-License-Identifier: MIT */
/*
 * What the system says about a process.
 */
#include "process.h"

#include <stdio.h>
#include <string.h>

#define FIELD_STATE 3
#define FIELD_START 22

bool process_stopped(int pid, uint64_t start_ticks)
{
	char path[32], line[1024], *field;
	unsigned long long started = 0;
	char state;
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	n = fread(line, 1, sizeof(line) - 1, file);
	fclose(file);
	line[n] = '\0';
	/* The command name, field 2, may hold anything, ')' and ' ' too. */
	field = strrchr(line, ')');
	if (!field || strlen(field) < 3)
		return false;
	field += 2;
	state = *field;
	for (int i = FIELD_STATE; i < FIELD_START && field; i++) {
		field = strchr(field, ' ');
		if (field)
			field++;
	}
	return field && sscanf(field, "%llu", &started) == 1 &&
	       started == start_ticks && (state == 'T' || state == 't');
}
