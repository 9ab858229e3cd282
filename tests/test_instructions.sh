# SPDX-License-Identifier: MIT
# How many instructions a message takes, sending and receiving together with
# the caller's loop: not a tenth more than when this was last looked at. Counted
# by valgrind, so the machine and its load do not matter; the compiler does, so
# the numbers are of gcc 12 with -O2 on x86-64. doc/PERFORMANCE.md has them too.
one_to_one=237
many_to_one=309
many_to_many=407

skip() {
	echo "$*"
	exit 77
}

[ -z "$EMULATOR" ] || skip "counted on the machine that it is built for only"
command -v valgrind >/dev/null || skip "there is no valgrind"
[ "$(uname -m)" = x86_64 ] || skip "there are no numbers for $(uname -m)"
case $($CC --version | head -n 1) in
*clang*) skip "the numbers are of gcc" ;;
esac
case " $CFLAGS " in
*-fsanitize* | *coverage* | *-O0*) skip "not the library as it is shipped" ;;
esac
case " $CFLAGS " in
*" -O2 "*) ;;
*) skip "the numbers are of -O2" ;;
esac

# total KIND N: instructions of the whole program
total() {
	"$top_builddir/libtool" --mode=execute valgrind --tool=callgrind \
		--callgrind-out-file=/dev/null \
		"$top_builddir/tests/count_calls" "$1" "$2" 2>&1 |
		sed -n 's/.*Collected *: *\([0-9]*\).*/\1/p'
}

failed=0
# measure KIND KNOWN
measure() {
	few=$(total "$1" 1000)
	many=$(total "$1" 5000)
	[ -n "$few" ] && [ -n "$many" ] || skip "valgrind cannot run this"
	each=$(((many - few) / 4000))
	echo "$1: $each instructions a message, known $2"
	[ $((each * 10)) -le $(($2 * 11)) ] || {
		echo "$1: that is more than a tenth more"
		failed=1
	}
}

measure one-to-one "$one_to_one"
measure many-to-one "$many_to_one"
measure many-to-many "$many_to_many"
exit "$failed"
