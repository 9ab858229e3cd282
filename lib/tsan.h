/* SPDX-License-Identifier: MIT */
/*
 * Order that the thread sanitizer cannot see, because liburcu is not built for
 * it: what one thread did before tsan_give() comes before what another does
 * after tsan_take() of the same word. Nothing in other builds.
 */
#ifndef SHMQI_TSAN_H
#define SHMQI_TSAN_H

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SHMQI_TSAN 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define SHMQI_TSAN 1
#endif

#ifdef SHMQI_TSAN
#include <sanitizer/tsan_interface.h>
#define tsan_give(word) __tsan_release(word)
#define tsan_take(word) __tsan_acquire(word)
/* Its run-time swaps 16 bytes under a lock, which other processes do not see. */
#define TSAN_BLIND __attribute__((no_sanitize("thread")))
#else
#define TSAN_BLIND
#define tsan_give(word) ((void)(word))
#define tsan_take(word) ((void)(word))
#endif

#endif
