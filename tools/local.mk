# SPDX-License-Identifier: MIT
#
# The shmq command: a file for each verb, and for each thing that verbs share.

bin_PROGRAMS += tools/shmq
tools_shmq_SOURCES = \
	tools/create.c \
	tools/deadline.h \
	tools/dump.c \
	tools/dump.h \
	tools/import.c \
	tools/import.h \
	tools/doctor.c \
	tools/findings.c \
	tools/findings.h \
	tools/facts.c \
	tools/facts.h \
	tools/fault.c \
	tools/fault.h \
	tools/group.c \
	tools/group_facts.c \
	tools/group_facts.h \
	tools/input.c \
	tools/input.h \
	tools/journal.c \
	tools/ls.c \
	tools/main.c \
	tools/message.c \
	tools/message.h \
	tools/option.c \
	tools/option.h \
	tools/output.c \
	tools/output.h \
	tools/process.c \
	tools/process.h \
	tools/progress.c \
	tools/progress.h \
	tools/quantity.c \
	tools/quantity.h \
	tools/recv.c \
	tools/resize.c \
	tools/rm.c \
	tools/send.c \
	tools/set.c \
	tools/stat.c \
	tools/stop.c \
	tools/stop.h \
	tools/table.c \
	tools/table.h \
	tools/verb.h
tools_shmq_LDADD = lib/libshmq.la $(JANSSON_LIBS)
