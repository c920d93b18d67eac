#!/bin/sh
# Builds the site agent as one file: build.sh PYTHON OUTPUT. It holds the agent and its
# requirements, compiled parts included, so it runs on the Python version and machine it was built for.
set -eu
python=$1
output=$2
root=$(cd "$(dirname "$0")/../.." && pwd)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

"$python" -m pip install --quiet --disable-pip-version-check --no-compile \
    --target "$stage/site-packages" -r "$root/agents/site/requirements.txt"
mkdir -p "$stage/site-packages/agents"
cp "$root/agents/__init__.py" "$root/agents/protocol.py" "$root/agents/release.py" "$stage/site-packages/agents/"
(cd "$root" && find agents/site -name '*.py' -exec cp --parents {} "$stage/site-packages/" ';')

mkdir -p "$(dirname "$output")"
"$python" -m shiv --site-packages "$stage/site-packages" \
    --entry-point agents.site.__main__:main --reproducible \
    --python "/usr/bin/env python3" --output-file "$output"
