# SPDX-License-Identifier: MIT
#
# Small programs to copy from, and stream, the main job of quickstart.

noinst_PROGRAMS += \
	demo/audit \
	demo/blackbox \
	demo/consumer \
	demo/epollserver \
	demo/passfd \
	demo/pingpong \
	demo/prefork \
	demo/producer \
	demo/stream \
	demo/topic \
	demo/workqueue

demo_audit_SOURCES = demo/audit.c demo/check.h
demo_blackbox_SOURCES = demo/blackbox.c demo/check.h
demo_consumer_SOURCES = demo/consumer.c demo/check.h
demo_epollserver_SOURCES = demo/epollserver.c demo/check.h
demo_passfd_SOURCES = demo/passfd.c demo/check.h
demo_prefork_SOURCES = demo/prefork.c demo/check.h
demo_producer_SOURCES = demo/producer.c demo/check.h

demo_topic_SOURCES = demo/topic.c demo/check.h
demo_workqueue_SOURCES = demo/workqueue.c demo/check.h

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

# Event loops of others, where there are such.
if HAVE_LIBEVENT
noinst_PROGRAMS += demo/loop_libevent
endif
if HAVE_LIBUV
noinst_PROGRAMS += demo/loop_libuv
endif
if HAVE_SDEVENT
noinst_PROGRAMS += demo/loop_sdevent
endif
demo_loop_libevent_SOURCES = demo/loop_libevent.c demo/check.h
demo_loop_libevent_CFLAGS = $(AM_CFLAGS) $(LIBEVENT_CFLAGS)
demo_loop_libevent_LDADD = lib/libshmq.la $(LIBEVENT_LIBS)
demo_loop_libuv_SOURCES = demo/loop_libuv.c demo/check.h
demo_loop_libuv_CFLAGS = $(AM_CFLAGS) $(LIBUV_CFLAGS)
demo_loop_libuv_LDADD = lib/libshmq.la $(LIBUV_LIBS)
demo_loop_sdevent_SOURCES = demo/loop_sdevent.c demo/check.h
demo_loop_sdevent_CFLAGS = $(AM_CFLAGS) $(SDEVENT_CFLAGS)
demo_loop_sdevent_LDADD = lib/libshmq.la $(SDEVENT_LIBS)
EXTRA_DIST += demo/asyncio_reader.py

TESTS += tests/test_demos.sh
EXTRA_DIST += tests/test_demos.sh
