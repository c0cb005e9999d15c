#!/usr/bin/env bash
# Pins every dependency by version and hash, for every supported Python and platform, into requirements/.
# Versions already pinned stay as they are; `make lock UPGRADE=1` takes the newest allowed by pyproject.toml.
set -euo pipefail
cd "$(dirname "$0")/.."

options=(--universal --python-version 3.11 --generate-hashes
         --custom-compile-command "make lock" --quiet)
if [[ -n "${UPGRADE:-}" ]]; then
    options+=(--upgrade)
fi
uv=.venv/bin/uv
mkdir -p requirements

"$uv" pip compile pyproject.toml "${options[@]}" --output-file requirements/runtime.txt
"$uv" pip compile pyproject.toml "${options[@]}" --extra postgres \
    --constraints requirements/runtime.txt --output-file requirements/postgres.txt
"$uv" pip compile pyproject.toml "${options[@]}" --extra postgres --extra rabbitmq --extra sftp --group dev \
    --constraints requirements/postgres.txt --output-file requirements/dev.txt
"$uv" pip compile "${options[@]}" --group build \
    --constraints requirements/dev.txt --output-file requirements/build.txt

if grep -nE '^ *(-i|-f|--index-url|--extra-index-url|--find-links|--trusted-host)|://' requirements/*.txt; then
    echo "lock: a requirements file names a host; remove the line above from your configuration" >&2
    exit 1
fi
wc -l requirements/*.txt
