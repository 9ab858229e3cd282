# SPDX-License-Identifier: MIT
# doc/LAYOUT.md and lib/layout.h say the same: each asserted offset and each
# asserted size stands on the page, and the page names no other.
header=$top_srcdir/lib/layout.h
page=$top_srcdir/doc/LAYOUT.md
failed=0

from_header=$(sed -n 's/^SH_AT(\([a-z_]*\), \([a-z0-9_]*\), \([0-9]*\));.*/\1.\2 \3/p' \
	"$header" | sort)
from_page=$(sed -n 's/^| `\(sh_[a-z]*\.[a-z0-9_]*\)` | \([0-9]*\) |.*/\1 \2/p' \
	"$page" | sort)
if [ -z "$from_header" ] || [ "$from_header" != "$from_page" ]; then
	echo "fields and offsets differ (< layout.h, > LAYOUT.md):"
	t=$(mktemp) && echo "$from_header" >"$t"
	echo "$from_page" | diff "$t" -
	rm -f "$t"
	failed=1
fi

sizes=$(sed -n 's/^static_assert(sizeof(struct \([a-z_]*\)) == \([0-9]*\).*/\1 \2/p' \
	"$header")
[ -n "$sizes" ] || failed=1
while read -r type bytes; do
	grep -q "\`struct $type\`, $bytes bytes" "$page" || {
		echo "LAYOUT.md does not say: \`struct $type\`, $bytes bytes"
		failed=1
	}
done <<END
$sizes
END
exit $failed
