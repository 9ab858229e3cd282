# SPDX-License-Identifier: MIT
#
# Each demo does what it says, with small counts. Nothing depends on how fast
# anything is: the time limits are for what hangs. DEMO names the directory of
# the programs, SHMQ the command.

: "${DEMO:=./demo}" "${SHMQ:=./tools/shmq}" "${TMPDIR:=/tmp}"

work=$(mktemp -d "$TMPDIR/demos.XXXXXX") || exit 1
SHMQ_DIR=$(mktemp -d "${SHMQ_DIR:-$work}/queues.XXXXXX") || exit 1
export SHMQ_DIR

# No repository but the one made here, whatever runs this test.
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1

background='' producer='' consumer='' interrupted=''
finish() {
	for pid in $background; do
		kill -KILL "$pid" 2>/dev/null && wait "$pid"
	done 2>/dev/null
	rm -rf "$SHMQ_DIR" "$work"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

failed=0
fail() {
	failed=1
	printf 'not as it should be: %s\n' "$*"
}

# demo PROGRAM ARGUMENT...: run it; what it says is in $work/out.
demo() {
	program=$1
	shift
	timeout 120 "$DEMO/$program" "$@" >"$work/out" 2>&1 && return
	fail "$program $*: exit status $?"
	cat "$work/out"
}

# start NAME PROGRAM ARGUMENT...: the same in the background, as $NAME.
start() {
	name=$1
	program=$2
	shift 2
	"$DEMO/$program" "$@" >"$work/$name" 2>&1 &
	eval "$name=$!"
	background="$background $!"
}

# kill_one PID: as a crash would.
kill_one() {
	kill -KILL "$1"
	wait "$1" 2>/dev/null
}

# ended NAME: wait for a background program.
ended() {
	eval "wait \$$1" && return
	fail "$1: exit status $?"
	cat "$work/$1"
}

# says FILE PATTERN
says() {
	grep -q -e "$2" "$work/$1" && return
	fail "$1 lacks '$2':"
	cat "$work/$1"
}

no_queue_is_left() {
	[ -z "$(ls -A "$SHMQ_DIR")" ] && return
	fail "left behind by $1:"
	ls -A "$SHMQ_DIR"
}

a_consumer_receives_what_a_later_producer_sends() {
	start consumer consumer q 5000
	demo producer q 5000
	says out 'sent 5000 messages'
	ended consumer
	says consumer 'received 5000 messages of 1 senders: 0 out of order, 0'
}

a_consumer_receives_what_an_earlier_producer_has_sent() {
	demo producer q 100
	demo consumer q 100
	says out 'received 100 messages of 1 senders: 0 out of order, 0'
}

a_killed_producer_is_replaced() {
	start producer producer q
	demo consumer q 1000
	kill_one "$producer"
	start producer producer q
	demo consumer q 5000
	says out ': 0 out of order, 0 redelivered'
	kill_one "$producer"
}

a_killed_consumer_is_replaced() {
	start producer producer q
	start consumer consumer q
	demo consumer q 1000
	kill_one "$consumer"
	demo consumer q 5000
	says out ': 0 out of order'
}

a_removed_queue_ends_both() {
	start consumer consumer q
	until "$SHMQ" stat --json q | grep -q '"members_alive": *2'; do
		kill -0 "$consumer" || break
		sleep 0.01
	done
	"$SHMQ" rm q || fail "rm"
	ended producer
	ended consumer
	says producer 'the queue has been removed'
	no_queue_is_left "producer and consumer"
}

a_file_that_is_no_queue_is_refused_with_a_reason() {
	seq 3000 >"$SHMQ_DIR/numbers"
	for program in producer consumer; do
		"$DEMO/$program" numbers 1 >"$work/out" 2>&1 &&
			fail "$program took a text file for a queue"
		says out "^[a-z-]*$program: numbers: .*not a queue"
	done
	rm "$SHMQ_DIR/numbers"
	no_queue_is_left "producer and consumer"
}

the_pool_answers_every_job() {
	demo prefork
	says out '10000 jobs answered; 2 of them redelivered, 1 answered twice'
}

a_queue_is_passed_over_a_socket() {
	demo passfd 1000
	says out 'received 1000 numbers, sum 500500'
}

the_latencies_are_drawn() {
	demo pingpong 510
	says out '510 round trips over the queue'
	says out '####'
	for row in 'cache line' 'queue ' 'pipe, polled' 'pipe, asleep'; do
		says out "^$row.* x\$"
	done
}

# stream OBJECTS
stream() {
	mkdir -p "$work/tree/below"
	seq 60000 >"$work/tree/large"
	head -c 4096 "$work/tree/large" >"$work/tree/below/one-part"
	: >"$work/tree/empty"
	demo stream -p 1 -k 3 "$work/tree"
	says out "^stream: $1"
	says out 'killed *3 senders, 3 receivers'
	says out 'lost *0$'
	says out 'nothing lost'
	no_queue_is_left stream
}

files_go_through_a_queue() {
	GIT_DIR=$work/none
	export GIT_DIR
	stream '3 files'
	unset GIT_DIR
}

a_history_goes_through_a_queue() {
	command -v git >/dev/null || return
	git init -q "$work/tree"
	git -C "$work/tree" add .
	GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000' \
		git -C "$work/tree" -c user.name=demo -c user.email=demo \
		commit -q -m demo
	stream '6 objects of the git history'
}

an_interrupted_stream_leaves_nothing() {
	start interrupted stream "$work/tree"
	while [ -z "$(ls -A "$SHMQ_DIR")" ]; do
		kill -0 "$interrupted" || break
		sleep 0.01
	done
	kill -TERM "$interrupted"
	wait "$interrupted" && fail "an interrupted stream is a success"
	says interrupted interrupted
	no_queue_is_left "an interrupted stream"
}

# prints_what_is_sent NAME PROGRAM...: three lines, sent while it sleeps and
# while it does not; then the queue is removed, which ends it.
prints_what_is_sent() {
	name=$1
	shift
	"$@" lines >"$work/$name" 2>"$work/errors" &
	pid=$!
	background="$background $pid"
	until "$SHMQ" stat --json lines 2>/dev/null |
		grep -q '"members_alive": *1'; do
		kill -0 "$pid" || break
		sleep 0.01
	done
	"$SHMQ" send lines one || fail "send"
	until grep -q one "$work/$name"; do
		kill -0 "$pid" || break
		sleep 0.01
	done 2>/dev/null
	printf 'two\nthree\n' | "$SHMQ" send lines || fail "send"
	until grep -q three "$work/$name"; do
		kill -0 "$pid" || break
		sleep 0.01
	done 2>/dev/null
	"$SHMQ" rm lines || fail "rm"
	wait "$pid" || {
		fail "$*: exit status $?"
		cat "$work/errors"
	}
	[ "$(cat "$work/$name")" = "$(printf 'one\ntwo\nthree')" ] ||
		fail "$name prints: $(cat "$work/$name")"
	no_queue_is_left "$name"
}

event_loops_print_what_is_sent() {
	for name in loop_libevent loop_libuv loop_sdevent; do
		[ ! -x "$DEMO/$name" ] ||
			prints_what_is_sent $name "$DEMO/$name"
	done
}

# Not with the sanitizers, which want to be in python from the beginning.
python_prints_what_is_sent() {
	library=${top_builddir:-.}/lib/.libs/libshmq.so.0
	if [ -n "${EMULATOR:-}" ] || [ ! -e "$library" ] ||
		case $CFLAGS in *-fsanitize*) ;; *) false ;; esac ||
		! SHMQ_LIBRARY=$library python3 -c 'import asyncio, ctypes, os
ctypes.CDLL(os.environ["SHMQ_LIBRARY"])' 2>/dev/null; then
		return 0
	fi
	SHMQ_LIBRARY=$library
	export SHMQ_LIBRARY
	prints_what_is_sent asyncio_reader python3 -B \
		"${top_srcdir:-.}/demo/asyncio_reader.py"
}

a_server_has_sockets_and_a_queue() {
	command -v bash >/dev/null || return 0
	start server epollserver chat
	until grep -q port "$work/server"; do
		kill -0 "$server" || break
		sleep 0.01
	done
	"$SHMQ" send chat before || fail "send"
	# shellcheck disable=SC2016 # the inner shell expands
	timeout 20 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1" && echo hello >&3 &&
		read -r line <&3 && echo "$line" &&
		echo bye | "$2" send chat --block 4 &&
		read -r line <&3 && echo "$line"' bash \
		"$(sed 's/port //' "$work/server")" "$SHMQ" >"$work/out" ||
		fail "the server does not answer"
	says out hello
	says out bye
	"$SHMQ" rm chat || fail "rm"
	ended server
	no_queue_is_left epollserver
}

a_flight_recorder_tells_what_came_last() {
	"$DEMO/blackbox" box 5000 >"$work/out" 2>&1 &
	wait $! 2>/dev/null
	[ $? -eq 137 ] || fail "blackbox was not killed"
	"$SHMQ" dump box >"$work/out" || fail "dump: exit status $?"
	tail -n 1 "$work/out" | grep -q ' 4999: ' || fail "the last event"
	sed 's/.* \([0-9]*\): .*/\1/' "$work/out" >"$work/numbers"
	seq "$(head -n 1 "$work/numbers")" 4999 | cmp -s - "$work/numbers" ||
		fail "the events before it"
	"$SHMQ" rm box || fail "rm"
	no_queue_is_left blackbox
}

subscribers_get_what_they_are_fast_enough_for() {
	demo topic prices 20000
	[ "$(grep -c 'all accounted for' "$work/out")" = 3 ] || {
		fail "topic"
		cat "$work/out"
	}
	no_queue_is_left topic
}

an_audit_log_is_replayed() {
	for text in login delete logout; do
		demo audit log record "$text by alice"
	done
	demo audit log replay
	sed 's/ [0-9.]* user .*: / /' "$work/out" >"$work/entries"
	[ "$(cat "$work/entries")" = "0 login by alice
1 delete by alice
2 logout by alice" ] || fail "replay: $(cat "$work/out")"
	demo audit log replay seq:1
	[ "$(sed 's/.*: //' "$work/out")" = "delete by alice
logout by alice" ] || fail "replay seq:1: $(cat "$work/out")"
	demo audit log replay since:0
	[ "$(wc -l <"$work/out")" -eq 3 ] || fail "replay since:0"
	demo audit log replay since:9999999999
	[ ! -s "$work/out" ] || fail "replay of the future: $(cat "$work/out")"
	timeout 60 "$DEMO/audit" log replay seq:99 >"$work/out" 2>&1 &&
		fail "replay of what is not there"
	timeout 60 "$DEMO/audit" log replay seq:x >"$work/out" 2>&1 &&
		fail "replay of no number"
	"$SHMQ" journal verify log >"$work/out" || fail "verify: exit status $?"

	# As after a crash of the machine: a copy has to be mended first.
	cp -R "$SHMQ_DIR/log" "$SHMQ_DIR/copy"
	demo audit copy replay
	[ "$(wc -l <"$work/out")" -eq 3 ] || fail "replay of a copy"
	"$SHMQ" rm log || fail "rm"
	"$SHMQ" rm copy || fail "rm"
	no_queue_is_left audit
}

# Two workers one after the other, the first of which dies with the third job;
# then the journal is what a reboot would leave.
a_work_queue_survives() {
	demo workqueue jobs add one two crash three four
	[ "$(grep -c ^accepted: "$work/out")" -eq 5 ] || fail "add"
	"$DEMO/workqueue" jobs work >"$work/before" 2>&1 &
	wait $! 2>/dev/null
	[ $? -eq 137 ] || fail "the job did not kill its worker"
	[ "$(cat "$work/before")" = "done: one
done: two" ] || fail "before: $(cat "$work/before")"
	cp -R "$SHMQ_DIR/jobs" "$SHMQ_DIR/reboot"
	for queue in jobs reboot; do
		demo workqueue $queue work
		[ "$(LC_ALL=C sort "$work/out")" = "$1" ] ||
			fail "$queue, after: $(cat "$work/out")"
		shift
		demo workqueue $queue add five
		demo workqueue $queue work
		[ "$(cat "$work/out")" = 'done: five' ] ||
			fail "$queue, later: $(cat "$work/out")"
		"$SHMQ" rm $queue || fail "rm"
	done
	no_queue_is_left workqueue
}

event_loops_print_what_is_sent
an_audit_log_is_replayed
a_work_queue_survives 'done again: crash
done: four
done: three' 'done again: crash
done again: four
done again: three'
a_flight_recorder_tells_what_came_last
subscribers_get_what_they_are_fast_enough_for
python_prints_what_is_sent
a_server_has_sockets_and_a_queue
a_consumer_receives_what_a_later_producer_sends
a_consumer_receives_what_an_earlier_producer_has_sent
a_killed_producer_is_replaced
a_killed_consumer_is_replaced
a_removed_queue_ends_both
a_file_that_is_no_queue_is_refused_with_a_reason
the_pool_answers_every_job
a_queue_is_passed_over_a_socket
the_latencies_are_drawn
files_go_through_a_queue
a_history_goes_through_a_queue
an_interrupted_stream_leaves_nothing
exit $failed
