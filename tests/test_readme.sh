# SPDX-License-Identifier: MIT
#
# What README.md shows is true: its program compiles and carries a word from
# one process to another, and its commands for the shell work.

set -eu
. "$(dirname "$0")/example.sh"
readme=$top_srcdir/README.md
command=$top_builddir/tools/shmq

# As README.md says, the program closes nothing.
hello_run() { # ARGUMENT...
	ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 example_run hello "$@"
}

check_program() {
	awk '/^```c$/ { c = 1; next } /^```/ { c = 0 } c' "$readme" \
		>"$work/hello.c"
	example_compile hello
	if ! example_link hello; then
		echo "the program of README.md was compiled, not run"
		return
	fi
	hello_run word
	hello_run
	[ "$(cat "$work/hello.out")" = word ] ||
		fail "the program of README.md did not receive what it sent"
	example_queues_remove
}

check_commands() {
	awk '/^```sh$/ { sh = 1; next } /^```/ { sh = 0 } sh && /^shmq /' \
		"$readme" >"$work/commands"
	[ -s "$work/commands" ] || fail "README.md shows no shmq command"
	if [ ! -x "$command" ]; then
		echo "the commands of README.md were not run: no shmq yet"
		return
	fi
	sed "s|^shmq |timeout 30 $EMULATOR $command |" "$work/commands" \
		>"$work/commands.sh"
	SHMQ_DIR=$queues sh -e "$work/commands.sh" >"$work/commands.out" 2>&1 \
		</dev/null || {
		cat "$work/commands.out"
		fail "one of the commands of README.md ends with an error"
	}
	message=$(sed -n 's/^shmq send .*"\(.*\)"$/\1/p' "$work/commands")
	grep -qFx "$message" "$work/commands.out" ||
		fail "the commands of README.md do not show \"$message\""
	[ -z "$(ls -A "$queues")" ] ||
		fail "the commands of README.md leave a queue behind"
}

check_program
check_commands
exit $failed
