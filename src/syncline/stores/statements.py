"""Named SQL: ``queries.sql`` files and numbered migrations, the same way for every engine."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from operator import itemgetter
from typing import Any

ROWS_MAX = 1_000  # rows in one statement; larger arrays cost more a row, not less

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_MIGRATION = re.compile(r"^(\d{4})_(pre|post)_(\w+)\.sql$")


def load_queries(package: str) -> dict[str, str]:
    """Read ``queries.sql`` of a store's package: statement name to SQL text."""
    text = (files(package) / "queries.sql").read_text(encoding="utf-8")
    parts = _NAME.split(text)
    queries = {
        name: sql.strip().removesuffix(";") for name, sql in zip(parts[1::2], parts[2::2], strict=True)
    }
    if len(queries) != len(parts) // 2:
        raise ValueError(f"{package}: a statement name occurs twice in queries.sql")
    return queries


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of a schema's history. Files are append-only: a changed one is refused."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """What the file said when it was applied."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def load_migrations(package: str) -> list[Migration]:
    """All migrations of a store's package, in order.

    Raises:
        ValueError: a file is misnamed, or the numbers have a gap.
    """
    found: list[Migration] = []
    for entry in sorted((files(package) / "migrations").iterdir(), key=lambda e: e.name):
        if not entry.name.endswith(".sql"):
            continue
        match = _MIGRATION.match(entry.name)
        if match is None:
            raise ValueError(f"{entry.name}: name a migration NNNN_pre_what.sql or NNNN_post_what.sql")
        found.append(Migration(int(match[1]), entry.name, entry.read_text(encoding="utf-8")))
    if [m.number for m in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"{package}: migration numbers must run from 0001 without a gap")
    return found


def pending_migrations(known: list[Migration], applied: dict[int, str]) -> list[Migration]:
    """Which migrations are still to be applied.

    Args:
        known: every migration that this version of Syncline ships.
        applied: number to checksum, as the database recorded them.

    Raises:
        ValueError: the database is newer than this version, or a migration was altered afterwards.
    """
    if applied and max(applied) > len(known):
        raise ValueError(
            f"the database has migration {max(applied)}, this version of Syncline knows {len(known)}: "
            "install the version that wrote it, or a newer one",
        )
    for migration in known:
        seen = applied.get(migration.number)
        if seen is not None and seen != migration.checksum:
            raise ValueError(
                f"{migration.name} was changed after it had been applied; migrations are append-only"
            )
    return [m for m in known if m.number not in applied]


def waves(
    rows: Sequence[Mapping[str, Any]],
    key: Sequence[str],
    *,
    in_order: bool = False,
) -> list[list[Mapping[str, Any]]]:
    """Split rows so that no key occurs twice in a part; a key's rows keep their order.

    Inside a part, rows are sorted by key (unless ``in_order``), so that two transactions lock what they
    share in one order.
    """
    if not key or len(rows) == 1:
        parts: list[list[Mapping[str, Any]]] = [list(rows)]
    else:
        of_row = itemgetter(*key)
        keys = [of_row(row) for row in rows]
        parts = [list(rows)] if len(set(keys)) == len(keys) else _apart(rows, keys)
        for rows_of_part in () if in_order else parts:
            rows_of_part.sort(key=of_row)
    return [part[i : i + ROWS_MAX] for part in parts for i in range(0, len(part), ROWS_MAX)]


def _apart(rows: Sequence[Mapping[str, Any]], keys: Sequence[Any]) -> list[list[Mapping[str, Any]]]:
    parts: list[list[Mapping[str, Any]]] = []
    seen: dict[Any, int] = {}
    for row, at in zip(rows, keys, strict=True):
        part = seen[at] = seen.get(at, -1) + 1
        if part == len(parts):
            parts.append([])
        parts[part].append(row)
    return parts
