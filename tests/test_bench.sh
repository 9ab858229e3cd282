# SPDX-License-Identifier: MIT
#
# shmq bench from outside, with counts so small that its figures mean nothing:
# each verb runs, says what it measured in each of its forms, finds every
# message as it was sent, and leaves nothing behind. No figure is looked at.

SHMQ=${SHMQ:-./tools/shmq}
: "${top_srcdir:=.}"
umask 022
dir=$(mktemp -d "${SHMQ_DIR:-${TMPDIR:-/tmp}}/bench.XXXXXX") || exit 1
SHMQ_DIR=$dir/queues
work=$dir/work
mkdir "$SHMQ_DIR" "$work" || exit 1
export SHMQ_DIR

trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM

failed=0
fail() {
	failed=1
	printf 'not as it should be: %s\n' "$*"
}

# expect STATUS WORD...: run shmq bench, keep what it says.
expect() {
	wanted=$1
	shift
	timeout 120 "$SHMQ" bench "$@" >"$work/out" 2>"$work/err" </dev/null
	got=$?
	[ $got -eq "$wanted" ] || {
		fail "shmq bench $*: exit status $got instead of $wanted"
		cat "$work/err"
	}
	[ -z "$(ls -A "$SHMQ_DIR")" ] || {
		fail "shmq bench $*: left $(ls "$SHMQ_DIR")"
		rm -rf "${SHMQ_DIR:?}"/*
	}
}

has() { # FILE TEXT
	grep -qF -e "$2" "$work/$1" && return
	fail "$1 lacks '$2':"
	cat "$work/$1"
}

tiny='--messages 12 --repeat 2'

# json VERB KEY... -- OPTION...: its rows are in $work/rows.
json() {
	verb=$1 keys=
	shift
	while [ "$1" != -- ]; do
		keys="$keys $1"
		shift
	done
	shift
	# shellcheck disable=SC2086 # options are words
	expect 0 "$verb" $tiny --json "$@"
	# shellcheck disable=SC2086
	tests/bench_json "$verb" $keys <"$work/out" >"$work/rows" || {
		fail "shmq bench $verb $*: JSON of another shape"
		head -n 40 "$work/out"
	}
}

# measured NAME...: rows say so of these; nothing had wrong content.
measured() {
	for name; do
		has rows "$name measured"
	done
	if grep -F 'wrong content' "$work/out"; then
		fail 'a message was not as it was sent'
	fi
}

wrong_usage_exits_with_2() {
	expect 2
	has err 'what to measure is missing'
	expect 2 speed
	has err "'speed' is not latency"
	expect 2 latency throughput
	expect 2 latency --nonsense
	expect 2 latency --sizes
	for sizes in 0 7 12 x 8,,16 8,x 65M 128M; do
		expect 2 latency --sizes "$sizes"
	done
	expect 2 latency --transports pipe,carrier-pigeon
	has err 'there is no such transport'
	expect 2 latency --floor carrier-pigeon
	expect 2 latency --json --csv
	expect 2 latency --repeat 0
	expect 2 latency --repeat 1000
	expect 2 latency --messages 0
	expect 2 latency --cores 99999
	expect 2 latency --cores x
	expect 2 latency --capacity 5000
	expect 2 latency --producers 2
	expect 2 latency --time x
	expect 2 latency --plot picture.jpeg
	expect 2 list --sizes 8
	expect 0 --help
	has out 'usage: shmq bench'
}

the_transports_are_listed() {
	expect 0 list
	for name in line lines memcpy futex pipe fifo unix-stream \
		unix-seqpacket unix-dgram mq sysv eventfd tcp spsc vyukov \
		shmq shmq-batch shmq-place shmq-1 shmq-1-batch shmq-1-place \
		shmq-journal shmq-epoll eventfd-epoll; do
		grep -q "^$name " "$work/out" || fail "$name is not listed"
	done
	expect 0 list --peers
}

latency_is_measured() {
	json latency size_bytes way mode min_ns p50_ns p90_ns p99_ns p99_9_ns \
		p99_99_ns max_ns low high ratio -- --sizes 8,264
	measured line lines memcpy futex pipe fifo unix-stream \
		unix-seqpacket unix-dgram tcp spsc vyukov eventfd \
		shmq shmq-place shmq-1 shmq-1-place
	json latency ratio -- --busy --transports shmq,lines --sizes 1M
	measured shmq lines
	json latency ratio -- --sleep --transports spsc,shmq --sizes 8
	has rows 'spsc not measured'
	has out 'cannot sleep'
}

throughput_is_measured() {
	json throughput size_bytes mode messages_per_s bytes_per_s message_ns \
		ratio_low ratio_high -- --sizes 8,4K
	measured lines memcpy pipe fifo unix-stream unix-seqpacket unix-dgram \
		tcp spsc vyukov shmq shmq-batch shmq-place shmq-1 \
		shmq-1-batch shmq-1-place
	json throughput ratio -- --busy --sizes 1M --floor memcpy \
		--transports memcpy,shmq-place,shmq-1-place,shmq-batch
	measured memcpy shmq-place shmq-1-place shmq-batch
	has out '"floor": "memcpy"'
}

waking_is_measured() {
	json wake size_bytes p50_ns p90_ns p99_ns max_ns idle_cpu \
		calls_send_awake calls_recv_awake calls_send_asleep \
		calls_recv_asleep ratio -- --transports \
		futex,shmq,shmq-1-place,pipe,eventfd,unix-dgram,spsc,shmq-epoll,eventfd-epoll
	measured futex shmq shmq-1-place pipe eventfd unix-dgram \
		shmq-epoll eventfd-epoll
	has rows 'spsc not measured'
}

crowds_are_measured() {
	json fan producers consumers mode size_bytes messages_per_s \
		bytes_per_s message_ns ratio -- --producers 1,3 \
		--consumers 1,2 --sizes 64 \
		--transports shmq,shmq-place,shmq-topic,vyukov,pipe,mq,spsc
	measured shmq shmq-place shmq-topic vyukov pipe spsc
	has rows 'spsc not measured'
	has out 'one producer only'
}

growth_is_measured() {
	json growth axis at message_ns growth ratio -- \
		--transports shmq,shmq-1,lines
	measured shmq shmq-1 lines
	for axis in producers consumers queues 'bytes of ring' \
		'bytes a message'; do
		has out "\"axis\": \"$axis\""
	done
}

page_faults_are_measured() {
	json pagefault pass size_bytes message_ns bytes_per_s ratio --
	measured 'anonymous, prefaulted' 'anonymous, cold' 'file, cold' \
		'file, prefaulted' 'file, write and read'
}

journals_are_measured() {
	json journal pass size_bytes message_ns bytes_per_s ratio --
	measured 'mapping, checksum' 'mapping' 'mapping, cold' \
		'write and read' 'journal' 'journal, in place' \
		'without' 'across a roll' 'median' 'p99'
	if grep -q 'not measured' "$work/rows"; then
		fail "a journal was not measured: $(grep '"why": "' "$work/out")"
	fi
	[ "$(grep -c '"pass": ".*: at \(most\|least\) ' "$work/out")" -eq 14 ] ||
		fail 'not a row for each target'
	expect 2 latency --history 5
	has err '--history: not for latency'
	expect 2 journal --history 0
	expect 2 journal --sizes 8
}

# Those that were found when this was built. A transport that needs what this
# machine does not allow may say so, but must not take a message for another.
peers_are_measured() {
	for name in $("$SHMQ" bench list --peers | awk '
		NR > 1 { print $1 }' | grep -vxF "$("$SHMQ" bench list |
		awk '{ print $1 }')"); do
		json latency ratio -- --peers --sizes 8 --transports "$name"
		if [ "$name" = iceoryx ] && grep 'iox-roudi' "$work/out"; then
			continue # its daemon does not run here
		fi
		measured "$name"
		json throughput ratio -- --peers --sizes 64 \
			--transports "$name"
		measured "$name"
	done
}

tables_and_csv_say_where_it_was_measured() {
	# shellcheck disable=SC2086
	expect 0 latency $tiny --busy --sizes 8 --transports line,shmq
	for fact in machine kernel compiler libshmq cores clock ratio; do
		has out "  $fact "
	done
	has out "shmq bench latency $tiny"
	grep -q '^  shmq .*[0-9]' "$work/out" || fail 'no row for shmq'
	# shellcheck disable=SC2086
	expect 0 throughput $tiny --busy --sizes 8 --transports lines,shmq --csv
	has out '# command: shmq bench throughput'
	has out 'transport,mode,size_bytes,messages_per_s'
	[ "$(grep -c '^"' "$work/out")" -eq 2 ] || fail 'not two rows of CSV'
}

a_picture_is_drawn() {
	command -v gnuplot >/dev/null || {
		# shellcheck disable=SC2086
		expect 1 latency $tiny --busy --sizes 8 --transports line \
			--plot "$work/a.svg"
		has err 'gnuplot is missing'
		return
	}
	# shellcheck disable=SC2086
	expect 0 journal $tiny --plot "$work/a.svg"
	grep -q '>write and read<' "$work/a.svg" || fail "journal: no picture"
	rm -f "$work/a.svg"
	for verb in latency throughput growth; do
		# shellcheck disable=SC2086
		expect 0 $verb $tiny --transports lines,shmq \
			--plot "$work/a.svg"
		grep -q '</svg>' "$work/a.svg" || fail "$verb: no picture"
		grep -q '>shmq<' "$work/a.svg" || fail "$verb: no line of ours"
		rm -f "$work/a.svg"
	done
	# shellcheck disable=SC2086
	expect 1 latency $tiny --busy --sizes 8 --transports line \
		--plot "$work/missing/a.svg"
}

the_report_has_a_row_for_each_target() {
	SHMQ=$SHMQ timeout 250 sh "$top_srcdir/bench/report" --messages 5 \
		--repeat 1 "$work/report" >"$work/out" 2>"$work/err" ||
		fail "bench/report: exit status $?: $(cat "$work/err")"
	for row in 'one way, 8 bytes' 'one way, 256 bytes' \
		'stream of 64 bytes | `shmq-1`' 'batches of 16' \
		'many to many' 'the same, beside others' \
		'four producers, one consumer' \
		'four producers, four consumers' '1048576 bytes in place' \
		'wake-up of a sleeper' 'awake send | `shmq-1` | 0 ' \
		'processor used' 'append beside mapping, checksum, 100 bytes' \
		'times as fast as write' 'across a roll' 'seek in' \
		'crashed' 'round trip beside a ring'; do
		has out "$row"
	done
	for file in latency throughput stream large fan wake growth journal; do
		[ -s "$work/report/$file.csv" ] || fail "no $file.csv"
	done
}

an_interrupted_run_leaves_nothing() {
	timeout -s INT 0.3 "$SHMQ" bench latency --time 1 --repeat 50 \
		>"$work/out" 2>"$work/err"
	[ -z "$(ls -A "$SHMQ_DIR")" ] || fail "left $(ls "$SHMQ_DIR")"
}

if ! [ -x tests/bench_json ]; then
	echo 'tests/bench_json is missing: make check builds it'
	exit 1
fi
wrong_usage_exits_with_2
the_transports_are_listed
latency_is_measured
throughput_is_measured
waking_is_measured
crowds_are_measured
growth_is_measured
page_faults_are_measured
journals_are_measured
peers_are_measured
tables_and_csv_say_where_it_was_measured
a_picture_is_drawn
the_report_has_a_row_for_each_target
an_interrupted_run_leaves_nothing
exit $failed
