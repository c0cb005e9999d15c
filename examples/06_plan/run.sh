#!/usr/bin/env bash
# From a short file to a scoping document: Markdown on the terminal, one page, a drawing, JSON, and a configuration.
set -euo pipefail
cd "$(dirname "$0")"
syncline="${SYNCLINE:-../../.venv/bin/syncline}"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

$syncline plan plan.toml --html "$folder/plan.html" --markdown "$folder/plan.md" --svg "$folder/plan.svg" \
    --json-file "$folder/plan.json"
sed -n '/^## 2/,/^## 3/p' "$folder/plan.md" | grep '^|'
$syncline plan plan.toml --write --yes --config "$folder/syncline.toml" > /dev/null
grep -c 'capture = ' "$folder/syncline.toml"
