# SPDX-License-Identifier: MIT
#
# A test is a program that exits with 0, or with 77 and a reason on standard
# output when this machine cannot run it. Add one like this, in the block that
# fits:
#
#	unit_tests += tests/test_thing
#	tests_test_thing_SOURCES = tests/test_thing.c tests/helper.c
#	tests_test_thing_LDADD = $(UNIT_LIBS)
#
# or, for a script (its first line does not matter, it is run by $(SHELL)):
#
#	script_tests += tests/test_thing.sh
#
# Each test runs alone, under tests/run-isolated: in the top build directory,
# in a session of its own, without input. SHMQ_DIR and TMPDIR are empty
# directories, and it fails if it leaves anything in them, or a process behind.
# SHMQ_TEST_TIMEOUT is the time it may take, in seconds. In its environment:
#
#	top_srcdir top_builddir	absolute
#	CC CFLAGS NM		what the library was built with
#	EMULATOR		must precede a program of a cross build; else empty
#	SHMQ DEMO		only with EMULATOR: the command, and the directory
#				of the demos

unit_tests =
script_tests =
EXTRA_PROGRAMS =

# A static copy of the library with its internal names, and cmocka.
UNIT_LIBS = lib/libshmqi.la $(CMOCKA_LIBS)

# ---------------------------------------------------------------- unit tests
if HAVE_CMOCKA
# What the programs share: child processes and directories, message contents,
# the kinds of queue, the books of the kill test.
support = tests/support.c tests/support.h tests/processes.c
moment = tests/moment.c tests/moment.h $(support)
variants = $(support) tests/pattern.c tests/pattern.h \
	tests/variants.c tests/variants.h

unit_tests += tests/fuzz_image
tests_fuzz_image_SOURCES = tests/fuzz_image.c $(support)
tests_fuzz_image_LDADD = $(UNIT_LIBS)
unit_tests += tests/race_groups
tests_race_groups_SOURCES = tests/race_groups.c \
	tests/pattern.c tests/pattern.h $(support)
tests_race_groups_LDADD = $(UNIT_LIBS)
unit_tests += tests/fuzz_scribble
tests_fuzz_scribble_SOURCES = tests/fuzz_scribble.c $(variants)
tests_fuzz_scribble_LDADD = $(UNIT_LIBS)
unit_tests += tests/race_exchange
tests_race_exchange_SOURCES = tests/race_exchange.c $(variants)
tests_race_exchange_LDADD = $(UNIT_LIBS)
unit_tests += tests/race_fd
tests_race_fd_SOURCES = tests/race_fd.c $(support)
tests_race_fd_LDADD = $(UNIT_LIBS)
unit_tests += tests/race_kill
tests_race_kill_SOURCES = tests/race_kill.c $(variants) tests/ledger.c tests/ledger.h
tests_race_kill_LDADD = $(UNIT_LIBS)
unit_tests += tests/race_policy
tests_race_policy_SOURCES = tests/race_policy.c \
	tests/pattern.c tests/pattern.h $(support)
tests_race_policy_LDADD = $(UNIT_LIBS)
unit_tests += tests/race_resize
tests_race_resize_SOURCES = tests/race_resize.c \
	tests/pattern.c tests/pattern.h $(support)
tests_race_resize_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_adoptions
tests_test_adoptions_SOURCES = tests/test_adoptions.c $(moment)
tests_test_adoptions_LDADD = $(UNIT_LIBS)
tests_test_adoptions_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=fcntl
unit_tests += tests/test_alarms
tests_test_alarms_SOURCES = tests/test_alarms.c $(support)
tests_test_alarms_LDADD = $(UNIT_LIBS)
# The library sleeps, wakes and asks for fences by this call.
tests_test_alarms_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=syscall
unit_tests += tests/test_attributes
tests_test_attributes_SOURCES = tests/test_attributes.c tests/deny.h $(support)
tests_test_attributes_LDADD = $(UNIT_LIBS)
unit_tests += tests/race_overwrite
tests_race_overwrite_SOURCES = tests/race_overwrite.c \
	tests/pattern.c tests/pattern.h $(support)
tests_race_overwrite_LDADD = $(UNIT_LIBS)
unit_tests += tests/race_taps
tests_race_taps_SOURCES = tests/race_taps.c \
	tests/pattern.c tests/pattern.h $(support)
tests_race_taps_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_batches
tests_test_batches_SOURCES = tests/test_batches.c $(variants)
tests_test_batches_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_bells
tests_test_bells_SOURCES = tests/test_bells.c $(support)
tests_test_bells_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_borrowing
tests_test_borrowing_SOURCES = tests/test_borrowing.c $(variants)
tests_test_borrowing_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_bounds
tests_test_bounds_SOURCES = tests/test_bounds.c $(support)
tests_test_bounds_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_chimes
tests_test_chimes_SOURCES = tests/test_chimes.c tests/deny.h $(support)
tests_test_chimes_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_claims
tests_test_claims_SOURCES = tests/test_claims.c $(support)
tests_test_claims_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_deaths
tests_test_deaths_SOURCES = tests/test_deaths.c $(support)
tests_test_deaths_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_denied
tests_test_denied_SOURCES = tests/test_denied.c tests/deny.h $(support)
tests_test_denied_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_doctor
tests_test_doctor_SOURCES = tests/test_doctor.c $(variants)
tests_test_doctor_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_ends
tests_test_ends_SOURCES = tests/test_ends.c $(variants)
tests_test_ends_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_errno
tests_test_errno_SOURCES = tests/test_errno.c $(support)
tests_test_errno_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_fd
tests_test_fd_SOURCES = tests/test_fd.c $(variants)
tests_test_fd_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_faults
tests_test_faults_SOURCES = tests/test_faults.c $(support)
tests_test_faults_LDADD = $(UNIT_LIBS)
# Every call of these from here or from the library comes to the test first.
tests_test_faults_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=open,--wrap=fcntl,--wrap=mmap,--wrap=calloc,--wrap=malloc \
	-Wl,--wrap=memfd_create,--wrap=posix_fallocate,--wrap=fallocate \
	-Wl,--wrap=linkat \
	-Wl,--wrap=link,--wrap=fstat,--wrap=pread,--wrap=access,--wrap=unlink
unit_tests += tests/test_foreign
tests_test_foreign_SOURCES = tests/test_foreign.c $(support)
tests_test_foreign_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_fork
tests_test_fork_SOURCES = tests/test_fork.c $(support)
tests_test_fork_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_golden
tests_test_golden_SOURCES = tests/test_golden.c \
	tests/pattern.c tests/pattern.h $(support)
tests_test_golden_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_groups
tests_test_groups_SOURCES = tests/test_groups.c $(support)
tests_test_groups_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_handles
tests_test_handles_SOURCES = tests/test_handles.c $(support)
tests_test_handles_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_crc32c
tests_test_crc32c_SOURCES = tests/test_crc32c.c $(support)
tests_test_crc32c_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_journal
tests_test_journal_SOURCES = tests/test_journal.c \
	tests/pattern.c tests/pattern.h $(support)
tests_test_journal_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_provider
tests_test_provider_SOURCES = tests/test_provider.c $(support)
tests_test_provider_LDADD = $(UNIT_LIBS)
tests_test_provider_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=posix_fallocate \
	-Wl,--wrap=madvise -Wl,--wrap=pthread_create

unit_tests += tests/test_interval
tests_test_interval_SOURCES = tests/test_interval.c $(support)
tests_test_interval_LDADD = $(UNIT_LIBS)
tests_test_interval_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=fdatasync
unit_tests += tests/test_retain
tests_test_retain_SOURCES = tests/test_retain.c $(support)
tests_test_retain_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_damage
tests_test_damage_SOURCES = tests/test_damage.c $(support)
tests_test_damage_LDADD = $(UNIT_LIBS)

unit_tests += tests/test_mend
tests_test_mend_SOURCES = tests/test_mend.c \
	tests/journal_files.c tests/journal_files.h \
	tests/pattern.c tests/pattern.h $(support)
tests_test_mend_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_remains
tests_test_remains_SOURCES = tests/test_remains.c \
	tests/journal_files.c tests/journal_files.h $(support)
tests_test_remains_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_seals
tests_test_seals_SOURCES = tests/test_seals.c $(support)
tests_test_seals_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_scans
tests_test_scans_SOURCES = tests/test_scans.c \
	tests/journal_files.c tests/journal_files.h $(support)
tests_test_scans_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_rolls
tests_test_rolls_SOURCES = tests/test_rolls.c \
	tests/journal_files.c tests/journal_files.h $(support)
tests_test_rolls_LDADD = $(UNIT_LIBS)
tests_test_rolls_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=posix_fallocate
unit_tests += tests/test_syncs
tests_test_syncs_SOURCES = tests/test_syncs.c \
	tests/journal_files.c tests/journal_files.h $(support)
tests_test_syncs_LDADD = $(UNIT_LIBS)
tests_test_syncs_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=fsync,--wrap=fdatasync,--wrap=renameat2 \
	-Wl,--wrap=unlinkat,--wrap=syscall
unit_tests += tests/test_passing
tests_test_passing_SOURCES = tests/test_passing.c \
	tests/journal_files.c tests/journal_files.h $(support)
tests_test_passing_LDADD = $(UNIT_LIBS)
tests_test_passing_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=openat,--wrap=linkat,--wrap=fcntl,--wrap=fdatasync \
	-Wl,--wrap=usleep,--wrap=shmqi_check_open
unit_tests += tests/test_times
tests_test_times_SOURCES = tests/test_times.c \
	tests/journal_files.c tests/journal_files.h $(support)
tests_test_times_LDADD = $(UNIT_LIBS)
tests_test_times_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=clock_gettime
unit_tests += tests/test_syncer
tests_test_syncer_SOURCES = tests/test_syncer.c $(support)
tests_test_syncer_LDADD = $(UNIT_LIBS)
tests_test_syncer_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=shmqi_bells_arm,--wrap=shmqi_bells_sleep \
	-Wl,--wrap=shmqi_word_wake,--wrap=shmqi_bell_ring \
	-Wl,--wrap=pthread_create
unit_tests += tests/test_looks
tests_test_looks_SOURCES = tests/test_looks.c $(support)
tests_test_looks_LDADD = $(UNIT_LIBS)
tests_test_looks_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=shmqi_room_look,--wrap=shmqi_group_lowest \
	-Wl,--wrap=shmqi_lease_share,--wrap=shmqi_member_alive
unit_tests += tests/test_sleeps
tests_test_sleeps_SOURCES = tests/test_sleeps.c $(support)
tests_test_sleeps_LDADD = $(UNIT_LIBS)
tests_test_sleeps_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=shmqi_bells_sleep
unit_tests += tests/test_mended_groups
tests_test_mended_groups_SOURCES = tests/test_mended_groups.c \
	tests/journal_files.c tests/journal_files.h $(support)
tests_test_mended_groups_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_index
tests_test_index_SOURCES = tests/test_index.c \
	tests/journal_files.c tests/journal_files.h $(support)
tests_test_index_LDADD = $(UNIT_LIBS)
unit_tests += tests/race_power
tests_race_power_SOURCES = tests/race_power.c \
	tests/pattern.c tests/pattern.h $(support)
tests_race_power_LDADD = $(UNIT_LIBS)
tests_race_power_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=fsync,--wrap=fdatasync
unit_tests += tests/test_disk
tests_test_disk_SOURCES = tests/test_disk.c $(support)
tests_test_disk_LDADD = $(UNIT_LIBS)
tests_test_disk_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=fdatasync,--wrap=posix_fallocate
unit_tests += tests/test_lifetime
tests_test_lifetime_SOURCES = tests/test_lifetime.c $(support)
tests_test_lifetime_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_loans
tests_test_loans_SOURCES = tests/test_loans.c $(support)
tests_test_loans_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_members
tests_test_members_SOURCES = tests/test_members.c $(support)
tests_test_members_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_memory
tests_test_memory_SOURCES = tests/test_memory.c $(support)
tests_test_memory_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_messages
tests_test_messages_SOURCES = tests/test_messages.c $(variants)
tests_test_messages_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_moments
tests_test_moments_SOURCES = tests/test_moments.c $(moment)
tests_test_moments_LDADD = $(UNIT_LIBS)
# Every lease that the library takes comes to the test first.
tests_test_moments_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=fcntl
unit_tests += tests/test_overwrite
tests_test_overwrite_SOURCES = tests/test_overwrite.c \
	tests/pattern.c tests/pattern.h $(support)
tests_test_overwrite_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_overwrite_rings
tests_test_overwrite_rings_SOURCES = tests/test_overwrite_rings.c $(support)
tests_test_overwrite_rings_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_policy
tests_test_policy_SOURCES = tests/test_policy.c $(variants)
tests_test_policy_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_rescued
tests_test_rescued_SOURCES = tests/test_rescued.c $(support)
tests_test_rescued_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_reservations
tests_test_reservations_SOURCES = tests/test_reservations.c $(variants)
tests_test_reservations_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_resize
tests_test_resize_SOURCES = tests/test_resize.c $(variants)
tests_test_resize_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_returned
tests_test_returned_SOURCES = tests/test_returned.c $(support)
tests_test_returned_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_scribbled
tests_test_scribbled_SOURCES = tests/test_scribbled.c $(support)
tests_test_scribbled_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_rings
tests_test_rings_SOURCES = tests/test_rings.c $(support)
tests_test_rings_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_select
tests_test_select_SOURCES = tests/test_select.c tests/deny.h $(support)
tests_test_select_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_shapes
tests_test_shapes_SOURCES = tests/test_shapes.c $(support)
tests_test_shapes_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_signals
tests_test_signals_SOURCES = tests/test_signals.c $(support)
tests_test_signals_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_stamps
tests_test_stamps_SOURCES = tests/test_stamps.c $(support)
tests_test_stamps_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_stat
tests_test_stat_SOURCES = tests/test_stat.c $(support)
tests_test_stat_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_storage
tests_test_storage_SOURCES = tests/test_storage.c $(support)
tests_test_storage_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_strikes
tests_test_strikes_SOURCES = tests/test_strikes.c $(support)
tests_test_strikes_LDADD = $(UNIT_LIBS)
# Each strike at a FIFO, and its taking, comes to the test first.
tests_test_strikes_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=write,--wrap=read
unit_tests += tests/test_syscalls
tests_test_syscalls_SOURCES = tests/test_syscalls.c tests/deny.h $(variants)
tests_test_syscalls_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_tap_rings
tests_test_tap_rings_SOURCES = tests/test_tap_rings.c $(support)
tests_test_tap_rings_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_taps
tests_test_taps_SOURCES = tests/test_taps.c $(support)
tests_test_taps_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_threads
tests_test_threads_SOURCES = tests/test_threads.c $(support)
tests_test_threads_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_uring
tests_test_uring_SOURCES = tests/test_uring.c $(support)
tests_test_uring_LDADD = $(UNIT_LIBS)
unit_tests += tests/test_pace
tests_test_pace_SOURCES = tests/test_pace.c $(support)
tests_test_pace_LDADD = $(UNIT_LIBS)

unit_tests += tests/test_wake
tests_test_wake_SOURCES = tests/test_wake.c tests/deny.h $(support)
tests_test_wake_LDADD = $(UNIT_LIBS)

# Everything at once, at random: a few seconds here, `make torture` for more.
unit_tests += tests/torture
tests_torture_SOURCES = tests/torture.c \
	tests/torture_arena.c tests/torture_arena.h tests/torture_ending.c \
	tests/torture_seat.c tests/torture_seat.h \
	tests/torture_player.c tests/torture_player.h \
	tests/ledger.c tests/ledger.h $(variants)
tests_torture_LDADD = $(UNIT_LIBS)

# Not run by anything: see make-golden.c.
EXTRA_PROGRAMS += tests/make-golden
tests_make_golden_SOURCES = tests/make-golden.c \
	tests/pattern.c tests/pattern.h $(support)
tests_make_golden_LDADD = $(UNIT_LIBS)
else
script_tests += tests/unit_tests_need_cmocka.sh
endif
EXTRA_DIST += tests/unit_tests_need_cmocka.sh tests/golden/v1.inc

# Death at every instruction; needs no cmocka. `tests/crash_step --full` is the
# whole of it, see crash_step.c.
unit_tests += tests/crash_step
tests_crash_step_SOURCES = \
	tests/crash_step.c \
	tests/step_actor.c \
	tests/step_actor.h \
	tests/step_calls.c \
	tests/step_calls.h \
	tests/step_case.c \
	tests/step_case.h \
	tests/step_death.c \
	tests/step_death.h \
	tests/step_descriptors.c \
	tests/step_groups.c \
	tests/step_image.c \
	tests/step_image.h \
	tests/step_ledger.c \
	tests/step_ledger.h \
	tests/step_looking.c \
	tests/step_members.c \
	tests/step_plan.c \
	tests/step_plan.h \
	tests/step_prepare.c \
	tests/step_receiving.c \
	tests/step_rival.c \
	tests/step_rival.h \
	tests/step_rows.c \
	tests/step_rows.h \
	tests/step_second.c \
	tests/step_second.h \
	tests/step_sending.c \
	tests/step_states.c \
	tests/step_states.h \
	tests/step_survivors.c \
	tests/step_survivors.h \
	tests/step_trace.c \
	tests/step_trace.h
tests_crash_step_LDADD = lib/libshmqi.la

# The same of what only journals do.
unit_tests += tests/crash_journal
tests_crash_journal_SOURCES = tests/crash_journal.c \
	tests/step_trace.c tests/step_trace.h $(support)
tests_crash_journal_LDADD = $(UNIT_LIBS)

# One event loop over a hundred queues, on the public interface alone: a little
# of it here; make herd MESSAGES=n SEED=s.
unit_tests += tests/herd
tests_herd_SOURCES = tests/herd.c
MESSAGES = 10000000
herd: all tests/herd
	$(emulate) tests/herd $(MESSAGES) $(SEED)

# What any bytes can do: run as tests here, and with libFuzzer by `make fuzz`.
fuzz_targets = tests/fuzz_open tests/fuzz_ring tests/fuzz_command
unit_tests += $(fuzz_targets)
fuzz_parts = tests/fuzz_target.h tests/fuzz_use.c tests/fuzz_use.h
tests_fuzz_open_SOURCES = tests/fuzz_open.c tests/fuzz_driver.c $(fuzz_parts)
tests_fuzz_open_LDADD = lib/libshmqi.la
tests_fuzz_ring_SOURCES = tests/fuzz_ring.c tests/fuzz_driver.c $(fuzz_parts)
tests_fuzz_ring_LDADD = lib/libshmqi.la
tests_fuzz_command_SOURCES = tests/fuzz_command.c tests/fuzz_driver.c \
	tests/fuzz_target.h
tests_fuzz_command_LDADD = lib/libshmqi.la
EXTRA_DIST += tests/corpus

# make fuzz SECONDS=n: each target so long, new inputs in fuzz-corpus.
fuzz: all
if HAVE_FUZZER
	$(AM_V_at)set -e; for target in open ring command; do \
		mkdir -p fuzz-corpus/$$target fuzz-corpus/queues; \
		$(FUZZ_CC) -std=gnu11 $(DEFS) -I. $(AM_CPPFLAGS) $(ARCH_CFLAGS) \
			-O1 -g -fsanitize=fuzzer,address,undefined -pthread \
			-o fuzz-corpus/fuzz_$$target \
			$(srcdir)/tests/fuzz_$$target.c \
			$(srcdir)/tests/fuzz_use.c $(srcdir)/lib/*.c \
			$(URCU_LIBS) $(BSD_LIBS); \
		SHMQ_DIR=`pwd`/fuzz-corpus/queues top_builddir=`pwd` \
			fuzz-corpus/fuzz_$$target -artifact_prefix=fuzz-corpus/ \
			-max_total_time=$(SECONDS) -timeout=30 -max_len=4096 \
			fuzz-corpus/$$target $(srcdir)/tests/corpus/$$target; \
	done
else
	@echo "make fuzz needs clang with libFuzzer (Debian: clang, libclang-rt-dev)"
	@exit 1
endif

# Every interleaving: the shipped code, compiled with each access to shared
# memory a step of a search. `make weave` is the whole of it, see weave/weave.h.
unit_tests += tests/weave/weave
tests_weave_weave_SOURCES = \
	tests/weave/access.c \
	tests/weave/atomic.h \
	tests/weave/explore.c \
	tests/weave/journals.c \
	tests/weave/kernel.c \
	tests/weave/memory.c \
	tests/weave/memory.h \
	tests/weave/mutants.c \
	tests/weave/path.c \
	tests/weave/scenarios.c \
	tests/weave/scenarios.h \
	tests/weave/weave.c \
	tests/weave/weave.h \
	tests/weave/world.c \
	tests/weave/world.h \
	lib/adopt.c \
	lib/bounds.c \
	lib/claim.c \
	lib/compact.c \
	lib/competing.c \
	lib/consumer.c \
	lib/copies.c \
	lib/cursor.c \
	lib/error.c \
	lib/follow.c \
	lib/giving.c \
	lib/group.c \
	lib/groups.c \
	lib/members.c \
	lib/obstacle.c \
	lib/outlook.c \
	lib/pace.c \
	lib/policy.c \
	lib/producer.c \
	lib/readopt.c \
	lib/receive.c \
	lib/recovery.c \
	lib/resize.c \
	lib/returned.c \
	lib/ring.c \
	lib/rings.c \
	lib/room.c \
	lib/serial.c \
	lib/span.c \
	lib/stat.c \
	lib/stat_member.c \
	lib/tap.c \
	lib/turn.c \
	lib/views.c \
	lib/wait.c \
	lib/wake.c
tests_weave_weave_CPPFLAGS = -iquote $(top_srcdir)/tests/weave $(AM_CPPFLAGS) \
	-include $(top_srcdir)/tests/weave/atomic.h \
	-U_FORTIFY_SOURCE -Dsyscall=weave_syscall -Dusleep=weave_usleep \
	-Dclock_gettime=weave_clock_gettime -Dopen=weave_open \
	-Dfstat=weave_fstat \
	-Dsched_yield=weave_sched_yield \
	-Dmalloc=weave_malloc -Dcalloc=weave_calloc -Dfree=weave_free \
	-Dreallocarray=weave_reallocarray
tests_weave_weave_LDADD = $(BSD_LIBS)

# make weave PART=K/N: the K-th of N parts of it.
PART = 1/1
weave: all tests/weave/weave
	$(emulate) tests/weave/weave --full --part $(PART)

# -------------------------------------------------------------- script tests

script_tests += tests/test_symbols.sh
EXTRA_DIST += tests/test_symbols.sh

# The documents and comments that describe the shared layout.
script_tests += tests/test_layout.sh tests/test_edges.sh
EXTRA_DIST += tests/test_layout.sh tests/test_edges.sh

# The lines that no test executes, and why.
script_tests += tests/test_uncovered.sh
EXTRA_DIST += tests/test_uncovered.sh tests/uncovered

# Each public function has a row of crash_step.
script_tests += tests/test_rows.sh
EXTRA_DIST += tests/test_rows.sh

# What a message costs in instructions.
script_tests += tests/test_instructions.sh
EXTRA_DIST += tests/test_instructions.sh
check_PROGRAMS += tests/count_calls
tests_count_calls_SOURCES = tests/count_calls.c
tests_count_calls_LDADD = lib/libshmq.la

# The models of the algorithm, searched by spin; `--full` searches further.
script_tests += tests/check-models.sh
EXTRA_DIST += \
	tests/check-models.sh \
	tests/models/README.md \
	tests/models/claim.pml \
	tests/models/keep.pml \
	tests/models/rest.pml \
	tests/models/returned.pml \
	tests/models/serial.pml \
	tests/models/wake.pml

script_tests += tests/test_isolation.sh
EXTRA_DIST += tests/test_isolation.sh

script_tests += tests/test_command.sh
EXTRA_DIST += tests/test_command.sh

# Tiny runs of the benchmark; no figure is looked at.
script_tests += tests/test_bench.sh
EXTRA_DIST += tests/test_bench.sh
check_PROGRAMS += tests/bench_json
tests_bench_json_SOURCES = tests/bench_json.c
tests_bench_json_LDADD = $(JANSSON_LIBS)

# More than memory, where memory can be limited.
script_tests += tests/test_mapping.sh
EXTRA_DIST += tests/test_mapping.sh

# The documentation, whose examples are compiled and run.
script_tests += tests/test_manpages.sh tests/test_readme.sh
EXTRA_DIST += tests/test_manpages.sh tests/test_readme.sh tests/example.sh

# --------------------------------------------- tests for particular builds

# With --enable-sanitizers=thread: the tests whose threads share a process.
# A data race between processes is beyond what the sanitizer sees.
TSAN_TESTS = tests/race_exchange tests/test_handles tests/test_lifetime \
	tests/test_messages tests/test_overwrite tests/test_threads

# Under EMULATOR. Scripts start programs as $SHMQ and $DEMO/NAME, which are
# then scripts that put the emulator first.
# Weave's searches are of the source, and bounded by time: an emulator would get
# less far in them.
EMULATED_TESTS = $(filter-out tests/weave/weave,$(unit_tests)) \
	tests/test_command.sh tests/test_demos.sh

# ------------------------------------------------------------ how they run

check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests) $(script_tests)

TEST_EXTENSIONS = .sh
LOG_COMPILER = ./tests/run-isolated
SH_LOG_COMPILER = ./tests/run-isolated
AM_SH_LOG_FLAGS = $(SHELL)
if EMULATED
emulate = $(SHELL) $(abs_top_builddir)/libtool --quiet --mode=execute \
	$(EMULATOR)
AM_LOG_FLAGS = $(emulate)
emulated_programs = \
	SHMQ='$(abs_top_builddir)/emulated/tools/shmq'; export SHMQ; \
	DEMO='$(abs_top_builddir)/emulated/demo'; export DEMO;

check_DATA += emulated/stamp
emulated/stamp: Makefile
	$(AM_V_GEN)for program in $(bin_PROGRAMS) $(noinst_PROGRAMS); do \
		script=emulated/$$program; \
		$(MKDIR_P) `dirname $$script` && \
		echo '#!/bin/sh' >$$script && \
		echo "exec $(emulate) $(abs_top_builddir)/$$program" \
			'"$$@"' >>$$script && \
		chmod +x $$script || exit 1; \
	done
	$(AM_V_at)echo >$@
endif

clean-local: clean-emulated
clean-emulated:
	rm -rf emulated fuzz-corpus

AM_TESTS_ENVIRONMENT = $(emulated_programs) \
	top_srcdir='$(abs_top_srcdir)'; export top_srcdir; \
	top_builddir='$(abs_top_builddir)'; export top_builddir; \
	CC='$(CC)'; export CC; \
	CFLAGS='$(CFLAGS) $(ARCH_CFLAGS) $(INSTRUMENT_CFLAGS)'; export CFLAGS; \
	NM='$(NM)'; export NM; \
	EMULATOR='$(EMULATOR)'; export EMULATOR; \
	ASAN_OPTIONS="detect_stack_use_after_return=1:$$ASAN_OPTIONS"; \
	export ASAN_OPTIONS; \
	UBSAN_OPTIONS="print_stacktrace=1:$$UBSAN_OPTIONS"; \
	export UBSAN_OPTIONS; \
	TSAN_OPTIONS="history_size=4:suppressions=$(abs_top_srcdir)/tests/tsan.supp:$$TSAN_OPTIONS"; \
	export TSAN_OPTIONS;

# It runs while building, so it is for this machine, plain and uninstrumented.
check_DATA += tests/run-isolated
CLEANFILES += tests/run-isolated
EXTRA_DIST += tests/run-isolated.c tests/tsan.supp tests/.clang-tidy
tests/run-isolated: tests/run-isolated.c
	$(AM_V_at)$(MKDIR_P) tests
	$(AM_V_CC)$(CC_FOR_BUILD) -std=gnu11 -D_GNU_SOURCE -O1 -g -Wall \
		-Wextra -o $@ $(srcdir)/tests/run-isolated.c

# make torture SECONDS=n SEED=s; without a seed, a new one.
SECONDS = 60
torture: all tests/torture tests/race_policy tests/race_overwrite
	$(emulate) tests/torture $(SECONDS) $(SEED)
	SHMQ_CHANGES=$$(( $(SECONDS) * 20 )) $(SEED:%=SHMQ_SEED=%) \
		$(emulate) tests/run-isolated tests/race_policy
	SHMQ_KILLS=$(SECONDS) $(SEED:%=SHMQ_SEED=%) \
		$(emulate) tests/run-isolated tests/race_overwrite

check-threads: all
	@test -n '$(TSAN_TESTS)' || { echo 'TSAN_TESTS is empty'; exit 1; }
	$(AM_V_at)$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(TSAN_TESTS)'

check-emulated: all
	@test -n '$(EMULATED_TESTS)' || { echo 'EMULATED_TESTS is empty'; exit 1; }
	$(AM_V_at)$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(EMULATED_TESTS)'

.PHONY: check-threads check-emulated clean-emulated torture weave fuzz
