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
exit $failed
