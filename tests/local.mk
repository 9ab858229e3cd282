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

unit_tests =
script_tests =

# A static copy of the library with its internal names, and cmocka.
UNIT_LIBS = lib/libshmqi.la $(CMOCKA_LIBS)

# ---------------------------------------------------------------- unit tests
if HAVE_CMOCKA

else
script_tests += tests/unit_tests_need_cmocka.sh
endif
EXTRA_DIST += tests/unit_tests_need_cmocka.sh

# -------------------------------------------------------------- script tests

script_tests += tests/test_symbols.sh
EXTRA_DIST += tests/test_symbols.sh

script_tests += tests/test_isolation.sh
EXTRA_DIST += tests/test_isolation.sh

script_tests += tests/test_command.sh
EXTRA_DIST += tests/test_command.sh

# The documentation, whose examples are compiled and run.
script_tests += tests/test_manpages.sh tests/test_readme.sh
EXTRA_DIST += tests/test_manpages.sh tests/test_readme.sh tests/example.sh

# --------------------------------------------- tests for particular builds

# With --enable-sanitizers=thread: the tests whose threads share a process.
# A data race between processes is beyond what the sanitizer sees.
TSAN_TESTS =

# Under EMULATOR: not those that start programs of the build by themselves.
EMULATED_TESTS = $(unit_tests)

# ------------------------------------------------------------ how they run

check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests) $(script_tests)

TEST_EXTENSIONS = .sh
LOG_COMPILER = ./tests/run-isolated
SH_LOG_COMPILER = ./tests/run-isolated
AM_SH_LOG_FLAGS = $(SHELL)
if EMULATED
AM_LOG_FLAGS = $(LIBTOOL) --quiet --mode=execute $(EMULATOR)
endif

AM_TESTS_ENVIRONMENT = \
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
	TSAN_OPTIONS="suppressions=$(abs_top_srcdir)/tests/tsan.supp:$$TSAN_OPTIONS"; \
	export TSAN_OPTIONS;

# It runs while building, so it is for this machine, plain and uninstrumented.
check_DATA += tests/run-isolated
CLEANFILES += tests/run-isolated
EXTRA_DIST += tests/run-isolated.c tests/tsan.supp
tests/run-isolated: tests/run-isolated.c
	$(AM_V_at)$(MKDIR_P) tests
	$(AM_V_CC)$(CC_FOR_BUILD) -std=gnu11 -D_GNU_SOURCE -O1 -g -Wall \
		-Wextra -o $@ $(srcdir)/tests/run-isolated.c

check-threads: all
	@test -n '$(TSAN_TESTS)' || { echo 'TSAN_TESTS is empty'; exit 1; }
	$(AM_V_at)$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(TSAN_TESTS)'

check-emulated: all
	$(AM_V_at)$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(EMULATED_TESTS)'

.PHONY: check-threads check-emulated
