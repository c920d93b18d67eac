#!/usr/bin/env bash
# make-venv.sh DIRECTORY: a virtual environment with the first Python >= 3.11 that is found.
set -euo pipefail

here="$(cd "$(dirname "$0")" && pwd)"
# shellcheck source=deploy/local/apt.sh
source "$here/apt.sh"

python=""
for candidate in python3 python3.13 python3.12 python3.11 python; do
    if command -v "$candidate" >/dev/null &&
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python="$candidate"
        break
    fi
done
if [ -z "$python" ]; then
    echo "Lightbox needs Python 3.11 or newer; none is on the PATH." >&2
    echo "On Debian 12 or Ubuntu 24.04: apt-get install python3 python3-venv" >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    version="$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')"
    if can_install; then
        install_packages "$version-venv"
    else
        echo "$python lacks the venv module. On Debian: apt-get install $version-venv" >&2
        exit 1
    fi
fi
# What is left of another Python, or of an interrupted run, would pass for a whole environment.
trap 'rm -rf "$1"' EXIT
"$python" -m venv --clear "$1"
trap - EXIT
