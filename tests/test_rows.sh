# SPDX-License-Identifier: MIT
# Each public function is called by a row of crash_step, or of crash_journal, or
# is one of these,
# which store nothing in a queue and have nothing to leave half done.

set -eu
export LC_ALL=C

src=${top_srcdir:-$(dirname -- "$0")/..}

# Arithmetic, texts, and what a handle or an endpoint keeps for itself.
without="
shmq_until shmq_fd shmq_max_message shmq_consumer_lost
shmq_member_entries shmq_group_entries
shmq_strerror shmq_errdetail shmq_runtime_dir shmq_version
"

failed=0
for name in $(sed -n 's/^[[:space:]]*\(shmq_[a-z_]*\);.*/\1/p' \
	"$src/lib/libshmq.map"); do
	called=no
	! grep -q "[^a-z_]$name(" "$src"/tests/step_calls.c \
		"$src"/tests/step_sending.c "$src"/tests/step_receiving.c \
		"$src"/tests/step_descriptors.c "$src"/tests/step_groups.c \
		"$src"/tests/step_looking.c "$src"/tests/step_members.c \
		"$src"/tests/crash_journal.c || called=yes
	case $called:" $(echo $without) " in
	no:*" $name "*) ;;
	no:*)
		echo "$name() has no row in tests/step_*.c"
		failed=1
		;;
	esac
done
for name in $without; do
	if ! grep -q "$name;" "$src/lib/libshmq.map"; then
		echo "$name() is no public function"
		failed=1
	fi
done
exit $failed
