# SPDX-License-Identifier: MIT
# tests/uncovered explains lines that no test executes. Each that it names is
# in the code as it is; `make coverage` fails if there is another.

set -eu
export LC_ALL=C

cd "${top_srcdir:-$(dirname -- "$0")/..}"
failed=0
while read -r line; do
	case $line in
	'#'* | '') continue ;;
	esac
	place=${line%%:*}
	file=${place% *} name=${place#* } text=
	case $line in
	*': '*) text=${line#*: } ;;
	esac
	if ! grep -q "^[A-Za-z_].*\<$name(\|^$name(" "$file"; then
		echo "$file has no function $name: $line"
		failed=1
	elif [ "$text" ] && ! grep -qF -- "$text" "$file"; then
		echo "$file has no such line in $name(): $text"
		failed=1
	fi
done <tests/uncovered
exit $failed
