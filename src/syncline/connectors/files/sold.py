"""What the spool keeps of orders: what came of each that a channel left, its money, what it is answered, and what came back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import apsw

from syncline.connectors.files.kept import Kept
from syncline.model.errors import Retryable

ROWS_MAX = 1_000  # looked at in one read
NONE: Mapping[str, bytes] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Ordered:
    """What was taken last of one order that a channel left: ``name`` is its reference there, ``rank`` tells newer from older.

    ``seq`` is the journal's number of the file that said so, ``dialect`` by what its lines got their meaning.
    """

    key: str
    name: str
    rank: int | None
    hash: str
    dialect: str
    version_ms: int
    placed_ms: int
    seq: int
    file: str
    number: str
    total: str
    cancelled: int


@dataclass(frozen=True, slots=True)
class Money:
    """A payment or refund that came in a file of its own: of which order, and where.

    ``state`` is ``told`` with its order, ``waits`` for it, or ``parked``: a person knows that it waits.
    """

    key: str
    kind: str
    id: str
    hash: str
    body: bytes
    state: str
    seq: int
    file: str
    line: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Noted:
    """A return that an ERP told of: a short name for what it said, and where."""

    key: str
    hash: str
    seq: int
    file: str
    line: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one order of a file: ``taken``, ``unchanged``, ``older`` or ``refused``; a file refused whole has no reference."""

    reference: str
    revision: str
    line: int
    result: str
    reason: str


class SoldSpool(Kept):
    """The part of a spool that is about orders, their money and their returns."""

    def ordered(self, keys: Iterable[str]) -> dict[str, Ordered]:
        """What was taken last of some orders, by key."""
        found: dict[str, Ordered] = {}
        connection = self._open()
        for key in keys:
            for row in connection.execute("SELECT * FROM ordered WHERE key = ?", (key,)):
                found[key] = Ordered(*row)
        return found

    def ordered_since(self, since_ms: int, after: tuple[int, str], told: int, limit: int) -> list[Ordered]:
        """Orders of versions since a moment, of files up to a number, after a version and key; in their order."""
        rows = self._open().execute(
            "SELECT * FROM ordered WHERE version_ms >= ? AND (version_ms, key) > (?, ?) AND seq <= ?"
            " ORDER BY version_ms, key LIMIT ?",
            (since_ms, *after, told, limit),
        )
        return [Ordered(*row) for row in rows]

    def placed(self, keys: Iterable[str]) -> dict[str, bytes]:
        """The contents of some orders as they came last, as far as they are kept."""
        found: dict[str, bytes] = {}
        connection = self._open()
        for key in keys:
            for (body,) in connection.execute("SELECT body FROM placed WHERE key = ?", (key,)):
                found[key] = body
        return found

    def placed_after(self, key: str, limit: int) -> list[str]:
        """Keys of orders whose contents are kept, after one, in order."""
        rows = self._open().execute("SELECT key FROM placed WHERE key > ? ORDER BY key LIMIT ?", (key, limit))
        return [str(found) for (found,) in rows]

    def replace_placed(self, key: str, body: bytes) -> None:
        """Keep another content of an order, as old as the one before."""
        with self._transaction() as connection:
            connection.execute("UPDATE placed SET body = ? WHERE key = ?", (body, key))

    def forget_placed(self, before_ms: int) -> None:
        """Contents of orders that came before a moment are kept no longer."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM placed WHERE at_ms < ?", (before_ms,))

    def money(self, keys: Iterable[str]) -> dict[str, list[Money]]:
        """Payments and refunds of some orders that came in files of their own, by order."""
        found: dict[str, list[Money]] = {}
        connection = self._open()
        for key in keys:
            for row in connection.execute("SELECT * FROM money WHERE key = ?", (key,)):
                found.setdefault(key, []).append(Money(*row))
        return found

    def waiting_money(self, kind: str, before_ms: int) -> list[Money]:
        """Payments or refunds that were taken before a moment and wait for their order, the oldest first."""
        rows = self._open().execute(
            "SELECT * FROM money WHERE kind = ? AND state = 'waits' AND at_ms < ? ORDER BY at_ms LIMIT ?",
            (kind, before_ms, ROWS_MAX),
        )
        return [Money(*row) for row in rows]

    def pay(self, money: Iterable[Money]) -> None:
        """Note payments and refunds as they are now."""
        with self._transaction() as connection:
            self._note_money(connection, money)

    @staticmethod
    def _note_money(connection: apsw.Connection, money: Iterable[Money]) -> None:
        connection.executemany(
            f"INSERT OR REPLACE INTO money VALUES ({', '.join('?' * len(Money.__slots__))})",  # noqa: S608
            [tuple(getattr(each, name) for name in Money.__slots__) for each in money],
        )

    def returned(self, keys: Iterable[str]) -> dict[str, Noted]:
        """Which of some returns an ERP told of before."""
        found: dict[str, Noted] = {}
        connection = self._open()
        for key in keys:
            for row in connection.execute("SELECT * FROM returned WHERE key = ?", (key,)):
                found[key] = Noted(*row)
        return found

    def note_returns(self, returns: Iterable[Noted]) -> None:
        """These returns are about to be told, for the first time.

        Raises:
            Retryable: the disk does not take it.
        """
        with self._transaction() as connection:
            connection.executemany(
                "INSERT INTO returned VALUES (?, ?, ?, ?, ?, ?)",
                [tuple(getattr(each, name) for name in Noted.__slots__) for each in returns],
            )

    def forget_returns(self, before_ms: int) -> None:
        """Returns that came before a moment, and the lines of orders that were written before it, are kept no longer."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM returned WHERE at_ms < ?", (before_ms,))
            connection.execute("DELETE FROM numbered WHERE at_ms < ?", (before_ms,))

    def number(self, reference: str, lines: Iterable[tuple[str, str]], now_ms: int) -> None:
        """The lines of an order are about to be written: number and SKU of each. Case of a reference does not count.

        Raises:
            Retryable: the disk does not take it.
        """
        with self._transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO numbered VALUES (?, ?, ?, ?)",
                [(reference.lower(), line, sku, now_ms) for line, sku in lines],
            )

    def numbered(self, reference: str, line: str) -> set[str]:
        """What a line of an order was in any of its revisions."""
        rows = self._open().execute(
            "SELECT sku FROM numbered WHERE reference = ? AND line = ?", (reference.lower(), line)
        )
        return {str(sku) for (sku,) in rows}

    def order(
        self,
        taken: Iterable[Ordered],
        seq: int,
        answers: Iterable[Answer],
        *,
        placed: Mapping[str, bytes] = NONE,
        money: Iterable[Money] = (),
        at_ms: int = 0,
        seen: Mapping[str, Ordered],
    ) -> None:
        """These orders of a file are taken, and what is kept of them; its answers are kept as they were given first.

        Args:
            taken: as they are from now on.
            seq: the journal's number of the file.
            answers: what the file is answered.
            placed: contents of orders, by key.
            money: what is known of their payments and refunds.
            at_ms: now.
            seen: the orders as they were found before.

        Raises:
            Retryable: another read noted one of them meanwhile, or the disk does not take it.
        """
        orders = list(taken)
        with self._transaction() as connection:
            for order in orders:
                before = connection.execute("SELECT version_ms FROM ordered WHERE key = ?", (order.key,)).get
                if before != (seen[order.key].version_ms if order.key in seen else None):
                    raise Retryable(f"order {order.key} was noted by another read meanwhile")
            rows = [(key, body, at_ms) for key, body in placed.items()]
            connection.executemany("INSERT OR REPLACE INTO placed VALUES (?, ?, ?)", rows)
            self._note_money(connection, money)
            connection.executemany(
                f"INSERT OR REPLACE INTO ordered VALUES ({', '.join('?' * len(Ordered.__slots__))})",  # noqa: S608
                [tuple(getattr(each, name) for name in Ordered.__slots__) for each in orders],
            )
            connection.executemany(
                "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (seq, at, x.reference, x.revision, x.line, x.result, x.reason)
                    for at, x in enumerate(answers)
                ],
            )

    def answers(self, seq: int) -> list[Answer]:
        """What became of the orders of a file, in the order of its lines."""
        rows = self._open().execute(
            "SELECT reference, revision, line, result, reason FROM answers WHERE seq = ? ORDER BY at", (seq,)
        )
        return [Answer(*row) for row in rows]

    def answered(self, stream: str) -> int | None:
        """The number of the last file of a stream that was answered; ``None`` before any was to be."""
        found = self._open().execute("SELECT value FROM about WHERE name = ?", (f"answered {stream}",)).get
        return None if found is None else int(str(found))

    def answer(self, stream: str, seq: int) -> None:
        """The files of a stream up to a number are answered."""
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (f"answered {stream}", str(seq)))
            connection.execute("DELETE FROM answers WHERE seq <= ?", (seq,))
