# SPDX-License-Identifier: MIT
#
# The header, the version script and the shared library name the same
# functions, and the library exports nothing else.

set -eu
export LC_ALL=C

# Prototypes are what ends in ");" or opens a list of arguments at the left
# margin; comments are dropped first.
sed -e 's@/\*.*\*/@@' -e '/^[ \t]*\/\*/,/\*\//d' "$top_srcdir/include/shmq.h" |
	sed -n 's/^[a-z].*[ *]\(shmq_[a-z0-9_]*\)(.*/\1/p' |
	sort >"$TMPDIR/header"
sed -n 's/^[ \t]*\(shmq_[a-z0-9_]*\);$/\1/p' "$top_srcdir/lib/libshmq.map" |
	sort >"$TMPDIR/map"

status=0
same() { # WHAT FILE
	if ! diff -u "$TMPDIR/header" "$2"; then
		echo "$1 and include/shmq.h differ (lines with + are only in $1)"
		status=1
	fi
}

test -s "$TMPDIR/header"
same lib/libshmq.map "$TMPDIR/map"

so=$top_builddir/lib/.libs/libshmq.so.0
if [ -e "$so" ]; then
	$NM -D --defined-only "$so" |
		awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' |
		sort >"$TMPDIR/exported"
	same libshmq.so.0 "$TMPDIR/exported"
else
	echo "no shared library in this build: its exports are not checked"
fi

rm -f "$TMPDIR"/*
exit $status
