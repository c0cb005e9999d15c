"""What the spool keeps of what a channel is told as it is now: the rows that were written last, and those in doubt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from syncline.connectors.files.kept import Kept

TOLD_SCHEMA = """
CREATE TABLE IF NOT EXISTS told (
    kind TEXT NOT NULL, key TEXT NOT NULL, rows BLOB NOT NULL, owner TEXT NOT NULL, file TEXT NOT NULL, PRIMARY KEY (kind, key)
) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS telling (
    file TEXT PRIMARY KEY, kind TEXT NOT NULL, at_ms INTEGER NOT NULL, contents BLOB NOT NULL
) WITHOUT ROWID, STRICT;
"""


class Content(msgspec.Struct, frozen=True, array_like=True):
    """What is told of one thing: ``rows`` have nothing but fields that a column asks for.

    ``gone``: its rows say that there is nothing any more, and a whole file leaves it out. ``owner``: the source's key of a
    customer, which the channel may know by its number.
    """

    key: str
    rows: list[dict[str, str | int | bool | None]]
    gone: bool = False
    owner: str = ""


_CONTENTS = msgspec.json.Decoder(list[Content])
_ROWS = msgspec.json.Decoder(list[dict[str, str | int | bool | None]])


class ToldSpool(Kept):
    """The part of a spool that is about contents."""

    def contents(self, kind: str, after: str = "", limit: int = -1) -> list[tuple[Content, str]]:
        """What was told of a kind, in the order of its keys, and in which file; some after a key, or all."""
        rows = self._open().execute(
            "SELECT key, rows, owner, file FROM told WHERE kind = ? AND key > ? ORDER BY key LIMIT ?",
            (kind, after, limit),
        )
        return [
            (Content(str(key), _ROWS.decode(bytes(body)), owner=str(owner)), str(file))
            for key, body, owner, file in rows
        ]

    def owner_of_content(self, kind: str, key: str) -> str | None:
        """Whose a thing is of which something was told; ``None`` where nothing was."""
        row = (kind, key)
        found = self._open().execute("SELECT owner FROM told WHERE kind = ? AND key = ?", row).fetchall()
        return str(found[0][0]) if found else None

    def pend_contents(self, kind: str, contents: Sequence[Content], file: str, now_ms: int) -> None:
        """These are about to be written, in a file of this name."""
        with self._transaction() as connection:
            row = (file, kind, now_ms, msgspec.json.encode(contents))
            connection.execute("INSERT OR REPLACE INTO telling VALUES (?, ?, ?, ?)", row)

    def pending_contents(self, kind: str) -> list[tuple[str, int, list[Content]]]:
        """Files of a kind of which it is not known whether they were written: name, since when, contents; oldest first."""
        rows = self._open().execute(
            "SELECT file, at_ms, contents FROM telling WHERE kind = ? ORDER BY at_ms, file", (kind,)
        )
        return [(str(file), int(at_ms), _CONTENTS.decode(bytes(body))) for file, at_ms, body in rows]

    def unpend_contents(self, file: str) -> None:
        """A file was not written, and never will be."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM telling WHERE file = ?", (file,))

    def hold_contents(self, kind: str, contents: Iterable[Content], file: str) -> None:
        """These were written, in a file of this name."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM telling WHERE file = ?", (file,))
            for each in contents:
                connection.execute("DELETE FROM told WHERE kind = ? AND key = ?", (kind, each.key))
                if not each.gone:
                    row = (kind, each.key, msgspec.json.encode(each.rows), each.owner, file)
                    connection.execute("INSERT INTO told VALUES (?, ?, ?, ?, ?)", row)

    def replace_content(self, kind: str, content: Content) -> None:
        """Keep other rows of a thing, as if they had been written."""
        with self._transaction() as connection:
            row = (msgspec.json.encode(content.rows), kind, content.key)
            connection.execute("UPDATE told SET rows = ? WHERE kind = ? AND key = ?", row)
