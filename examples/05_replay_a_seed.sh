#!/usr/bin/env bash
# One seed of the whole pipeline under faults and kills, twice: the two reports must be the same bytes.
# `make simulate SEED=7` plays the same seed as a test.
set -euo pipefail
cd "$(dirname "$0")/.."
seed="${1:-7}"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

for run in 1 2; do
    PYTHONHASHSEED="$run" .venv/bin/python - "$seed" > "$folder/$run" <<'PYTHON'
import logging
import sys

import structlog

from syncline.simulate.simulation import Simulation

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
report = Simulation(int(sys.argv[1])).run()
print(report.text())
sys.exit(1 if report.violations else 0)
PYTHON
done

cat "$folder/1"
cmp "$folder/1" "$folder/2"
echo
echo "seed $seed, played twice: the same report, byte for byte"
