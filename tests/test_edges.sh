# SPDX-License-Identifier: MIT
# Each ordering edge that lib/layout.h lists is cited in the code at least
# twice, at a store and at a load, and the code cites no edge that is not
# listed.
cd "$top_srcdir/lib" || exit 1
failed=0

listed=$(sed -n 's/^ \*   \([A-Z]\{3,\}\)  *[a-z].*/\1/p' layout.h)
[ -n "$listed" ] || { echo "no edges are listed"; exit 1; }
cited=$(cat *.c *.h | grep -o 'edges\{0,1\} [A-Z]\{3,\}\(, [A-Z]\{3,\}\)*' |
	grep -v 'edge TAG' | grep -o '[A-Z]\{3,\}')
for edge in $listed; do
	n=$(echo "$cited" | grep -c "^$edge\$")
	[ "$n" -ge 2 ] || {
		echo "edge $edge is cited $n times; a store and a load need it"
		failed=1
	}
done
for edge in $(echo "$cited" | sort -u); do
	echo "$listed" | grep -q "^$edge\$" || {
		echo "edge $edge is cited and not listed in layout.h"
		failed=1
	}
done

# doc/ORDERING.md has a row for each edge, and names what exists.
ordering=../doc/ORDERING.md
for edge in $listed; do
	grep -q "^| $edge | [^|]* | [^|]* |\$" $ordering || {
		echo "edge $edge has no row in doc/ORDERING.md"
		failed=1
	}
done
for edge in $(sed -n 's/^| \([A-Z]\{3,\}\) |.*/\1/p' $ordering); do
	echo "$listed" | grep -q "^$edge\$" || {
		echo "doc/ORDERING.md has edge $edge, which is not listed"
		failed=1
	}
done
grep '^|' $ordering | grep -o '"[^"]*"' | sort -u >"$TMPDIR/mutants"
while read -r mutant; do
	grep -qF "{ $mutant," ../tests/weave/mutants.c || {
		echo "no mutant of weave is called $mutant"
		failed=1
	}
done <"$TMPDIR/mutants"
grep -o '`[a-z]* -D[^`]*`' $ordering | tr -d '`' | sort -u >"$TMPDIR/models"
while read -r model; do
	grep -q "^	[a-z]* $model\( \|\$\)" ../tests/check-models.sh || {
		echo "no model is searched as $model"
		failed=1
	}
done <"$TMPDIR/models"
for file in $(grep -o '`tests/[a-z_/]*\(\.c\)\{0,1\}`' $ordering | tr -d '`'); do
	[ -e "../$file" ] || [ -e "../$file.c" ] || {
		echo "doc/ORDERING.md names $file, which is not there"
		failed=1
	}
done
rm -f "$TMPDIR/mutants" "$TMPDIR/models"
exit $failed
