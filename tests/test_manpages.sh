# SPDX-License-Identifier: MIT
#
# The man pages say what include/shmq.h says: a page for each function, its
# prototype, its structures, its closed list of errors. Their examples compile,
# link and run as they are, and they are correct mdoc.

set -eu
. "$(dirname "$0")/example.sh"
man=$top_srcdir/doc/man

# ------------------------------------------------------------------ the header

# A line "NAME ERROR..." for each function, errors sorted: those that its
# comment names after "Return", and those of another function if it says
# "Return as NAME" or "the errors of NAME", less those after "except". A
# function that returns int or ssize_t must have a comment of its own.
header_errors() {
	awk '
	function results(name, text,    found) {
		if (!match(text, /Return/))
			return
		text = substr(text, RSTART + 6)
		if (match(text, /^ *as shmq_[a-z_]*/) ||
		    match(text, /the errors of shmq_[a-z_]*/)) {
			found = substr(text, RSTART, RLENGTH)
			sub(/.* /, "", found)
			base[name] = found
		}
		if (match(text, /except( -E[A-Z0-9]+,?)+/)) {
			except[name] = substr(text, RSTART + 6, RLENGTH - 6)
			text = substr(text, 1, RSTART - 1) " " \
				substr(text, RSTART + RLENGTH)
		}
		while (match(text, /-E[A-Z0-9]+/)) {
			own[name] = own[name] " " substr(text, RSTART, RLENGTH)
			text = substr(text, RSTART + RLENGTH)
		}
	}
	function all(name,    n, i, list, kept) {
		n = name in base ? split(all(base[name]), list) : 0
		for (i = 1; i <= n; i++)
			if (index(except[name] ",", " " list[i] ",") == 0)
				kept = kept " " list[i]
		return kept own[name]
	}
	/^\/\*/ { comment = ""; inside = 1 }
	inside {
		comment = comment " " $0
		if ($0 ~ /\*\//)
			inside = 0
		next
	}
	/^[a-z].*[ *]shmq_[a-z_]+\(/ {
		match($0, /shmq_[a-z_]+\(/)
		name = substr($0, RSTART, RLENGTH - 1)
		gsub(/[ \t*]+/, " ", comment)
		if (/^(int|ssize_t) / && comment !~ /Return/)
			own[name] = " no-list-of-results-in-the-comment"
		results(name, comment)
		names[++count] = name
		comment = ""
	}
	END {
		for (i = 1; i <= count; i++)
			print names[i] all(names[i])
	}' "$header" | errors_sort
}

# One line a function, each error once.
errors_sort() {
	while read -r name errors; do
		echo "$name" $(printf '%s\n' $errors | sort -u)
	done | sort
}

# ------------------------------------------------------------------- the pages

# The lines of one section.
section() { # NAME PAGE
	awk -v want=".Sh $1" '/^\.Sh / { on = $0 == want; next } on' "$2"
}

pages() {
	for page in "$man"/shmq_*.3; do
		grep -q '^\.so ' "$page" || echo "$page"
	done
}

# As header_errors(). In ERRORS, the functions before a list share it.
page_errors() {
	for page in $(pages); do
		section NAME "$page" | sed -n 's/^\.Nm \([a-z_]*\).*/\1/p'
		section ERRORS "$page" | awk '
		/^\.Pp/ && !list { n = 0 }
		/^\.Fn / && !list { names[n++] = $2 }
		/^\.Bl/ { list = 1 }
		list && /^\.It Er / {
			sub(/^\\/, "", $3)
			for (i = 0; i < n; i++)
				print names[i], $3
		}
		/^\.El/ { list = n = 0 }'
	done | awk '
	{ errors[$1] = errors[$1] " " $2 }
	END { for (name in errors) print name errors[name] }' | errors_sort
}

# The prototypes of SYNOPSIS, and its structures under another name with an
# assertion for each field: contradictions to the header do not compile.
page_synopsis() { # PAGE
	cat <<-'EOC'
	#include <shmq.h>
	#define SAME(tag, f) _Static_assert( \
		offsetof(struct page_##tag, f) == offsetof(struct tag, f) && \
		_Generic(&((struct page_##tag *)0)->f, \
			 __typeof__(&((struct tag *)0)->f): 1, default: 0), #f)
	EOC
	section SYNOPSIS "$1" | awk '
	/^\.Ft / { sub(/^\.Ft /, ""); gsub(/"/, ""); type = $0 }
	/^\.Fo / { line = type " " $2 "("; comma = "" }
	/^\.Fa / {
		sub(/^\.Fa /, "")
		gsub(/"/, "")
		line = line comma $0
		comma = ", "
		next
	}
	/^\.Fc/ { print line ");" }
	/^struct / {
		tag = $2
		print "struct page_" tag " {"
		n = 0
		next
	}
	tag && /^}/ {
		print
		print "_Static_assert(sizeof(struct page_" tag \
			") == sizeof(struct " tag "), \"size\");"
		for (i = 0; i < n; i++)
			print "SAME(" tag ", " field[i] ");"
		tag = ""
	}
	tag {
		print
		sub(/;.*/, "")
		sub(/\[.*/, "")
		sub(/.*[ *]/, "")
		field[n++] = $0
	}'
}

# The C of EXAMPLES goes to $work/NAME-1.c, NAME-2.c ...; their number is
# printed. A plain - or the like would be typeset as something else.
page_examples() { # NAME PAGE
	section EXAMPLES "$2" | awk -v out="$work/$1-" '
	/^\.Bd -literal/ { n++; file = out n ".c"; next }
	/^\.Ed/ { file = "" }
	file {
		plain = $0
		gsub(/\\-/, "", plain)
		if (plain ~ /[-^~`\047]/)
			print "#error not escaped: " $0 >file
		sub(/^\\&/, "")
		gsub(/\\-/, "-")
		gsub(/\\\(aq/, "\047")
		gsub(/\\\(ha/, "^")
		gsub(/\\\(ti/, "~")
		gsub(/\\\(ga/, "`")
		gsub(/\\e/, "\\\\")
		print >file
	}
	END { print n + 0 }'
}

# ------------------------------------------------------------------ the checks

check_functions() {
	while read -r name errors; do
		page=$man/$name.3
		[ -e "$page" ] || {
			fail "$name has no man page"
			continue
		}
		target=$(sed -n 's@^\.so man3/@@p' "$page")
		page=$man/${target:-$name.3}
		[ -e "$page" ] && section NAME "$page" | grep -qw "$name" &&
			section SYNOPSIS "$page" | grep -q "^\.Fo $name$" ||
			fail "$name.3 does not lead to a page about it"
		grep -q "^\.Xr $name 3" "$man/libshmq.7" ||
			fail "libshmq.7 does not list $name"
	done <"$work/header"
}

# Stale pages, and pages that are not installed.
check_files() {
	for page in "$man"/*.[1-9]; do
		file=${page##*/}
		case $file in
		*.3) grep -q "^${file%.3}\( \|\$\)" "$work/header" ||
			fail "$file is about no function of shmq.h" ;;
		esac
		grep -q "	doc/man/$file\( \|\$\)" "$top_srcdir/doc/local.mk" ||
			fail "doc/local.mk does not install $file"
	done
}

check_errors() {
	diff -u "$work/header" "$work/pages" ||
		fail "shmq.h (-) and the man pages (+) list different errors"
}

check_sections() { # PAGE
	for part in NAME SYNOPSIS DESCRIPTION 'RETURN VALUES' EXAMPLES \
		ERRORS 'SEE ALSO'; do
		[ -n "$(section "$part" "$1")" ] || fail "$1 has no $part"
	done
	for part in Blocks Shared Progress Order; do
		section DESCRIPTION "$1" | grep -q "^\.It Em $part$" ||
			fail "$1 does not say: $part"
	done
}

check_references() { # PAGE
	for name in $(sed -n 's/^\.Xr \([a-z]*shmq[a-z_]*\) \(.\).*/\1.\2/p' "$1" |
		sort -u); do
		[ -e "$man/$name" ] || fail "$1 refers to $name"
	done
	case $(section 'SEE ALSO' "$1") in
	*"Xr ${1##*/} "*) fail "$1 refers to itself" ;;
	esac
}

check_synopsis() { # PAGE
	name=$(basename "$1" .3)-synopsis
	page_synopsis "$1" >"$work/$name.c"
	example_compile "$name"
}

check_examples() { # PAGE
	name=${1##*/}
	name=${name%.*}
	count=$(page_examples "$name" "$1")
	[ "$count" -gt 0 ] || fail "$1 has no example"
	while [ "$count" -gt 0 ]; do
		example_compile "$name-$count"
		if example_link "$name-$count"; then
			example_run "$name-$count" $(arguments "$name")
			example_queues_remove
		fi
		count=$((count - 1))
	done
}

# Without a word the example of libshmq.7 would wait for one.
arguments() { # NAME
	[ "$1" != libshmq ] || echo word
}

check_lint() {
	if ! command -v mandoc >/dev/null; then
		echo "mandoc is not installed: the pages are not linted"
		return
	fi
	mandoc -T lint -W warning "$@" || fail "mandoc finds faults"
}

header_errors >"$work/header"
page_errors >"$work/pages"
[ -s "$work/header" ] || fail "no function was found in $header"
check_functions
check_files
check_errors
for page in $(pages); do
	check_sections "$page"
	check_synopsis "$page"
done
for page in $(pages) "$man/libshmq.7"; do
	check_references "$page"
	check_examples "$page"
done
check_lint $(pages) "$man/libshmq.7"
[ -e "$library" ] || echo "no library yet: the examples were compiled, not run"

exit $failed
