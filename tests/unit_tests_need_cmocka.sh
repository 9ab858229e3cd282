# SPDX-License-Identifier: MIT
#
# Stands in for the unit tests where configure did not find cmocka.

echo "The unit tests need cmocka (Debian package libcmocka-dev)."
echo "Install it and run ./configure again."
exit 77
