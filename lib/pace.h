/* SPDX-License-Identifier: MIT */
/*
 * The pace of a stream, as an endpoint sees it from one wait to the next. Where
 * there are more processes than processors, a fast stream is full or empty by
 * turns, and who has to wait does best to let the others go on: a sleep would
 * be ended by the first message, or the first that is taken, and a ring takes
 * longer than many messages. In a slow stream whoever gives way may give way
 * to strangers, who do not give it back: there a sleeper is on time.
 */
#ifndef SHMQI_PACE_H
#define SHMQI_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
	int64_t ns;   /* of the last wait; 0: there was none */
	uint64_t seq; /* the tail's number then */
};

/*
 * An endpoint has to wait, at ns, with the tail's number at seq: has the stream
 * been fast since the last time?
 */
bool shmqi_pace_fast(struct pace *pace, int64_t ns, uint64_t seq);

#endif
