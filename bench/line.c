/* SPDX-License-Identifier: MIT */
/*
 * line: the bare hand-off. A message lies in one place, as many cache lines as
 * it needs; its number, stored last, says that it is there. Nothing keeps the
 * producer from overwriting it: only for one message at a time.
 */
#include <stdlib.h>

#include "loops.h"
#include "shared.h"
#include "transports.h"

struct line {
	uint64_t *words;
	size_t bytes;
	uint64_t seen;
};

/* Apart from other channels' lines, further than a prefetcher reaches. */
#define APART 4096

static int line_create(struct bench_channel *ch)
{
	struct line *line = calloc(1, sizeof(*line));

	if (!line)
		return -ENOMEM;
	ch->state = line;
	line->bytes = bench_round_up(ch->len, APART);
	line->words = bench_shared_create(line->bytes);
	return line->words ? 0 : -ENOMEM;
}

static int line_attach(struct bench_channel *ch)
{
	const struct line *line = ch->state;

	bench_shared_touch(line->words, line->bytes);
	return 0;
}

static void line_destroy(struct bench_channel *ch)
{
	struct line *line = ch->state;

	if (line && line->words)
		munmap(line->words, line->bytes);
	free(line);
}

BENCH_INLINE int line_put(struct bench_channel *ch, uint64_t number)
{
	struct line *line = ch->state;

	content_fill_rest(line->words, number, 1, ch->len / 8);
	__atomic_store_n(line->words, number, __ATOMIC_RELEASE);
	return 0;
}

BENCH_INLINE int line_take(struct bench_channel *ch, uint64_t *number)
{
	struct line *line = ch->state;

	*number = __atomic_load_n(line->words, __ATOMIC_ACQUIRE);
	if (*number == line->seen)
		return -EAGAIN;
	line->seen = *number;
	return content_rest_is_right(line->words, *number, 1, ch->len / 8) ?
		       0 :
		       -EBADMSG;
}

BENCH_LOOPS(line)

const struct bench_transport bench_line = {
	.name = "line",
	.about = "bare hand-off: memory in one place",
	.flags = BENCH_FLOOR | BENCH_POLLS | BENCH_TRIPS | BENCH_IN_PLACE,
	.create = line_create,
	.attach = line_attach,
	.destroy = line_destroy,
	BENCH_OPERATIONS(line),
};
