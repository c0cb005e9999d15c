"""When each number was last written, or may still have been: kept beside the numbers themselves, in the spool."""

from __future__ import annotations

from collections.abc import Iterable

from syncline.connectors.files.kept import Kept

WRITTEN_SCHEMA = """
CREATE TABLE IF NOT EXISTS written (
    sku TEXT NOT NULL, location TEXT NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (sku, location)
) WITHOUT ROWID, STRICT;
"""


class WrittenSpool(Kept):
    """The part of a spool that is about when numbers were written."""

    def note_written(self, places: Iterable[tuple[str, str]], at_ms: int) -> None:
        """The numbers of these SKUs and locations are written until then at the latest."""
        with self._transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO written VALUES (?, ?, ?)",
                [(sku, location, at_ms) for sku, location in places],
            )

    def know_written(self, now_ms: int) -> None:
        """Numbers of which nobody noted when they were written count as written now: it was before."""
        with self._transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO written SELECT sku, location, ? FROM held", (now_ms,))

    def written(self, sku: str) -> dict[str, int]:
        """When the numbers of a SKU were written, by location; one that never was is left out."""
        return dict(self._open().execute("SELECT location, at_ms FROM written WHERE sku = ?", (sku,)))
