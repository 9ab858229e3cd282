# SPDX-License-Identifier: MIT
#
# What `shmq bench` measures with: bench.h is the interface of a transport, and
# each transport is one file. Those below are part of the command.

bench_sources = \
	bench/bench.h \
	bench/catalog.c \
	bench/catalog.h \
	bench/checksum.c \
	bench/clock.c \
	bench/clock.h \
	bench/content.h \
	bench/ends.c \
	bench/ends.h \
	bench/epoll.h \
	bench/eventfd.c \
	bench/fan.c \
	bench/futex.c \
	bench/growth.c \
	bench/job.c \
	bench/job.h \
	bench/journal.c \
	bench/journal.h \
	bench/journal_history.c \
	bench/journal_targets.c \
	bench/journal_ways.c \
	bench/latency.c \
	bench/line.c \
	bench/lines.c \
	bench/loops.h \
	bench/machine.c \
	bench/machine.h \
	bench/meter.c \
	bench/mq.c \
	bench/outcome.c \
	bench/outcome.h \
	bench/pagefault.c \
	bench/pipe.c \
	bench/plan.c \
	bench/plan.h \
	bench/plot.c \
	bench/print.c \
	bench/result.c \
	bench/result.h \
	bench/shared.h \
	bench/shmq.c \
	bench/socket.c \
	bench/spsc.c \
	bench/sysv.c \
	bench/throughput.c \
	bench/trace.c \
	bench/trace.h \
	bench/transports.h \
	bench/vyukov.c \
	bench/wake.c \
	bench/work.c \
	bench/work.h

tools_shmq_SOURCES += $(bench_sources) tools/bench.c tools/bench_options.c \
	tools/bench_options.h
nodist_tools_shmq_SOURCES = bench/built.h
tools_shmq_LDADD += -lm -lrt -ldl

# Made anew each time, and replaced only if it says something else.
EXTRA_DIST += bench/built.sh
dist_noinst_SCRIPTS += bench/report
BUILT_SOURCES += bench/built.h
CLEANFILES += bench/built.h
bench/built.h: FORCE
	$(AM_V_at)$(MKDIR_P) bench
	$(AM_V_at)$(SHELL) $(srcdir)/bench/built.sh $(srcdir) \
		'$(CFLAGS)' '$(benchpeerdir)' >$@.new
	$(AM_V_at)if cmp -s $@.new $@; then rm -f $@.new; \
		else mv -f $@.new $@; fi
FORCE:
.PHONY: FORCE

# ---------------------------------------------------------------------- peers

benchpeerdir = $(pkglibdir)/bench
benchpeer_LTLIBRARIES =
PEER_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared
# Headers of others are not ours to warn about.
PEER_WARNINGS = -Wno-cast-qual -Wno-shadow -Wno-undef -Wno-strict-prototypes \
	-Wno-pointer-arith

if HAVE_CK
benchpeer_LTLIBRARIES += bench/peer_ck.la
bench_peer_ck_la_SOURCES = bench/peer_ck.c
bench_peer_ck_la_CFLAGS = $(AM_CFLAGS) $(CK_CFLAGS) $(PEER_WARNINGS)
bench_peer_ck_la_LDFLAGS = $(PEER_LDFLAGS)
endif
if HAVE_QB
benchpeer_LTLIBRARIES += bench/peer_qb.la
bench_peer_qb_la_SOURCES = bench/peer_qb.c
bench_peer_qb_la_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS) $(PEER_WARNINGS)
bench_peer_qb_la_LDFLAGS = $(PEER_LDFLAGS)
bench_peer_qb_la_LIBADD = $(QB_LIBS)
benchpeer_LTLIBRARIES += bench/peer_qb_ipc.la
bench_peer_qb_ipc_la_SOURCES = bench/peer_qb_ipc.c
bench_peer_qb_ipc_la_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS) $(PEER_WARNINGS)
bench_peer_qb_ipc_la_LDFLAGS = $(PEER_LDFLAGS)
bench_peer_qb_ipc_la_LIBADD = $(QB_LIBS)
endif
if HAVE_ZMQ
benchpeer_LTLIBRARIES += bench/peer_zmq.la
bench_peer_zmq_la_SOURCES = bench/peer_zmq.c
bench_peer_zmq_la_CFLAGS = $(AM_CFLAGS) $(ZMQ_CFLAGS) $(PEER_WARNINGS)
bench_peer_zmq_la_LDFLAGS = $(PEER_LDFLAGS)
bench_peer_zmq_la_LIBADD = $(ZMQ_LIBS)
endif
if HAVE_NNG
benchpeer_LTLIBRARIES += bench/peer_nng.la
bench_peer_nng_la_SOURCES = bench/peer_nng.c
bench_peer_nng_la_CFLAGS = $(AM_CFLAGS) $(PEER_WARNINGS)
bench_peer_nng_la_LDFLAGS = $(PEER_LDFLAGS)
bench_peer_nng_la_LIBADD = -lnng
endif
if HAVE_DPDK
benchpeer_LTLIBRARIES += bench/peer_dpdk.la
bench_peer_dpdk_la_SOURCES = bench/peer_dpdk.c
bench_peer_dpdk_la_CFLAGS = $(AM_CFLAGS) $(DPDK_CFLAGS) $(PEER_WARNINGS) -w
bench_peer_dpdk_la_LDFLAGS = $(PEER_LDFLAGS)
bench_peer_dpdk_la_LIBADD = $(DPDK_RING_LIBS)
endif
if HAVE_BOOST
benchpeer_LTLIBRARIES += bench/peer_boost.la
bench_peer_boost_la_SOURCES = bench/peer_boost.cc
bench_peer_boost_la_CXXFLAGS = $(AM_CXXFLAGS) $(INSTRUMENT_CFLAGS) -pthread \
	-fvisibility=hidden
bench_peer_boost_la_LDFLAGS = $(PEER_LDFLAGS)
bench_peer_boost_la_LIBADD = -lrt
endif
if HAVE_ICEORYX
benchpeer_LTLIBRARIES += bench/peer_iceoryx.la
bench_peer_iceoryx_la_SOURCES = bench/peer_iceoryx.cc bench/roudi.cc \
	bench/roudi.h
bench_peer_iceoryx_la_CXXFLAGS = $(AM_CXXFLAGS) $(INSTRUMENT_CFLAGS) -pthread \
	-fvisibility=hidden $(ICEORYX_CFLAGS)
bench_peer_iceoryx_la_LDFLAGS = $(PEER_LDFLAGS)
bench_peer_iceoryx_la_LIBADD = $(ICEORYX_LIBS) -lrt
endif

# What a shared read section costs: not run by anything.
check_PROGRAMS += bench/section
bench_section_SOURCES = bench/section.c
bench_section_LDADD = lib/libshmqi.la

# Larger than memory: doc/MAPPING.md. tests/test_mapping.sh runs it, small.
check_PROGRAMS += bench/mapping
bench_mapping_SOURCES = \
	bench/cgroup.c \
	bench/cgroup.h \
	bench/clock.h \
	bench/content.h \
	bench/mapping.c \
	bench/mapping.h \
	bench/mapping_case.c \
	bench/mapping_load.c \
	tools/quantity.c \
	tools/quantity.h \
	tools/stop.c \
	tools/stop.h
bench_mapping_LDADD = lib/libshmq.la
