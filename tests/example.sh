# SPDX-License-Identifier: MIT
#
# C examples of the documentation, compiled as they are, and linked and run if
# the library has been built. For test_manpages.sh and test_readme.sh, which
# source it. They also run by hand, from anywhere, before anything is built.

export LC_ALL=C
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
: "${top_builddir:=$top_srcdir}"
: "${CC:=cc}" "${CFLAGS:=-O2}" "${EMULATOR:=}"

library=$top_builddir/lib/libshmq.la
header=$top_srcdir/include/shmq.h
work=$(mktemp -d)
queues=$(mktemp -d "${SHMQ_DIR:-$work}/queues.XXXXXX")
trap 'rm -rf "$work" "$queues"' EXIT
trap 'exit 1' HUP INT TERM

failed=0
fail() { # MESSAGE
	echo "FAIL: $*"
	failed=1
}

# $work/NAME.c becomes $work/NAME.o.
example_compile() { # NAME
	$CC $CFLAGS -Wall -Wextra -Werror -I "$top_srcdir/include" \
		-c -o "$work/$1.o" "$work/$1.c" ||
		fail "the example $1 does not compile with $CC"
}

# Whether $work/NAME has been made: it is not when the example is a fragment,
# or does not compile, or when there is no library yet.
example_link() { # NAME
	grep -q '^int main(' "$work/$1.c" && [ -e "$work/$1.o" ] &&
		[ -e "$library" ] || return 1
	"$top_builddir/libtool" --quiet --tag=CC --mode=link $CC $CFLAGS \
		-no-install -o "$work/$1" "$work/$1.o" "$library" && return
	fail "the example $1 does not link"
	return 1
}

# Queues of one example are not there for the next.
example_queues_remove() {
	rm -rf "$queues"
	mkdir "$queues"
}

# What it prints is left in $work/NAME.out.
example_run() { # NAME ARGUMENT...
	name=$1
	shift
	SHMQ_DIR=$queues timeout 30 $EMULATOR "$work/$name" "$@" \
		>"$work/$name.out" 2>"$work/$name.err" </dev/null && return
	fail "the example $name ends with status $?"
	cat "$work/$name.out" "$work/$name.err"
}
