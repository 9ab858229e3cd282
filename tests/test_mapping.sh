# SPDX-License-Identifier: MIT
#
# bench/mapping, small: what is larger than the memory that its processes may
# have is killed or refused, and a journal goes on. Wrong usage is told; nothing
# is left behind, on the disk or of control groups, interrupted or not.

: "${MAPPING:=./bench/mapping}" "${top_builddir:=.}"

[ -z "${EMULATOR:-}" ] || {
	echo 'an emulator has memory of its own'
	exit 77
}
case ${CFLAGS:-} in
*-fsanitize*)
	echo 'a sanitizer needs more memory than there is'
	exit 77
	;;
esac

# Where it is built is more likely a disk than where temporary files are. If
# this is killed, git does not take the directory for a part of the project.
dir=$(mktemp -d "$top_builddir/build-mapping.XXXXXX") || exit 1
files=$dir/files
mkdir "$files" || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM

failed=0
fail() {
	failed=1
	printf 'not as it should be: %s\n' "$*"
	cat "$dir/out"
}

small="--limit 32M --bytes 128M --segment 32M --readers 2 --dir $files"

nothing_is_left() {
	[ -z "$(ls -A "$files")" ] || fail "left in $files: $(ls -A "$files")"
	left=$(find /sys/fs/cgroup -maxdepth 3 -type d \
		-name "shmq-mapping.$1.*" 2>/dev/null)
	[ -z "$left" ] || fail "left: $left"
}

wrong_usage_exits_with_2() {
	for words in '--limit 1K' '--bytes x' '--readers 0' '--readers 17' \
		'--message 12' '--nonsense' 'word' '--bytes -1' '--bytes 4GG' \
		'--dir /nowhere/at/all'; do
		# shellcheck disable=SC2086 # words are words
		"$MAPPING" $words >"$dir/out" 2>&1
		status=$?
		[ $status -eq 2 ] || fail "$words: exit status $status"
	done
}

memory_is_no_disk() {
	[ -d /dev/shm ] || return 0
	"$MAPPING" --dir /dev/shm >"$dir/out" 2>&1
	status=$?
	[ $status -eq 77 ] || fail "a directory in memory: exit status $status"
	grep -q 'is memory' "$dir/out" || fail 'it is not told'
}

what_does_not_fit_on_the_disk_is_told() {
	"$MAPPING" --dir "$files" --bytes 1048576G >"$dir/out" 2>&1
	status=$?
	[ $status -eq 2 ] || fail "more than can be: exit status $status"
	"$MAPPING" --dir "$files" --bytes 1024G >"$dir/out" 2>&1
	status=$?
	[ $status -eq 77 ] || fail "a full disk: exit status $status"
	grep -q 'are needed\|is memory' "$dir/out" || fail 'it is not told'
	nothing_is_left '*'
}

a_journal_is_larger_than_memory() {
	# shellcheck disable=SC2086
	timeout 200 "$MAPPING" $small >"$dir/out" 2>&1 &
	pid=$!
	wait $pid
	status=$?
	nothing_is_left '*'
	if [ $status -eq 77 ]; then
		cat "$dir/out"
		exit 77
	fi
	[ $status -eq 0 ] || fail "exit status $status"
	grep -q '^| journal .* goes on ' "$dir/out" || fail 'no journal'
	grep -q '^| queue without a file .* \(killed\|refused\)' "$dir/out" ||
		fail 'no queue without a file'
}

an_interrupted_run_leaves_nothing() {
	# shellcheck disable=SC2086
	timeout -s INT 2 "$MAPPING" $small >"$dir/out" 2>&1
	nothing_is_left '*'
}

wrong_usage_exits_with_2
memory_is_no_disk
what_does_not_fit_on_the_disk_is_told
[ $failed -eq 0 ] || exit 1
an_interrupted_run_leaves_nothing
a_journal_is_larger_than_memory
exit $failed
