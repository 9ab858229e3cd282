/* SPDX-License-Identifier: MIT */
/*
 * The transports that are always there; catalog.c puts them in order.
 */
#ifndef BENCH_TRANSPORTS_H
#define BENCH_TRANSPORTS_H

#include "bench.h"

extern const struct bench_transport bench_line, bench_lines, bench_memcpy;
extern const struct bench_transport bench_futex, bench_eventfd;
extern const struct bench_transport bench_eventfd_epoll;
extern const struct bench_transport bench_pipe, bench_fifo;
extern const struct bench_transport bench_unix_stream, bench_unix_seqpacket;
extern const struct bench_transport bench_unix_dgram, bench_tcp;
extern const struct bench_transport bench_mq, bench_sysv;
extern const struct bench_transport bench_spsc, bench_vyukov;
extern const struct bench_transport bench_shmq, bench_shmq_batch;
extern const struct bench_transport bench_shmq_place, bench_shmq_1;
extern const struct bench_transport bench_shmq_1_batch, bench_shmq_1_place;
extern const struct bench_transport bench_shmq_topic, bench_shmq_epoll;
extern const struct bench_transport bench_shmq_journal;

#endif /* BENCH_TRANSPORTS_H */
