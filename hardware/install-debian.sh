#!/bin/sh
# The Debian packages that compile the firmware and emulate the board. Where they cannot be installed, the tests that
# need them are skipped, each with this reason.
set -eu
cd "$(dirname "$0")"
packages=$(cat debian-packages.txt)
command -v dpkg-query >/dev/null || { echo "no Debian: the emulated rig's tests are skipped"; exit 0; }
missing=""
for package in $packages; do
    dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ]; then as_root=""
elif sudo -n true 2>/dev/null; then as_root="sudo -n"
else
    echo "for the emulated rig's tests: sudo apt-get install --no-install-recommends$missing"
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
{ $as_root apt-get update -qq && $as_root apt-get install -qq -y --no-install-recommends $missing; } >/dev/null ||
    echo "could not install$missing: the emulated rig's tests are skipped"
