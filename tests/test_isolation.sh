# SPDX-License-Identifier: MIT
#
# Every oracle of tests/run-isolated can fail, and what it finds is gone
# afterwards.

run=$top_builddir/tests/run-isolated
failed=0

# expect STATUS TEXT SCRIPT: SCRIPT, run isolated, gives STATUS and says TEXT.
expect() {
	out=$(SHMQ_TEST_TIMEOUT=2 "$run" sh -c "$3" 2>&1)
	status=$?
	case $out in
	*"$2"*) said=yes ;;
	*) said=no ;;
	esac
	if [ $status -ne "$1" ] || [ $said = no ]; then
		failed=1
		printf 'not as expected: %s\n' "$3"
		printf '  status %s instead of %s, output: %s\n' \
			"$status" "$1" "$out"
	fi
}

expect 0 '' 'exit 0'
expect 3 '' 'exit 3'
expect 77 'no such kernel' 'echo no such kernel; exit 77'
expect 1 'left behind: ' 'touch $SHMQ_DIR/left'
expect 1 'left behind: ' 'mkdir -p $TMPDIR/a/b; exit 77'
expect 1 'still running: ' 'sleep 100 & exit 0'
expect 1 'still running: ' 'setsid sleep 100 & exit 0'
expect 1 'still running: ' '(sleep 100 & kill -STOP $!) & wait'
expect 137 'killed by signal 9' 'kill -9 $$'
expect 124 'took longer than 2 s' 'sleep 100'
expect 0 '' '(sleep 0.2 &) ; exit 0'
expect 0 '' 'test -z "$(ls -A $SHMQ_DIR)" && test $SHMQ_DIR != $TMPDIR'
expect 127 'cannot run' 'exec "$top_builddir/tests/run-isolated" ./missing'

dir=$("$run" sh -c 'mkdir "$SHMQ_DIR/a"; echo "$SHMQ_DIR"' | head -n 1)
if [ -z "$dir" ] || [ -e "$dir" ]; then
	echo "not removed: $dir"
	failed=1
fi

# Processes and temporary files that survived are found by the run-isolated
# that this test itself runs under.
exit $failed
