# SPDX-License-Identifier: MIT
#
# What `shmq bench` measures with: bench.h is the interface of a transport, and
# each transport is one file. Those below are part of the command.

bench_sources = \
	bench/bench.h \
	bench/catalog.c \
	bench/catalog.h \
	bench/clock.c \
	bench/clock.h \
	bench/content.h \
	bench/ends.c \
	bench/ends.h \
	bench/eventfd.c \
	bench/futex.c \
	bench/job.c \
	bench/job.h \
	bench/latency.c \
	bench/line.c \
	bench/lines.c \
	bench/loops.h \
	bench/machine.c \
	bench/machine.h \
	bench/meter.c \
	bench/mq.c \
	bench/pipe.c \
	bench/plan.c \
	bench/plan.h \
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
	bench/work.c \
	bench/work.h

tools_shmq_SOURCES += $(bench_sources) tools/bench.c tools/bench_options.c \
	tools/bench_options.h
nodist_tools_shmq_SOURCES = bench/built.h
tools_shmq_LDADD += -lm -lrt -ldl

# Made anew each time, and replaced only if it says something else.
EXTRA_DIST += bench/built.sh
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
