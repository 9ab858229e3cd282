# SPDX-License-Identifier: MIT
#
# The models in tests/models, each searched to the end by spin: the algorithm
# as it is must be without error, and each mutant of it, named by a -D option,
# must be found wrong. See tests/models/README.md.
#
#	sh tests/check-models.sh [--full]
#
# SHMQ_MODELS=no: not in this build; they are the same in all.
# --full: with larger bounds; takes tens of minutes, and up to 8 GiB.

set -eu
export LC_ALL=C

if [ "${SHMQ_MODELS:-}" = no ]; then
	echo "SHMQ_MODELS=no"
	exit 77
fi

models=$(cd -- "${top_srcdir:-$(dirname -- "$0")/..}/tests/models" && pwd)
depth=100000
memory=2000 # MiB
[ "${MODELS_FULL:-}" ] && memory=8000

# What is to be expected, a model, and options for it.
quick() {
	cat <<-END
	right claim
	right claim -DREUSE -DSPAN2=1 -DDEATHS=1
	right claim -DTHREE -DSPAN2=1 -DDEATHS=1 -DCLAIMS1=2
	wrong claim -DNO_ANNOUNCE
	wrong claim -DNO_HELP
	wrong claim -DNO_RECHECK -DTHREE -DSPAN2=1 -DDEATHS=0 -DCLAIMS1=2
	wrong claim -DONE_ANNOUNCED -DREUSE -DSPAN2=1 -DDEATHS=1

	right rest
	wrong rest -DFROM_THE_BEGINNING
	wrong rest -DBELIEVED_AT_ONCE

	right returned
	right returned -DLOOKED -DDEATHS=1
	right returned -DMERGED -DDEATHS=1
	right returned -DMERGED -DDEATHS=1 -DLOOKED
	wrong returned -DNO_VOID
	wrong returned -DOLD_FIRST
	wrong returned -DSETTLED_AS_WON
	wrong returned -DSETTLED_AS_LOST
	wrong returned -DJOINED_TO_SLOT_0 -DMERGED -DDEATHS=1
	wrong returned -DNO_MOVES -DLOOKED -DDEATHS=1
	wrong returned -DMOVES_LATE -DLOOKED -DDEATHS=1

	right keep -DMESSAGES=4 -DSLOTS=4
	right keep -DMESSAGES=2 -DLOOKED
	wrong keep -DCOPIED_LATE
	wrong keep -DKEPT_TWICE
	wrong keep -DZERO_IS_NONE
	wrong keep -DJOINED_TWICE
	wrong keep -DJOINED_LATE
	wrong keep -DREVERSED -DMESSAGES=2 -DLOOKED
	wrong keep -DCURSOR_LAST -DMESSAGES=2 -DLOOKED

	right serial -DDEATHS=1
	right serial -DRESCUED
	wrong serial -DSINGLE_SLOT -DDEATHS=1
	wrong serial -DCURSOR_FIRST -DDEATHS=1
	wrong serial -DNUMBER_SECOND -DDEATHS=1
	wrong serial -DSHOWN_FIRST -DDEATHS=1
	wrong serial -DNO_RESCAN -DDEATHS=1
	wrong serial -DNO_RECOUNT -DDEATHS=1
	wrong serial -DBEGIN_KEEPS_PAIR -DDEATHS=1

	right wake
	right wake -DGROUP -DSENDS2=0 -DDEATHS=1 -DNAPS=0
	right wake -DFULL -DDEATHS=1 -DNAPS=0
	wrong wake -DARMED_LAST
	wrong wake -DRINGS_LATE
	wrong wake -DTWO_CALLS
	wrong wake -DCLAIM_UNBOUNDED
	wrong wake -DPEERS_UNBOUNDED -DGROUP -DSENDS2=0
	wrong wake -DJOINS_SILENTLY -DGROUP -DSENDS2=0
	wrong wake -DRETURNS_ONLY -DGROUP -DSENDS2=0
	wrong wake -DARMED_BIT -DFULL -DDEATHS=1
	right wake -DCHIME -DSENDS2=0
	right wake -DCHIME -DSENDS1=2 -DSENDS2=0 -DDEATHS=1 -DNAPS=0
	wrong wake -DCHIME -DSTRUCK_BIT -DDEATHS=0 -DNAPS=0
	wrong wake -DCHIME -DEVEN_FIRST -DDEATHS=1 -DNAPS=0
	wrong wake -DCHIME -DNO_COUNT -DDEATHS=0 -DNAPS=0
	wrong wake -DCHIME -DTAKEN_BACK_FIRST -DDEATHS=1 -DNAPS=0
	wrong wake -DCHIME -DRINGS_LATE -DSENDS2=0 -DNAPS=0
	wrong wake -DCHIME -DCLAIM_UNBOUNDED -DSENDS2=0 -DNAPS=0
	END
}

full() {
	cat <<-END
	right claim -DCLAIMS1=2
	right claim -DCLAIMS1=2 -DCLAIMS2=2 -DSPAN2=1
	right claim -DREUSE -DSPAN2=1
	right claim -DREUSE -DCLAIMS1=2
	right claim -DTHREE -DSPAN2=1 -DCLAIMS1=2
	right rest -DRECORDS=12 -DDEATHS=3
	right returned -DLOOKED -DALL
	right returned -DMESSAGES=3
	right returned -DMERGED
	right returned -DMERGED -DLOOKED
	right keep -DLOOKED
	right keep -DLOOKED -DMESSAGES=4 -DSLOTS=4
	right serial -DRECORDS=3
	right serial -DDEATHS=3
	right serial -DRESCUED -DRECORDS=3 -DDEATHS=3
	right wake -DSENDS1=2
	right wake -DGROUP -DSENDS2=0 -DDEATHS=1
	right wake -DGROUP -DSENDS2=0
	right wake -DFULL
	right wake -DCHIME -DDEATHS=1 -DNAPS=0
	END
}

# one EXPECTED MODEL OPTION...: search it, say what came of it.
one() {
	expected=$1 model=$2
	shift 2
	what="$model${*:+ }$*"
	dir=$(mktemp -d "${TMPDIR:-/tmp}/model.XXXXXX")
	trap 'rm -rf "$dir"' EXIT
	cd "$dir"

	# Most mutants are found out before an optimizer would pay.
	optimize=-O1
	[ "$expected" = right ] || optimize=-O0
	if ! spin "-P$MODELS_CC -E -x c" -a "$@" "$models/$model.pml" \
			>log 2>&1 || [ ! -e pan.c ] ||
		! $MODELS_CC -w $optimize -DSAFETY -DNOFAIR \
			-DMEMLIM=$memory -o pan pan.c >>log 2>&1; then
		echo "$what: cannot be built"
		cat log
		exit 1
	fi
	./pan -w18 -m$depth >log 2>&1 || true

	result=cut
	if grep -q '^pan:1: \(assertion violated\|invalid end state\)' log; then
		result=wrong
	elif grep -q 'errors: 0$' log && ! grep -q \
		'MEMLIM\|out of memory\|too small\|not completed' log; then
		result=right
	fi
	states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' log)
	if [ "$result" = "$expected" ]; then
		echo "$what: $result, $states states"
	else
		echo "$what: $result, not $expected"
		cat log
		exit 1
	fi
}

if [ "${1:-}" = --one ]; then
	shift
	one "$@"
	exit 0
fi

command -v spin >/dev/null || {
	echo "no spin here to check the models with"
	exit 77
}
for MODELS_CC in ${CC_FOR_BUILD:-} cc gcc clang none; do
	! command -v "$MODELS_CC" >/dev/null || break
done
if [ "$MODELS_CC" = none ]; then
	echo "no compiler for this machine to check the models with"
	exit 77
fi
export MODELS_CC

case ${1:-} in
'') list=quick ;;
--full)
	list=full
	export MODELS_FULL=1
	;;
*)
	echo "usage: check-models.sh [--full]" >&2
	exit 2
	;;
esac
jobs=$(getconf _NPROCESSORS_ONLN || echo 1)
[ $list = quick ] || jobs=1
$list | grep . | xargs -P "$jobs" -L 1 sh "$0" --one
