#!/bin/sh
# The Debian packages of the tests: those that compile the firmware and emulate the board, and a browser for the panel.
# Where they cannot be installed, the tests that need them are skipped, each with this reason.
set -eu
cd "$(dirname "$0")"
packages=$(cat ../hardware/debian-packages.txt debian-packages.txt)
command -v dpkg-query >/dev/null || { echo "no Debian: tests with an emulated rig or a browser are skipped"; exit 0; }
missing=""
for package in $packages; do
    dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ]; then as_root=""
elif sudo -n true 2>/dev/null; then as_root="sudo -n"
else
    echo "for the tests with an emulated rig or a browser: sudo apt-get install --no-install-recommends$missing"
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
{ $as_root apt-get update -qq && $as_root apt-get install -qq -y --no-install-recommends $missing; } >/dev/null ||
    echo "could not install$missing: tests with an emulated rig or a browser are skipped"
