#!/bin/sh
# SPDX-License-Identifier: MIT
#
# built.sh SRCDIR CFLAGS PEERDIR: the header that tells a benchmark what it was
# built from and how, and where modules are installed.

commit=$(git -c safe.directory='*' -C "$1" describe --always --dirty \
	--abbrev=12 --exclude '*' 2>/dev/null) || commit=unknown
cat <<END
/* SPDX-License-Identifier: MIT */
#define BENCH_COMMIT "$commit"
#define BENCH_CFLAGS "$(printf '%s' "$2" | tr -d '"\\' | tr -s ' ')"
#define BENCH_PEER_DIR "$3"
END
