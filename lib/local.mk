# SPDX-License-Identifier: MIT

# Everything, with the internal names visible: the unit tests link with it.
noinst_LTLIBRARIES += lib/libshmqi.la
lib_libshmqi_la_SOURCES = \
	lib/adopt.c \
	lib/atomic.h \
	lib/attributes.c \
	lib/attributes.h \
	lib/batch.c \
	lib/blank.c \
	lib/blank.h \
	lib/bounds.c \
	lib/bounds.h \
	lib/chime.c \
	lib/chime.h \
	lib/check.c \
	lib/check.h \
	lib/check_members.c \
	lib/check_records.c \
	lib/claim.c \
	lib/compact.c \
	lib/competing.c \
	lib/consumer.c \
	lib/consumer.h \
	lib/copies.c \
	lib/copies.h \
	lib/copy.h \
	lib/crc32c.c \
	lib/crc32c.h \
	lib/cursor.c \
	lib/cursor.h \
	lib/descriptor.c \
	lib/endpoint.c \
	lib/endpoint.h \
	lib/epoch.c \
	lib/epoch.h \
	lib/error.c \
	lib/error.h \
	lib/fd.c \
	lib/fd.h \
	lib/follow.c \
	lib/format.c \
	lib/format.h \
	lib/giving.c \
	lib/group.c \
	lib/group.h \
	lib/groups.c \
	lib/groups.h \
	lib/handle.h \
	lib/index.c \
	lib/index.h \
	lib/gone.c \
	lib/journal.c \
	lib/journal.h \
	lib/journal_dir.c \
	lib/journal_end.c \
	lib/journal_end.h \
	lib/journal_mend.c \
	lib/journal_oldest.c \
	lib/journal_views.c \
	lib/layout.h \
	lib/lease.c \
	lib/lease.h \
	lib/map.c \
	lib/map.h \
	lib/members.c \
	lib/members.h \
	lib/name.c \
	lib/name.h \
	lib/outlook.c \
	lib/pace.c \
	lib/pace.h \
	lib/obstacle.c \
	lib/policy.c \
	lib/policy.h \
	lib/producer.c \
	lib/producer.h \
	lib/provider.c \
	lib/provider.h \
	lib/queue.c \
	lib/readopt.c \
	lib/receive.c \
	lib/recovery.c \
	lib/recovery.h \
	lib/registry.c \
	lib/registry.h \
	lib/retain.c \
	lib/retain.h \
	lib/returned.c \
	lib/returned.h \
	lib/resize.c \
	lib/ring.c \
	lib/ring.h \
	lib/rings.c \
	lib/rings.h \
	lib/room.c \
	lib/room.h \
	lib/scan.c \
	lib/scan.h \
	lib/seal.c \
	lib/seal.h \
	lib/seek.c \
	lib/segfile.c \
	lib/segfile.h \
	lib/segment.c \
	lib/segment.h \
	lib/select.c \
	lib/serial.c \
	lib/serial.h \
	lib/span.c \
	lib/span.h \
	lib/stat.c \
	lib/stat.h \
	lib/stat_member.c \
	lib/storage.c \
	lib/storage.h \
	lib/strike.c \
	lib/strike.h \
	lib/sync.c \
	lib/syncer.c \
	lib/syncer.h \
	lib/sync.h \
	lib/tap.c \
	lib/tsan.h \
	lib/turn.c \
	lib/turn.h \
	lib/verify.c \
	lib/views.c \
	lib/views.h \
	lib/wait.c \
	lib/wait.h \
	lib/wake.c \
	lib/wake.h
lib_libshmqi_la_LIBADD = $(URCU_LIBS) $(BSD_LIBS)
# A vector load of two words that were just stored one by one waits until both
# have left the store buffer: twice the time of a small shmq_recv().
lib_libshmqi_la_CFLAGS = $(AM_CFLAGS) -fno-tree-slp-vectorize

# The same objects behind the version script: what gets installed.
lib_LTLIBRARIES += lib/libshmq.la
lib_libshmq_la_SOURCES =
lib_libshmq_la_LIBADD = lib/libshmqi.la
lib_libshmq_la_LDFLAGS = $(AM_LDFLAGS) \
	-version-info 0:0:0 \
	-no-undefined $(NO_UNDEFINED) \
	-Wl,--version-script=$(srcdir)/lib/libshmq.map
lib_libshmq_la_DEPENDENCIES = lib/libshmqi.la lib/libshmq.map
EXTRA_DIST += lib/libshmq.map
