"""Orders from a file, to be played through the routing rules."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from syncline.model.errors import Misconfigured

NEEDED = ("order_id", "sku", "quantity")
ADDRESS = ("country", "region", "postcode")
QUANTITY_MAX = 1_000_000
LINES_MAX = 100


def read_orders(path: Path, orders_max: int) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Orders as ``POST /v1/routing/dry-run`` takes them, at most ``orders_max``, and what was skipped and why.

    One row an order line; the columns are ``order_id``, ``sku`` and ``quantity``, and where they are known ``country``, ``region``
    and ``postcode`` of the destination and ``location``, the ERP location that sent it. Other columns are not read.

    Raises:
        Misconfigured: the file is missing, lacks a column, or has no usable line.
    """
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8-sig", newline="")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8-sig", newline="") as file
        ):
            orders, skipped = _read(csv.DictReader(file), path, orders_max)
    except OSError as error:
        raise Misconfigured(f"--orders {path}: cannot be read: {error}") from error
    except (UnicodeDecodeError, csv.Error, EOFError) as error:
        raise Misconfigured(f"--orders {path}: is no UTF-8 CSV: {error}") from error
    if not orders:
        raise Misconfigured(f"--orders {path}: no usable order line; skipped {dict(skipped)}")
    return orders, skipped


def _read(
    rows: csv.DictReader[str], path: Path, orders_max: int
) -> tuple[list[dict[str, Any]], Counter[str]]:
    missing = [name for name in NEEDED if name not in (rows.fieldnames or ())]
    if missing:
        raise Misconfigured(
            f"--orders {path}: the columns {', '.join(missing)} are missing; needed are {', '.join(NEEDED)}"
        )
    skipped: Counter[str] = Counter()
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        order_id, sku, text = (row[name] or "" for name in NEEDED)
        if not order_id or not sku:
            skipped["no order or SKU"] += 1
        elif not text.strip().isdecimal() or not 1 <= int(text) <= QUANTITY_MAX:
            skipped["no quantity of 1 or more"] += 1
        elif order_id not in found and len(found) >= orders_max:
            break
        else:
            order = found.setdefault(order_id, {"order": order_id, "lines": [], "to": _address(row)})
            if len(order["lines"]) >= LINES_MAX:
                skipped["more than 100 lines"] += 1
                continue
            line = {"sku": sku, "quantity": int(text), "location": row.get("location") or ""}
            order["lines"].append(line)
    return list(found.values()), skipped


def _address(row: dict[str, str]) -> dict[str, str]:
    return {name: (row.get(name) or "")[:100] for name in ADDRESS}


def counted(skipped: Iterable[tuple[str, int]]) -> str:
    """What was skipped, in a sentence; "" for nothing."""
    return ", ".join(f"{count} × {why}" for why, count in skipped)
