# SPDX-License-Identifier: MIT
#
# The shmq command from outside: what it prints, what it moves, how it exits.
# No check depends on how fast anything is. SHMQ names the command.

SHMQ=${SHMQ:-./tools/shmq}
if ! [ -x "$SHMQ" ]; then
	echo "$SHMQ: no such program"
	exit 1
fi

umask 022
dir=$(mktemp -d "${SHMQ_DIR:-${TMPDIR:-/tmp}}/command.XXXXXX") || exit 1
SHMQ_DIR=$dir/queues
work=$dir/work
mkdir "$SHMQ_DIR" "$work" || exit 1
export SHMQ_DIR

background=
finish() {
	for pid in $background; do
		kill -KILL "$pid" 2>/dev/null && wait "$pid"
	done 2>/dev/null
	rm -rf "$dir"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

failed=0
fail() {
	failed=1
	printf 'not as it should be: %s\n' "$*"
}

# expect STATUS WORD...: run the command, keep what it says.
expect() {
	wanted=$1
	shift
	"$SHMQ" "$@" >"$work/out" 2>"$work/err"
	got=$?
	[ $got -eq "$wanted" ] && return
	fail "shmq $*: exit status $got instead of $wanted"
	cat "$work/err"
}

# out_is FORMAT WHAT
out_is() {
	# shellcheck disable=SC2059
	printf -- "$1" | cmp -s - "$work/out" && return
	fail "$2: output is"
	cat "$work/out"
}

out_has() {
	grep -qF -e "$1" "$work/out" && return
	fail "output lacks '$1':"
	cat "$work/out"
}

err_has() {
	grep -qF -e "$1" "$work/err" && return
	fail "standard error lacks '$1':"
	cat "$work/err"
}

# ended PID STATUS WHAT: wait for a background process.
ended() {
	wait "$1"
	got=$?
	[ $got -eq "$2" ] || fail "$3: exit status $got instead of $2"
}

wrong_usage_exits_with_2_and_help_with_0() {
	expect 2
	expect 2 nonsense
	expect 2 --nonsense
	expect 2 help nonsense
	expect 0 --help
	out_has "Examples:"
	expect 0 --version
	out_has "shmq "
	for verb in create send recv dump stat ls resize set journal rm; do
		expect 2 $verb --nonsense
		err_has "shmq $verb: "
		expect 0 $verb --help
		out_has "usage: shmq $verb"
		out_has "Examples:"
		cp "$work/out" "$work/help"
		expect 0 help $verb
		cmp -s "$work/help" "$work/out" || fail "help $verb differs"
		[ $verb = ls ] || expect 2 $verb
	done
	expect 2 create a b
	expect 2 send a b c
	expect 2 recv a b
	expect 2 ls a
	for size in 0 -1 4X K 1KB 99999999999999999999 17179869185G; do
		expect 2 create q --capacity "$size"
	done
	for seconds in -1 x 1s nan inf ''; do
		expect 2 send q m --timeout "$seconds"
	done
	expect 2 recv q --count 0
	expect 2 recv q --count
	expect 2 recv q --raw --json
	expect 2 recv q --raw=yes
	expect 2 recv q --tap --group g
	expect 2 dump q --raw --json
	expect 2 dump q --count 0
	expect 2 send q m --block 4K
	expect 2 create q --mode 9
	expect 2 create ..
	expect 2 resize q
	expect 2 set q
	expect 1 set q label=x
	expect 2 resize q 0
	expect 2 resize q 17179869185G
	expect 1 resize q 1M
	expect 1 stat q
	[ -z "$(ls -A "$SHMQ_DIR")" ] || fail "wrong usage left a file"
}

a_queue_is_created_shown_listed_and_removed() {
	expect 0 create q --capacity 64K --mode 600
	out_is '' create
	[ "$(stat -c %a "$SHMQ_DIR/q")" = 600 ] || fail "mode is not 600"
	expect 0 create q
	expect 0 create --capacity 65536 q
	expect 0 create q --capacity 50000
	expect 1 create q --capacity 128K
	err_has "64 KiB"
	expect 1 create q --single-producer
	expect 1 create q --excl
	expect 0 create "$work/r" --json --single-producer --max-members 5
	out_has '"created": true'
	out_has '"single-producer"'
	expect 0 create "$work/file" --json --capacity=2M
	out_has '"capacity_bytes": 2097152'
	out_has '"max_message_bytes": 524288'
	expect 0 create "$work/file" --json
	out_has '"created": false'
	expect 0 send q one
	expect 0 send q two
	expect 0 stat q
	out_has "64 KiB"
	out_has "2 messages"
	out_has "default"
	expect 0 stat --json q
	out_has '"depth_messages": 2'
	expect 0 ls
	out_has q
	expect 0 ls --json
	out_has '"name": "q"'
	expect 1 rm missing q
	err_has missing
	expect 0 rm "$work/file"
	expect 1 stat q
	expect 1 send q m
	expect 1 recv q
	expect 0 ls
	out_is '' 'ls of an empty directory'
}

options_may_stand_anywhere_and_dashes_end_them() {
	expect 0 send --create q -- --count
	expect 0 send q --timeout 5 plain
	expect 0 recv --count 1 q
	out_is '--count\n' 'a message with dashes'
	expect 0 recv q --count=1
	out_is 'plain\n' 'a message between options'
	expect 0 rm -- q
}

lines_are_messages_empty_ones_and_the_last_too() {
	printf 'one\n\nthree\nlast' | "$SHMQ" send q --create ||
		fail "send of four lines"
	expect 0 stat q --json
	out_has '"depth_messages": 4'
	expect 0 recv q --count 3
	out_is 'one\n\nthree\n' 'three lines'
	expect 0 recv q
	out_is 'last\n' 'a last line without newline'
	expect 1 recv q
	err_has "empty"
	expect 1 recv q --timeout 0.01
	expect 0 send q ''
	expect 0 send q x
	expect 0 recv q --raw
	out_is 'x' 'raw'
	"$SHMQ" send q </dev/null || fail "send of nothing"
	expect 1 recv q
	expect 0 rm q
}

a_full_queue_makes_send_say_no() {
	expect 0 create q --capacity 4K
	seq 1 5000 >"$work/lines"
	"$SHMQ" send q --timeout 0 <"$work/lines" 2>"$work/err"
	[ $? -eq 1 ] || fail "send to a full queue succeeded"
	err_has full
	expect 1 send q more --timeout 0.01
	err_has full
	expect 0 recv q
	n=$(wc -l <"$work/out")
	head -n "$n" "$work/lines" | cmp -s - "$work/out" ||
		fail "a full queue holds something else than the first $n lines"
	[ "$n" -gt 0 ] || fail "nothing was sent"
	expect 0 rm q
}

too_long_messages_are_named_and_those_before_are_sent() {
	long=$(printf '%01025d' 7)
	fits=$(printf '%01024d' 7)
	expect 0 create q --capacity 4K
	printf 'ok\n%s\n%s\nno\n' "$fits" "$long" |
		"$SHMQ" send q 2>"$work/err"
	[ $? -eq 1 ] || fail "a line that is too long was sent"
	err_has "line 3"
	err_has 1024
	expect 0 recv q
	printf 'ok\n%s\n' "$fits" | cmp -s - "$work/out" ||
		fail "not the lines before the long one"
	expect 1 send q "$long"
	err_has 1024
	expect 1 send q --block 2K
	err_has 1024
	expect 1 recv q
	expect 0 rm q
}

blocks_come_back_byte_for_byte() {
	head -c 3000001 /dev/urandom >"$work/blob"
	expect 0 create q
	"$SHMQ" send q --block 64K <"$work/blob" &
	background="$background $!"
	expect 0 recv q --raw --timeout 100 --count 46
	ended $! 0 "send --block"
	cmp -s "$work/blob" "$work/out" || fail "the blob changed"
	cat "$work/blob" | "$SHMQ" send q --block 999 --timeout 100 &
	background="$background $!"
	expect 0 recv q --raw --follow --count 3004
	ended $! 0 "send --block 999"
	cmp -s "$work/blob" "$work/out" || fail "the small blocks changed"
	expect 1 recv q
	expect 0 rm q
}

json_tells_text_from_other_data() {
	expect 0 send q --create 'say "hi"'
	printf '\377\0\n' | "$SHMQ" send q || fail "send of binary data"
	expect 0 recv q --json
	[ "$(wc -l <"$work/out")" -eq 2 ] || fail "not one object a line"
	out_has '"seq":0'
	out_has '"redelivered":false'
	out_has '"encoding":"text","data":"say \"hi\""'
	out_has '"len":2'
	out_has '"encoding":"base64","data":"/wA="'
	expect 0 rm q
}

a_line_from_an_open_pipe_is_sent_at_once() {
	expect 0 create q
	mkfifo "$work/fifo"
	"$SHMQ" send q <"$work/fifo" &
	sender=$!
	background="$background $sender"
	exec 3>"$work/fifo"
	for word in first second third; do
		echo $word >&3
		expect 0 recv q --count 1 --timeout 100
		out_is "$word\n" 'the line just written'
	done
	exec 3>&-
	ended $sender 0 "send from a pipe"
	rm "$work/fifo"
	expect 0 rm q
}

many_senders_and_receivers_move_each_line_once_and_in_order() {
	expect 0 create q --capacity 64K
	: >"$work/sent"
	receivers=
	for i in 1 2 3; do
		"$SHMQ" recv q --follow >"$work/got$i" &
		receivers="$receivers $!"
	done
	background="$background $receivers"
	senders=
	for i in 1 2 3; do
		seq -f "s$i %06.0f" 1 5000 >"$work/sent$i"
		"$SHMQ" send q <"$work/sent$i" &
		senders="$senders $!"
	done
	background="$background $senders"
	for pid in $senders; do
		ended "$pid" 0 "a sender"
	done
	for pid in $receivers; do
		kill -TERM "$pid"
	done
	for pid in $receivers; do
		ended "$pid" 143 "a receiver"
	done
	"$SHMQ" recv q >"$work/got4" 2>/dev/null
	sort "$work"/got[1-4] >"$work/all"
	cat "$work"/sent[1-3] | cmp -s - "$work/all" ||
		fail "15000 lines went in, and other ones came out"
	for i in 1 2 3; do
		for j in 1 2 3; do
			grep "^s$i" "$work/got$j" | sort -c 2>/dev/null ||
				fail "receiver $j: sender $i out of order"
		done
	done
	rm -f "$work"/got* "$work"/sent*
	expect 0 rm q
}

receivers_of_one_message_each_get_different_ones() {
	expect 0 create q
	seq 1 40 | "$SHMQ" send q || fail "send of 40 lines"
	loops=
	for i in 1 2 3 4; do
		for j in 1 2 3 4 5 6 7 8 9 10; do
			"$SHMQ" recv q --count 1 --timeout 100 || break
		done >"$work/got$i" &
		loops="$loops $!"
	done
	background="$background $loops"
	for pid in $loops; do
		ended "$pid" 0 "a loop of receivers"
	done
	seq 1 40 >"$work/sent"
	sort -n "$work"/got[1-4] | cmp -s "$work/sent" - ||
		fail "40 receivers did not get 40 messages"
	expect 1 recv q
	rm -f "$work"/got*
	expect 0 rm q
}

what_cannot_be_written_stays_in_the_queue() {
	expect 0 create q
	seq 1 10 | "$SHMQ" send q || fail "send of 10 lines"
	mkfifo "$work/fifo"
	# A pipe that nobody reads any more.
	exec 3<>"$work/fifo" 4>"$work/fifo" 3>&-
	"$SHMQ" recv q >&4 2>"$work/err"
	got=$?
	exec 4>&-
	[ $got -eq 141 ] || fail "recv to a closed pipe: exit status $got"
	[ -s "$work/err" ] && fail "recv to a closed pipe is not quiet"
	rm "$work/fifo"
	if [ -c /dev/full ]; then
		"$SHMQ" recv q >/dev/full 2>"$work/err"
		[ $? -eq 1 ] || fail "recv to a full device succeeded"
		err_has "standard output"
		"$SHMQ" stat q >/dev/full 2>"$work/err"
		[ $? -eq 1 ] || fail "stat to a full device succeeded"
	fi
	"$SHMQ" recv q >&- 2>"$work/err"
	[ $? -eq 1 ] || fail "recv to a closed descriptor succeeded"
	"$SHMQ" send q <&- 2>"$work/err"
	[ $? -eq 1 ] || fail "send from a closed descriptor succeeded"
	err_has "standard input"
	expect 0 recv q --json --count 1
	out_has '"redelivered":true'
	expect 0 recv q
	seq 2 10 | cmp -s - "$work/out" || fail "not the other nine lines"
	expect 0 rm q
}

signals_end_it_between_two_messages() {
	expect 0 create q --capacity 4K
	mkfifo "$work/fifo"
	for signal in INT TERM; do
		case $signal in
		INT) status=130 ;;
		TERM) status=143 ;;
		esac
		"$SHMQ" recv --follow q >"$work/fifo" &
		receiver=$!
		background="$background $receiver"
		exec 3<"$work/fifo"
		expect 0 send q hello
		read -r line <&3
		[ "$line" = hello ] || fail "recv --follow printed '$line'"
		kill -$signal $receiver
		ended $receiver "$status" "recv --follow"
		exec 3<&-
	done
	expect 1 recv q

	# A sender that waits for room, or is about to.
	seq -f '%0200.0f' 1 200 >"$work/lines"
	"$SHMQ" send q <"$work/lines" 2>"$work/err" &
	sender=$!
	background="$background $sender"
	expect 0 recv q --count 1 --follow
	cp "$work/out" "$work/first"
	kill -TERM $sender
	ended $sender 143 "send to a full queue"
	err_has "SIGTERM"
	"$SHMQ" recv q >"$work/out"
	cat "$work/first" "$work/out" >"$work/all"
	n=$(wc -l <"$work/all")
	head -n "$n" "$work/lines" | cmp -s - "$work/all" ||
		fail "an interrupted sender left something else than $n lines"
	rm "$work/fifo"
	expect 0 rm q
}

every_group_gets_every_line() {
	expect 0 create q
	expect 0 group add q one
	expect 0 send q first
	expect 0 group add q two three
	expect 0 group add q late --newest
	expect 0 send q second
	for group in default one two three; do
		expect 0 recv q --group $group
		out_is 'first\nsecond\n' "group $group"
	done
	expect 0 recv q --group late
	out_is 'second\n' "a late group"
	expect 1 recv q --group made
	expect 0 group ls q
	out_has made
	expect 0 group ls q --json
	out_has '"name": "late"'
	expect 0 group rm q one two three late made
	expect 1 group rm q default
	err_has "last group"
	expect 1 group rm q nobody
	err_has "no group of that name"
	expect 1 group add q default
	err_has "exists already"
	expect 2 group ls q default
	expect 2 group add q
	expect 2 group rm q default --newest
	expect 2 group change q default
	expect 0 rm q

	expect 0 create q --topic
	expect 0 send q lost
	expect 0 group add q g
	expect 0 send q kept
	expect 0 recv q --group g
	out_is 'kept\n' "a topic"
	expect 0 group rm q g
	expect 0 group ls q
	out_has "no groups"
	expect 0 rm q
}

a_queue_is_resized_with_messages_in_it() {
	expect 0 create q --capacity 4K
	for i in 1 2 3; do
		expect 0 send q "message $i"
	done
	expect 0 resize q 60K --json
	out_has '"capacity_bytes": 65536'
	expect 0 send q "message 4"
	expect 1 resize q 1M
	err_has "messages are still in the ring"
	expect 0 recv q
	out_is 'message 1\nmessage 2\nmessage 3\nmessage 4\n' "resized"
	expect 0 resize q 4K
	expect 0 send q "message 5"
	expect 0 recv q
	out_is 'message 5\n' "resized back"
	expect 0 rm q
}

attributes_are_set_and_shown() {
	expect 0 create q
	expect 0 set q "label=what it is for" spin=17
	expect 0 stat q
	out_has "label       what it is for"
	out_has "up to 17 looks"
	expect 0 stat q --json
	out_has '"label": "what it is for"'
	out_has '"spin": 17'
	expect 0 ls
	out_has "what it is for"
	expect 2 set q spin=2049
	err_has "0 to 2048"
	expect 2 set q label
	expect 1 set q colour=red
	err_has "no attribute 'colour'"
	expect 0 set q label=
	expect 0 ls
	expect 0 rm q
}

an_overwriting_queue_keeps_the_last_and_says_what_is_lost() {
	expect 0 create q --overwrite --capacity 4096 --single-producer
	expect 1 recv q --tap --timeout 0.01
	seq 0 99 | "$SHMQ" send q || fail "send"
	seq 36 99 >"$work/want"
	expect 0 recv q --tap --show-lost
	cmp -s "$work/want" "$work/out" || fail "the tap saw something else"
	err_has "lost 0 messages in all"
	chmod 400 "$SHMQ_DIR/q"
	expect 0 dump q
	cmp -s "$work/want" "$work/out" || fail "dump shows something else"
	expect 0 dump q --json --count 1
	out_has '"seq":36'
	chmod 600 "$SHMQ_DIR/q"
	expect 0 recv q --show-lost
	cmp -s "$work/want" "$work/out" || fail "recv has something else"
	err_has "lost 36 messages before number 36"
	err_has "lost 36 messages in all"
	expect 1 recv q
	expect 0 dump q --raw --count 2
	[ "$(cat "$work/out")" = 3637 ] || fail "dump --raw"
	expect 0 rm q
}

a_dump_names_what_is_damaged_and_goes_on_behind_it() {
	for kind in --overwrite --topic ''; do
		rm -f "$SHMQ_DIR/q"
		# shellcheck disable=SC2086 # no kind is no word
		expect 0 create q $kind --capacity 4096
		expect 0 group add q g
		seq 0 9 | "$SHMQ" send q || fail "send"
		size=$(stat -c %s "$SHMQ_DIR/q")
		printf 'scribble' | dd of="$SHMQ_DIR/q" bs=1 conv=notrunc \
			seek=$((size - 4096 + 4 * 64)) 2>/dev/null
		cp "$SHMQ_DIR/q" "$work/before"
		expect 3 dump q
		seq 0 9 | grep -v 4 | cmp -s - "$work/out" ||
			fail "dump $kind shows something else"
		err_has "damaged at position 256: 1 number passed over"
		expect 3 dump q --json
		out_has '"gap":"damaged","position":256,"numbers":1'
		cmp -s "$work/before" "$SHMQ_DIR/q" || fail "dump changed it"
	done
	rm -f "$SHMQ_DIR/q"
	expect 0 create q
	expect 0 dump q
	out_is '' dump
	expect 0 rm q
}

what_is_not_a_queue_is_refused() {
	head -c 100000 /dev/urandom >"$SHMQ_DIR/junk"
	: >"$SHMQ_DIR/empty"
	mkfifo "$SHMQ_DIR/fifo"
	expect 0 create bad
	dd if=/dev/zero of="$SHMQ_DIR/bad" bs=8 seek=3 count=1 conv=notrunc \
		2>/dev/null
	for name in junk empty bad; do
		expect 3 stat $name
		err_has "shmq stat: $name: "
		expect 3 send $name m
		expect 3 recv $name
		expect 3 dump $name
		expect 3 send $name --create m
	done
	expect 3 rm junk
	[ -f "$SHMQ_DIR/junk" ] || fail "rm removed a file of somebody else"
	expect 0 ls
	out_has damaged
	grep -q 'junk\|empty\|fifo' "$work/out" && fail "ls shows other files"
	expect 0 ls --json
	out_has '"damaged": true'
	rm -f "$SHMQ_DIR"/*
}

# Somebody dies with a message half sent: doctor mends it, and says so.
a_doctor_mends_what_the_dead_left() {
	expect 0 create ward
	expect 0 send ward one
	expect 0 doctor ward
	out_is 'ward: sound\n' doctor
	expect 0 doctor --json ward
	out_has '"verdict": "sound"'
	mkfifo "$work/ward"
	exec 3<>"$work/ward"
	"$SHMQ" send ward <"$work/ward" &
	sender=$!
	background="$background $sender"
	until [ "$("$SHMQ" stat --json ward | grep -c '"role": "producer"')" = 1 ]
	do
		:
	done
	kill -KILL $sender
	wait $sender 2>/dev/null
	exec 3>&-
	expect 0 doctor ward
	out_has 'ward: mended'
	out_has 'is dead'
	expect 0 doctor ward
	out_is 'ward: sound\n' doctor
	expect 0 recv ward
	out_is 'one\n' recv
	expect 1 doctor nobody
	expect 2 doctor
	expect 2 doctor ward other
	# Zeros over the header, and over a group's name.
	dd if=/dev/zero of="$SHMQ_DIR/ward" bs=1 seek=5264 count=32 \
		conv=notrunc 2>/dev/null
	expect 3 doctor ward
	out_has 'ward: damaged'
	out_has 'group 0: its name is no name'
	expect 3 doctor --json ward
	out_has '"kind": "damage"'
	dd if=/dev/zero of="$SHMQ_DIR/ward" bs=8 seek=3 count=1 conv=notrunc \
		2>/dev/null
	expect 3 doctor ward
	err_has 'checksum'
	expect 3 doctor --json ward
	out_has 'checksum'
	rm -f "$SHMQ_DIR"/*
}

a_journal_keeps_what_was_received() {
	expect 0 create --journal --segment 64K --json log
	out_has '"journal"'
	[ -d "$SHMQ_DIR/log" ] || fail "a journal is no directory"
	seq 0 999 >"$work/in"
	expect 0 send log <"$work/in"
	expect 0 recv log
	cmp -s "$work/in" "$work/out" || fail "not all lines came"
	expect 1 recv log
	expect 0 recv log --group again
	cmp -s "$work/in" "$work/out" || fail "a new group has not all lines"
	expect 0 recv log --from seq:995
	out_is '995\n996\n997\n998\n999\n' "the last five"
	expect 0 recv log --tap --from seq:10 --count 2
	out_is '10\n11\n' "two from number 10 on"
	expect 0 recv log --from oldest --count 1
	out_is '0\n' "the oldest"
	expect 1 recv log --tap --from newest
	expect 1 recv log --tap --from seq:5000
	expect 0 recv log --tap --from time:0 --count 1
	out_is '0\n' "the first of all times"
	expect 0 recv log --tap --from seq:0 --count 1
	out_is '0\n' "number 0"
	expect 2 recv log --from nowhere
	expect 0 dump log
	cmp -s "$work/in" "$work/out" || fail "a dump has not all lines"
	expect 0 ls
	out_has log
	out_has journal
	expect 0 journal verify log
	expect 0 journal index log
	expect 0 journal info log --json
	out_has '"next_seq": 10'
	expect 0 doctor log
	expect 2 journal nonsense log
	# The machine goes down: a copy is another file.
	cp -R "$SHMQ_DIR/log" "$SHMQ_DIR/copy"
	expect 1 dump copy
	err_has 'machine went down'
	expect 0 journal verify copy
	out_has 'mended on'
	expect 0 dump copy
	cmp -s "$work/in" "$work/out" || fail "the copy has not all lines"
	# Damage: it says which file, and the rest is shown all the same.
	rm "$SHMQ_DIR/copy/0000000000000000.seg"
	expect 3 recv copy --tap
	err_has 'a segment file is missing'
	err_has 'shmq dump'
	expect 3 journal verify copy
	out_has 'segment 0000000000000000'
	expect 3 dump copy
	err_has 'damaged at position 0'
	expect 1 journal verify nothing
	expect 0 create plain
	expect 1 journal verify plain
	expect 1 recv plain --tap --from oldest
	expect 1 create plain --journal
	expect 1 create log --journal --segment 1M
	expect 0 journal export log
	cp "$work/out" "$work/objects"
	expect 0 create --journal --segment 64K --durability interval:50 other
	expect 0 journal import other <"$work/objects"
	expect 0 recv other
	cmp -s "$work/in" "$work/out" || fail "not all lines were imported"
	head -c 3000 /dev/urandom >"$work/bytes"
	expect 0 send other --block 1000 <"$work/bytes"
	expect 0 journal export other
	tail -n 3 "$work/out" >"$work/objects"
	expect 0 journal import other <"$work/objects"
	expect 0 recv other --raw --count 3
	expect 0 recv other --raw
	cmp -s "$work/bytes" "$work/out" || fail "other bytes were imported"
	echo '{"data": "no"}' >"$work/objects"
	expect 1 journal import other <"$work/objects"
	err_has 'line 1'
	echo 'no' >"$work/objects"
	expect 1 journal import other <"$work/objects"
	echo '{"data": "a=b=", "encoding": "base64"}' >"$work/objects"
	expect 1 journal import other <"$work/objects"
	err_has 'base64'
	echo '{"data": "====", "encoding": "base64"}' >"$work/objects"
	expect 1 journal import other <"$work/objects"
	expect 1 journal import plain </dev/null
	# As completion in a shell has it.
	expect 0 journal info "$SHMQ_DIR/other/"
	expect 2 create --journal "$SHMQ_DIR/none/"
	expect 0 create --journal --segment 64K --topic --retain-messages 10 \
		--retain-bytes 1M --retain-seconds 1000 --drop-unread short
	seq 0 4999 >"$work/in"
	expect 0 send short <"$work/in"
	expect 0 journal compact short --json
	out_has '"removed"'
	expect 0 journal info short --json
	out_has '"retain_messages": 10'
	out_has '"keep_unread": false'
	expect 0 dump short
	[ "$(wc -l <"$work/out")" -lt 2000 ] || fail "nothing was removed"
	expect 0 journal compact short
	out_is 'short: 0 segments removed\n' "nothing more to remove"
	expect 2 create x --journal --durability sometimes
	expect 2 create x --journal --durability interval:0
	expect 2 create x --retain-bytes 1M
	expect 0 rm short
	expect 0 rm other
	expect 0 rm log
	expect 0 rm copy
	expect 0 rm plain
	[ -z "$(ls "$SHMQ_DIR")" ] || fail "something is left of the journals"
}

wrong_usage_exits_with_2_and_help_with_0
a_queue_is_created_shown_listed_and_removed
options_may_stand_anywhere_and_dashes_end_them
lines_are_messages_empty_ones_and_the_last_too
a_full_queue_makes_send_say_no
too_long_messages_are_named_and_those_before_are_sent
blocks_come_back_byte_for_byte
json_tells_text_from_other_data
a_line_from_an_open_pipe_is_sent_at_once
many_senders_and_receivers_move_each_line_once_and_in_order
receivers_of_one_message_each_get_different_ones
what_cannot_be_written_stays_in_the_queue
signals_end_it_between_two_messages
every_group_gets_every_line
a_queue_is_resized_with_messages_in_it
attributes_are_set_and_shown
an_overwriting_queue_keeps_the_last_and_says_what_is_lost
a_dump_names_what_is_damaged_and_goes_on_behind_it
what_is_not_a_queue_is_refused
a_doctor_mends_what_the_dead_left
a_journal_keeps_what_was_received
exit $failed
