#!/bin/sh
# Make sure that the programs named as arguments are there: `system_packages.sh bwrap chromium`.
# Root on Debian or Ubuntu gets them installed; anybody else is told the one command to run.
set -eu

package_of() {
    case "$1" in
        bwrap) echo bubblewrap ;;
        *) echo "$1" ;;
    esac
}

missing=""
for program in "$@"; do
    command -v "$program" >/dev/null 2>&1 || missing="$missing $(package_of "$program")"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing$missing ..."
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing >/dev/null
elif command -v apt-get >/dev/null 2>&1; then
    echo "Missing:$missing. Please run:  sudo apt-get install$missing" >&2
    exit 1
else
    echo "Missing:$missing. Please install with your system's package manager." >&2
    exit 1
fi
