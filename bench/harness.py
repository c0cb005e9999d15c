"""What every benchmark needs."""
from __future__ import annotations

import resource
import os
from pathlib import Path
from typing import Any

Figures = dict[str, Any]
def orders_file() -> Path | None:
    path = Path(__file__).resolve().parents[2] / "shared/data/orders_online_retail.csv.gz"
    return path if path.exists() else None

def rss_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
