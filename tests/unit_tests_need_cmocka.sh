# SPDX-License-Identifier: MIT
#
# Stands in for the unit tests where configure did not find cmocka.

echo "install cmocka (Debian package libcmocka-dev), then ./configure again"
exit 77
