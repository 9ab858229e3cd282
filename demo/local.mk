# SPDX-License-Identifier: MIT
#
# Small programs to copy from, and stream, the main job of quickstart.

noinst_PROGRAMS += \
	demo/consumer \
	demo/passfd \
	demo/pingpong \
	demo/prefork \
	demo/producer \
	demo/stream

demo_consumer_SOURCES = demo/consumer.c demo/check.h
demo_passfd_SOURCES = demo/passfd.c demo/check.h
demo_prefork_SOURCES = demo/prefork.c demo/check.h
demo_producer_SOURCES = demo/producer.c demo/check.h

demo_pingpong_SOURCES = \
	demo/baseline.c \
	demo/baseline.h \
	demo/check.h \
	demo/histogram.c \
	demo/histogram.h \
	demo/measure.c \
	demo/measure.h \
	demo/pingpong.c

demo_stream_SOURCES = \
	demo/check.h \
	demo/delivery.c \
	demo/delivery.h \
	demo/stream.c \
	demo/tree.c \
	demo/tree.h
# libmd, for SHA-256, comes with libbsd.
demo_stream_LDADD = lib/libshmq.la -lmd

TESTS += tests/test_demos.sh
EXTRA_DIST += tests/test_demos.sh
